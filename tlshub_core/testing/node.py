# SPDX-License-Identifier: Apache-2.0
"""The agent's pipeline over a backend in memory and real sockets on loopback: 127.0.0.1 is here, 127.0.0.2 is not."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from socket import create_connection, create_server, socket
from typing import TypeVar

from tlshub_core.context import Context
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.pipeline.tools import Tools
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory import MemoryMapping
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.memory_kernel import HANDSHAKE_NS
from tlshub_core.testing.scripted import Script, ScriptedProvider, spec_of
from tlshub_core.types.capture import Owner
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import Event
from tlshub_core.types.flow import Isns, Mode, Node, Pod, Side, Tuple4
from tlshub_core.types.interfaces import Identity
from tlshub_core.types.keys import Cipher

HERE, THERE = "127.0.0.1", "127.0.0.2"
ISNS = Isns(client=100, server=200)
GATE_NS = 200_000_000
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A TCP connection on loopback, both ends in this process; `cookie` and `owner` are those of the client's end."""

    client: socket
    server: socket
    tuple4: Tuple4

    @classmethod
    def make(cls, server: str = THERE) -> Link:
        """A new connection from 127.0.0.1 to that address."""
        with create_server((server, 0)) as listener:
            client = create_connection(listener.getsockname(), source_address=(HERE, 0))
            accepted, (address, port) = listener.accept()
            ends = {"client": ip_address(address), "client_port": port, "server": ip_address(server)}
            return cls(client=client, server=accepted, tuple4=Tuple4(**ends, server_port=listener.getsockname()[1]))

    @property
    def cookie(self) -> int:
        """SO_COOKIE of the client's end."""
        return cookie_of(self.client)

    @property
    def owner(self) -> Owner:
        """This process."""
        return Owner(pid=os.getpid(), fd=self.client.fileno(), inode=0, comm="test")

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.server.close()


class MemoryNode:
    """An agent without a kernel and without plugins; `events` is what it said, `named` the provider of its rule.

    With the `backend` of an earlier one, whose flow table is as that one left it.
    """

    def __init__(
        self,
        mode: Mode = Mode.REQUIRE,
        script: Script | None = None,
        patience_ns: int = 0,
        backend: MemoryBackend | None = None,
        *,
        close_worn: bool = False,
    ) -> None:
        self.backend = backend or MemoryBackend(rule_set([row(mode)]))
        self.events: list[Event] = []
        self.named: str | None = None
        self.allowed = ["scripted"]
        other = Node(name="there")
        mapping = MemoryMapping([Pod(name="other", node=other, address=IPv4Address(THERE))])
        nowhere = Path("/nonexistent")
        identity = Identity(node="here", trust_domain="test", port=4646, cert=nowhere, key=nowhere, ca=nowhere)
        ciphers = (Cipher.AES_GCM_128,)
        self.serving = Serving(default="scripted")
        rule, emit = self._rule, self.events.append
        self.context = Context(identity, ciphers, self._allowed, self.backend, mapping, emit, rule).view("scripted")
        self.context.warmth.serve(("scripted",))
        self.context.begin()
        self.provider = ScriptedProvider(self.context, script)
        self.serving.running["scripted"] = Running.of(spec_of(self.provider), self.provider)
        self.keys = Keys(self.context, self.serving)
        tools = Tools(
            promises=self.context.promises,
            agent=self.context,
            backend=self.backend,
            keys=self.keys,
            gate_ns=GATE_NS,
            patience_ns=patience_ns,
            close_worn=close_worn,
        )
        self.capture = Capture(tools, mapping, rule, HANDSHAKE_NS)

    def _allowed(self) -> frozenset[str]:
        return self.serving.allowed(self.allowed)

    def _rule(self, number: int) -> tuple[str, str | None]:
        return f"rule-{number}", self.named

    def add(self, name: str, script: Script | None = None) -> ScriptedProvider:
        """Another provider, which peers may ask for; it never asks them."""
        provider = ScriptedProvider(self.context, script)
        self.serving.running[name] = Running.of(replace(spec_of(provider), name=name), provider)
        self.allowed.append(name)
        return provider

    async def die(self) -> None:
        """As by SIGKILL: nothing is decided or said any more, and the kernel's table stays as it is."""
        await cancelled(self.capture._tasks.values())

    async def succeed(self, mode: Mode = Mode.REQUIRE, script: Script | None = None) -> MemoryNode:
        """It dies, and the next agent takes over."""
        await self.die()
        following = MemoryNode(mode, script, backend=self.backend)
        following.capture.take_over(self.backend.flows(), time.monotonic_ns())
        return following

    async def settle(self) -> None:
        """Hand over events and let every task run until all of them wait for something."""
        for _ in range(20):
            self.capture.handle(self.backend.take_events())
            await asyncio.sleep(0)

    async def begin(self, link: Link, side: Side = Side.CLIENT, unfit: Reason | None = None) -> Connection:
        """The connection of the link begins, not established yet."""
        sock = link.client if side is Side.CLIENT else link.server
        owner = link.owner if side is Side.CLIENT else None
        cookie = self.backend.begin(side, link.tuple4, cookie=cookie_of(sock), owner=owner, unfit=unfit)
        self.capture.handle(self.backend.take_events())
        connection = self.capture._by_cookie[cookie]
        await self.settle()
        return connection

    async def establish(self, link: Link, side: Side = Side.CLIENT) -> None:
        """TCP's handshake completes on that end."""
        self.backend.establish(cookie_of(link.client if side is Side.CLIENT else link.server), ISNS)
        await self.settle()

    def said(self, kind: type[E]) -> list[E]:
        """The events of that type, in order."""
        return [event for event in self.events if isinstance(event, kind)]


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End them all, wherever they are."""
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
