# SPDX-License-Identifier: Apache-2.0
"""A capture backend without a kernel; see `MemoryKernel` for what happens in it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from tlshub_core.testing.matching import first_match, first_row
from tlshub_core.testing.memory_kernel import MemoryKernel
from tlshub_core.testing.memory_rules import lets_go
from tlshub_core.types.capture import (
    CaptureEvent,
    CaptureSettings,
    FlowKept,
    RuleSet,
    State,
)
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Address, Mode, Side, Tuple4
from tlshub_core.types.interfaces import Level, Probe


class MemoryBackend(MemoryKernel):
    """See `CaptureBackend`."""

    async def probe(self) -> Probe:
        """Memory is always there."""
        return Probe(level=Level.OK, message="in memory")

    async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        """Take the rules; there are no programs."""
        self.rules = rules
        return ()

    async def detach(self, unpin: bool) -> None:
        """Forget all flows, unless they are to be kept."""
        if unpin:
            self.table.clear()

    async def retire(self, settings: CaptureSettings) -> Sequence[str]:
        """See `CaptureBackend`; the programs are those of this object."""
        self.rules = RuleSet(names=(), matches=())
        return ("memory",)

    async def events(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        """Batches, as they come."""
        while True:
            await self._ready.wait()
            if batch := self.take_events():
                yield batch

    def flows(self) -> Sequence[FlowKept]:
        """See `CaptureBackend`."""
        return [entry.kept for entry in self.table.values()]

    def move(self, cookie: int, expected: State, to: State, deadline_ns: int = 0) -> State | None:
        """Compare-and-swap; the state before, None where the flow is gone."""
        entry = self.table.get(cookie)
        if entry is None:
            return None
        before = entry.state
        if before is expected:
            self._set(entry, to)
            if to in (State.OPEN, State.CLEAR):
                entry.released_ns = time.monotonic_ns()
            entry.deadline_ns = deadline_ns or entry.deadline_ns
        return before

    def expect(self, tuple4: Tuple4, deadline_ns: int) -> State | None:
        """See `CaptureBackend`."""
        self.left.pop(tuple4, None)
        self.expected[tuple4] = deadline_ns
        here = [(c, e) for c, e in self.table.items() if e.side is Side.SERVER and e.tuple4 == tuple4]
        return self.move(here[-1][0], State.NEW, State.ASKED) if here else None

    def leave(self, tuple4: Tuple4, deadline_ns: int, reason: Reason = Reason.PASSTHROUGH) -> bool:
        """See `CaptureBackend`."""
        rule = first_row(self.rules, Side.SERVER, tuple4.client, tuple4.server_port)
        if rule is None or not lets_go(rule, reason) or tuple4 in self.expected:
            return False
        here = [(c, e) for c, e in self.table.items() if e.side is Side.SERVER and e.tuple4 == tuple4]
        if not here:
            self.left[tuple4] = deadline_ns, reason
            return True
        cookie, entry = here[-1]
        if entry.state is State.NEW and lets_go(entry.seen, reason):
            self.decide(cookie, State.CLEAR, reason)
        return entry.state is State.CLEAR

    def match(self, side: Side, remote: Address, port: int) -> tuple[int, Mode]:
        """See `CaptureBackend`."""
        return first_match(self.rules, side, remote, port)

    def warm(self, address: Address, up: bool) -> None:
        """See `CaptureBackend`."""
        self.warm_peers[address] = up

    def wear(self, records: int) -> None:
        """See `CaptureBackend`; in memory nothing wears out but by `wear_out`."""
        self.wear_asked.append(records)

    def replace(self, rules: RuleSet) -> None:
        """Swap the rules."""
        self.rules = rules
