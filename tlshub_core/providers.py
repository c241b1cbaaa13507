# SPDX-License-Identifier: Apache-2.0
"""The agent's key providers: started by name, also while it runs, and the default one switched."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tlshub_core import guarded
from tlshub_core.chosen import check_passthrough, provider_names
from tlshub_core.config import Config
from tlshub_core.context import Context
from tlshub_core.describe import library_of
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.plugins import Registry
from tlshub_core.process import say
from tlshub_core.types import events
from tlshub_core.types.errors import Reason, TlshubError, Unavailable
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import KeyProvider
from tlshub_core.types.spec import KeyProviderSpec

PATIENCE_S = 30.0
_log = logging.getLogger("tlshub.providers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """A provider that runs, for people; `default`: new flows get it, `allowed`: peers may ask for it."""

    name: str
    summary: str
    default: bool
    allowed: bool


class Providers:
    """Each provider is started once and runs until the agent stops, so that flows in progress keep theirs."""

    def __init__(self, agent: Context, registry: Registry, in_force: InForce, serving: Serving) -> None:
        self._agent, self._registry, self._in_force, self._serving = agent, registry, in_force, serving
        self._lock = asyncio.Lock()
        self._stopped = False

    async def adopt(self, config: Config) -> None:
        """Start what that configuration names and does not run yet, before it is in force; raises a TlshubError.

        Until `serve`, a SYN is held unless both the old and the new ones are ready.
        """
        async with self._lock:
            running, names = self._specs(), provider_names(config, self._registry)
            new = {name: await self._loaded(name) for name in names if name not in running}
            check_passthrough(config, {**running, **new}, self._serving.default)
            for name, spec in new.items():
                say(f"Initializing key provider (mode: {name})...")
                await self._start(spec, config.make(spec))
            self._serve(self._in_force.config, config)

    def serve(self) -> None:
        """The configuration that was adopted is in force."""
        self._serve(self._in_force.config)

    async def switch(self, name: str) -> None:
        """Make it the provider of new flows whose rule names none; it is probed, and started if need be.

        Raises a TlshubError where it is not installed, has wrong options, fails its probe, cannot start or lacks what
        a rule needs of it: then the old one stays. A second switch waits for the first.
        """
        try:
            async with self._lock, asyncio.timeout(PATIENCE_S):
                await self._switch(name)
        except TimeoutError as error:
            late = Unavailable(f"provider '{name}' was not ready within {PATIENCE_S:.0f} s")
            self._said(name, late)
            raise late from error
        except TlshubError as error:
            self._said(name, error)
            raise
        self._said(name)

    def states(self) -> tuple[ProviderState, ...]:
        """All that run, in the order of their start."""
        default, allowed = self._serving.default, self._agent.providers_allowed
        return tuple(
            ProviderState(name=name, summary=one.spec.summary, default=name == default, allowed=name in allowed)
            for name, one in self._serving.running.items()
        )

    async def stop(self) -> None:
        """Stop all, the last started first; a switch under way comes to its end before."""
        async with self._lock, AsyncExitStack() as stack:
            self._stopped = True
            for name, running in self._serving.running.items():
                stack.push_async_callback(guarded.stop, name, running.provider)

    async def _switch(self, name: str) -> None:
        spec = await self._loaded(name)
        check_passthrough(self._in_force.config, {**self._specs(), name: spec}, name)
        running = self._serving.running.get(name)
        provider = running.provider if running else self._in_force.config.make(spec)
        await guarded.probe(name, provider)
        if running is None:
            await self._start(spec, provider)
        self._serve(self._in_force.config, also=(name,))
        self._serving.switch(name)
        self._serve(self._in_force.config)

    async def _loaded(self, name: str) -> KeyProviderSpec:
        """In a thread: what is imported may be large, and connections are held meanwhile."""
        return await asyncio.to_thread(self._registry.key_provider, name)

    def _specs(self) -> dict[str, KeyProviderSpec]:
        return {name: running.spec for name, running in self._serving.running.items()}

    def _serve(self, *configs: Config, also: tuple[str, ...] = ()) -> None:
        """A SYN is held or not before the agent chooses, so all that it may choose have to be ready."""
        rules = [rule for config in configs for rule in config.rules if rule.mode > Mode.OBSERVE]
        named = {rule.provider for rule in rules if rule.provider}
        self._agent.warmth.serve({self._serving.default, *also, *named})

    async def _start(self, spec: KeyProviderSpec, provider: KeyProvider) -> None:
        if self._stopped:
            raise Unavailable("the agent is stopping", Reason.SHUTDOWN)
        if library := await asyncio.to_thread(library_of, spec):
            say(f"  Library: {library}")
        await guarded.start(spec.name, provider, self._agent.view(spec.name))
        self._serving.running[spec.name] = Running.of(spec, provider)

    def _said(self, name: str, error: TlshubError | None = None) -> None:
        now, what = time.monotonic_ns(), f"key provider '{name}'"
        if error is None:
            say(f"{what} serves new connections")
        else:
            _log.error("%s is not switched to, the old one stays: %s", what, error)
        self._agent.emit(events.Reloaded(time_ns=now, what=what, ok=error is None, detail=str(error or "")))
