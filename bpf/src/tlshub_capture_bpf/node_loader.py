# SPDX-License-Identifier: Apache-2.0
"""The loader of the backend 'bcc': programs compiled for this very kernel, brought in call by call."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from pathlib import Path

from tlshub_capture_bpf import built, compiling, headers, sources
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.headers import Headers
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loaded, Wanted
from tlshub_capture_bpf.node_maps import make_maps
from tlshub_capture_bpf.node_programs import Bringer
from tlshub_capture_bpf.perf import has_ring_buffers
from tlshub_capture_bpf.pins import Pins
from tlshub_capture_bpf.sources import Sources


class NodeLoader:
    """Loads what is compiled for the kernel whose headers are in the folder `where`; see `Loader`.

    `cache` is the folder where that is kept; `events` says by which buffer they come, 'ring' or 'perf'; empty for what
    the kernel has.
    """

    def __init__(self, where: str, cache: Path, events: str = "") -> None:
        self._where, self._cache, self._events = where, cache, events
        self._built: Built | None = None

    def headers(self) -> Headers:
        """Of the running kernel; raises Unavailable."""
        return headers.find(self._where)

    @cached_property
    def sources(self) -> Sources:
        """What is compiled."""
        perf = self._events == "perf" or (not self._events and not has_ring_buffers(Libbpf()))
        return sources.read(perf=perf)

    def ready(self) -> bool:
        """Whether nothing needs to be compiled; raises Unavailable."""
        if self._built is None:
            text = self.sources
            self._built = built.kept(self._cache / built.name_of(text, self.headers()), text)
        return self._built is not None

    async def prepare(self) -> None:
        """Compile, where that was not done before."""
        if not self.ready():
            self._built = await compiling.programs(self.sources, self.headers(), self._cache)

    def load(self, libbpf: Libbpf, wanted: Wanted, table_size: int, pins: Pins | None) -> Loaded:
        """See `Loader`."""
        built_ = self._built
        assert built_ is not None, "it was prepared"
        with contextlib.ExitStack() as opened:
            maps = make_maps(libbpf, built_.maps, table_size, pins, opened)
            with contextlib.closing(Bringer(libbpf, built_, maps)) as bringer:
                taken = [name for name, place in built_.sections.items() if wanted(name, place)]
                programs = {name: bringer.bring(name) for name in taken}
            for program in programs.values():
                opened.callback(os.close, program.fd)
            return Loaded(maps=maps, programs=programs, close=opened.pop_all().close)
