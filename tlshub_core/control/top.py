# SPDX-License-Identifier: Apache-2.0
"""What a live view asks for, again and again: bounded, however many connections there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from operator import itemgetter
from types import MappingProxyType

from tlshub_core.control import requests
from tlshub_core.control.answers import TopAnswer
from tlshub_core.control.census import Census, Found, counted
from tlshub_core.control.conversation import Send
from tlshub_core.control.flows import MS, held_ns, owner_of, row
from tlshub_core.control.parts import Parts
from tlshub_core.control.rows import RuleCount
from tlshub_core.control.views import status_of
from tlshub_core.events.human import printable
from tlshub_core.pipeline.connection import Connection
from tlshub_core.reporting.usage import resident_bytes
from tlshub_core.types import events

Key = Callable[[Connection, str], object]
_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "newest": lambda one, state: -one.seen.time_ns,
        "oldest": lambda one, state: one.seen.time_ns,
        "held": lambda one, state: -held_ns(one),
        "state": lambda one, state: requests.STATES.index(state),
        "process": lambda one, state: owner_of(one),
        "peer": lambda one, state: one.flow.peer.name if one.flow.peer else "",
        "rule": lambda one, state: one.flow.rule,
    }
)


class Best:
    """The first few, in the order that was asked for, of those that contain the text; the latest first among equals."""

    def __init__(self, request: requests.Top) -> None:
        self._limit, self._key, self._text = request.limit, _KEYS[request.order], request.text.casefold()
        self._best: list[tuple[object, Found]] = []
        self.total = 0

    def add(self, found: Sequence[Found]) -> None:
        """Some more; the latest come first."""
        chosen = [(self._key(*one), one) for one in found if not self._text or self._text in _words(*one)]
        self.total += len(chosen)
        self._best = nsmallest(self._limit, [*self._best, *chosen], key=itemgetter(0))

    def rows(self) -> Sequence[object]:
        """As rows of a table."""
        return [row(*one) for _, one in self._best]


def _words(connection: Connection, state: str) -> str:
    flow, peer = connection.flow, connection.flow.peer
    comm, pid = owner_of(connection)
    words = (*connection.ends, flow.rule, flow.mode.name, state, printable(comm), str(pid), connection.provider)
    why = connection.ending.reason
    return "\n".join((*words, connection.cipher, peer.name if peer else "", why.value if why else "")).casefold()


async def top(parts: Parts, request: requests.Top, send: Send) -> TopAnswer:
    """The rows of connections go through `send`; walks all connections once."""
    best = Best(request)
    census = await counted(parts.capture.connections(), best.add)
    await send(best.rows())
    status, ledger = status_of(parts, census), parts.ledger
    busiest = sorted(status.sessions, key=lambda one: -one.flows)
    return TopAnswer(
        status=replace(status, sessions=tuple(busiest[: request.limit])),
        sessions=len(status.sessions),
        uptime_ms=(time.monotonic_ns() - ledger.started_ns) // MS,
        connections=ledger.count(events.Connecting) + ledger.count(events.TakenOver),
        refused=ledger.reasons(events.Refused),
        released_clear=ledger.reasons(events.ReleasedClear),
        cpu_ms=time.process_time_ns() // MS,
        resident_bytes=resident_bytes(),
        rules=_rules(census, request.limit),
        total=best.total,
        flows=(),
    )


def _rules(census: Census, limit: int) -> tuple[RuleCount, ...]:
    busiest = sorted(census.rules.items(), key=lambda item: -item[1].total())
    rows = (RuleCount(rule=name, mode=mode.name.lower(), flows=states) for (name, mode), states in busiest[:limit])
    return tuple(rows)
