# SPDX-License-Identifier: Apache-2.0
"""The agent's key providers: started by name, also while it runs, and the default one switched."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tlshub_core.chosen import check_passthrough
from tlshub_core.pipeline.keys import bug
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.plugins import Registry
from tlshub_core.process import say
from tlshub_core.reloading import InForce
from tlshub_core.types import events
from tlshub_core.types.errors import Reason, TlshubError, Unavailable
from tlshub_core.types.interfaces import AgentContext, KeyProvider, Level
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

    def __init__(self, agent: AgentContext, registry: Registry, in_force: InForce, serving: Serving) -> None:
        self._agent, self._registry, self._in_force, self._serving = agent, registry, in_force, serving
        self._lock = asyncio.Lock()
        self._stopped = False

    async def start(self, names: Iterable[str]) -> None:
        """Start those of the names that do not run yet, in order; raises a TlshubError."""
        async with self._lock:
            for name in names:
                if name not in self._serving.running:
                    spec = self._registry.key_provider(name)
                    say(f"Initializing key provider (mode: {name})...")
                    await self._start(spec, self._in_force.config.make(spec))

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
            for running in self._serving.running.values():
                stack.push_async_callback(running.provider.stop)

    async def _switch(self, name: str) -> None:
        known = {other: running.spec for other, running in self._serving.running.items()}
        spec = self._registry.key_provider(name)
        check_passthrough(self._in_force.config, {**known, name: spec}, name)
        running = self._serving.running.get(name)
        provider = running.provider if running else self._in_force.config.make(spec)
        await _probe(spec, provider)
        if running is None:
            await self._start(spec, provider)
        self._serving.default = name

    async def _start(self, spec: KeyProviderSpec, provider: KeyProvider) -> None:
        if self._stopped:
            raise Unavailable("the agent is stopping", Reason.SHUTDOWN)
        try:
            await provider.start(self._agent)
        except BaseException as error:
            await provider.stop()
            if isinstance(error, TlshubError) or not isinstance(error, Exception):
                raise
            raise bug(spec.name, error) from error
        self._serving.running[spec.name] = Running(spec=spec, provider=provider)

    def _said(self, name: str, error: TlshubError | None = None) -> None:
        now, what = time.monotonic_ns(), f"key provider '{name}'"
        if error is None:
            say(f"{what} serves new connections")
        else:
            _log.error("%s is not switched to, the old one stays: %s", what, error)
        self._agent.emit(events.Reloaded(time_ns=now, what=what, ok=error is None, detail=str(error or "")))


async def _probe(spec: KeyProviderSpec, provider: KeyProvider) -> None:
    try:
        probe = await provider.probe()
    except TlshubError:
        raise
    except Exception as error:
        raise bug(spec.name, error) from error
    said = ": ".join(filter(None, (probe.message, probe.remedy)))
    if probe.level is Level.FAILED:
        raise Unavailable(f"provider '{spec.name}' cannot serve: {said}")
    if probe.level is Level.WARNING:
        _log.warning("provider '%s': %s", spec.name, said)
