# SPDX-License-Identifier: Apache-2.0
"""The connections of now as rows, a few at a time: the agent has others to look after meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice

from tlshub_core.control.requests import HELD
from tlshub_core.control.rows import FlowRow
from tlshub_core.pipeline.connection import Connection
from tlshub_core.types.capture import DECIDED, State
from tlshub_core.types.flow import Mode

BATCH = 100
PAUSE_S = 0.001
MS = 1_000_000


async def batches(connections: Iterable[Connection]) -> AsyncIterator[Sequence[Connection]]:
    """The connections in pieces; between two of them the agent does what else there is, and sleeps.

    It has to sleep, since a thread with real-time priority that never does loses it (RLIMIT_RTTIME).
    """
    left = iter(connections)
    while batch := tuple(islice(left, BATCH)):
        yield batch
        await asyncio.sleep(PAUSE_S)


def state_of(connection: Connection) -> State | None:
    """Where a connection stands, None where it is closed; the kernel is asked only where nothing is decided yet."""
    if connection.flow.mode <= Mode.OBSERVE:
        return State.CLEAR
    return connection.ending.outcome or connection.ending.state()


def chosen(connection: Connection, wanted: str) -> str:
    """The name of its state, where that is the wanted one; empty where it is not, or where it is closed."""
    state = state_of(connection)
    if state is None:
        return ""
    name = state.name.lower()
    return name if wanted in ("", name) or (wanted == HELD and state not in DECIDED) else ""


def row(connection: Connection, state: str) -> FlowRow:
    """One connection; who has it is who was seen last."""
    flow = connection.flow
    comm, pid = owner_of(connection)
    return FlowRow(
        id=str(flow.id),
        side=flow.side.name.lower(),
        client=connection.ends[0],
        server=connection.ends[1],
        peer=flow.peer.name if flow.peer else "",
        pid=pid,
        comm=comm,
        state=state,
        reason=connection.ending.reason.value if connection.ending.reason else "",
        rule=flow.rule,
        mode=flow.mode.name.lower(),
        provider=connection.provider if flow.mode > Mode.OBSERVE else "",
        cipher=connection.cipher,
        age_ms=_since(connection.seen.time_ns) // MS,
        hold_ms=held_ns(connection) // MS,
    )


def owner_of(connection: Connection) -> tuple[str, int]:
    """Name and id of the process that has it; empty and 0 where nobody is known to."""
    owner = connection.owners.latest
    return (owner.comm, owner.pid) if owner else ("", 0)


def held_ns(connection: Connection) -> int:
    """How long its owner waited, or waits."""
    return connection.hold_ns or _waits_ns(connection)


def _waits_ns(connection: Connection) -> int:
    since = connection.established_ns
    held = connection.flow.mode > Mode.OBSERVE and connection.ending.outcome is None
    return _since(since) if held and since else 0


def _since(time_ns: int) -> int:
    return max(0, time.monotonic_ns() - time_ns)
