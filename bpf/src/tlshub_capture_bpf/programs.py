# SPDX-License-Identifier: Apache-2.0
"""The programs: load them, reach their maps and calls, attach them in the order that lets nothing slip."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from tlshub_capture_bpf import btf
from tlshub_capture_bpf.calls import Call
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.links import Links, OwnLinks, PinnedLinks, linked
from tlshub_capture_bpf.listing import list_all
from tlshub_capture_bpf.loading import Loader, Program
from tlshub_capture_bpf.maps import Map
from tlshub_capture_bpf.pins import CALLS, Pins
from tlshub_capture_bpf.probes import is_probe

SOCKOPS = "on_sockops"
PROBE = "probe_signals"
ADOPT, ADOPT_LISTED = "adopt", "adopt_listed"  # whichever the kernel takes
MOVE = "move_flow"  # pinned, for those who come when no agent runs
RUN = frozenset({MOVE, "promise", "leave", "ask_rule", "announce", "sweep", "find_worn", "arm_probe"})
OF_GATE = frozenset({"find_worn", "arm_probe"})  # of these, what an observer's kernel may not take
RENAMED = frozenset({"spoil_page"})  # at functions that newer kernels have no more, and others do what they did
CGROUP = ("wall", "hold_fin", SOCKOPS)  # sockops last: what it marks, the others must already hold


class Hold(StrEnum):
    """How connections are held: each call is kept back, or whole processes are stopped, which needs no trampolines."""

    GATE = "gate"
    STOP = "stop"


class Programs:
    """The loaded programs; without a `hold` those that `observe` needs.

    With `pins` their maps are those that are pinned there, where there are any, and what is attached stays. Raises
    Unavailable where these are maps for other programs, Unsupported, OSError.
    """

    def __init__(
        self, libbpf: Libbpf, loader: Loader, *, hold: Hold | None, table_size: int, pins: Pins | None = None
    ) -> None:
        self._libbpf, self._pins, self.hold = libbpf, pins, hold
        self._links: Links = OwnLinks(libbpf) if pins is None else PinnedLinks(libbpf, pins)
        self._loaded = loader.load(libbpf, self._wanted, table_size, pins)
        self._programs: Mapping[str, Program] = self._loaded.programs

    def _wanted(self, name: str, place: str) -> bool:
        if name in (ADOPT, ADOPT_LISTED):
            return self.hold is not None and (name == ADOPT) == btf.is_there()
        if self.hold is None or name in (*RUN, *CGROUP):
            return self.hold is not None or name == SOCKOPS or name in RUN - OF_GATE
        return is_probe(place) == (self.hold is Hold.STOP)

    def map(self, name: str, value_size: int) -> Map:
        """A map by name."""
        return Map(self._libbpf, self._loaded.maps[name], value_size)

    def has(self, name: str) -> bool:
        """Whether there is a map of that name."""
        return name in self._loaded.maps

    def descriptor(self, name: str) -> int:
        """That of a program."""
        return self._programs[name].fd

    def call(self, name: str, size: int = 0) -> Call:
        """One of those that are RUN, with a context of that size."""
        return Call(self._libbpf, self.descriptor(name), size)

    def attach(self, cgroup: Path, attached: Callable[[str], None]) -> list[str]:
        """Attach all, what holds before what marks sockets; returns what is where, and tells `attached` of each."""
        apart = {*RUN, *CGROUP, PROBE, ADOPT, ADOPT_LISTED}
        tracing = sorted(name for name in self._programs if name not in apart) if self.hold else []
        if self._pins is not None:
            self._pins.put(CALLS, MOVE, self.descriptor(MOVE))
        found = dict[str, str]()

        def tell(name: str) -> None:
            found[name] = f"{name} ({self._programs[name].place.replace('/', ' ')})"
            attached(found[name])

        for name in tracing:
            if self._trace(name):
                tell(name)
        self._mark(cgroup, tell)
        self._links.only(found)
        return list(found.values())

    def _mark(self, cgroup: Path, tell: Callable[[str], None]) -> None:
        directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in CGROUP if self.hold else (SOCKOPS,):
                self._links.join(name, self._programs[name], directory)
                tell(name)
        finally:
            os.close(directory)

    def _trace(self, name: str) -> bool:
        try:
            self._links.trace(name, self._programs[name])
        except FileNotFoundError:
            if name not in RENAMED:
                raise
            return False
        return True

    def attach_one(self, name: str) -> int:
        """Attach a tracing program for as long as the descriptor that is returned is open."""
        return linked(self._libbpf, self._programs[name])

    def adopt(self) -> None:
        """Have an entry made for each marked socket of the calling thread's network namespace. Raises OSError."""
        iterates = ADOPT in self._programs
        link = self.attach_one(ADOPT if iterates else ADOPT_LISTED)
        try:
            if iterates:
                with os.fdopen(self._libbpf.code("bpf_iter_create", link), "rb") as walk:
                    walk.read()
            else:
                list_all()
        finally:
            os.close(link)

    def detach(self) -> None:
        """What marks sockets first, the gate last, where nothing is pinned."""
        self._links.close()

    def close(self) -> None:
        """Detach, and free the programs."""
        self.detach()
        self._loaded.close()
