# SPDX-License-Identifier: Apache-2.0
"""What keeps programs attached: for as long as the agent lives, or by a pin for as long as nobody removes it."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Protocol

from tlshub_capture_bpf import probes
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Program
from tlshub_capture_bpf.pins import LINKS, Pins


def linked(libbpf: Libbpf, program: Program, target: int = 0) -> int:
    """A new link's descriptor: to a cgroup by its own, or to what the program itself names. Raises OSError."""
    if probes.is_probe(program.place):
        event = probes.opened(program.place)
        try:
            return libbpf.code("bpf_link_create", program.fd, event, probes.PERF_EVENT, None)
        finally:
            os.close(event)
    return libbpf.code("bpf_link_create", program.fd, target, program.attach, None)


class Links(Protocol):
    """Attaches programs, each under a name."""

    def trace(self, name: str, program: Program) -> None:
        """To the function that the program itself names."""

    def join(self, name: str, program: Program, cgroup: int) -> None:
        """To a cgroup, by its descriptor."""

    def only(self, names: Collection[str]) -> None:
        """All are attached: no other is to be."""

    def close(self) -> None:
        """The agent ends."""


class OwnLinks:
    """Programs that are detached when the agent ends, the last one first."""

    def __init__(self, libbpf: Libbpf) -> None:
        self._libbpf, self._links = libbpf, list[int]()

    def trace(self, _name: str, program: Program) -> None:
        """See `Links`."""
        self._links.append(linked(self._libbpf, program))

    def join(self, _name: str, program: Program, cgroup: int) -> None:
        """See `Links`."""
        self._links.append(linked(self._libbpf, program, cgroup))

    @property
    def latest(self) -> int:
        """The link that was made last."""
        return self._links[-1]

    def only(self, names: Collection[str]) -> None:
        """There are no others."""

    def close(self) -> None:
        """Detach all."""
        while self._links:
            os.close(self._links.pop())


class PinnedLinks:
    """Programs that stay; each takes the place of the one that an earlier agent left, with no moment without.

    While this process lives it holds them as well: whoever clears the file system by mistake does not end the gate.
    """

    def __init__(self, libbpf: Libbpf, pins: Pins) -> None:
        self._libbpf, self._pins = libbpf, pins
        self._own, self._taken = OwnLinks(libbpf), list[int]()

    def trace(self, name: str, program: Program) -> None:
        """Both are attached for a moment: what the programs do by the same maps, they may do twice."""
        self._own.trace(name, program)
        self._pin(name)

    def join(self, name: str, program: Program, cgroup: int) -> None:
        """One replaces the other in the kernel."""
        fd = self._pins.get(LINKS, name)
        if fd is not None:
            self._taken.append(fd)
        if fd is not None and self._pins.cgroup_of(fd):
            self._libbpf.code("bpf_link_update", fd, program.fd, None)
        else:
            self._own.join(name, program, cgroup)
            self._pin(name)

    def _pin(self, name: str) -> None:
        self._pins.put(LINKS, name, self._own.latest)

    def only(self, names: Collection[str]) -> None:
        """Those of another release that this one does not know go."""
        for name in self._pins.names(LINKS):
            if name not in names:
                self._pins.drop(name)

    def close(self) -> None:
        """What is pinned stays attached."""
        self._own.close()
        while self._taken:
            os.close(self._taken.pop())
