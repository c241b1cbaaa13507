# SPDX-License-Identifier: Apache-2.0
"""Step 0: events of the backend, each to the connection that it is about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from tlshub_core.pipeline import said, unknown
from tlshub_core.pipeline.beginning import Beginning, RuleNames
from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.repair import Repair
from tlshub_core.pipeline.telling import Telling
from tlshub_core.pipeline.timeline import timeline
from tlshub_core.pipeline.tools import Tools
from tlshub_core.pipeline.wear import Wear
from tlshub_core.types import events
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
    State,
    Unaccounted,
)
from tlshub_core.types.errors import UNFIT, Reason
from tlshub_core.types.flow import Mode, Side
from tlshub_core.types.interfaces import MappingSource

_log = logging.getLogger("tlshub.capture")


class Capture:
    """All connections of this node, by cookie."""

    def __init__(self, tools: Tools, mapping: MappingSource | None, rule: RuleNames, handshake_ns: int) -> None:
        self._tools, self._beginning = tools, Beginning(tools, mapping, rule, handshake_ns)
        self._by_cookie: dict[int, Connection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._none_of_ours: tuple[State, ...] = DECIDED
        self._repair = Repair(tools.backend, self._by_cookie, self._seen, self._ended_unheard)
        self._telling = Telling(tools.keys)
        self._wear = Wear(tools)

    def connections(self) -> Sequence[Connection]:
        """Those of now, in the order in which they were seen."""
        return tuple(self._by_cookie.values())

    def handle(self, batch: Sequence[CaptureEvent]) -> None:
        """Take a batch, in order; a bug with one event is logged and ends no other's connection."""
        for event in batch:
            try:
                self._one(event)
            except Exception:  # noqa: BLE001 - logged with its trace; the agent must go on, or nothing is held any more
                _log.exception("bug in the agent: an event was lost, its connection ends by its deadline")

    def _one(self, event: CaptureEvent) -> None:
        match event:
            case FlowSeen():
                self._seen(event)
            case Overrun():
                self._emit(unknown.lost(event))
                self._repair.request()
            case Unaccounted():
                self._emit(unknown.unattended(event))
            case _:
                self._about(event)

    def _seen(self, seen: FlowSeen) -> Connection:
        known = self._by_cookie.get(seen.cookie)
        if known is not None and known.seen.time_ns == seen.time_ns:
            return known  # the flow table told of it before its event came
        if known is not None:
            self._ended_unheard(known, None)  # a socket that connects again keeps its cookie
        return self._start(self._beginning.seen(seen))

    def _start(self, connection: Connection) -> Connection:
        cookie, seen = connection.flow.cookie, connection.seen
        self._by_cookie[cookie] = connection
        if seen.mode > Mode.OBSERVE and seen.state not in self._none_of_ours:
            self._tasks[cookie] = asyncio.create_task(self._run(connection))
        return connection

    def take_over(self, kept: Sequence[FlowKept], before_ns: int) -> Sequence[Connection]:
        """What an earlier agent left, of before that moment (CLOCK_MONOTONIC): what is held goes on, with new keys.

        Clients first: where both ends are on this node, the accepting one waits for what the connecting one offers.
        """
        older = [one for one in kept if one.seen.time_ns < before_ns]
        found = [self._beginning.taken(one) for one in sorted(older, key=lambda one: one.seen.side)]
        taken = [self._start(connection) for connection in found if connection is not None]
        self._repair.complete([one for one in kept if one.seen.time_ns >= before_ns])
        return taken

    async def _run(self, connection: Connection) -> None:
        cookie = connection.flow.cookie
        try:
            await connection.run()
        finally:
            if self._tasks.get(cookie) is asyncio.current_task():  # a socket that connects again keeps its cookie
                del self._tasks[cookie]

    def _about(self, event: FlowEstablished | FlowOwned | FlowSpoke | FlowDecided | FlowClosed | FlowWorn) -> None:
        connection = self._by_cookie.get(event.cookie)
        if connection is None:
            return self._about_unknown(event)
        if event.time_ns < connection.seen.time_ns:
            return  # of an earlier connection of that socket, whose end the flow table told before
        match event:
            case FlowEstablished():
                connection.established(event)
            case FlowOwned():
                connection.owners.tell(event)
            case FlowSpoke():
                connection.first.tell(event)
            case FlowWorn():
                self._wear.tell(connection, event)
            case FlowDecided():
                self._end(event.cookie)
                if event.state is State.CLEAR:
                    connection.stamps.decided_ns = event.time_ns
                connection.ending.decided(event.state, event.reason)
                if event.state is State.CLEAR and event.reason in UNFIT and connection.flow.side is Side.CLIENT:
                    self._telling.tell(connection.flow, connection.provider, event.reason)
            case FlowClosed():
                self._closed(connection, event)

    def _about_unknown(self, event: CaptureEvent) -> None:
        """Older than this agent, or its beginning was lost in an overrun, which was reported."""
        match event:
            case FlowDecided():
                self._emit(unknown.decided(event))
            case FlowWorn():
                self._wear.tell_unknown(event)
            case FlowClosed():
                self._wear.forget(event.cookie)
            case _:
                return

    def _ended_unheard(self, connection: Connection, state: State | None) -> None:
        """The event of its end was lost: decided by the programs, or closed, where there is no state any more."""
        if state is not None:
            self._end(connection.flow.cookie)
            return connection.ending.decided(state, Reason.EVENT_LOST)
        self._closed(connection, said.unheard(connection), heard=False)

    def _closed(self, connection: Connection, event: FlowClosed, *, heard: bool = True) -> None:
        self._end(event.cookie)
        self._wear.forget(event.cookie)
        del self._by_cookie[event.cookie]
        self._emit(said.closed(connection, event))
        self._emit(timeline(connection, event, heard=heard))

    def _end(self, cookie: int) -> None:
        task = self._tasks.pop(cookie, None)
        if task is not None:
            task.cancel()

    async def finish(self) -> None:
        """Begin nothing any more, and give what a peer was asked about the time that an install may take.

        Events have to be handled meanwhile. What the peer has keys for could not be taken over by the next agent.
        """
        self._none_of_ours = (*DECIDED, State.NEW)  # an accepted one may have been promised: then it is not NEW
        for cookie, task in self._tasks.items():
            if self._by_cookie[cookie].ending.state() is State.NEW:
                task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=self._tools.gate_ns / 1e9)

    async def stop(self) -> None:
        """The programs go on holding; what the next agent could not take over is refused, and its program told so."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), self._telling.stop(), return_exceptions=True)
        for connection in self._by_cookie.values():
            undecided = connection.ending.outcome is None and connection.flow.mode > Mode.OBSERVE
            if undecided and not connection.can_be_taken_over():
                connection.ending.abandon(Reason.SHUTDOWN)

    def _emit(self, event: events.Event) -> None:
        self._tools.agent.emit(event)
