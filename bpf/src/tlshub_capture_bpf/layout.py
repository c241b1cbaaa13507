# SPDX-License-Identifier: Apache-2.0
"""Layouts of what the programs and the agent exchange; bpf/c/flow.bpf.h has the other half (host byte order)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from tlshub_core.api import Address, Owner, Side, Tuple4

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
SETTINGS = struct.Struct("=QQQQQIIIHHQQQQQ32x")
STOP = struct.Struct("=QII")
TALLY = struct.Struct("=QQQQQ24x")
SWEEP = struct.Struct("=QQIIII")
SWEPT = struct.Struct("=QII40s32s16x")
LIFE_AT, GUARD_AT = 64, 80  # in SETTINGS
FLOW = struct.Struct("=IIBBBBIQQQQQQIIII40s32sIIQ4x4x8x8x4x4x8x")
TIME_AT = 16  # in HEADER
ASIDE = struct.Struct("=Q48s")
ASIDE_COUNT = 64
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
