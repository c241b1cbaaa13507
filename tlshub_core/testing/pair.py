# SPDX-License-Identifier: Apache-2.0
"""Two nodes on loopback, each with a provider, and the two ends of connections between them."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from uuid import uuid4

from tlshub_core.testing.fakes import FakeAgent
from tlshub_core.types.flow import Endpoint, Flow, Mode, Node, Pod, Side
from tlshub_core.types.interfaces import Identity, KeyProvider
from tlshub_core.types.keys import Cipher

TRUST_DOMAIN = "test.example"
CLIENT_NODE = Node(name="node-a", address=IPv4Address("127.0.0.1"))
SERVER_NODE = Node(name="node-b", address=IPv4Address("127.0.0.2"))
PODS = (
    Pod(name="client", node=CLIENT_NODE, address=IPv4Address("10.1.0.1")),
    Pod(name="server", node=SERVER_NODE, address=IPv4Address("10.2.0.1")),
    Pod(name="client-6", node=CLIENT_NODE, address=IPv6Address("fd00:1::1")),
    Pod(name="server-6", node=SERVER_NODE, address=IPv6Address("fd00:2::1")),
)

TRIES = 1000


def free_port() -> int:
    """A TCP port that is free, and that the kernel gives to no connection of another program: theirs are higher.

    By chance, so that those who ask for one before they use it, at the same time, have different ones.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(1025, lowest), TRIES):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise OSError("no port is free")


def identities(folder: Path, port: int) -> tuple[Identity, Identity]:
    """Certificates for both nodes of one new authority in that folder."""
    from tlshub_core.peering import pki

    pki.init(folder, TRUST_DOMAIN, [CLIENT_NODE.name, SERVER_NODE.name])
    return identity(folder, CLIENT_NODE.name, port), identity(folder, SERVER_NODE.name, port)


def identity(folder: Path, node: str, port: int) -> Identity:
    """The identity whose files `pki.init` made in that folder."""
    cert, key = folder / f"{node}.pem", folder / f"{node}-key.pem"
    return Identity(node=node, trust_domain=TRUST_DOMAIN, port=port, cert=cert, key=key, ca=folder / "ca.pem")


def agent(who: Identity, provider: str, ciphers: Sequence[Cipher] = (Cipher.AES_GCM_128,)) -> FakeAgent:
    """An agent of that node which knows all `PODS` and allows one provider."""
    return FakeAgent(who, pods=PODS, ciphers=ciphers, providers_allowed=[provider])


def flows(port: int, *, ipv6: bool = False) -> tuple[Flow, Flow]:
    """The client's and the server's view of one connection from that port to port 80."""
    client_pod, server_pod = PODS[2:] if ipv6 else PODS[:2]
    client = Endpoint(address=_address(client_pod), port=port, pod=client_pod)
    server = Endpoint(address=_address(server_pod), port=80, pod=server_pod)
    return _flow(Side.CLIENT, client, server, SERVER_NODE), _flow(Side.SERVER, client, server, CLIENT_NODE)


def _flow(side: Side, client: Endpoint, server: Endpoint, peer: Node) -> Flow:
    return Flow(
        id=uuid4(),
        cookie=1,
        side=side,
        client=client,
        server=server,
        peer=peer,
        rule="test",
        mode=Mode.REQUIRE,
        deadline_ns=time.monotonic_ns() + 5_000_000_000,
    )


def within(flow: Flow, seconds: float) -> Flow:
    """The same, with that much time from now on."""
    return replace(flow, deadline_ns=time.monotonic_ns() + round(seconds * 1e9))


def _address(pod: Pod) -> IPv4Address | IPv6Address:
    return ip_address(str(pod.address))


@dataclass(slots=True, kw_only=True)
class Pair:
    """Two started providers and their agents."""

    client: KeyProvider
    server: KeyProvider
    client_agent: FakeAgent
    server_agent: FakeAgent

    async def start(self) -> None:
        """Start both."""
        await self.server.start(self.server_agent)
        await self.client.start(self.client_agent)

    async def stop(self) -> None:
        """Stop both."""
        await self.client.stop()
        await self.server.stop()
