# SPDX-License-Identifier: Apache-2.0
"""Records of the ring buffer, and what is written for the programs: back and forth, and nothing but ValueError."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_bpf import decoding, layout, rows

from tlshub_core.api import (
    Address,
    CaptureEvent,
    FlowClosed,
    FlowDecided,
    FlowEstablished,
    FlowOwned,
    FlowSeen,
    FlowSpoke,
    FlowWorn,
    Match,
    Mode,
    Owner,
    Reason,
    RuleSet,
    Side,
    State,
    Tuple4,
)

u64, u32 = st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
ports = st.integers(0, 65535)
# An IPv4-mapped address is the IPv4 one, inside the agent.
addresses = st.ip_addresses().map(lambda a: (a.version == 6 and a.ipv4_mapped) or a)
comms = st.binary(max_size=15).filter(lambda b: b"\0" not in b)
tuples = st.builds(Tuple4, client=addresses, client_port=ports, server=addresses, server_port=ports)
KINDS = (layout.SEEN, layout.ESTABLISHED, layout.OWNED, layout.DECIDED, layout.CLOSED, layout.SPOKE, layout.WORN)
SIZES = [kind.size for kind in KINDS]


def record(kind: int, cookie: int, time: int, body: bytes) -> bytes:
    return layout.HEADER.pack(kind, 0, cookie, time) + body


def owner_bytes(inode: int, pid: int, fd: int, comm: bytes) -> bytes:
    return layout.OWNER.pack(inode, pid, fd, comm.ljust(16, b"\0"))


@given(addresses)
def test_addresses_return(address: Address) -> None:
    packed = layout.pack_address(address)
    assert len(packed) == 16
    assert layout.unpack_address(packed) == address


def test_an_ipv4_address_is_the_mapped_one() -> None:
    mapped = IPv6Address("::ffff:192.0.2.1")
    assert mapped.ipv4_mapped is not None
    assert layout.pack_address(mapped.ipv4_mapped) == mapped.packed == layout.pack_address(mapped)


@given(tuples, st.sampled_from(Side))
def test_tuples_return_and_are_mirrored(tuple4: Tuple4, side: Side) -> None:
    packed = layout.pack_tuple(tuple4, side)
    assert layout.unpack_tuple(packed, side) == tuple4
    other = layout.pack_tuple(tuple4, Side.SERVER if side is Side.CLIENT else Side.CLIENT)
    assert packed[:16] == other[16:32]
    assert packed[32:34] == other[34:36]


@given(u64, u64, tuples, st.sampled_from(Side), st.sampled_from(Mode), st.sampled_from(State), st.booleans(), comms)
def test_seen(
    cookie: int, time: int, tuple4: Tuple4, side: Side, mode: Mode, state: State, held: bool, comm: bytes
) -> None:
    for pid in (0, 7):
        passing = layout.U64.pack(bool(pid))  # a number of 32 bits, and a pad
        body = layout.pack_tuple(tuple4, side) + layout.U32.pack(3) + bytes([side, mode, state, held])
        event = decoding.decode(record(1, cookie, time, body + owner_bytes(5, pid, -1, comm) + passing))
        owner = Owner(pid=7, fd=-1, inode=5, comm=comm.decode("utf-8", "replace")) if pid else None
        assert event == FlowSeen(
            cookie=cookie,
            time_ns=time,
            side=side,
            tuple=tuple4,
            rule=3,
            mode=mode,
            state=state,
            syn_held=held,
            owner=owner,
            passthrough=bool(pid),
        )


@given(u64, u64, u32, u32, st.sampled_from(State))
def test_the_other_kinds(cookie: int, time: int, one: int, two: int, state: State) -> None:
    def of(kind: int, body: bytes) -> CaptureEvent:
        return decoding.decode(record(kind, cookie, time, body))

    pair = layout.U32.pack(one) + layout.U32.pack(two)
    assert of(2, pair) == FlowEstablished(cookie=cookie, time_ns=time, local_isn=one, remote_isn=two)
    who = Owner(pid=one or 1, fd=9, inode=two, comm="app")
    owned = owner_bytes(two, one or 1, 9, b"app") + layout.U64.pack(1)
    assert of(3, owned) == FlowOwned(cookie=cookie, time_ns=time, owner=who, held=True)
    decided = layout.U32.pack(state) + layout.U32.pack(4) + layout.U64.pack(time)
    assert of(4, decided) == FlowDecided(cookie=cookie, time_ns=time, state=state, reason=Reason.TABLE_FULL)
    assert decoding.number_of(record(4, cookie, time, decided)) == time
    assert of(6, layout.U64.pack(1)) == FlowSpoke(cookie=cookie, time_ns=time, tls=True)
    worn = b"".join(map(layout.U64.pack, (one, two, 1)))
    assert of(7, worn) == FlowWorn(cookie=cookie, time_ns=time, sent=True, records=one, bytes=two)


@given(u64, u32, u64, u64, st.sampled_from(State))
def test_closed(time: int, restarts: int, held: int, opened: int, state: State) -> None:
    def of(*numbers: int) -> CaptureEvent:
        return decoding.decode(record(5, 9, time, layout.CLOSED.pack(state, restarts, *numbers)[layout.HEADER.size :]))

    head = {"cookie": 9, "time_ns": time, "state": state, "restarts": restarts}
    bytes_ = {"bytes_sent": 2, "bytes_received": 3}
    assert of(0, 0, 0, 2, 3, 0, 0) == FlowClosed(**head, held_ns=0, **bytes_), "what is 0 never came, or is not known"
    both = held and opened
    assert of(held, opened, 7, 2, 3, 1, 2**32 - 1) == FlowClosed(
        **head,
        held_ns=max(0, opened - held) if both else 0,
        **bytes_,
        first_held_ns=held or None,
        released_ns=opened or None,
        first_call_ns=7,
        records_sent=0,
        records_received=2**32 - 2,
    )


@given(st.one_of(st.binary(max_size=120), *(st.binary(min_size=n, max_size=n) for n in SIZES)), st.integers(0, 8))
def test_random_bytes_are_an_event_or_a_valueerror(data: bytes, kind: int) -> None:
    for each in (data, layout.U32.pack(kind) + data[4:]):
        try:
            decoding.decode(each)
        except ValueError:
            continue
        assert len(each) in SIZES


@pytest.mark.parametrize(("kind", "size"), list(enumerate(SIZES, start=1)))
def test_a_record_of_another_length_is_refused(kind: int, size: int) -> None:
    for wrong in (size - 1, size + 1):
        with pytest.raises(ValueError):
            decoding.decode(layout.U32.pack(kind).ljust(wrong, b"\1"))


def test_unknown_values_are_refused() -> None:
    for state, reason in ((0, 1), (6, 99)):
        with pytest.raises(ValueError):
            decoding.decode(record(4, 1, 1, layout.U32.pack(state) + layout.U32.pack(reason) + layout.U64.pack(1)))


def test_too_many_rows_are_refused() -> None:
    row = Match(rule=0, mode=Mode.OBSERVE, sides=frozenset(Side), ports=(1, 2), network=None)
    size = layout.RULESET.size + layout.MAX_ROWS * layout.ROW.size
    assert len(rows.pack_rules(RuleSet(names=("a",), matches=()))) == size
    assert len(rows.pack_rules(RuleSet(names=("a",), matches=(row,) * 256))) == size
    with pytest.raises(ValueError, match="257 rows"):
        rows.pack_rules(RuleSet(names=("a",), matches=(row,) * 257))
