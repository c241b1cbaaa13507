# SPDX-License-Identifier: Apache-2.0
"""Connections that are older than the programs: they are not held, so they are reported, or reset."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from tlshub_core.pipeline import sockdiag
from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.mapping import plain
from tlshub_core.pipeline.sockdiag import Destroyer
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Address, Flow, Mode, Side, Tuple4
from tlshub_core.types.interfaces import CaptureBackend

End = tuple[Address, int]
Ends = tuple[End, End]
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ESTABLISHED = "01"
ANY_COOKIE = 0xFFFFFFFFFFFFFFFF  # INET_DIAG_NOCOOKIE in both halves


def established() -> list[Ends]:
    """All established connections of this network namespace: this host's end, the other end."""
    return list(_established())


def without(connections: list[Ends], taken: Sequence[Connection]) -> list[Ends]:
    """Those but the ones that were taken over: they are not older than the programs, only than the agent."""
    known = {_ends(connection.flow) for connection in taken}
    return [ends for ends in connections if ends not in known]


def _ends(flow: Flow) -> Ends:
    client, server = ((end.address, end.port) for end in (flow.client, flow.server))
    return (client, server) if flow.side is Side.CLIENT else (server, client)


def held(connections: list[Ends], backend: CaptureBackend, peering_port: int) -> list[tuple[Tuple4, Side]]:
    """Those that a rule would hold, each with the side that is here; the agents' own sessions are not among them."""
    return [
        found
        for local, remote in connections
        if peering_port not in (local[1], remote[1]) and (found := _held(local, remote, backend)) is not None
    ]


def _held(local: End, remote: End, backend: CaptureBackend) -> tuple[Tuple4, Side] | None:
    for side, service in ((Side.CLIENT, remote[1]), (Side.SERVER, local[1])):
        if backend.match(side, remote[0], service)[1] > Mode.OBSERVE:
            return (_tuple(local, remote) if side is Side.CLIENT else _tuple(remote, local)), side
    return None


def _tuple(client: End, server: End) -> Tuple4:
    return Tuple4(client=client[0], client_port=client[1], server=server[0], server_port=server[1])


def treat(connections: list[tuple[Tuple4, Side]], how: str) -> str:
    """Reset them where `how` says 'reset'; what to say of them, nothing where there are none. Raises as `reset`."""
    if not connections:
        return ""
    if how == "reset":
        return f"{reset(connections)} connections older than the agent were reset"
    return f"{len(connections)} connections are older than the agent: in clear, unless an earlier one secured them"


def reset(connections: list[tuple[Tuple4, Side]]) -> int:
    """Destroy them; returns how many were there still. Raises Unavailable where the kernel does not let us."""
    try:
        return sum(sockdiag.destroy(ANY_COOKIE, tuple4, side) for tuple4, side in connections)
    except OSError as error:
        message = f"older connections cannot be reset: {error.strerror}; set 'existing = \"report\"' in '[capture]'"
        raise Unavailable(message) from error


def destroy(cookie: int, by: Destroyer) -> bool:
    """Destroy the one of which nothing but its cookie is known; false where it is not there. Raises OSError."""
    return any(by.destroy(cookie, _tuple(local, remote), Side.CLIENT) for local, remote in _established())


def _established() -> Iterator[Ends]:
    for table in TABLES:
        if not table.exists():
            continue  # no IPv6 in this kernel
        for line in table.read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if state == ESTABLISHED:
                yield parse(local), parse(remote)


def parse(text: str) -> End:
    """'0100007F:1F90' as the kernel prints it: 32-bit words in host order, then the port; raises ValueError."""
    address, port = text.split(":")
    if len(address) not in (8, 32):
        raise ValueError(f"'{text}' is no address of a table in '/proc/net'")
    words = [int(address[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(address), 8)]
    packed = b"".join(words)
    return plain(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)), int(port, 16)
