# SPDX-License-Identifier: Apache-2.0
"""A connection and where it runs: sides, endpoints, pods, nodes, flows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

Address = IPv4Address | IPv6Address


class Side(IntEnum):
    """Which end of the connection this host is; the values are those of the BPF programs."""

    CLIENT = 1
    SERVER = 2


class Mode(IntEnum):
    """What a rule asks for; the values are those of the BPF programs."""

    BYPASS = 0
    OBSERVE = 1
    PREFER = 2
    REQUIRE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine with an agent: its name (as in its certificate) and the address its agent listens on, if known."""

    name: str
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A workload: its name, the node it runs on, and its address where the mapping knows one."""

    name: str
    node: Node
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end of a connection; an IPv4-mapped IPv6 address is held as the IPv4 address, as on the wire."""

    address: Address
    port: int
    pod: Pod | None = None

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuple4:
    """The canonical tuple of a connection: the client's end first, on both sides."""

    client: Address
    client_port: int
    server: Address
    server_port: int

    def resembles(self, other: Tuple4) -> bool:
        """Whether both may be one connection, whose addresses were translated on the way.

        What translates the client's end leaves the server's; what translates the server's keeps the client's port
        where it can.
        """
        same_server = (self.server, self.server_port) == (other.server, other.server_port)
        return same_server or self.client_port == other.client_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A captured connection as a provider sees it; `deadline_ns` is CLOCK_MONOTONIC, `cookie` is SO_COOKIE.

    With `passthrough` the peer is asked only once it is seen what the client sends first.
    """

    id: UUID
    cookie: int
    side: Side
    client: Endpoint
    server: Endpoint
    peer: Node | None
    rule: str
    mode: Mode
    deadline_ns: int
    passthrough: bool = False

    @property
    def tuple(self) -> Tuple4:
        """The canonical tuple, client first."""
        return Tuple4(
            client=self.client.address,
            client_port=self.client.port,
            server=self.server.address,
            server_port=self.server.port,
        )

    @property
    def remote(self) -> Endpoint:
        """The end that is not on this host."""
        return self.server if self.side is Side.CLIENT else self.client


@dataclass(frozen=True, slots=True, kw_only=True)
class Isns:
    """First sequence numbers after the handshake, as snd_nxt and rcv_nxt show them at ESTABLISHED (host order)."""

    client: int
    server: int
