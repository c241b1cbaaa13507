# SPDX-License-Identifier: Apache-2.0
"""Capture backends 'libbpf' (BPF programs compiled once) and 'bcc' (the same ones, compiled on the node)."""

from __future__ import annotations

from collections.abc import Iterable

from tlshub_core.api import CaptureBackendSpec, hookimpl


@hookimpl
def tlshub_capture_backends() -> Iterable[CaptureBackendSpec]:
    """Describe both."""
    from tlshub_capture_bpf import options  # the guard is of this package, too, and stays small

    yield CaptureBackendSpec(
        name="libbpf",
        summary="holds connections with BPF programs compiled once (CO-RE); needs BTF and libbpf 1.x",
        config=options.LibbpfConfig,
        factory=options.make,
        rank=10,
    )
    yield CaptureBackendSpec(
        name="bcc",
        summary="holds connections with BPF programs that bcc compiles for this kernel; needs bcc and kernel headers",
        config=options.BccConfig,
        factory=options.make_bcc,
        rank=20,
    )
