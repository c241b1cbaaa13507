# SPDX-License-Identifier: Apache-2.0
"""The compiled object: load it, reach its maps and calls, attach its programs in the order that lets nothing slip."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from tlshub_capture_bpf.libbpf import Call, Libbpf
from tlshub_capture_bpf.links import Links, OwnLinks, PinnedLinks
from tlshub_capture_bpf.maps import Map, Shape
from tlshub_capture_bpf.pins import CALLS, MAPS, Pins
from tlshub_core.api import Unavailable

_log = logging.getLogger("tlshub.capture")
OBJECT = Path(__file__).with_name("capture.bpf.o")
SOCKOPS = "on_sockops"
PROBE = "probe_signals"
ADOPT = "adopt"
MOVE = "move_flow"  # pinned, for those who come when no agent runs
RUN = frozenset({MOVE, "promise", "leave", "ask_rule", "announce", "sweep", "find_worn", "arm_probe"})
OF_GATE = frozenset({"find_worn", "arm_probe"})  # of these, what an observer's kernel may not take
CGROUP = ("wall", "hold_fin", SOCKOPS)  # sockops last: what it marks, the others must already hold


class Programs:
    """One loaded object; `gate` false loads what `observe` needs and runs on kernels without trampolines.

    With `pins` its maps are those that are pinned there, where there are any, and what is attached stays. Raises
    Unavailable where these are maps for other programs, OSError.
    """

    def __init__(self, libbpf: Libbpf, path: Path, *, gate: bool, table_size: int, pins: Pins | None = None) -> None:
        self._libbpf, self._pins, self._gate = libbpf, pins, gate
        self._links: Links = OwnLinks(libbpf) if pins is None else PinnedLinks(libbpf, pins)
        self._object = libbpf.pointer("bpf_object__open_file", str(path).encode(), None)
        self._programs = libbpf.listed("program", self._object)
        try:
            self._choose()
            libbpf.code("bpf_map__set_max_entries", self._map("flows"), table_size)
            if pins is not None:
                self._share(pins)
            libbpf.code("bpf_object__load", self._object)
        except (OSError, Unavailable):
            self.close()
            raise

    def _choose(self) -> None:
        for name, program in self._programs.items():
            wanted = self._gate or name == SOCKOPS or name in RUN - OF_GATE
            self._libbpf.code("bpf_program__set_autoload", program, wanted)

    def _share(self, pins: Pins) -> None:
        for name, definition in self._libbpf.listed("map", self._object).items():
            fd = pins.get(MAPS, name)
            if fd is not None:
                try:
                    self._fit(pins, name, definition, Shape.of(self._libbpf, fd))
                finally:
                    os.close(fd)
            self._libbpf.code("bpf_map__set_pin_path", definition, os.fsencode(pins.path(MAPS, name)))

    def _fit(self, pins: Pins, name: str, definition: int, found: Shape) -> None:
        if not found.fits(Shape.defined(self._libbpf, definition)):
            raise Unavailable(
                f"the map '{name}' in '{pins.folder}' is that of another release, whose programs go on holding: start "
                "that release again, or end what it holds with 'tlshub-capture detach'"
            )
        wanted = self._libbpf.code("bpf_map__max_entries", definition)
        if wanted != found.entries:
            _log.warning("the map '%s' keeps its %d entries until 'tlshub-capture detach'", name, found.entries)
        self._libbpf.code("bpf_map__set_max_entries", definition, found.entries)

    def _map(self, name: str) -> int:
        return self._libbpf.pointer("bpf_object__find_map_by_name", self._object, name.encode())

    def map(self, name: str, value_size: int) -> Map:
        """A map of the object by name."""
        return Map(self._libbpf, self._libbpf.code("bpf_map__fd", self._map(name)), value_size)

    def descriptor(self, name: str) -> int:
        """That of a program."""
        return self._libbpf.code("bpf_program__fd", self._programs[name])

    def call(self, name: str, size: int = 0) -> Call:
        """One of those that are RUN, with a context of that size."""
        return Call(self._libbpf, self.descriptor(name), size)

    def attach(self, cgroup: Path) -> list[str]:
        """Attach all, the gate before the programs that mark sockets; returns names in order."""
        apart = {*RUN, *CGROUP, PROBE, ADOPT}
        tracing = sorted(name for name in self._programs if name not in apart) if self._gate else []
        marking = CGROUP if self._gate else (SOCKOPS,)
        if self._pins is not None:
            self._pins.put(CALLS, MOVE, self.descriptor(MOVE))
        for name in tracing:
            self._links.trace(name, self._programs[name])
        directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in marking:
                self._links.join(name, self._programs[name], directory)
        finally:
            os.close(directory)
        self._links.only({*tracing, *marking})
        return [*tracing, *marking]

    def attach_one(self, name: str) -> int:
        """Attach a tracing program; returns its link."""
        return self._libbpf.pointer("bpf_program__attach", self._programs[name])

    def walk(self, name: str) -> None:
        """Run an iterator over all that it finds in the calling thread's network namespace."""
        link = self._libbpf.pointer("bpf_program__attach_iter", self._programs[name], None)
        try:
            with os.fdopen(self._libbpf.code("bpf_iter_create", self._libbpf.code("bpf_link__fd", link)), "rb") as walk:
                walk.read()
        finally:
            self.unlink(link)

    def unlink(self, link: int) -> None:
        """Detach one program."""
        self._libbpf.code("bpf_link__destroy", link)

    def close(self) -> None:
        """Detach what marks sockets first, the gate last, where nothing is pinned; free the object."""
        self._links.close()
        self._libbpf.optional("bpf_object__close", self._object)
