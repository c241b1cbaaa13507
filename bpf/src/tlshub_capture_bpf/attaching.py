# SPDX-License-Identifier: Apache-2.0
"""What the two backends share, from the first program that is loaded to the last one that is detached."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence

from tlshub_capture_bpf import holding, layout
from tlshub_capture_bpf.configuring import configure, settled, swap
from tlshub_capture_bpf.guarding import Guarding, end_guard
from tlshub_capture_bpf.hearing import Hearing
from tlshub_capture_bpf.known import Known
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loader
from tlshub_capture_bpf.maps import Map, Shape
from tlshub_capture_bpf.pins import CALLS, LINKS, MAPS, Pins, pinned
from tlshub_capture_bpf.probing import need_all_processes
from tlshub_capture_bpf.programs import CGROUP, MOVE, SOCKOPS, Hold, Programs
from tlshub_capture_bpf.stops import STOPS, Stops
from tlshub_capture_bpf.verdicts import Moving, Verdicts
from tlshub_core.api import CaptureSettings, Mode, RuleSet, Unavailable
from tlshub_core.namespaces import everywhere

_log = logging.getLogger("tlshub.capture")


class Attaching:
    """Programs that a loader brings: attached, taken over, left pinned, or ended."""

    def __init__(self, loader: Loader, hold: Hold | None = None) -> None:
        self._loader, self._hold = loader, hold
        self._libbpf: Libbpf | None = None
        self._programs: Programs | None = None
        self._pins: Pins | None = None
        self._opened: list[int] = []
        self._known = Known()
        self._gate = self._attached = False
        self._hearing: Hearing | None = None
        self._guarding: Guarding | None = None
        self._moving: Moving | None = None
        self._verdicts: Verdicts | None = None
        self._stops: Stops | None = None

    async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        """Load and attach; raises Unavailable where the kernel refuses, Unsupported where it cannot hold.

        What an earlier agent left pinned is taken over, also where these rules only observe: it would go on holding.
        """
        await self._loader.prepare()
        try:
            self._gate = any(match.mode > Mode.OBSERVE for match in rules.matches) or pinned(settings.pins)
            self._libbpf = Libbpf()
            if self._gate:
                need_all_processes()
                self._pins = Pins(self._libbpf, settings.pins)
            names = self._load(self._libbpf, rules, settings)
        except OSError as error:
            raise Unavailable(f"cannot load the programs: {error}; run 'tlshub-capture doctor'") from error
        self._attached = True
        return names

    def _load(self, library: Libbpf, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        cgroup, pins = settings.cgroup, self._pins
        marking = pins is not None and pins.at_work(CGROUP, cgroup.stat().st_ino)
        programs = self._programs = self._brought(library, settings)
        self._known.table = programs.map("flows", layout.FLOW.size)
        self._moving = self._verdicts = Verdicts(library, programs, gate=self._gate)
        self._hearing = Hearing(library, programs)
        life = time.monotonic_ns()
        if self._gate:
            self._guarding = Guarding(programs, life, settings.handshake_ns, os.getpid())
            self._guarding.start()
        configure(programs, settings, life, since=settled(programs) if marking else None)
        swap(library, programs, rules)
        self._hearing.settle()
        if self._gate and not marking:  # else all that is marked has its entry
            _adopt(programs)
        attached = programs.attach(cgroup, settings.attached)
        self._take_stops(library, programs)
        return attached

    def _take_stops(self, library: Libbpf, programs: Programs) -> None:
        """Whom an agent before this one stopped goes on, where the gate holds from now on; else in his own time."""
        stops = Stops(library, *(programs.map(name, 0).fd for name in STOPS))
        if programs.hold is Hold.STOP:
            self._stops = stops
        elif programs.hold is Hold.GATE:
            stops.all_go()

    def _brought(self, library: Libbpf, settings: CaptureSettings) -> Programs:
        def load(hold: Hold | None) -> Programs:
            return Programs(library, self._loader, hold=hold, table_size=settings.table_size, pins=self._pins)

        if not self._gate:
            return load(None)
        gated = self._pins is not None and holding.is_gated(self._pins.names(LINKS))
        return holding.brought(load, self._hold, gated=gated)

    async def retire(self, settings: CaptureSettings) -> Sequence[str]:
        """See `CaptureBackend`."""
        try:
            if not settings.pins.exists():
                return ()
            self._libbpf = library = Libbpf()
            self._pins = pins = Pins(library, settings.pins)
            end_guard(library, pins)
            names, flows, move = pins.names(LINKS), pins.get(MAPS, "flows"), pins.get(CALLS, MOVE)
            pins.drop(SOCKOPS)
            self._opened += filter(None, (flows, move, stopped := pins.get(MAPS, "stopped")))
            if flows is not None and stopped is not None:
                self._stops = Stops(library, stopped, flows)
            if flows is not None and move is not None:
                self._known.table = Map(library, flows, Shape.of(library, flows).value_size)
                self._moving = Moving(library, move)
        except OSError as error:
            raise Unavailable(f"cannot take '{settings.pins}' over: {error}") from error
        return names

    async def detach(self, unpin: bool) -> None:
        """Free what is this process's, with `unpin` or where it was never at work what is pinned, too."""
        pins, stops, self._stops = self._pins, self._stops, None
        nothing_left = unpin or (pins is not None and pins.fresh and not self._attached)
        try:
            self._end_programs(pins if nothing_left else None)
        finally:
            if stops is not None and nothing_left:
                stops.all_go()  # no program is left that stops another one after
            self._free()
        if pins is not None:
            pins.release()
            self._pins = None

    def _end_programs(self, pins: Pins | None) -> None:
        """Those that are this process's, and those that are pinned there; else the guard takes these over."""
        if self._programs is not None:
            self._programs.detach()
        if self._guarding is not None:
            self._guarding.end(stop=pins is not None)
            self._guarding = None
        if pins is not None:
            pins.drop(SOCKOPS)  # what it marks, the others hold
            pins.remove()

    def _free(self) -> None:
        if self._hearing is not None:
            self._hearing.close()
            self._hearing = None
        if self._programs is not None:
            self._programs.close()
            self._programs = None
        while self._opened:
            os.close(self._opened.pop())


def _adopt(programs: Programs) -> None:
    for failure in everywhere(programs.adopt):
        _log.warning("connections of an agent before this one may be reset, in network namespace %s", failure)
