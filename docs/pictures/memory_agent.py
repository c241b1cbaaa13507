# SPDX-License-Identifier: Apache-2.0
"""An agent by its configuration, all of it but the kernel: its flow table is in memory, and no keys are installed."""

from __future__ import annotations

import asyncio
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from socket import IPPROTO_TCP, TCP_INFO, socket

from tlshub_core.config import load
from tlshub_core.context import Context
from tlshub_core.control.ledger import Ledger
from tlshub_core.control.parts import Parts
from tlshub_core.control.server import Server
from tlshub_core.events.sinks import Sinks
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.pipeline.serving import Serving
from tlshub_core.pipeline.tools import Tools
from tlshub_core.plugins import Registry
from tlshub_core.providers import Providers
from tlshub_core.reloading import Reloading
from tlshub_core.ruling import Ruling
from tlshub_core.testing.memory import MemoryMapping
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.memory_kernel import HANDSHAKE_NS
from tlshub_core.testing.node import GATE_NS, ISNS, Link
from tlshub_core.types import events
from tlshub_core.types.capture import Owner
from tlshub_core.types.flow import Pod, Side

_COUNTS, _COUNTS_AT = struct.Struct("=QQ"), 120  # tcpi_bytes_acked and tcpi_bytes_received, <linux/tcp.h>


class MemoryAgent:
    """Serves its control socket, and the other node's agent, while the stack that it was started on is open.

    `decided` is released once for each connection that is secured, refused or in clear.
    """

    def __init__(self, file: Path, pods: list[Pod]) -> None:
        config, mapping = load(file), MemoryMapping(pods)
        self.config, self._registry, self._sinks = config, Registry(), Sinks()
        in_force, serving, rules = InForce(config), Serving(config.keys.provider), compile_rules(config, mapping)
        ledger, self.backend, self.decided = Ledger(self._emit), MemoryBackend(rules), asyncio.Semaphore(0)
        allowed, emit = (lambda: serving.allowed(config.keys.providers_allowed)), ledger.emit
        identity = config.identity()
        self.context = Context(identity, config.keys.ciphers, allowed, self.backend, mapping, emit, in_force.rule)
        self.providers = Providers(self.context, self._registry, in_force, serving)
        keys, promises = Keys(self.context, serving), self.context.promises
        tools = Tools(promises=promises, agent=self.context, backend=self.backend, keys=keys, gate_ns=GATE_NS)
        self.capture = Capture(tools, mapping, in_force.rule, HANDSHAKE_NS)
        ruling = Ruling(self.backend, rules, emit)
        self._parts = Parts(
            backend="memory",
            programs=(),
            notices=(),
            in_force=in_force,
            mapping=mapping,
            serving=serving,
            providers=self.providers,
            ruling=ruling,
            reloading=Reloading(in_force, lambda: config, mapping, ruling, self.providers, emit),
            capture=self.capture,
            ledger=ledger,
            sinks=self._sinks,
        )

    def _emit(self, event: events.Event) -> None:
        self._sinks.emit(event)
        if isinstance(event, events.Secured | events.Refused | events.ReleasedClear):
            self.decided.release()

    async def start(self, stack: AsyncExitStack) -> None:
        """Key providers, then the control socket."""
        control = await stack.enter_async_context(Server(self.config.control.socket))
        stack.push_async_callback(self.providers.stop)
        await self.providers.adopt(self.config)
        self.context.begin()
        await control.start(self._parts.handle)
        stack.push_async_callback(self.capture.stop)

    def begin(self, link: Link, side: Side, owner: Owner) -> None:
        """The connection begins at that end."""
        sock = _end(link, side)
        self.backend.begin(side, link.tuple4, cookie=cookie_of(sock), owner=owner if side is Side.CLIENT else None)
        self.capture.handle(self.backend.take_events())

    def establish(self, link: Link, side: Side, owner: Owner) -> None:
        """TCP's handshake is complete, and the program calls into its socket."""
        cookie = cookie_of(_end(link, side))
        self.backend.establish(cookie, ISNS)
        self.backend.own(cookie, owner, held=True)
        self.capture.handle(self.backend.take_events())

    def close(self, link: Link, side: Side) -> None:
        """The program closes its socket there, which has carried what the kernel says of it."""
        sock = _end(link, side)
        info = sock.getsockopt(IPPROTO_TCP, TCP_INFO, _COUNTS_AT + _COUNTS.size)
        acked, received = _COUNTS.unpack_from(info, _COUNTS_AT)
        self.backend.close(cookie_of(sock), sent=acked, received=received)
        self.capture.handle(self.backend.take_events())


def _end(link: Link, side: Side) -> socket:
    return link.client if side is Side.CLIENT else link.server
