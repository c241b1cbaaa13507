# SPDX-License-Identifier: Apache-2.0
"""Events of every type, for tests of what takes events."""

from __future__ import annotations

from uuid import UUID, uuid4

from tlshub_core.api import Event, Mode, Reason, Side, State, events

# A name cut inside a character, a terminal's escape, a line of its own, text from right to left, and no plane 0.
UNUSUAL = "caf\udcc3 \x1b[31m\n=== New TCP Connection Detected ===\r\x00 \u202e\u2028 \U0001f512 {} %s"


def one_of_each(flow: UUID | None = None, text: str = "text") -> list[Event]:
    """An event of every type, those of a connection in the order in which they come; `text` in each free field."""
    flow = flow or uuid4()
    at, side = 1_000_000_000, Side.CLIENT
    ends = {"client": "10.0.0.1:40000", "server": "[fd00::2]:80"}
    return [
        events.Connecting(time_ns=at, flow=flow, side=side, **ends, rule=text, mode=Mode.REQUIRE, peer=text),
        events.Held(time_ns=at, flow=flow, pid=7),
        events.Owned(time_ns=at, flow=flow, pid=7, fd=3, comm=text),
        events.KeysAsked(time_ns=at, flow=flow, provider=text),
        events.KeysReady(time_ns=at, flow=flow, provider=text, cipher="aes-gcm-128"),
        events.Secured(
            time_ns=at,
            flow=flow,
            side=side,
            **ends,
            pid=7,
            comm=text,
            provider=text,
            cipher=text,
            hold_ns=0,
            setup_ns=9,
        ),
        events.ReleasedClear(time_ns=at, flow=flow, reason=Reason.DEADLINE, detail=text),
        events.Refused(time_ns=at, flow=flow, reason=Reason.PEER_UNKNOWN, detail=text),
        events.Closed(time_ns=2**62, flow=flow, secured=True, restarts=1, bytes_sent=2**64 - 1, bytes_received=0),
        _timeline(flow, at, text),
        events.SessionUp(time_ns=at, node=text, address="10.0.0.2", dialler=True, library=text),
        events.SessionDown(time_ns=at, node=text, address="", dialler=False, reason=Reason.CLOSED, detail=text),
        events.Lost(time_ns=at, sink=text, count=1),
        events.Unattended(time_ns=at, released=3, refused=2**62, since_ns=0),
        events.Reloaded(time_ns=at, what=text, ok=False, detail=text),
        events.Bypass(time_ns=at, on=True, seconds=60, detail=text),
        events.TakenOver(
            time_ns=at, flow=flow, side=side, **ends, rule=text, mode=Mode.REQUIRE, peer=text, state=State.OPEN
        ),
        events.KeyLimit(time_ns=at, flow=flow, sent=True, records=2**64 - 1, bytes=2**64 - 1, closed=True),
    ]


def _timeline(flow: UUID, at: int, text: str) -> Event:
    """One of which some times are known, and some not."""
    names = events.Timeline.__slots__
    known = {name: at for name in names if name.endswith("_ns")} | {"held_ns": None, "negotiation_ns": 0}
    moved = {"bytes_sent": 2**64 - 1, "bytes_received": 0, "records_sent": 2**32 - 2, "records_received": None}
    outcome = {"side": Side.CLIENT, "mode": Mode.REQUIRE, "provider": text, "outcome": State.OPEN}
    return events.Timeline(time_ns=at, flow=flow, **outcome, **known, **moved)  # type: ignore[arg-type]
