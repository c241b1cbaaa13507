# SPDX-License-Identifier: Apache-2.0
"""Two whole pipelines over real sessions, of which only the kernel is stood in for: its flow table is in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from tlshub_core.api import Cipher, Event, Identity, KeyProviderSpec, Mode, Node, Pod, Side, State, events
from tlshub_core.config import load
from tlshub_core.context import Context
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.serving import Serving
from tlshub_core.pipeline.tools import Tools
from tlshub_core.plugins import Registry
from tlshub_core.providers import Providers
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory import MemoryMapping
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.node import HERE, ISNS, THERE, Link, cancelled
from tlshub_core.types.capture import Owner

PATIENCE_NS = 20_000_000_000
PODS = tuple(
    Pod(name=name, node=Node(name=name, address=ip_address(host)), address=ip_address(host))
    for name, host in (("node-a", HERE), ("node-b", THERE))
)


class Known(Registry):
    """These key providers are installed."""

    def __init__(self, specs: Sequence[KeyProviderSpec]) -> None:
        super().__init__()
        self._specs = {spec.name: spec for spec in specs}

    def names(self) -> tuple[str, ...]:
        """Of these."""
        return tuple(self._specs)

    def key_provider(self, name: str) -> KeyProviderSpec:
        """One of these."""
        return self._specs[name]


class Half:
    """One agent without a kernel; the first of the providers is its default, all are allowed.

    With the `backend` of one before, which it follows.
    """

    def __init__(
        self,
        who: Identity,
        folder: Path,
        mode: Mode,
        specs: Sequence[KeyProviderSpec],
        backend: MemoryBackend | None = None,
        patience_ns: int = PATIENCE_NS,
    ) -> None:
        names = [spec.name for spec in specs]
        file = folder / f"{who.node}.toml"
        file.write_text(f'[keys]\nprovider = "{names[0]}"\nproviders_allowed = {names}\n')
        self.events: list[Event] = []
        self.backend, self.serving, in_force = (
            backend or MemoryBackend(rule_set([row(mode)])),
            Serving(names[0]),
            InForce(load(file)),
        )
        emit, ciphers, mapping = self.events.append, (Cipher.AES_GCM_128,), MemoryMapping(PODS)
        context = Context(who, ciphers, lambda: frozenset(names), self.backend, mapping, emit, in_force.rule)
        self._context = context
        self.providers = Providers(context, Known(specs), in_force, self.serving)
        keys = Keys(context, self.serving)
        tools = Tools(promises=context.promises, agent=context, backend=self.backend, keys=keys, gate_ns=PATIENCE_NS)
        self._capture, self._config = Capture(tools, mapping, in_force.rule, patience_ns), in_force.config

    async def start(self) -> None:
        """All providers run, what the table has is taken over, and events are handed on."""
        before_ns = time.monotonic_ns()
        await self.providers.adopt(self._config)
        self._capture.take_over(self.backend.flows(), before_ns)
        self._context.begin()
        self._feeding = asyncio.create_task(self._feed())

    async def stop(self, *, killed: bool = False) -> None:
        """In order; or as by SIGKILL, where nothing is decided any more and the kernel closes the sessions."""
        if killed:
            self._feeding.cancel()
            await asyncio.gather(cancelled(self._capture._tasks.values()), self.providers.stop())
            return
        self._context.end()
        await self._capture.finish()
        self._feeding.cancel()
        await self._capture.stop()
        await self.providers.stop()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From its start to its stop."""
        await self.start()
        yield
        await self.stop()

    async def _feed(self) -> None:
        async for batch in self.backend.events():
            self._capture.handle(batch)

    def served(self) -> dict[object, str]:
        """By which provider each connection was secured, by its client."""
        return {event.client: event.provider for event in self.events if isinstance(event, events.Secured)}


async def connect(client: Half, server: Half, link: Link) -> None:
    """One connection, from its SYN, which may be held, until both ends are open."""
    ours, theirs = link.cookie, cookie_of(link.server)
    held = not client.backend.warm_peers.get(link.tuple4.server)
    client.backend.begin(Side.CLIENT, link.tuple4, cookie=ours, owner=link.owner)
    if held:
        await until(lambda: client.backend.table[ours].state >= State.ARMED)
    server.backend.begin(Side.SERVER, link.tuple4, cookie=theirs)
    for half, cookie in ((server, theirs), (client, ours)):
        half.backend.establish(cookie, ISNS)
    server.backend.own(theirs, Owner(pid=link.owner.pid, fd=link.server.fileno(), inode=0, comm="test"))
    await until(lambda: client.backend.table[ours].state is server.backend.table[theirs].state is State.OPEN)


async def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds."""
    while not condition():  # noqa: ASYNC110 - what a kernel would do, at its own time
        await asyncio.sleep(0.001)
