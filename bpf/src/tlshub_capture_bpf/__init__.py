# SPDX-License-Identifier: Apache-2.0
"""Capture backend 'libbpf': BPF programs compiled once, loaded by the system's libbpf."""

from __future__ import annotations

from collections.abc import Iterable

from tlshub_core.api import CaptureBackendSpec, hookimpl


@hookimpl
def tlshub_capture_backends() -> Iterable[CaptureBackendSpec]:
    """Describe the backend 'libbpf'."""
    from tlshub_capture_bpf.options import LibbpfConfig, make  # the guard is of this package, too, and stays small

    yield CaptureBackendSpec(
        name="libbpf",
        summary="holds connections with BPF programs compiled once (CO-RE); needs BTF and libbpf 1.x",
        config=LibbpfConfig,
        factory=make,
        rank=10,
    )
