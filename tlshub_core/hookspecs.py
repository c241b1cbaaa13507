# SPDX-License-Identifier: Apache-2.0
"""The four hooks of the pluggy project 'tlshub_capture'; each registers descriptors and does nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from tlshub_core.types.spec import CaptureBackendSpec, EventSinkSpec, KeyProviderSpec, MappingSourceSpec

PROJECT = "tlshub_capture"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:  # type: ignore[empty-body]
    """Describe the key providers of this plugin."""


@hookspec
def tlshub_mapping_sources() -> Iterable[MappingSourceSpec]:  # type: ignore[empty-body]
    """Describe the pod-to-node mapping sources of this plugin."""


@hookspec
def tlshub_event_sinks() -> Iterable[EventSinkSpec]:  # type: ignore[empty-body]
    """Describe the event sinks of this plugin."""


@hookspec
def tlshub_capture_backends() -> Iterable[CaptureBackendSpec]:  # type: ignore[empty-body]
    """Describe the capture backends of this plugin."""
