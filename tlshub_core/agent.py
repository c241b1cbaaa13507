# SPDX-License-Identifier: Apache-2.0
"""The agent: starts what the configuration names, in order, hands events on, and stops in the reverse order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from tlshub_core import process
from tlshub_core.backends import select
from tlshub_core.chosen import Chosen, choose
from tlshub_core.config import Config
from tlshub_core.context import Context
from tlshub_core.events.sinks import Sinks
from tlshub_core.pipeline import existing
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.keylog import KeyLog
from tlshub_core.pipeline.keys import Keys, Running
from tlshub_core.pipeline.rehearsal import rehearse
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.pipeline.tools import Tools
from tlshub_core.plugins import Registry
from tlshub_core.types import events
from tlshub_core.types.capture import CaptureSettings, RuleSet
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.flow import Mode, Side, Tuple4
from tlshub_core.types.interfaces import CaptureBackend, MappingSource

MS = 1_000_000
_log = logging.getLogger("tlshub.agent")


def run(config: Config, again: Callable[[], Config]) -> int:
    """Run until SIGTERM or SIGINT; `again` reads the configuration anew, at SIGHUP. Returns the exit status.

    Raises ConfigError, PluginError, Unavailable or Unsupported where it cannot start.
    """
    say("TLShub Traffic Capture Module\n==============================\n")
    say(f"Loading configuration from {config.file}")
    registry = Registry()
    chosen = choose(config, registry)
    process.protect()
    sinks = Sinks()
    sinks.start((spec, config.options(spec)) for spec in chosen.sinks)
    try:
        asyncio.run(Agent(config, chosen, registry, sinks, again).run())
    finally:
        _log_losses(sinks)
    say("Shutdown complete")
    return 0


def say(line: str) -> None:
    """A start-up line, as the original tool prints them; flushed, since whoever waits for it reads a pipe."""
    print(line, flush=True)


def _log_losses(sinks: Sinks) -> None:
    for count in sinks.close():
        if lost := count.failed + count.dropped + count.unfinished:
            _log.warning("event sink '%s' lost %d of %d events", count.name, lost, lost + count.written)


class Agent:
    """One agent; what it starts it stops, in the reverse order, also where a later step fails."""

    def __init__(
        self, config: Config, chosen: Chosen, registry: Registry, sinks: Sinks, again: Callable[[], Config]
    ) -> None:
        self._config, self._chosen, self._registry = config, chosen, registry
        self._sinks, self._again = sinks, again
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until told to stop, and let go."""
        async with AsyncExitStack() as stack:
            mapping = await self._mapping(stack)
            rules = compile_rules(self._config, mapping)
            if any(match.mode > Mode.OBSERVE for match in rules.matches):
                rehearse(self._config.keys.ciphers)
            backend = await select(self._config, self._chosen, self._registry, say)
            context = self._context(backend, mapping)
            keys = await self._keys(stack, context, backend)
            tools = self._tools(context, backend, keys)
            capture = Capture(tools, mapping, self._rule, self._config.capture.handshake_deadline_ms * MS)
            older = existing.established()
            await self._attach(stack, backend, rules, capture)
            self._report_existing(existing.held(older, backend, self._config.peering.port))
            self._watch_signals(backend, mapping)
            process.settle_memory()
            await self._serve(backend, capture)

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
        return Context(config.identity(), config.keys.ciphers, config.keys.allowed, backend, mapping, self._sinks.emit)

    async def _keys(self, stack: AsyncExitStack, context: Context, backend: CaptureBackend) -> Keys:
        running = {}
        for name, spec in self._chosen.providers.items():
            say(f"Initializing key provider (mode: {name})...")
            provider = self._config.make(spec)
            stack.push_async_callback(provider.stop)
            await provider.start(context)
            running[name] = Running(spec=spec, provider=provider)
        return Keys(context, backend, running, self._config.keys.provider)

    def _tools(self, context: Context, backend: CaptureBackend, keys: Keys) -> Tools:
        keylog = self._config.debug.keylog_file
        return Tools(
            agent=context,
            backend=backend,
            keys=keys,
            gate_ns=self._config.capture.gate_deadline_ms * MS,
            keylog=KeyLog(keylog) if keylog else None,
            patience_ns=self._config.capture.passthrough_patience_ms * MS,
        )

    async def _attach(self, stack: AsyncExitStack, backend: CaptureBackend, rules: RuleSet, capture: Capture) -> None:
        here = self._config.capture
        settings = CaptureSettings(
            cgroup=here.cgroup,
            cgroup_root=_mount_point(here.cgroup),
            pins=here.pins,
            table_size=here.table_size,
            handshake_ns=here.handshake_deadline_ms * MS,
            gate_ns=here.gate_deadline_ms * MS,
            peering_port=self._config.peering.port,
        )
        say("Loading eBPF program...\nAttaching eBPF programs...")
        stack.push_async_callback(backend.detach, unpin=True)
        for name in await backend.attach(rules, settings):
            say(f"  Attached: {name}")
        stack.push_async_callback(capture.stop)
        process.hurry()

    def _report_existing(self, older: list[tuple[Tuple4, Side]]) -> None:
        if not older:
            return
        if self._config.capture.existing == "reset":
            say(f"{existing.reset(older)} connections older than the agent were reset")
        else:
            say(f"{len(older)} connections are older than the agent: in clear, unless an earlier one secured them")

    def _watch_signals(self, backend: CaptureBackend, mapping: MappingSource | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        tasks: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = asyncio.create_task(self._reload(backend, mapping))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)

    async def _reload(self, backend: CaptureBackend, mapping: MappingSource | None) -> None:
        """Mapping, then rules; each all or nothing: what is wrong keeps the old one, and is said."""
        try:
            if mapping is not None:
                await mapping.reload()
            config = self._again()
            backend.replace(compile_rules(config, mapping))
            self._config = config
        except (TlshubError, OSError) as error:
            _log.error("not reloaded, the old rules and mapping stay: %s", error)
            self._emit_reloaded(False, str(error))
            return
        say("rules and mapping reloaded")
        self._emit_reloaded(True, "")

    def _emit_reloaded(self, ok: bool, detail: str) -> None:
        self._sinks.emit(events.Reloaded(time_ns=time.monotonic_ns(), what="rules and mapping", ok=ok, detail=detail))

    async def _serve(self, backend: CaptureBackend, capture: Capture) -> None:
        say("\nCapture module is running. Press Ctrl+C to stop.\nMonitoring TCP connections...\n")
        feeding = asyncio.create_task(self._feed(backend, capture))
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait((feeding, stopping), return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        stopping.cancel()
        if feeding in done:
            feeding.result()
        say("\nCleaning up...")

    @staticmethod
    async def _feed(backend: CaptureBackend, capture: Capture) -> None:
        async for batch in backend.events():
            capture.handle(batch)

    def _rule(self, number: int) -> tuple[str, str | None]:
        rules = self._config.rules
        return (rules[number].name, rules[number].provider) if number < len(rules) else ("implied", None)


def _mount_point(path: Path) -> Path:
    """Where the file system of a folder begins; the depth of a cgroup is counted from there."""
    path = path.resolve()
    while not os.path.ismount(path):
        path = path.parent
    return path
