# SPDX-License-Identifier: Apache-2.0
"""From a frame to its TCP segment: Ethernet (VLAN tags too), Linux cooked captures, raw IP; IPv4, IPv6."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

FIN, SYN, RST, ACK = 1, 2, 4, 16
_IPV4, _IPV6, _VLANS = 0x0800, 0x86DD, frozenset({0x8100, 0x88A8})
_TCP, _FRAGMENT, _AUTHENTICATION = 6, 44, 51
_OTHERS = frozenset({17, 58})  # UDP, ICMPv6
_EXTENSIONS = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135})
_U16 = struct.Struct(">H").unpack_from
_TCP_HEADER = struct.Struct(">HHIIBB").unpack_from
# By LINKTYPE: where the protocol is, where the network header begins; raw IP has no such field.
_LINKS = {1: (12, 14), 113: (14, 16), 276: (0, 20)}
_RAW = frozenset({12, 14, 101, 228, 229})


class Segment(NamedTuple):
    """A TCP segment: addresses as bytes of the packet, its payload as a range of the buffer."""

    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    start: int
    end: int


class Unreadable(Exception):
    """A TCP segment that cannot be judged: a fragment, or cut short by the capture."""


Reader = Callable[[bytes, int, int], Segment | None]


def reader(link: int) -> Reader:
    """What reads frames of that LINKTYPE: (buffer, first byte, byte behind the last) -> Segment, None if no TCP.

    The reader raises Unreadable; this raises ValueError for a link that is not known.
    """
    if link in _RAW:
        return _network
    if link not in _LINKS:
        raise ValueError(f"link type {link} is not read here, capture on an Ethernet interface")
    protocol_at, network_at = _LINKS[link]

    def read(data: bytes, start: int, end: int) -> Segment | None:
        if end - start < network_at:
            return None
        (protocol,) = _U16(data, start + protocol_at)
        at = start + network_at
        while protocol in _VLANS and end - at >= 4:
            (protocol,) = _U16(data, at + 2)
            at += 4
        return _network(data, at, end) if protocol in (_IPV4, _IPV6) else None

    return read


def _network(data: bytes, at: int, end: int) -> Segment | None:
    version = data[at] >> 4 if at < end else 0
    if end - at < {4: 20, 6: 40}.get(version, 0):
        raise Unreadable
    return _ipv4(data, at, end) if version == 4 else _ipv6(data, at, end) if version == 6 else None


def _ipv4(data: bytes, at: int, end: int) -> Segment | None:
    if data[at + 9] != _TCP:
        return None
    if _U16(data, at + 6)[0] & 0x3FFF:
        raise Unreadable
    # A length of 0 is that of a packet above 64 KB, which the kernel cuts up only behind the capture.
    length = _U16(data, at + 2)[0] or end - at
    here, last = at + (data[at] & 15) * 4, _limit(at + length, end)
    if here < at + 20:
        raise Unreadable
    return _segment(data, here, last, data[at + 12 : at + 16], data[at + 16 : at + 20])


def _ipv6(data: bytes, at: int, end: int) -> Segment | None:
    length, here, protocol = _U16(data, at + 4)[0], at + 40, data[at + 6]
    while protocol in _EXTENSIONS:
        if here + 8 > end:
            raise Unreadable
        if protocol == _FRAGMENT and _U16(data, here + 2)[0] & 0xFFF9 and data[here] not in _OTHERS:
            raise Unreadable
        size = (data[here + 1] + 2) * 4 if protocol == _AUTHENTICATION else (data[here + 1] + 1) * 8
        protocol, here = data[here], here + (8 if protocol == _FRAGMENT else size)
    if protocol != _TCP:
        return None
    last = _limit(at + 40 + length, end) if length else end
    return _segment(data, here, last, data[at + 8 : at + 24], data[at + 24 : at + 40])


def _limit(last: int, end: int) -> int:
    """The end of the packet; a frame may be longer (padding), and must not be shorter."""
    if last > end:
        raise Unreadable
    return last


def _segment(data: bytes, at: int, end: int, source: bytes, destination: bytes) -> Segment:
    if at + 20 > end:
        raise Unreadable
    source_port, destination_port, seq, ack, offset, flags = _TCP_HEADER(data, at)
    start = at + (offset >> 4) * 4
    if start > end or start < at + 20:
        raise Unreadable
    return Segment(source, destination, source_port, destination_port, seq, ack, flags, start, end)
