# SPDX-License-Identifier: Apache-2.0
"""The key providers of one agent, over plugins that act as a test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.samples import write
from tests.unit.plugins.actor import Actor
from tlshub_core.config import load
from tlshub_core.context import Context
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.serving import Serving
from tlshub_core.plugins import Registry
from tlshub_core.providers import Providers
from tlshub_core.testing import pair
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.types import events
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.keys import Cipher

PASSTHROUGH = "[[rule]]\nname = 'a'\nmode = 'require'\npassthrough = 'tls'\n"


class Home:
    """The providers of one agent, whose default is 'quartz'."""

    def __init__(self, folder: Path, tables: str) -> None:
        Actor.made.clear()
        config = load(write(folder, f'[keys]\nprovider = "quartz"\n{tables}'))
        self.serving, self.backend, self.in_force = Serving("quartz"), MemoryBackend(), InForce(config)
        self.events: list[events.Event] = []
        who, ciphers, rule = pair.identity(folder, "node-a", 4646), (Cipher.AES_GCM_128,), self.in_force.rule
        self.agent = Context(who, ciphers, self._allowed, self.backend, None, self.events.append, rule)
        self.providers = Providers(self.agent, Registry(), self.in_force, self.serving)

    def _allowed(self) -> frozenset[str]:
        return self.serving.allowed(self.in_force.config.keys.providers_allowed)

    def said(self) -> list[tuple[str, bool]]:
        """What was said of switches, and whether they came about."""
        return [(event.what, event.ok) for event in self.events if isinstance(event, events.Reloaded)]

    async def refused(self, name: str) -> TlshubError:
        """The error of a switch after which all is as it was."""
        before = self.providers.states()
        with pytest.raises(TlshubError) as caught:
            await self.providers.switch(name)
        assert self.providers.states() == before
        assert self.said() == [(f"key provider '{name}'", False)]
        return caught.value


async def home(folder: Path, tables: str = "") -> Home:
    made = Home(folder, tables)
    await made.providers.adopt(made.in_force.config)
    return made
