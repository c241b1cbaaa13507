# SPDX-License-Identifier: Apache-2.0
"""How rules and mapping are read again while the agent runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from tlshub_core.config import Config
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.process import say
from tlshub_core.providers import Providers
from tlshub_core.ruling import Ruling
from tlshub_core.types import events
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.events import Event
from tlshub_core.types.interfaces import MappingSource


class Reloading:
    """Takes rules and mapping from the files again; `again` reads the configuration, `during` is entered meanwhile."""

    def __init__(
        self,
        in_force: InForce,
        again: Callable[[], Config],
        mapping: MappingSource | None,
        ruling: Ruling,
        providers: Providers,
        emit: Callable[[Event], None],
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._in_force, self._again, self._mapping, self._ruling = in_force, again, mapping, ruling
        self._providers, self._emit, self._during = providers, emit, during
        self._lock = asyncio.Lock()

    async def reload(self) -> None:
        """Mapping, then rules; each all or nothing: what is wrong keeps the old one. Raises TlshubError, OSError."""
        async with self._lock:
            try:
                with self._during():
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
        rules = compile_rules(config, self._mapping)
        await self._providers.adopt(config)
        try:
            self._ruling.replace(rules)
            self._in_force.config = config
        finally:
            self._providers.serve()

    def _said(self, *, ok: bool, detail: str = "") -> None:
        self._emit(events.Reloaded(time_ns=time.monotonic_ns(), what="rules and mapping", ok=ok, detail=detail))
