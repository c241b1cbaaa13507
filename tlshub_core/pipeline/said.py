# SPDX-License-Identifier: Apache-2.0
"""What is told of a connection that the agent knows: that it is secured, and that it has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tlshub_core.types import events
from tlshub_core.types.capture import FlowClosed, State

if TYPE_CHECKING:
    from tlshub_core.pipeline.connection import Connection


def secured(connection: Connection, now: int) -> events.Secured:
    """Its keys are in the socket, and the gate is open."""
    owner = connection.owners.latest
    assert owner is not None
    return events.Secured(
        time_ns=now,
        flow=connection.flow.id,
        side=connection.flow.side,
        client=connection.ends[0],
        server=connection.ends[1],
        pid=owner.pid,
        comm=owner.comm,
        provider=connection.provider,
        cipher=connection.cipher,
        hold_ns=connection.hold_ns,
        setup_ns=now - connection.seen.time_ns,
    )


def unheard(connection: Connection) -> FlowClosed:
    """The end of which the kernel's event was lost, as far as it is known."""
    last = connection.ending.outcome or State.REFUSED
    none = {"restarts": 0, "held_ns": 0, "bytes_sent": 0, "bytes_received": 0}
    return FlowClosed(cookie=connection.flow.cookie, time_ns=time.monotonic_ns(), state=last, **none)


def closed(connection: Connection, end: FlowClosed) -> events.Closed:
    """It has ended."""
    return events.Closed(
        time_ns=end.time_ns,
        flow=connection.flow.id,
        secured=end.state is State.OPEN,
        restarts=end.restarts,
        bytes_sent=end.bytes_sent,
        bytes_received=end.bytes_received,
    )
