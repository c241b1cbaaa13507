# SPDX-License-Identifier: Apache-2.0
"""Records of the ring buffer, as the events that they tell of; strictly, since nobody else writes them."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tlshub_capture_bpf.layout import (
    CLOSED,
    DECIDED,
    ESTABLISHED,
    HEADER,
    OWNED,
    SEEN,
    SPOKE,
    WORN,
    unpack_owner,
    unpack_tuple,
)
from tlshub_core.api import (
    CaptureEvent,
    FlowClosed,
    FlowDecided,
    FlowEstablished,
    FlowOwned,
    FlowSeen,
    FlowSpoke,
    FlowWorn,
    Mode,
    Reason,
    Side,
    State,
)

_REASONS = {
    1: Reason.DEADLINE,
    2: Reason.MPTCP,
    3: Reason.SIMULTANEOUS_OPEN,
    4: Reason.TABLE_FULL,
    5: Reason.PASSTHROUGH,
    6: Reason.NOT_TLS,
    8: Reason.REPAIR,
    9: Reason.KERNEL_SOCKET,
    10: Reason.NOT_HELD,
}
NUMBERS = {reason: number for number, reason in _REASONS.items()}


def _seen(cookie: int, time_ns: int, data: bytes) -> FlowSeen:
    tuple_, rule, side, mode, state, syn_held, owner, passthrough, _ = SEEN.unpack(data)
    who = unpack_owner(owner)
    return FlowSeen(
        cookie=cookie,
        time_ns=time_ns,
        side=Side(side),
        tuple=unpack_tuple(tuple_, Side(side)),
        rule=rule,
        mode=Mode(mode),
        state=State(state),
        syn_held=bool(syn_held),
        owner=who if who.pid else None,
        passthrough=bool(passthrough),
    )


def _established(cookie: int, time_ns: int, data: bytes) -> FlowEstablished:
    local, remote = ESTABLISHED.unpack(data)
    return FlowEstablished(cookie=cookie, time_ns=time_ns, local_isn=local, remote_isn=remote)


def _owned(cookie: int, time_ns: int, data: bytes) -> FlowOwned:
    owner, held = OWNED.unpack(data)
    return FlowOwned(cookie=cookie, time_ns=time_ns, owner=unpack_owner(owner), held=bool(held))


def _decided(cookie: int, time_ns: int, data: bytes) -> FlowDecided:
    state, reason, _ = DECIDED.unpack(data)
    return FlowDecided(cookie=cookie, time_ns=time_ns, state=State(state), reason=_REASONS[reason])


def _closed(cookie: int, time_ns: int, data: bytes) -> FlowClosed:
    state, restarts, held, opened, used, sent, received, records_sent, records_received = CLOSED.unpack(data)
    return FlowClosed(
        cookie=cookie,
        time_ns=time_ns,
        state=State(state),
        restarts=restarts,
        held_ns=max(0, opened - held) if held and opened else 0,
        bytes_sent=sent,
        bytes_received=received,
        first_held_ns=held or None,
        released_ns=opened or None,
        first_call_ns=used or None,
        records_sent=records_sent - 1 if records_sent else None,
        records_received=records_received - 1 if records_received else None,
    )


def _spoke(cookie: int, time_ns: int, data: bytes) -> FlowSpoke:
    tls, _ = SPOKE.unpack(data)
    return FlowSpoke(cookie=cookie, time_ns=time_ns, tls=bool(tls))


def _worn(cookie: int, time_ns: int, data: bytes) -> FlowWorn:
    records, size, sent, _ = WORN.unpack(data)
    return FlowWorn(cookie=cookie, time_ns=time_ns, sent=bool(sent), records=records, bytes=size)


_DECODERS: dict[int, Callable[[int, int, bytes], CaptureEvent]] = {
    1: _seen,
    2: _established,
    3: _owned,
    4: _decided,
    5: _closed,
    6: _spoke,
    7: _worn,
}


def number_of(record: bytes) -> int:
    """Which decision of its kind it is that an event of a FlowDecided tells."""
    number: int = DECIDED.unpack(record)[2]
    return number


def decode(record: bytes) -> CaptureEvent:
    """One record; raises ValueError where it is not one that our programs write."""
    try:
        kind, _, cookie, time_ns = HEADER.unpack_from(record)
        return _DECODERS[kind](cookie, time_ns, record)
    except (struct.error, KeyError) as error:
        raise ValueError(f"record of {len(record)} bytes is not one of ours: {error}") from error
