# SPDX-License-Identifier: Apache-2.0
"""The configuration in force, and how it is read again while the agent runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tlshub_core.config import Config
from tlshub_core.pipeline.rules import IMPLIED, compile_rules
from tlshub_core.process import say
from tlshub_core.types import events
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.events import Event
from tlshub_core.types.interfaces import CaptureBackend, MappingSource


class InForce:
    """The configuration that new connections go by."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def rule(self, number: int) -> tuple[str, str | None]:
        """Name of the rule with that number, and the provider that it asks for."""
        rules = self.config.rules
        return (rules[number].name, rules[number].provider) if number < len(rules) else (IMPLIED, None)


class Reloading:
    """Takes rules and mapping from the files again; `again` reads the configuration."""

    def __init__(
        self,
        in_force: InForce,
        again: Callable[[], Config],
        mapping: MappingSource | None,
        backend: CaptureBackend,
        emit: Callable[[Event], None],
    ) -> None:
        self._in_force, self._again, self._mapping, self._backend, self._emit = in_force, again, mapping, backend, emit
        self._lock = asyncio.Lock()

    async def reload(self) -> None:
        """Mapping, then rules; each all or nothing: what is wrong keeps the old one. Raises TlshubError, OSError."""
        async with self._lock:
            try:
                await self._reload()
            except (TlshubError, OSError) as error:
                self._said(ok=False, detail=str(error))
                raise
        say("rules and mapping reloaded")
        self._said(ok=True)

    async def _reload(self) -> None:
        if self._mapping is not None:
            await self._mapping.reload()
        config = self._again()
        self._backend.replace(compile_rules(config, self._mapping))
        self._in_force.config = config

    def _said(self, *, ok: bool, detail: str = "") -> None:
        self._emit(events.Reloaded(time_ns=time.monotonic_ns(), what="rules and mapping", ok=ok, detail=detail))
