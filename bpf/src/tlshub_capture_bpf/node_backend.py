# SPDX-License-Identifier: Apache-2.0
"""The backend 'bcc', and whether this machine has what it needs."""

from __future__ import annotations

from pathlib import Path

from tlshub_capture_bpf import btf, compiling
from tlshub_capture_bpf.backend import KernelBackend
from tlshub_capture_bpf.holding import WEAKER
from tlshub_capture_bpf.node_loader import NodeLoader
from tlshub_capture_bpf.probing import GATE_NEEDS, failed, library_or_lack, loads
from tlshub_capture_bpf.programs import Hold
from tlshub_core.api import Holds, Level, Probe, Unavailable


class BccBackend(KernelBackend):
    """Programs that bcc compiles with the kernel's headers, found in `headers`; what it made is kept in `cache`.

    `events`: as in `NodeLoader`.
    """

    def __init__(self, headers: str, cache: Path, events: str = "", hold: Hold | None = None) -> None:
        self._node = NodeLoader(headers, cache, events)
        super().__init__(self._node, hold)

    async def probe(self) -> Probe:
        """Whether bcc, libbpf and the kernel's headers are there, and what the kernel takes of the programs."""
        return probe(self._node, self._hold)


def probe(loader: NodeLoader, hold: Hold | None = None) -> Probe:
    """Whether bcc, libbpf and headers are there; and what the kernel takes, where that was compiled before."""
    library = library_or_lack()
    if isinstance(library, Probe):
        return library
    try:
        headers, ready = loader.headers(), loader.ready()
    except Unavailable as error:
        message, _, remedy = str(error).rpartition(": ")
        return failed(message, remedy)
    if ready:
        how = "; events by perf buffers" if loader.sources.perf else ""
        return loads(library, loader, f"compiled by bcc for '{headers.release}'{how}", hold)
    if compiling.interpreter() is None:
        return failed("bcc is not installed", compiling.INSTALL)
    where = f"the headers in '{headers.build}'"
    message = f"bcc, and {where}; the programs are compiled at the first start"
    if btf.is_there() or hold is Hold.STOP:
        return Probe(level=Level.OK, message=message, holds=Holds.WELL if hold else Holds.WEAKLY)  # it was not tried
    message = f"{message}; without BTF {WEAKER}"
    return Probe(level=Level.WARNING, message=message, remedy=GATE_NEEDS, holds=Holds.WEAKLY)
