# SPDX-License-Identifier: Apache-2.0
"""The agent: starts what the configuration names, in order, hands events on, and stops in the reverse order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from tlshub_core import privileges, process, signals
from tlshub_core.backends import MS, select
from tlshub_core.chosen import Chosen
from tlshub_core.config import Config
from tlshub_core.context import Context
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.control.ledger import Ledger
from tlshub_core.control.parts import Parts
from tlshub_core.control.server import Server
from tlshub_core.events.sinks import Sinks
from tlshub_core.feeding import feed
from tlshub_core.holding import hold
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.keylog import KeyLog
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.rehearsal import rehearse
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.pipeline.serving import Serving
from tlshub_core.pipeline.tools import Tools
from tlshub_core.pipeline.wear import watched
from tlshub_core.plugins import Registry
from tlshub_core.process import say
from tlshub_core.providers import Providers
from tlshub_core.reloading import Reloading
from tlshub_core.reporting import figures
from tlshub_core.reporting.performance import Performance
from tlshub_core.reporting.usage import sampled
from tlshub_core.ruling import Ruling
from tlshub_core.supervisor import Supervisor
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend, MappingSource


class Agent:
    """One agent; what it starts it stops, in the reverse order, also where a later step fails."""

    def __init__(
        self, config: Config, chosen: Chosen, registry: Registry, sinks: Sinks, again: Callable[[], Config]
    ) -> None:
        self._config, self._chosen, self._registry = config, chosen, registry
        self._sinks, self._again, self._ledger = sinks, again, Ledger(sinks.emit)
        self._in_force, self._serving = InForce(config), Serving(config.keys.provider)
        self._stop, self._supervisor, self._active = asyncio.Event(), Supervisor(), 0

    @property
    def performance(self) -> Performance:
        """Of the connections that ended."""
        return self._ledger.performance

    def report(self) -> ReportAnswer:
        """When it has run."""
        return figures.report(self.performance, self._active, self._ledger.started_ns)

    async def run(self) -> None:
        """Start, serve until told to stop, and let go."""
        keep = privileges.running(self._config.peering.port)
        asyncio.get_running_loop().set_default_executor(privileges.pool(keep))
        async with AsyncExitStack() as stack:
            control = await stack.enter_async_context(Server(self._config.control.socket))
            backend, context, parts = await self._start(stack)
            privileges.settle(keep)
            await control.start(parts.handle)
            stack.push_async_callback(control.stop)  # first of all: commands are about what is there
            process.settle_memory()
            say("\nCapture module is running. Press Ctrl+C to stop.\nMonitoring TCP connections...\n")
            async with self._supervisor.watched():
                self._supervisor.ready(f"capturing: backend '{parts.backend}', {len(parts.ruling.rules.names)} rules")
                await feed(backend, parts.capture, self._serve(context, parts.capture))
            self._active = len(parts.capture.connections())

    async def _start(self, stack: AsyncExitStack) -> tuple[CaptureBackend, Context, Parts]:
        mapping = await self._mapping(stack)
        rules = compile_rules(self._config, mapping)
        if any(match.mode > Mode.OBSERVE for match in rules.matches):
            rehearse(self._config.keys.ciphers)
        name, backend = await select(self._config, self._chosen, self._registry, say)
        context = self._context(backend, mapping)
        providers = await self._providers(stack, context)
        capture = self._capture(context, backend, mapping)
        programs = await hold(stack, self._config, backend, rules, capture)
        context.begin()
        await stack.enter_async_context(watched(backend, self._config.keys.limit_records))
        await stack.enter_async_context(sampled(self.performance.usage))
        ruling, during = Ruling(backend, rules, self._ledger.emit), self._supervisor.reloading
        reloading = Reloading(self._in_force, self._again, mapping, ruling, providers, self._ledger.emit, during)
        signals.watch(self._stop.set, reloading.reload)
        parts = Parts(
            backend=name,
            programs=programs,
            notices=self._chosen.notices,
            in_force=self._in_force,
            mapping=mapping,
            serving=self._serving,
            providers=providers,
            ruling=ruling,
            reloading=reloading,
            capture=capture,
            ledger=self._ledger,
            sinks=self._sinks,
        )
        return backend, context, parts

    async def _serve(self, context: Context, capture: Capture) -> None:
        """Until told to stop, and then as long as takes what only this agent can bring to its end."""
        await self._stop.wait()
        self._supervisor.stopping()
        context.end()
        say("\nCleaning up...")
        await capture.finish()

    async def _mapping(self, stack: AsyncExitStack) -> MappingSource | None:
        if self._chosen.mapping is None:
            say("Pod-Node mapping: none configured")
            return None
        mapping = self._config.make(self._chosen.mapping)
        await mapping.start()
        stack.push_async_callback(mapping.stop)
        say(f"Initializing Pod-Node mapping... {len(mapping.pods())} entries")
        return mapping

    def _context(self, backend: CaptureBackend, mapping: MappingSource | None) -> Context:
        config = self._config
        identity, ciphers, rule = config.identity(), config.keys.ciphers, self._in_force.rule
        return Context(identity, ciphers, self._allowed, backend, mapping, self._ledger.emit, rule)

    def _allowed(self) -> frozenset[str]:
        return self._serving.allowed(self._in_force.config.keys.providers_allowed)

    async def _providers(self, stack: AsyncExitStack, context: Context) -> Providers:
        providers = Providers(context, self._registry, self._in_force, self._serving)
        stack.push_async_callback(providers.stop)
        await providers.adopt(self._config)
        return providers

    def _capture(self, context: Context, backend: CaptureBackend, mapping: MappingSource | None) -> Capture:
        here, keylog = self._config.capture, self._config.debug.keylog_file
        tools = Tools(
            promises=context.promises,
            agent=context,
            backend=backend,
            keys=Keys(context, self._serving),
            gate_ns=here.gate_deadline_ms * MS,
            keylog=KeyLog(keylog) if keylog else None,
            patience_ns=here.passthrough_patience_ms * MS,
            close_worn=self._config.keys.limit == "close",
        )
        return Capture(tools, mapping, self._in_force.rule, here.handshake_deadline_ms * MS)
