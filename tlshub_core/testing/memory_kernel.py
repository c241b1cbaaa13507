# SPDX-License-Identifier: Apache-2.0
"""The flow table of the programs with their rules of transition, in memory; tests play TCP and the applications."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from tlshub_core.testing.matching import first_row
from tlshub_core.testing.memory_rules import first_state, lets_go, promised
from tlshub_core.types.capture import (
    DECIDED,
    CaptureEvent,
    FlowClosed,
    FlowDecided,
    FlowEstablished,
    FlowKept,
    FlowOwned,
    FlowSeen,
    FlowSpoke,
    FlowWorn,
    Overrun,
    Owner,
    RuleSet,
    State,
)
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Address, Isns, Mode, Side, Tuple4

HANDSHAKE_NS = 5_000_000_000


@dataclass(slots=True, kw_only=True)
class Entry:
    """One row of the flow table, with what was told of it last; `history` is every state it was in."""

    side: Side
    mode: Mode
    tuple4: Tuple4
    deadline_ns: int
    seen: FlowSeen
    history: list[State] = field(default_factory=list)
    established: FlowEstablished | None = None
    owned: FlowOwned | None = None
    held_ns: int | None = None
    released_ns: int | None = None
    first_call_ns: int | None = None

    @property
    def state(self) -> State:
        """The state now."""
        return self.history[-1]

    @property
    def kept(self) -> FlowKept:
        """As the next agent finds it."""
        return FlowKept(seen=replace(self.seen, state=self.state), established=self.established, owned=self.owned)


class MemoryKernel:
    """`table` has the flows, `histories` the states of all flows, also of closed ones.

    `room` is how many events wait at most until they are taken: those beyond are lost, and counted.
    """

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or RuleSet(names=(), matches=())
        self.table: dict[int, Entry] = {}
        self.histories: dict[int, list[State]] = {}
        self.expected: dict[Tuple4, int] = {}
        self.left: dict[Tuple4, tuple[int, Reason]] = {}
        self.warm_peers: dict[Address, bool] = {}
        self.wear_asked: list[int] = []
        self.room: int | None = None
        self._batch: list[CaptureEvent] = []
        self._lost = 0
        self._ready = asyncio.Event()
        self._next_cookie = 1

    def begin(
        self,
        side: Side,
        tuple4: Tuple4,
        *,
        cookie: int = 0,
        owner: Owner | None = None,
        unfit: Reason | None = None,
    ) -> int:
        """A connection begins; its cookie, also where no rule matched and nobody is told.

        `unfit`: why its socket can take no TLS, if that is so; then it is decided upon at once.
        """
        cookie = cookie or self._next_cookie
        self._next_cookie = max(self._next_cookie, cookie) + 1
        remote = tuple4.server if side is Side.CLIENT else tuple4.client
        rule = first_row(self.rules, side, remote, tuple4.server_port, owner.comm if owner else None)
        now = time.monotonic_ns()
        owed = side is Side.SERVER and now < self.expected.pop(tuple4, 0)
        rule = promised(rule) if owed else rule
        if rule is None or rule.mode is Mode.BYPASS:
            return cookie
        state = first_state(rule.mode, owed, unfit)
        waits = side is Side.CLIENT and state is State.NEW and not rule.passthrough
        seen = FlowSeen(
            cookie=cookie,
            time_ns=now,
            side=side,
            tuple=tuple4,
            rule=rule.rule,
            mode=rule.mode,
            state=state,
            syn_held=waits and not self.warm_peers.get(remote),
            owner=owner,
            passthrough=rule.passthrough,
        )
        entry = Entry(
            side=side, mode=rule.mode, tuple4=tuple4, deadline_ns=now + HANDSHAKE_NS, seen=seen, history=[state]
        )
        if owner is not None:
            entry.owned = FlowOwned(cookie=cookie, time_ns=now, owner=owner, held=False)
        self.table[cookie], self.histories[cookie] = entry, entry.history
        self._emit(seen)
        until, reason = self.left.pop(tuple4, (0, Reason.PASSTHROUGH)) if side is Side.SERVER else (0, None)
        if unfit is not None and rule.mode > Mode.OBSERVE:
            self.decide(cookie, state, unfit)
        elif reason is not None and now < until and entry.state is State.NEW and lets_go(seen, reason):
            self.decide(cookie, State.CLEAR, reason)
        return cookie

    def establish(self, cookie: int, isns: Isns) -> None:
        """TCP's handshake is complete."""
        entry, local, remote = self.table[cookie], isns.client, isns.server
        if entry.side is Side.SERVER:
            local, remote = remote, local
        now = time.monotonic_ns()
        entry.established = FlowEstablished(cookie=cookie, time_ns=now, local_isn=local, remote_isn=remote)
        self._emit(entry.established)

    def own(self, cookie: int, owner: Owner, *, held: bool = False) -> None:
        """A process has the descriptor, or calls into the held socket."""
        event = FlowOwned(cookie=cookie, time_ns=time.monotonic_ns(), owner=owner, held=held)
        if (entry := self.table.get(cookie)) is not None:
            entry.owned = event
            entry.held_ns = entry.held_ns or (event.time_ns if held else None)
        self._emit(event)

    def use(self, cookie: int) -> None:
        """The application sends or receives, and the gate lets it."""
        entry = self.table[cookie]
        assert entry.state in (State.OPEN, State.CLEAR), f"no call gets into a flow that is {entry.state.name}"
        entry.first_call_ns = entry.first_call_ns or time.monotonic_ns()

    def speak(self, cookie: int, *, tls: bool) -> None:
        """The client makes its first call, under a rule with passthrough."""
        self._emit(FlowSpoke(cookie=cookie, time_ns=time.monotonic_ns(), tls=tls))

    def wear_out(self, cookie: int, *, sent: bool, records: int, bytes: int) -> None:
        """The key of one direction has protected much, and the kernel was asked."""
        worn = FlowWorn(cookie=cookie, time_ns=time.monotonic_ns(), sent=sent, records=records, bytes=bytes)
        self._emit(worn)

    def expire(self, cookie: int) -> None:
        """The flow's deadline passes."""
        entry = self.table[cookie]
        if entry.state not in DECIDED:
            clear = entry.mode is Mode.PREFER and entry.state is State.NEW
            entry.released_ns = time.monotonic_ns() if clear else None
            self.decide(cookie, State.CLEAR if clear else State.REFUSED, Reason.DEADLINE)

    def decide(self, cookie: int, state: State, reason: Reason) -> None:
        """The programs decide alone."""
        self._set(self.table[cookie], state)
        self._emit(FlowDecided(cookie=cookie, time_ns=time.monotonic_ns(), state=state, reason=reason))

    def close(self, cookie: int, *, sent: int = 0, received: int = 0, records: tuple[int, int] | None = None) -> None:
        """The socket reaches TCP_CLOSE, after so many bytes; `records` sent and received, where they are known."""
        entry = self.table.pop(cookie)
        held = entry.released_ns - entry.held_ns if entry.released_ns and entry.held_ns else 0
        self._emit(
            FlowClosed(
                cookie=cookie,
                time_ns=time.monotonic_ns(),
                state=entry.state,
                restarts=0,
                held_ns=held,
                bytes_sent=sent,
                bytes_received=received,
                first_held_ns=entry.held_ns,
                released_ns=entry.released_ns,
                first_call_ns=entry.first_call_ns,
                records_sent=records[0] if records else None,
                records_received=records[1] if records else None,
            )
        )

    def _set(self, entry: Entry, state: State) -> None:
        if state is not entry.state:
            entry.history.append(state)

    def take_events(self) -> list[CaptureEvent]:
        """The next batch at once, empty where nothing happened."""
        self._ready.clear()
        batch, self._batch = self._batch, []
        if self._lost:
            batch.append(Overrun(lost=self._lost))
            self._lost = 0
        return batch

    def _emit(self, event: CaptureEvent) -> None:
        if self.room is None or len(self._batch) < self.room:
            self._batch.append(event)
        else:
            self._lost += 1
        self._ready.set()
