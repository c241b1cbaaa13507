# SPDX-License-Identifier: Apache-2.0
"""Step 0: events of the backend, each to the connection that it is about."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence

from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.mapping import enrich
from tlshub_core.pipeline.tools import Tools
from tlshub_core.types import events
from tlshub_core.types.capture import (
    CaptureEvent,
    FlowClosed,
    FlowDecided,
    FlowEstablished,
    FlowOwned,
    FlowSeen,
    FlowSpoke,
    Overrun,
    State,
)
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Flow, Mode
from tlshub_core.types.interfaces import MappingSource

RuleNames = Callable[[int], tuple[str, str | None]]  # number -> name, and the provider that the rule asks for
_log = logging.getLogger("tlshub.capture")


class Capture:
    """All connections of this node, by cookie."""

    def __init__(self, tools: Tools, mapping: MappingSource | None, rule: RuleNames, handshake_ns: int) -> None:
        self._tools, self._mapping, self._rule, self._handshake_ns = tools, mapping, rule, handshake_ns
        self._by_cookie: dict[int, Connection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

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
                _log.error("%d events of the kernel were lost: connections not named end by deadline", event.lost)
                self._emit(events.Lost(time_ns=time.monotonic_ns(), sink="ring buffer", count=event.lost))
            case _:
                self._about(event)

    def _seen(self, seen: FlowSeen) -> None:
        client, server, peer = enrich(seen.tuple, seen.side, self._mapping)
        name, provider = self._rule(seen.rule)
        flow = Flow(
            id=uuid.uuid4(),
            cookie=seen.cookie,
            side=seen.side,
            client=client,
            server=server,
            peer=peer,
            rule=name,
            mode=seen.mode,
            deadline_ns=seen.time_ns + self._handshake_ns,
            passthrough=seen.passthrough,
        )
        connection = Connection(self._tools, seen, flow, self._tools.keys.providers_of(flow, provider, seen.time_ns))
        self._by_cookie[seen.cookie] = connection
        self._emit(
            events.Connecting(
                time_ns=seen.time_ns,
                flow=flow.id,
                side=seen.side,
                client=connection.ends[0],
                server=connection.ends[1],
                rule=name,
                mode=seen.mode,
                peer=peer.name if peer else "",
            )
        )
        if seen.mode > Mode.OBSERVE and seen.state in (State.NEW, State.ASKED):
            self._tasks[seen.cookie] = asyncio.create_task(self._run(connection))

    async def _run(self, connection: Connection) -> None:
        cookie = connection.flow.cookie
        try:
            await connection.run()
        finally:
            if self._tasks.get(cookie) is asyncio.current_task():  # a socket that connects again keeps its cookie
                del self._tasks[cookie]

    def _about(self, event: FlowEstablished | FlowOwned | FlowSpoke | FlowDecided | FlowClosed) -> None:
        connection = self._by_cookie.get(event.cookie)
        if connection is None:
            if isinstance(event, FlowDecided):
                self._decided_unseen(event)
            return  # older than this agent, or its beginning was lost in an overrun, which was reported
        match event:
            case FlowEstablished():
                connection.established(event)
            case FlowOwned():
                connection.owners.tell(event)
            case FlowSpoke():
                connection.first.tell(event)
            case FlowDecided():
                self._end(event.cookie)
                connection.ending.decided(event.state, event.reason)
            case FlowClosed():
                self._closed(connection, event)

    def _decided_unseen(self, event: FlowDecided) -> None:
        """A flow that found no room in the table has no beginning, and counts all the same."""
        kind = events.ReleasedClear if event.state is State.CLEAR else events.Refused
        detail = f"decided in the kernel about a connection that was not seen (cookie {event.cookie})"
        self._emit(kind(time_ns=event.time_ns, reason=event.reason, detail=detail))

    def _closed(self, connection: Connection, event: FlowClosed) -> None:
        self._end(event.cookie)
        del self._by_cookie[event.cookie]
        self._emit(
            events.Closed(
                time_ns=event.time_ns,
                flow=connection.flow.id,
                secured=event.state is State.OPEN,
                restarts=event.restarts,
                bytes_sent=event.bytes_sent,
                bytes_received=event.bytes_received,
            )
        )

    def _end(self, cookie: int) -> None:
        task = self._tasks.pop(cookie, None)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """Refuse or release what is still held: nobody will decide about it any more."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for connection in self._by_cookie.values():
            if connection.ending.outcome is None and connection.flow.mode > Mode.OBSERVE:
                connection.ending.abandon(Reason.SHUTDOWN)

    def _emit(self, event: events.Event) -> None:
        self._tools.agent.emit(event)
