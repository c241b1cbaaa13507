# SPDX-License-Identifier: Apache-2.0
"""What the BPF programs write: records of the ring buffer, and rows of a flow table that an earlier agent left.

The first byte says which. Nothing that counts is lost on the way into an event, or it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from tlshub_capture_bpf import decoding, kept, layout

from tests.fuzz.kit.target import Target
from tlshub_core import api
from tlshub_core.api import Mode, Owner, Side, State, Tuple4

RECORD, ROW = b"\0", b"\1"
_TUPLE = Tuple4(client=ip_address("10.1.0.1"), client_port=40_000, server=ip_address("fd00::1"), server_port=80)
_OWNER = layout.OWNER.pack(99, 7, 3, b"curl")
_NOBODY = bytes(layout.OWNER.size)
_KINDS = {number: make.__name__.removeprefix("_") for number, make in decoding._DECODERS.items()}
_ROWS = frozenset({"row", "row: established", "row: owned", "row: unknown"})


def _record(kind: int, body: bytes) -> bytes:
    return RECORD + layout.HEADER.pack(kind, 0, 0x1234, 5_000_000_000) + body[layout.HEADER.size :]


def _seeds() -> Iterable[bytes]:
    for side in Side:
        packed = layout.pack_tuple(_TUPLE, side)
        yield _record(1, layout.SEEN.pack(packed, 3, side, Mode.PREFER, State.NEW, 1, _OWNER, 1, 0))
        yield _record(1, layout.SEEN.pack(packed, 0, side, Mode.OBSERVE, State.CLEAR, 0, _NOBODY, 0, 0))
        for owner, at in ((_OWNER, 0), (layout.OWNER.pack(0, 0, -1, b""), 7)):
            head = (State.OPEN, 3, side, Mode.REQUIRE, 1, 0, 0, 5, 9, 8, 0, 0, 0, 0, 0, 1, 0)
            yield ROW + layout.FLOW.pack(*head, packed, owner, 1, 2, at)
    yield ROW + bytes(layout.FLOW.size) + b"of a later release"
    yield _record(2, layout.ESTABLISHED.pack(2**32 - 1, 1))
    yield _record(3, layout.OWNED.pack(_OWNER, 1))
    yield from (_record(4, layout.DECIDED.pack(State.REFUSED, reason, 1)) for reason in decoding._REASONS)
    yield from (_record(5, layout.CLOSED.pack(state, 7, 10**9, 2**63, 0, 1, 2, 0, 1)) for state in State)
    yield _record(6, layout.SPOKE.pack(1, 0))
    yield _record(7, layout.WORN.pack(2**24, 2**38, 1, 0))


def _one(data: bytes) -> Iterable[str]:
    return _row(data[1:]) if data[:1] == ROW else _event(data[1:])


def _event(record: bytes) -> Iterable[str]:
    event = decoding.decode(record)
    kind, _, cookie, time_ns = layout.HEADER.unpack_from(record)
    assert (event.cookie, event.time_ns) == (cookie, time_ns)
    written = _written(event, record)[layout.HEADER.size :]
    known = _all_that_counts(kind, record)[layout.HEADER.size :]
    assert written == known, f"{event} is {written.hex()}, and came as {known.hex()}"
    return [_KINDS[kind]]


def _written(event: api.CaptureEvent, record: bytes) -> bytes:
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
            reasons = {reason: number for number, reason in decoding._REASONS.items()}
            return layout.DECIDED.pack(event.state, reasons[event.reason], decoding.number_of(record))
        case api.FlowClosed():
            times = (event.first_held_ns or 0, event.released_ns or 0, event.first_call_ns or 0)
            records = (0 if one is None else one + 1 for one in (event.records_sent, event.records_received))
            counts = (event.bytes_sent, event.bytes_received, *records)
            return layout.CLOSED.pack(event.state, event.restarts, *times, *counts)
        case api.FlowSpoke():
            return layout.SPOKE.pack(event.tls, 0)
        case api.FlowWorn():
            return layout.WORN.pack(event.records, event.bytes, event.sent, 0)
    raise AssertionError(f"'{type(event).__name__}' is no record of the ring buffer")


def _all_that_counts(kind: int, record: bytes) -> bytes:
    """The record without its padding and names, and with 1 for whatever is not 0 where that is all that is asked."""
    match _KINDS[kind]:
        case "seen":
            tuple_, rule, side, mode, state, held, owner, passthrough, _ = layout.SEEN.unpack(record)
            marks = (rule, side, mode, state, bool(held))
            who = _nameless(owner) if layout.unpack_owner(owner).pid else _NOBODY
            return layout.SEEN.pack(tuple_[:36] + bytes(4), *marks, who, bool(passthrough), 0)
        case "owned":
            owner, held = layout.OWNED.unpack(record)
            return layout.OWNED.pack(_nameless(owner), bool(held))
        case "spoke":
            return layout.SPOKE.pack(bool(layout.SPOKE.unpack(record)[0]), 0)
        case "worn":
            *counts, sent, _ = layout.WORN.unpack(record)
            return layout.WORN.pack(*counts, bool(sent), 0)
    return record


def _row(value: bytes) -> Iterable[str]:
    found = kept.kept(0x1234, value)
    state, rule, side, mode, *_, tuple_, owner, local, remote, at = layout.FLOW.unpack_from(value)
    if found is None:
        assert not side
        return ["row: unknown"]
    seen, done, owned = found.seen, found.established, found.owned
    assert (seen.state, seen.rule, seen.side, seen.mode) == (state, rule, side, mode)
    assert layout.pack_tuple(seen.tuple, seen.side) == tuple_[:36] + bytes(4)
    assert (done is not None) == bool(at) and (done is None or (done.local_isn, done.remote_isn) == (local, remote))
    assert owned is None or _owner(owned.owner) == _nameless(owner)
    return ["row", *(["row: established"] if done else []), *(["row: owned"] if owned else [])]


def _owner(owner: Owner | None) -> bytes:
    return layout.OWNER.pack(owner.inode, owner.pid, owner.fd, b"") if owner else _NOBODY


def _nameless(owner: bytes) -> bytes:
    return owner[:16] + bytes(16)


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=_ROWS.union(_KINDS.values()),
    refusals=(ValueError,),
    modules=("tlshub_capture_bpf.decoding", "tlshub_capture_bpf.layout", "tlshub_capture_bpf.kept"),
    longest=512,
)
