# SPDX-License-Identifier: Apache-2.0
"""What the peering providers of one agent share: the listening socket, and the flows that peers asked for in it."""

from __future__ import annotations

import asyncio

from tlshub_core.peering.dial import EngineFactory
from tlshub_core.peering.listening import Listener
from tlshub_core.peering.offers import Offers
from tlshub_core.peering.settings import Settings
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.interfaces import AgentContext


class Hub:
    """It listens from the first provider's start to the last one's stop, with the first one's engines and settings.

    Engines of different libraries understand each other, so accepted sessions need only one: a flow that a peer asks
    for under any allowed name is in `offers`, whichever provider waits for it.
    """

    def __init__(self, agent: AgentContext) -> None:
        self._agent = agent
        self._members: list[str] = []
        self._lock = asyncio.Lock()

    async def join(self, name: str, engines: EngineFactory, settings: Settings) -> None:
        """That provider starts; raises Unavailable where it cannot listen, or would listen elsewhere than the first."""
        async with self._lock:
            if not self._members:
                self.offers = Offers(settings.ready_ttl_s)
                self.listener = Listener(self._agent, engines, settings, self.offers)
                await self.listener.start()
                self._listen = settings.listen
            elif settings.listen != self._listen:
                ours, theirs = (f"'{one or 'any address'}'" for one in (settings.listen, self._listen))
                message = f"provider '{name}' would listen on {ours}, and '{self._members[0]}' listens on {theirs}"
                raise Unavailable(f"{message}: one socket serves both, so give them the same 'listen'")
            self._members.append(name)

    async def leave(self, name: str) -> None:
        """That provider stops."""
        async with self._lock:
            self._members.remove(name)
            if not self._members:
                await self.listener.close()
                self.offers.close()
