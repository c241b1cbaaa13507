# SPDX-License-Identifier: Apache-2.0
"""What the agent itself did for a connection and when, and the timeline that is made of it when the connection ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlshub_core.types import events
from tlshub_core.types.capture import FlowClosed
from tlshub_core.types.flow import Mode, Side

if TYPE_CHECKING:
    from tlshub_core.pipeline.connection import Connection


@dataclass(slots=True)
class Stamps:
    """CLOCK_MONOTONIC, None where it did not come to that; the programs know the rest.

    `negotiation_ns` is a duration: how long the provider took, without what it waited for TCP and for an owner.
    """

    asked_ns: int | None = None
    keys_ns: int | None = None
    tx_ns: int | None = None
    rx_ns: int | None = None
    decided_ns: int | None = None
    negotiation_ns: int | None = None


def timeline(connection: Connection, closed: FlowClosed, *, heard: bool) -> events.Timeline:
    """All of it on one clock; where the kernel's event of the end was not `heard`, what only that tells is absent."""
    seen, stamps = connection.seen, connection.stamps
    return events.Timeline(
        time_ns=closed.time_ns,
        flow=connection.flow.id,
        side=seen.side,
        mode=seen.mode,
        provider=connection.provider if seen.mode > Mode.OBSERVE else "",
        outcome=closed.state,
        syn_ns=seen.time_ns if seen.side is Side.CLIENT and seen.owner else None,
        established_ns=connection.established_ns or None,
        held_ns=closed.first_held_ns,
        owner_ns=connection.owners.since_ns,
        asked_ns=stamps.asked_ns,
        keys_ns=stamps.keys_ns,
        tx_ns=stamps.tx_ns,
        rx_ns=stamps.rx_ns,
        released_ns=closed.released_ns or stamps.decided_ns,
        first_call_ns=closed.first_call_ns,
        negotiation_ns=stamps.negotiation_ns,
        bytes_sent=closed.bytes_sent if heard else None,
        bytes_received=closed.bytes_received if heard else None,
        records_sent=closed.records_sent,
        records_received=closed.records_received,
    )
