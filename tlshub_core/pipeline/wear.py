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
from uuid import UUID

from tlshub_core.pipeline import existing, release
from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.tools import Tools
from tlshub_core.types import events
from tlshub_core.types.capture import FlowWorn, State
from tlshub_core.types.interfaces import CaptureBackend

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
    """Connections of which it was said; with `close_worn` they end."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._close = tools, tools.close_worn
        self._said = set[tuple[int, bool]]()

    def tell(self, connection: Connection, worn: FlowWorn) -> None:
        """Said once for each direction: the kernel tells it at every look."""
        if connection.ending.outcome is State.OPEN and self._say(worn, connection.flow.id) and self._close:
            connection.ending.close()

    def tell_unknown(self, worn: FlowWorn) -> None:
        """As `tell`, of one that was secured before the programs were detached: only its socket is left of it."""
        cookie, backend = worn.cookie, self._tools.backend
        if backend.move(cookie, State.NEW, State.NEW) is not State.OPEN or not self._say(worn, None):
            return
        end = "it is closed" if self._close else "it goes on"
        _log.warning("connection %d, secured before the last 'detach', has a worn key: %s", cookie, end)
        if self._close:  # reset first: a program whose call is denied closes, and its FIN looks like an end in order
            self._reset(cookie)
            release.deny(backend, cookie, (State.OPEN,))

    def _reset(self, cookie: int) -> None:
        try:
            existing.destroy(cookie, self._tools.destroyer)
        except OSError as error:
            _log.error("cannot reset connection %d: %s; its calls are denied all the same", cookie, error)

    def _say(self, worn: FlowWorn, flow: UUID | None) -> bool:
        which = (worn.cookie, worn.sent)
        if which in self._said:
            return False
        self._said.add(which)
        said = events.KeyLimit(
            time_ns=time.monotonic_ns(),
            flow=flow,
            sent=worn.sent,
            records=worn.records,
            bytes=worn.bytes,
            closed=self._close,
        )
        self._tools.agent.emit(said)
        return True

    def forget(self, cookie: int) -> None:
        """The connection is closed."""
        self._said -= {(cookie, True), (cookie, False)}
