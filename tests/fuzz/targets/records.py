# SPDX-License-Identifier: Apache-2.0
"""Records of the ring buffer: an event of the capture, in which nothing was lost, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from tlshub_capture_bpf import layout

from tests.fuzz.kit.target import Target
from tlshub_core import api
from tlshub_core.api import Mode, Owner, Side, State, Tuple4

_TUPLE = Tuple4(client=ip_address("10.1.0.1"), client_port=40_000, server=ip_address("fd00::1"), server_port=80)
_OWNER = layout.OWNER.pack(99, 7, 3, b"curl")
_NOBODY = bytes(layout.OWNER.size)
_KINDS = {number: make.__name__.removeprefix("_") for number, make in layout._DECODERS.items()}


def _record(kind: int, body: bytes) -> bytes:
    return layout.HEADER.pack(kind, 0, 0x1234, 5_000_000_000) + body[layout.HEADER.size :]


def _seeds() -> Iterable[bytes]:
    for side in Side:
        packed = layout.pack_tuple(_TUPLE, side)
        yield _record(1, layout.SEEN.pack(packed, 3, side, Mode.PREFER, State.NEW, 1, _OWNER, 1, 0))
        yield _record(1, layout.SEEN.pack(packed, 0, side, Mode.OBSERVE, State.CLEAR, 0, _NOBODY, 0, 0))
    yield _record(2, layout.ESTABLISHED.pack(2**32 - 1, 1))
    yield _record(3, layout.OWNED.pack(_OWNER, 1))
    yield from (_record(4, layout.DECIDED.pack(State.REFUSED, reason)) for reason in layout._REASONS)
    yield from (_record(5, layout.CLOSED.pack(state, 7, 10**9, 2**63, 0)) for state in State)
    yield _record(6, layout.SPOKE.pack(1, 0))


def _one(record: bytes) -> Iterable[str]:
    event = layout.decode(record)
    kind, _, cookie, time_ns = layout.HEADER.unpack_from(record)
    assert (event.cookie, event.time_ns) == (cookie, time_ns)
    body, known = (packed[layout.HEADER.size :] for packed in (_written(event), _all_that_counts(kind, record)))
    assert body == known, f"{event} is {body.hex()}, and came as {known.hex()}"
    return [_KINDS[kind]]


def _written(event: api.CaptureEvent) -> bytes:
    """The event as the programs would write it, but for its header, and without the names of processes."""
    match event:
        case api.FlowSeen():
            tuple_, owner = layout.pack_tuple(event.tuple, event.side), _owner(event.owner)
            marks = (event.rule, event.side, event.mode, event.state, event.syn_held)
            return layout.SEEN.pack(tuple_, *marks, owner, event.passthrough, 0)
        case api.FlowEstablished():
            return layout.ESTABLISHED.pack(event.local_isn, event.remote_isn)
        case api.FlowOwned():
            return layout.OWNED.pack(_owner(event.owner), event.held)
        case api.FlowDecided():
            reasons = {reason: number for number, reason in layout._REASONS.items()}
            return layout.DECIDED.pack(event.state, reasons[event.reason])
        case api.FlowClosed():
            counts = (event.restarts, event.held_ns, event.bytes_sent, event.bytes_received)
            return layout.CLOSED.pack(event.state, *counts)
        case api.FlowSpoke():
            return layout.SPOKE.pack(event.tls, 0)
    raise AssertionError(f"'{type(event).__name__}' is no record of the ring buffer")


def _all_that_counts(kind: int, record: bytes) -> bytes:
    """The record without its padding and names, and with 1 for whatever is not 0 where that is all that is asked."""
    match _KINDS[kind]:
        case "seen":
            tuple_, rule, side, mode, state, held, owner, passthrough, _ = layout.SEEN.unpack(record)
            marks = (rule, side, mode, state, bool(held))
            nobody = not layout.OWNER.unpack(owner)[1]
            who = _NOBODY if nobody else _nameless(owner)
            return layout.SEEN.pack(tuple_[:36] + bytes(4), *marks, who, bool(passthrough), 0)
        case "owned":
            owner, held = layout.OWNED.unpack(record)
            return layout.OWNED.pack(_nameless(owner), bool(held))
        case "spoke":
            return layout.SPOKE.pack(bool(layout.SPOKE.unpack(record)[0]), 0)
    return record


def _nameless(owner: bytes) -> bytes:
    return owner[:16] + bytes(16)


def _owner(owner: Owner | None) -> bytes:
    return layout.OWNER.pack(owner.inode, owner.pid, owner.fd, b"") if owner else _NOBODY


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset(_KINDS.values()),
    refusals=(ValueError,),
    modules=("tlshub_capture_bpf.layout",),
    longest=256,
)
