# SPDX-License-Identifier: Apache-2.0
"""Capture backend 'libbpf': what the core asks of a backend, told to the programs by maps and calls."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

from tlshub_capture_bpf import layout, probing, signals
from tlshub_capture_bpf.guarding import Guarding, end_guard
from tlshub_capture_bpf.kept import kept
from tlshub_capture_bpf.libbpf import Call, Libbpf, RingBuffer, passed_over
from tlshub_capture_bpf.maps import Map, Shape
from tlshub_capture_bpf.pins import CALLS, LINKS, MAPS, Pins, pinned
from tlshub_capture_bpf.programs import ADOPT, CGROUP, MOVE, OBJECT, SOCKOPS, Programs
from tlshub_capture_bpf.tally import Tally
from tlshub_core.api import (
    Address,
    CaptureEvent,
    CaptureSettings,
    FlowClosed,
    FlowDecided,
    FlowKept,
    FlowSeen,
    Mode,
    Overrun,
    Probe,
    RuleSet,
    Side,
    State,
    Tuple4,
    Unavailable,
    Unsupported,
)
from tlshub_core.namespaces import everywhere

SETTLED_NS = 300_000_000_000  # longer than a connection may take to be established
CLOCK_MONOTONIC_COARSE = 6  # its resolution is the kernel's tick
SYN_TIMEOUT_S = 0.004
NEVER_ANSWERED = 0
BPF_MAP_TYPE_ARRAY = 2
BLOCKS = 2**14 // 16 + 1  # of a full record, as `find_worn` counts
PIECE = 64  # of a batch: in between the connections that are on their way go on
_log = logging.getLogger("tlshub.capture")
ZERO = layout.U32.pack(0)
_STATES: dict[int, State | None] = {0: None, **{state.value: state for state in State}}


class LibbpfBackend:
    """Programs compiled once, loaded by libbpf; see `CaptureBackend`."""

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else OBJECT
        self._libbpf: Libbpf | None = None
        self._programs: Programs | None = None
        self._pins: Pins | None = None
        self._opened: list[int] = []
        self._flows: Map | None = None
        self._gate = self._attached = False
        self._ring: RingBuffer | None = None
        self._guarding: Guarding | None = None
        self._batch: list[CaptureEvent] = []
        self._ready = asyncio.Event()
        self._lost = 0
        self._born: dict[int, int] = {}

    async def probe(self) -> Probe:
        """Whether libbpf, BTF and the compiled programs are there."""
        return probing.probe(self._path)

    async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        """Load and attach; raises Unavailable where the kernel refuses, Unsupported where it cannot hold.

        What an earlier agent left pinned is taken over, also where these rules only observe: it would go on holding.
        """
        try:
            self._gate = any(match.mode > Mode.OBSERVE for match in rules.matches) or pinned(settings.pins)
            self._libbpf = Libbpf()
            if self._gate:
                probing.need_all_processes()
                self._pins = Pins(self._libbpf, settings.pins)
            names = self._load(self._libbpf, rules, settings)
        except OSError as error:
            raise Unavailable(f"cannot load the programs: {error}; run 'tlshub-capture doctor'") from error
        self._attached = True
        return names

    def _load(self, library: Libbpf, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        cgroup, pins = settings.cgroup, self._pins
        marking = pins is not None and pins.at_work(CGROUP, cgroup.stat().st_ino)
        programs = Programs(library, self._path, gate=self._gate, table_size=settings.table_size, pins=pins)
        self._programs = programs
        self._maps(library, programs)
        life = time.monotonic_ns()
        if self._gate:
            self._guarding = Guarding(programs, life, settings.handshake_ns, os.getpid())
            self._guarding.start()
        self._configure(programs, rules, settings, life, since=self._settled(programs) if marking else None)
        self._settle()
        if self._gate and not marking:  # else the kernel was asked already, and all that is marked has its entry
            signals.check(programs)
            self._adopt(programs)
        return programs.attach(cgroup)

    def _maps(self, library: Libbpf, programs: Programs) -> None:
        self._rules = programs.map("rules", 4)
        self._flows = programs.map("flows", layout.FLOW.size)
        self._warm = programs.map("warm", 8)
        self._warm.clear(layout.ADDRESS_SIZE)  # an earlier agent's sessions are gone
        self._tally = Tally(programs.map("tally", layout.TALLY.size).fd)
        self._lost_count = mmap.mmap(programs.map("lost", 8).fd, mmap.PAGESIZE, prot=mmap.PROT_READ)
        (self._lost,) = layout.U64.unpack_from(self._lost_count)
        self._move = programs.call(MOVE, layout.MOVE.size)
        self._promise = programs.call("promise", layout.PROMISE.size)
        self._leave = programs.call("leave", layout.PROMISE.size)
        self._ask = programs.call("ask_rule", layout.ASK.size)
        self._worn = programs.call("find_worn", layout.WEAR.size) if self._gate else None
        events = programs.map("events", 0).fd
        passed_over(library, events)  # what is still so, the flow table tells
        self._ring = RingBuffer(library, events, self._record)
        asyncio.get_running_loop().add_reader(self._ring.fileno(), self._drain)

    @staticmethod
    def _settled(programs: Programs) -> int:
        value = programs.map("settings", layout.SETTINGS.size).get(ZERO)
        assert value is not None, "an array has all its values"
        return int(layout.SETTINGS.unpack(value)[4])

    def _configure(
        self, programs: Programs, rules: RuleSet, settings: CaptureSettings, life: int, since: int | None
    ) -> None:
        tick = time.clock_getres(CLOCK_MONOTONIC_COARSE)
        depth = len(settings.cgroup.resolve().relative_to(settings.cgroup_root).parts)
        value = layout.SETTINGS.pack(
            settings.cgroup.stat().st_ino,
            settings.handshake_ns,
            settings.gate_ns,
            settings.warm_ns,
            time.monotonic_ns() + SETTLED_NS if since is None else since,
            0,
            depth,
            max(1, round(SYN_TIMEOUT_S / tick)),
            settings.peering_port,
            0,
            0,
            life,
            0,
            0,
        )
        programs.map("settings", layout.SETTINGS.size).put(ZERO, value)
        programs.call("announce")()
        self._swap(rules)

    def _swap(self, rules: RuleSet) -> None:
        assert self._libbpf is not None
        value = layout.pack_rules(rules)
        fd = self._libbpf.code("bpf_map_create", BPF_MAP_TYPE_ARRAY, b"ruleset", 4, len(value), 1, None)
        try:
            self._libbpf.code("bpf_map_update_elem", fd, ZERO, value, 0)
            self._rules.put(ZERO, layout.U32.pack(fd))
        finally:
            os.close(fd)

    @staticmethod
    def _adopt(programs: Programs) -> None:
        for failure in everywhere(partial(programs.walk, ADOPT)):
            _log.warning("connections of an agent before this one may be reset, in network namespace %s", failure)

    def _record(self, record: bytes) -> None:
        try:
            event = layout.decode(record)
        except ValueError as error:  # raised here it would be lost in the C library that calls
            _log.error("%s: passed over", error)
            return
        if not isinstance(event, FlowDecided) or self._tally.is_news(event.state, layout.number_of(record)):
            self._batch.append(event)

    def _drain(self) -> None:
        assert self._ring is not None
        self._ring.consume()
        (lost,) = layout.U64.unpack_from(self._lost_count)
        if lost != self._lost:
            self._batch.append(Overrun(lost=lost - self._lost))
            self._lost = lost
            self._settle()
        self._ready.set()

    def _settle(self) -> None:
        """Tell of the decisions that no event will; the flows themselves are found by a walk over the table."""
        found = self._tally.settle()
        if found is not None:
            self._batch.append(found)
            self._ready.set()

    async def events(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        """Batches of events, in the order of the ring buffer."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            batch, self._batch = self._batch, []
            for piece in (batch[at : at + PIECE] for at in range(0, len(batch), PIECE)):
                self._name(piece)
                yield piece
                await asyncio.sleep(0)

    def _name(self, batch: Sequence[CaptureEvent]) -> None:
        """Keep which connection each cookie stands for; now, so that whoever gets the batch and we agree."""
        for event in batch:
            if isinstance(event, FlowSeen):
                self._born[event.cookie] = event.time_ns
            elif isinstance(event, FlowClosed):
                self._born.pop(event.cookie, None)

    def flows(self) -> Sequence[FlowKept]:
        """See `CaptureBackend`."""
        rows = self._flows.items(layout.U64.size) if self._flows is not None else ()
        found = sorted(filter(None, map(self._kept, rows)), key=_beginning)
        self._born |= {row.seen.cookie: row.seen.time_ns for row in found}
        return found

    @staticmethod
    def _kept(row: tuple[bytes, bytes]) -> FlowKept | None:
        (cookie,) = layout.U64.unpack(row[0])
        try:
            return kept(cookie, row[1])
        except ValueError as error:
            _log.error("connection %d is passed over: %s", cookie, error)
            return None

    def move(self, cookie: int, expected: State, to: State, deadline_ns: int = 0) -> State | None:
        """Compare-and-swap in the kernel; the state before, or None where the flow is gone."""
        born = self._born.get(cookie, 0)
        before = layout.MOVE.unpack(self._move(layout.MOVE.pack(cookie, born, deadline_ns, expected, to, 0, 0)))[5]
        return _STATES[before]

    def expect(self, tuple4: Tuple4, deadline_ns: int) -> State | None:
        """See `CaptureBackend`."""
        context = layout.PROMISE.pack(layout.pack_tuple(tuple4, Side.SERVER), deadline_ns, 0, 0)
        return _STATES[layout.PROMISE.unpack(self._promise(context))[2]]

    def leave(self, tuple4: Tuple4, deadline_ns: int) -> bool:
        """See `CaptureBackend`."""
        context = layout.PROMISE.pack(layout.pack_tuple(tuple4, Side.SERVER), deadline_ns, 0, 0)
        return bool(layout.PROMISE.unpack(self._leave(context))[2] == State.CLEAR)

    def match(self, side: Side, remote: Address, port: int) -> tuple[int, Mode]:
        """See `CaptureBackend`."""
        query = layout.QUERY.pack(layout.pack_address(remote), port, side, 0, 0, bytes(16))
        _, rule, mode, found, _ = layout.ASK.unpack(self._ask(layout.ASK.pack(query, 0, 0, 0, 0)))
        return (rule, Mode(mode)) if found else (-1, Mode.BYPASS)

    def warm(self, address: Address, up: bool) -> None:
        """See `CaptureBackend`."""
        key = layout.pack_address(address)
        if up:
            self._warm.put(key, layout.U64.pack(NEVER_ANSWERED))
        else:
            self._warm.drop(key)

    def wear(self, records: int) -> None:
        """See `CaptureBackend`."""
        if self._worn is not None:
            self._worn(layout.WEAR.pack(records * BLOCKS))

    def replace(self, rules: RuleSet) -> None:
        """Swap the rules; raises Unsupported where they need the gate and it was not loaded."""
        if not self._gate and any(match.mode > Mode.OBSERVE for match in rules.matches):
            raise Unsupported("the agent started with rules that only observe: restart it to load the gate")
        self._swap(rules)

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
            self._opened += filter(None, (flows, move))
            if flows is not None and move is not None:
                self._flows = Map(library, flows, Shape.of(library, flows).value_size)
                self._move = Call(library, move, layout.MOVE.size)
        except OSError as error:
            raise Unavailable(f"cannot take '{settings.pins}' over: {error}") from error
        return names

    async def detach(self, unpin: bool) -> None:
        """Free what is this process's, with `unpin` or where it was never at work what is pinned, too."""
        if self._ring is not None:
            asyncio.get_running_loop().remove_reader(self._ring.fileno())
            self._ring.close()
            self._lost_count.close()
            self._tally.close()
            self._ring = None
        if self._programs is not None:
            self._programs.close()
            self._programs = None
        while self._opened:
            os.close(self._opened.pop())
        if self._pins is not None:
            nothing_left = unpin or (self._pins.fresh and not self._attached)
            if self._guarding is not None:
                self._guarding.end(stop=nothing_left)
                self._guarding = None
            if nothing_left:
                self._pins.drop(SOCKOPS)  # what it marks, the others hold
                self._pins.remove()
            self._pins.release()
            self._pins = None


def _beginning(row: FlowKept) -> int:
    return row.seen.time_ns
