# SPDX-License-Identifier: Apache-2.0
"""The listening socket, and who is at the other end of a connection to it."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

from tlshub_core.peering.tuples import plain

BACKLOG = 128


def bind(listen: str, port: int) -> socket.socket:
    """A listening socket on one address, or on all of both families; raises OSError."""
    if listen:
        family = socket.AF_INET6 if ip_address(listen).version == 6 else socket.AF_INET
        return socket.create_server((listen, port), family=family, backlog=BACKLOG)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    except (OSError, ValueError):
        # A kernel without IPv6; a port that is taken fails again here, with its own message.
        return socket.create_server(("", port), backlog=BACKLOG)


def peer_address(writer: asyncio.StreamWriter) -> str:
    """Where a connection comes from, for logs and events."""
    name: tuple[str, int] | None = writer.get_extra_info("peername")
    return str(plain(ip_address(name[0]))) if name else "an unknown address"
