# SPDX-License-Identifier: Apache-2.0
"""How much a key may protect: the kernel is asked now and then, and what is worn is said, and closed if so configured.

RFC 8446, section 5.5: 2^24.5 full records of AES-GCM. Shorter records count by their blocks, or a busy connection with
small messages would be taken for worn a hundred times too soon. ChaCha20-Poly1305 has no limit below 2^64 records.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tlshub_core.pipeline.connection import Connection
from tlshub_core.types import events
from tlshub_core.types.capture import FlowWorn, State
from tlshub_core.types.interfaces import AgentContext, CaptureBackend

EVERY_S = 5.0  # in which even 15 GB/s are less than the quarter that is kept in reserve
_log = logging.getLogger("tlshub.wear")


@asynccontextmanager
async def watched(backend: CaptureBackend, records: int) -> AsyncIterator[None]:
    """Meanwhile the backend tells which keys have protected that many full records."""
    task = asyncio.create_task(_watch(backend, records))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _watch(backend: CaptureBackend, records: int) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            backend.wear(records)
        except OSError as error:
            _log.error("it is not known how much the keys in use have protected: %s", error.strerror)


class Wear:
    """Connections of which it was said; with `close` they end."""

    def __init__(self, agent: AgentContext, *, close: bool) -> None:
        self._agent, self._close = agent, close
        self._said = set[tuple[int, bool]]()

    def tell(self, connection: Connection, worn: FlowWorn) -> None:
        """Said once for each direction: the kernel tells it at every look."""
        which = (worn.cookie, worn.sent)
        if which in self._said or connection.ending.outcome is not State.OPEN:
            return
        self._said.add(which)
        said = events.KeyLimit(
            time_ns=time.monotonic_ns(),
            flow=connection.flow.id,
            sent=worn.sent,
            records=worn.records,
            bytes=worn.bytes,
            closed=self._close,
        )
        self._agent.emit(said)
        if self._close:
            connection.ending.close()

    def forget(self, cookie: int) -> None:
        """The connection is closed."""
        self._said -= {(cookie, True), (cookie, False)}
