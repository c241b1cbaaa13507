# SPDX-License-Identifier: Apache-2.0
"""A client's end whose socket can take no TLS is in clear from its begin: the peer is told, or its end would wait."""

from __future__ import annotations

import asyncio
import logging

from tlshub_core.pipeline.keys import Keys
from tlshub_core.types.errors import Reason, TlshubError
from tlshub_core.types.flow import Flow

_log = logging.getLogger("tlshub.connection")


class Telling:
    """Tells peers, each until its connection's deadline, at which its end is decided upon anyway."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._tasks = set[asyncio.Task[None]]()

    def tell(self, flow: Flow, provider: str, reason: Reason) -> None:
        """Begin to; a connection that closes meanwhile does not end it, since what it sent is held at the other end."""
        task = asyncio.create_task(self._tell(flow, provider, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, flow: Flow, provider: str, reason: Reason) -> None:
        try:
            async with asyncio.timeout_at(flow.deadline_ns / 1e9):
                await self._keys.leave(flow, provider, reason)
        except (TlshubError, TimeoutError) as error:
            why = str(error) or "no answer within the deadline"
            _log.info("the other end of connection %s, in clear for '%s', was not told: %s", flow.id, reason.value, why)

    async def stop(self) -> None:
        """Whoever was not told by now waits for its deadline."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
