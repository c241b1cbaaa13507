# SPDX-License-Identifier: Apache-2.0
"""The two ends of a connection: which is the client's, and how they are written."""

from __future__ import annotations

from ipaddress import ip_address

from tlshub_core.verifying.packets import ACK, SYN, Segment

End = tuple[bytes, int]


def ends_of(first: Segment) -> tuple[End, End]:
    """The client's end and the server's, by a first segment."""
    ends = (first.source, first.source_port), (first.destination, first.destination_port)
    return ends[::-1] if first.flags & (SYN | ACK) == SYN | ACK else ends


def name_of(address: bytes, port: int) -> str:
    """An end as 'address:port', IPv6 addresses in brackets."""
    host = ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
