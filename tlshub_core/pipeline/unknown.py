# SPDX-License-Identifier: Apache-2.0
"""What the programs tell that is about no connection of which the agent knows: logged, and said."""

from __future__ import annotations

import logging
import time

from tlshub_core.types import events
from tlshub_core.types.capture import FlowDecided, Overrun, State, Unaccounted

_log = logging.getLogger("tlshub.capture")


def lost(event: Overrun) -> events.Lost:
    """The ring buffer overran."""
    _log.warning("%d events of the kernel were lost", event.lost)
    return events.Lost(time_ns=time.monotonic_ns(), sink=events.RING_BUFFER, count=event.lost)


def unattended(event: Unaccounted) -> events.Unattended:
    """What the programs decided while there was no agent."""
    released, refused = event.released, event.refused
    _log.warning("while no agent watched, %d connections were released in clear, %d refused", released, refused)
    now = time.monotonic_ns()
    return events.Unattended(time_ns=now, released=released, refused=refused, since_ns=event.since_ns)


def decided(event: FlowDecided) -> events.Event:
    """A flow that found no room in the table has no beginning, and counts all the same."""
    kind = events.ReleasedClear if event.state is State.CLEAR else events.Refused
    detail = f"decided in the kernel about a connection that was not seen (cookie {event.cookie})"
    return kind(time_ns=event.time_ns, reason=event.reason, detail=detail)
