# SPDX-License-Identifier: Apache-2.0
"""The flow table of the programs with their rules of transition, in memory; tests play TCP and the applications."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from tlshub_core.testing.matching import first_row
from tlshub_core.types.capture import (
    CaptureEvent,
    FlowClosed,
    FlowDecided,
    FlowEstablished,
    FlowOwned,
    FlowSeen,
    FlowSpoke,
    Match,
    Owner,
    RuleSet,
    State,
)
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Address, Isns, Mode, Side, Tuple4

HANDSHAKE_NS = 5_000_000_000
_DECIDED = (State.OPEN, State.REFUSED, State.CLEAR)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One row of the flow table; `history` is every state it was in."""

    side: Side
    mode: Mode
    tuple4: Tuple4
    deadline_ns: int
    history: list[State] = field(default_factory=list)

    @property
    def state(self) -> State:
        """The state now."""
        return self.history[-1]


class MemoryKernel:
    """`flows` is the table, `histories` the states of all flows, also of closed ones."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or RuleSet(names=(), matches=())
        self.flows: dict[int, Entry] = {}
        self.histories: dict[int, list[State]] = {}
        self.expected: dict[Tuple4, int] = {}
        self.left: dict[Tuple4, int] = {}
        self.warm_peers: dict[Address, bool] = {}
        self._batch: list[CaptureEvent] = []
        self._ready = asyncio.Event()
        self._next_cookie = 1

    def begin(self, side: Side, tuple4: Tuple4, *, cookie: int = 0, owner: Owner | None = None) -> int:
        """A connection begins; its cookie, also where no rule matched and nobody is told."""
        cookie = cookie or self._next_cookie
        self._next_cookie = max(self._next_cookie, cookie) + 1
        remote = tuple4.server if side is Side.CLIENT else tuple4.client
        rule = first_row(self.rules, side, remote, tuple4.server_port, owner.comm if owner else None)
        now = time.monotonic_ns()
        owed = side is Side.SERVER and now < self.expected.pop(tuple4, 0)
        rule = _promised(rule) if owed else rule
        if rule is None or rule.mode is Mode.BYPASS:
            return cookie
        entry = Entry(side=side, mode=rule.mode, tuple4=tuple4, deadline_ns=now + HANDSHAKE_NS)
        self.flows[cookie], self.histories[cookie] = entry, entry.history
        clear = rule.mode is Mode.OBSERVE
        entry.history.append(State.ASKED if owed else State.CLEAR if clear else State.NEW)
        waits = side is Side.CLIENT and entry.state is State.NEW and not rule.passthrough
        seen = FlowSeen(
            cookie=cookie,
            time_ns=now,
            side=side,
            tuple=tuple4,
            rule=rule.rule,
            mode=rule.mode,
            state=entry.state,
            syn_held=waits and not self.warm_peers.get(remote),
            owner=owner,
            passthrough=rule.passthrough,
        )
        self._emit(seen)
        if side is Side.SERVER and entry.state is State.NEW and now < self.left.pop(tuple4, 0):
            self.decide(cookie, State.CLEAR, Reason.PASSTHROUGH)
        return cookie

    def establish(self, cookie: int, isns: Isns) -> None:
        """TCP's handshake is complete."""
        local, remote = isns.client, isns.server
        if self.flows[cookie].side is Side.SERVER:
            local, remote = remote, local
        self._emit(FlowEstablished(cookie=cookie, time_ns=time.monotonic_ns(), local_isn=local, remote_isn=remote))

    def own(self, cookie: int, owner: Owner, *, held: bool = False) -> None:
        """A process has the descriptor, or calls into the held socket."""
        self._emit(FlowOwned(cookie=cookie, time_ns=time.monotonic_ns(), owner=owner, held=held))

    def speak(self, cookie: int, *, tls: bool) -> None:
        """The client makes its first call, under a rule with passthrough."""
        self._emit(FlowSpoke(cookie=cookie, time_ns=time.monotonic_ns(), tls=tls))

    def expire(self, cookie: int) -> None:
        """The flow's deadline passes."""
        entry = self.flows[cookie]
        if entry.state not in _DECIDED:
            clear = entry.mode is Mode.PREFER and entry.state is State.NEW
            self.decide(cookie, State.CLEAR if clear else State.REFUSED, Reason.DEADLINE)

    def decide(self, cookie: int, state: State, reason: Reason) -> None:
        """The programs decide alone."""
        self._set(self.flows[cookie], state)
        self._emit(FlowDecided(cookie=cookie, time_ns=time.monotonic_ns(), state=state, reason=reason))

    def close(self, cookie: int) -> None:
        """The socket reaches TCP_CLOSE."""
        entry, now = self.flows.pop(cookie), time.monotonic_ns()
        counts = {"restarts": 0, "held_ns": 0, "bytes_sent": 0, "bytes_received": 0}
        self._emit(FlowClosed(cookie=cookie, time_ns=now, state=entry.state, **counts))

    def _set(self, entry: Entry, state: State) -> None:
        if state is not entry.state:
            entry.history.append(state)

    def _emit(self, event: CaptureEvent) -> None:
        self._batch.append(event)
        self._ready.set()


def _promised(rule: Match | None) -> Match:
    """The row by which a connection is held that the peer was promised, whatever the rules say now."""
    if rule is None:
        return Match(rule=0, mode=Mode.REQUIRE, sides=frozenset(Side), ports=(1, 65535), network=None)
    return rule if rule.mode > Mode.OBSERVE else replace(rule, mode=Mode.REQUIRE, passthrough=False)
