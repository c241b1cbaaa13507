# SPDX-License-Identifier: Apache-2.0
"""Connections between two agents in one process, as the ring buffer would tell of them."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from types import TracebackType

from tlshub_capture_bpf import decoding, layout
from tlshub_capture_openssl import tlshub_key_providers
from tlshub_capture_openssl.engine import engines

from replay.sockets import Ends, Holder
from tlshub_core.context import Context
from tlshub_core.events.jsonl import JsonlConfig, JsonlSink
from tlshub_core.events.sinks import Sinks
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.pipeline.tools import Tools
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory import MemoryMapping
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.pair import free_port, identities
from tlshub_core.types.capture import State
from tlshub_core.types.events import Event, Secured
from tlshub_core.types.flow import Mode, Node, Pod, Side
from tlshub_core.types.interfaces import Identity
from tlshub_core.types.keys import Cipher
from tlshub_core.types.spec import EventSinkSpec

PATIENCE_NS = 60_000_000_000
(SPEC,) = tlshub_key_providers()
SINK = EventSinkSpec(name="jsonl", summary="", config=JsonlConfig, factory=JsonlSink)


class Half:
    """One agent."""

    def __init__(self, who: Identity, sinks: Sinks, pods: list[Pod], side: Side) -> None:
        self.side, self._sinks = side, sinks
        host = str(pods[side - 1].address)
        self.backend = MemoryBackend(rule_set([row(Mode.REQUIRE)]))
        mapping = MemoryMapping(pods)
        serving = Serving("openssl")
        ciphers, rule = (Cipher.AES_GCM_128,), lambda _: ("bench", None)
        context = Context(who, ciphers, lambda: serving.allowed(()), self.backend, mapping, self._emit, rule)
        context.begin()
        self.provider, self._context = PeeringProvider("openssl", engines, Settings(listen=host)), context
        serving.running["openssl"] = Running.of(SPEC, self.provider)
        keys = Keys(context, serving)
        tools = Tools(promises=context.promises, agent=context, backend=self.backend, keys=keys, gate_ns=PATIENCE_NS)
        self.capture = Capture(tools, mapping, rule, PATIENCE_NS)
        self.secured = asyncio.Semaphore(0)

    async def start(self) -> None:
        """The provider listens."""
        await self.provider.start(self._context)

    def _emit(self, event: Event) -> None:
        self._sinks.emit(event)
        if isinstance(event, Secured):
            self.secured.release()

    def begin(self, ends: Ends) -> None:
        """The connection is seen, established, and its owner calls into it: as records, and in the table."""
        self.backend.begin(self.side, ends.tuple4, cookie=ends.cookie(self.side), owner=ends.owner(self.side))
        self.backend.take_events()
        self.capture.handle([decoding.decode(record) for record in ends.records(self.side)])

    def close(self, ends: Ends) -> None:
        """The connection is closed."""
        self.backend.table.pop(ends.cookie(self.side))
        head = layout.HEADER.pack(5, 0, ends.cookie(self.side), time.monotonic_ns())
        self.capture.handle(
            [decoding.decode(head + layout.CLOSED.pack(State.OPEN, 1, 1, 2, 3, 1, 1, 2, 2)[layout.HEADER.size :])]
        )


class Replay:
    """Both agents, their sink, and the process that has the sockets."""

    def __init__(self, folder: Path) -> None:
        self._holder, self._sinks = Holder(), Sinks()
        self._sinks.start([(SINK, JsonlConfig(path=folder / "events.jsonl"))])
        nodes = [
            Node(name=f"node-{name}", address=address) for name, address in zip("ab", self._holder.hosts, strict=True)
        ]
        pods = [Pod(name=node.name, node=node, address=node.address) for node in nodes]
        a, b = identities(folder, free_port())
        self._client, self._server = Half(a, self._sinks, pods, Side.CLIENT), Half(b, self._sinks, pods, Side.SERVER)

    async def __aenter__(self) -> Replay:
        for half in (self._client, self._server):
            await half.start()
        return self

    async def play(self, count: int, at_once: int) -> None:
        """So many connections, some at once, from the first record to the last."""
        flows = iter(self._holder.make(count))
        while wave := list(itertools.islice(flows, at_once)):
            for ends in wave:
                self._client.begin(ends)
                self._server.begin(ends)
            for half in (self._client, self._server):
                for _ in wave:
                    await half.secured.acquire()
            for ends in wave:
                self._client.close(ends)
                self._server.close(ends)
            await asyncio.sleep(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for half in (self._client, self._server):
            await half.provider.stop()
        self._sinks.close()
        self._holder.close()
