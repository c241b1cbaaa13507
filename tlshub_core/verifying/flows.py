# SPDX-License-Identifier: Apache-2.0
"""Connections in a capture: which segments belong together, and who is the client."""

from __future__ import annotations

from ipaddress import ip_address

from tlshub_core.verifying.packets import ACK, RST, SYN, Buffer, Segment
from tlshub_core.verifying.reassembly import SEQ_WRAP, Direction, Stream


class Flow:
    """One connection: the client's end first, which is the one that sent the SYN (or, unseen, the first packet)."""

    __slots__ = ("client", "directions", "packets", "reset", "server")

    def __init__(self, first: Segment) -> None:
        ends = (first.source, first.source_port), (first.destination, first.destination_port)
        self.client, self.server = ends[::-1] if first.flags & (SYN | ACK) == SYN | ACK else ends
        self.directions = (Direction(), Direction())
        self.packets, self.reset = 0, False

    @property
    def unbegun(self) -> bool:
        """Whether one end's SYN was captured and the other's was not, though it went on."""
        client, server = self.directions
        return any(
            one.synced and other.used and not other.synced for one, other in ((client, server), (server, client))
        )

    @property
    def ports(self) -> tuple[int, int]:
        """The client's port, the server's."""
        return self.client[1], self.server[1]

    @property
    def names(self) -> tuple[str, str]:
        """Both ends as 'address:port', IPv6 addresses in brackets."""
        return name_of(*self.client), name_of(*self.server)

    def add(self, segment: Segment, way: int) -> None:
        """Take a segment from the client (way 0) or from the server (way 1)."""
        self.packets += 1
        self.reset = self.reset or segment.flags & RST != 0
        self.directions[way].add(segment)
        # Before its SYN an end may still answer for an older connection between the same ports.
        if segment.flags & ACK and self.directions[way].synced >= self.directions[1 - way].synced:
            self.directions[1 - way].acknowledge(segment.ack)

    def streams(self, data: Buffer) -> tuple[Stream, Stream]:
        """What the client sent and what the server sent."""
        client, server = self.directions
        return client.stream(data, self.reset), server.stream(data, self.reset)

    def renewed_by(self, segment: Segment, way: int) -> bool:
        """Whether the segment begins another connection between the same ports: a SYN, and not this one's again."""
        sent = self.directions[way]
        return segment.flags & (SYN | ACK) == SYN and sent.base not in (None, (segment.seq + 1) % SEQ_WRAP)


class Flows:
    """All connections of a capture, in the order in which they began."""

    def __init__(self) -> None:
        self.all: list[Flow] = []
        self._by_ends: dict[tuple[bytes, bytes, int, int], tuple[Flow, int]] = {}

    def add(self, segment: Segment) -> None:
        """Give the segment to its connection, which may be a new one."""
        source, destination, source_port, destination_port = segment[:4]
        found = self._by_ends.get((source, destination, source_port, destination_port))
        if found is None or found[0].renewed_by(segment, found[1]):
            found = self._begin(segment)
        found[0].add(segment, found[1])

    def _begin(self, segment: Segment) -> tuple[Flow, int]:
        flow = Flow(segment)
        self.all.append(flow)
        (client, client_port), (server, server_port) = flow.client, flow.server
        self._by_ends[client, server, client_port, server_port] = flow, 0
        self._by_ends[server, client, server_port, client_port] = flow, 1
        return self._by_ends[segment[:4]]


def name_of(address: bytes, port: int) -> str:
    """An end as 'address:port', IPv6 addresses in brackets."""
    host = ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
