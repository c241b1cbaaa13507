# SPDX-License-Identifier: Apache-2.0
"""Capture backend 'libbpf': BPF programs compiled once, loaded by the system's libbpf."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from tlshub_core.api import CaptureBackend, CaptureBackendSpec, hookimpl


class LibbpfConfig(BaseModel):
    """Options of [plugin.libbpf]; `object` replaces the compiled programs, for tests of another build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    object: str = Field(default="", description="path of another compiled object; empty for the one in the package")


def _make(config: LibbpfConfig) -> CaptureBackend:
    from tlshub_capture_bpf.backend import LibbpfBackend

    return LibbpfBackend(config.object)


@hookimpl
def tlshub_capture_backends() -> Iterable[CaptureBackendSpec]:
    """Describe the backend 'libbpf'."""
    yield CaptureBackendSpec(
        name="libbpf",
        summary="holds connections with BPF programs compiled once (CO-RE); needs BTF and libbpf 1.x",
        config=LibbpfConfig,
        factory=_make,
        rank=10,
    )
