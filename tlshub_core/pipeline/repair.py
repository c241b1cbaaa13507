# SPDX-License-Identifier: Apache-2.0
"""After the ring buffer overran: what its events would have told is read from the flow table."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from tlshub_core.pipeline.connection import Connection
from tlshub_core.types.capture import FlowKept, FlowSeen, State
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend

LATE_S = 0.1  # an event that was not lost, and comes after the walk, tells more than the table
APART = 4  # a walk takes long where there are many flows, and events that come meanwhile are lost in their turn
_log = logging.getLogger("tlshub.capture")


class Repair:
    """`begin` is told of connections that nobody has heard of, `end` of those whose end was not heard: None is gone."""

    def __init__(
        self,
        backend: CaptureBackend,
        known: Mapping[int, Connection],
        begin: Callable[[FlowSeen], Connection],
        end: Callable[[Connection, State | None], None],
    ) -> None:
        self._backend, self._known, self._begin, self._end = backend, known, begin, end
        self._again_at, self._waiting = 0.0, False

    def request(self) -> None:
        """Walk the table, now or as soon as the last walk is long enough ago."""
        loop = asyncio.get_running_loop()
        if self._waiting:
            return
        if loop.time() >= self._again_at:
            self._walk()
        else:
            self._waiting = True
            loop.call_at(self._again_at, self._walk)

    def _walk(self) -> None:
        loop, self._waiting = asyncio.get_running_loop(), False
        began = loop.time()
        table = {kept.seen.cookie: kept for kept in self._backend.flows()}
        found = self.complete(table.values())
        doubtful = [one for one in self._known.values() if not self._is_as_known(one, table.get(one.flow.cookie))]
        self._again_at = loop.time() + APART * (loop.time() - began)
        loop.call_later(LATE_S, self._settle, doubtful)
        _log.warning("the flow table was walked: %d of %d connections were not known", found, len(table))

    def complete(self, table: Collection[FlowKept]) -> int:
        """Begin those of which nobody told, and tell of all what may not have been told; how many were not known."""
        found = [kept for kept in table if self._is_news(kept)]
        for kept in table:
            self._tell(kept)
        return len(found)

    def _is_news(self, kept: FlowKept) -> bool:
        known = self._known.get(kept.seen.cookie)
        owner = kept.owned.owner if kept.owned else kept.seen.owner
        return self._begin(replace(kept.seen, owner=owner)) is not known

    def _tell(self, kept: FlowKept) -> None:
        connection = self._known[kept.seen.cookie]
        if kept.established is not None:
            connection.established(kept.established)
        if kept.owned is not None and not connection.owners.knows(kept.owned.owner):
            connection.owners.tell(replace(kept.owned, held=False))

    @staticmethod
    def _is_as_known(connection: Connection, kept: FlowKept | None) -> bool:
        if kept is None or kept.seen.time_ns != connection.seen.time_ns:
            return False
        by_programs = kept.seen.state in (State.REFUSED, State.CLEAR) and connection.flow.mode > Mode.OBSERVE
        return not by_programs or connection.ending.outcome is not None

    def _settle(self, doubtful: list[Connection]) -> None:
        for connection in doubtful:
            if self._known.get(connection.flow.cookie) is not connection:
                continue
            state = connection.ending.state()
            if state is None or (state in (State.REFUSED, State.CLEAR) and connection.ending.outcome is None):
                self._end(connection, state)
