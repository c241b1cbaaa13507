# SPDX-License-Identifier: Apache-2.0
"""Layouts of what the programs and the agent exchange; bpf/c/flow.bpf.h has the other half (host byte order)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv6Address

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

HEADER = struct.Struct("=IIQQ")
ADDRESS_SIZE = 16
TUPLE = struct.Struct("=16s16sHHI")
OWNER = struct.Struct("=QIi16s")
SEEN = struct.Struct("=24x40sIBBBB32sII")
ESTABLISHED = struct.Struct("=24xII")
OWNED = struct.Struct("=24x32sQ")
DECIDED = struct.Struct("=24xIIQ")
SPOKE = struct.Struct("=24xII")
CLOSED = struct.Struct("=24xIIQQQQQII")
SETTINGS = struct.Struct("=QQQQQIIIHHQQQQ40x")
TALLY = struct.Struct("=QQQQQ24x")
SWEEP = struct.Struct("=QQIIII")
SWEPT = struct.Struct("=QII40s32s16x")
LIFE_AT, GUARD_AT = 64, 80  # in SETTINGS
FLOW = struct.Struct("=IIBBBBIQQQQQQIIII40s32sIIQ4x4x8x8x4x4x8x")
WORN = struct.Struct("=24xQQII")
ROW = struct.Struct("=16s16sHHBBBBII16s")
RULESET = struct.Struct("=II")
MAX_ROWS = 256
QUERY = struct.Struct("=16sHBBI16s")
ASK = struct.Struct("=40sIIII")
MOVE = struct.Struct("=QQQIIII")
PROMISE = struct.Struct("=40sQII")
WEAR = struct.Struct("=Q")
U64 = struct.Struct("=Q")
U32 = struct.Struct("=I")

_REASONS = {
    1: Reason.DEADLINE,
    2: Reason.MPTCP,
    3: Reason.SIMULTANEOUS_OPEN,
    4: Reason.TABLE_FULL,
    5: Reason.PASSTHROUGH,
    6: Reason.NOT_TLS,
    8: Reason.REPAIR,
    9: Reason.KERNEL_SOCKET,
}
_SIDE_BIT = {Side.CLIENT: 1, Side.SERVER: 2}


def pack_address(address: Address) -> bytes:
    """16 bytes, network order; an IPv4 address as IPv4-mapped."""
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def unpack_address(data: bytes) -> Address:
    """The inverse of `pack_address`."""
    address = IPv6Address(data)
    return address.ipv4_mapped or address


def pack_tuple(tuple4: Tuple4, side: Side) -> bytes:
    """A tuple as the programs key it: this host's end first."""
    client = (pack_address(tuple4.client), tuple4.client_port)
    server = (pack_address(tuple4.server), tuple4.server_port)
    local, remote = (client, server) if side is Side.CLIENT else (server, client)
    return TUPLE.pack(local[0], remote[0], local[1], remote[1], 0)


def unpack_tuple(data: bytes, side: Side) -> Tuple4:
    """The inverse of `pack_tuple`."""
    local, remote, local_port, remote_port, _ = TUPLE.unpack(data)
    mine, theirs = (unpack_address(local), local_port), (unpack_address(remote), remote_port)
    client, server = (mine, theirs) if side is Side.CLIENT else (theirs, mine)
    return Tuple4(client=client[0], client_port=client[1], server=server[0], server_port=server[1])


def unpack_owner(data: bytes) -> Owner:
    """Who has a socket, as the programs know it; `pid` is 0 where nobody is known to."""
    inode, pid, fd, comm = OWNER.unpack(data)
    return Owner(pid=pid, fd=fd, inode=inode, comm=comm.split(b"\0", 1)[0].decode("utf-8", "replace"))


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
    """One ring buffer record; raises ValueError where it is not one that our programs write."""
    try:
        kind, _, cookie, time_ns = HEADER.unpack_from(record)
        return _DECODERS[kind](cookie, time_ns, record)
    except (struct.error, KeyError) as error:
        raise ValueError(f"ring buffer record of {len(record)} bytes is not one of ours: {error}") from error


def _row(match: Match) -> bytes:
    network = match.network
    prefix = 0 if network is None else network.prefixlen + (96 if network.version == 4 else 0)
    mask = (((1 << prefix) - 1) << (128 - prefix)).to_bytes(16, "big")
    base = bytes(16) if network is None else pack_address(network.network_address)
    sides = sum(_SIDE_BIT[side] for side in match.sides)
    low, high = match.ports
    comm = match.comm.encode()[:15].ljust(16, b"\0")
    family = 0 if network is None else network.version
    flags = (sides, match.mode, bool(match.comm), family, match.rule, match.passthrough)
    return ROW.pack(base, mask, low, high, *flags, comm)


def pack_rules(rules: RuleSet) -> bytes:
    """The value of the inner rules map; raises ValueError for more than MAX_ROWS rows."""
    if len(rules.matches) > MAX_ROWS:
        raise ValueError(f"{len(rules.matches)} rows of rules, the programs take {MAX_ROWS}")
    rows = b"".join(_row(match) for match in rules.matches)
    return RULESET.pack(len(rules.matches), 0) + rows.ljust(MAX_ROWS * ROW.size, b"\0")
