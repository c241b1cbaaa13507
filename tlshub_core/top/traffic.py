# SPDX-License-Identifier: Apache-2.0
"""How many bytes a connection has carried: asked of the kernel by the viewer, so that it costs the agent nothing.

NETLINK_SOCK_DIAG finds sockets of its own network namespace only; of others it is not known.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from socket import SOCK_RAW, socket

from tlshub_core.control.rows import FlowRow
from tlshub_core.pipeline import sockdiag
from tlshub_core.types.flow import Address, Side, Tuple4

INET_DIAG_INFO = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr, <linux/netlink.h>
_MESSAGE = 72  # struct inet_diag_msg, <linux/inet_diag.h>
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr
_COUNTS, _COUNTS_AT = struct.Struct("=QQ"), 120  # tcpi_bytes_acked and tcpi_bytes_received, <linux/tcp.h>


def carried(rows: Sequence[FlowRow]) -> Mapping[str, int]:
    """Bytes in both directions of those that are found, by their id. Raises OSError where nothing can be asked."""
    with socket(sockdiag.AF_NETLINK, SOCK_RAW, sockdiag.NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        found = ((row.id, _look(netlink, row)) for row in rows)
        return {flow: count for flow, count in found if count is not None}


def _look(netlink: socket, row: FlowRow) -> int | None:
    ends = _tuple(row)
    if ends is None:
        return None
    side = Side.CLIENT if row.side == "client" else Side.SERVER
    wanted = 1 << (INET_DIAG_INFO - 1)
    netlink.send(sockdiag.request(sockdiag.ANY_COOKIE, ends, side, sockdiag.SOCK_DIAG_BY_FAMILY, wanted))
    return count(netlink.recv(8192))


def _tuple(row: FlowRow) -> Tuple4 | None:
    """The ends as the agent wrote them; None for anything else."""
    try:
        (client, client_port), (server, server_port) = _end(row.client), _end(row.server)
    except ValueError:
        return None
    if client.version != server.version:
        return None
    return Tuple4(client=client, client_port=client_port, server=server, server_port=server_port)


def _end(text: str) -> tuple[Address, int]:
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 0 <= number <= 0xFFFF:
        raise ValueError(f"'{port[:40]}' is no port")
    return ip_address(host.removeprefix("[").removesuffix("]")), number


def count(data: bytes) -> int | None:
    """The bytes in the kernel's answer; None where it found no such socket, or tells nothing of it."""
    if len(data) < _HEADER.size:
        return None
    length, kind, _, _, _ = _HEADER.unpack_from(data)
    if kind != sockdiag.SOCK_DIAG_BY_FAMILY or length > len(data):
        return None
    info = _attribute(data[_HEADER.size + _MESSAGE : length])
    return sum(_COUNTS.unpack_from(info, _COUNTS_AT)) if len(info) >= _COUNTS_AT + _COUNTS.size else None


def _attribute(data: bytes) -> bytes:
    """The payload of INET_DIAG_INFO, empty where there is none."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return b""
        if kind == INET_DIAG_INFO:
            return data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return b""
