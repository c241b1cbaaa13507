# SPDX-License-Identifier: Apache-2.0
"""Where flows that were promised and the connections that they are for meet, whichever comes first."""

from __future__ import annotations

import asyncio

from tlshub_capture_psk.secret import PskPending
from tlshub_core.api import Reason, Tuple4, Unavailable

KEPT_S = 330.0  # longer than TCP tries to connect


class Offers:
    """By tuple; what no connection takes is forgotten after `KEPT_S`."""

    def __init__(self) -> None:
        self._ready: dict[Tuple4, tuple[PskPending, asyncio.TimerHandle]] = {}
        self._waiting: dict[Tuple4, asyncio.Future[PskPending]] = {}

    def put(self, tuple4: Tuple4, pending: PskPending) -> None:
        """Keep it for its connection; a newer one of the same tuple replaces it."""
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(pending)
            return
        self._drop(tuple4)
        timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop, tuple4)
        self._ready[tuple4] = (pending, timer)

    async def take(self, tuple4: Tuple4) -> PskPending:
        """What was promised for a connection, waiting for it if need be; raises Unavailable in the end."""
        if (found := self._claim(tuple4)) is not None:
            return found
        self._fail(tuple4, "a newer connection has the same addresses and ports", Reason.CLOSED)
        waiter: asyncio.Future[PskPending] = asyncio.get_running_loop().create_future()
        self._waiting[tuple4] = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            self._abandon(tuple4, waiter)
            raise

    def close(self) -> None:
        """Forget all; who waits gets Unavailable."""
        for tuple4 in tuple(self._ready):
            self._drop(tuple4)
        for tuple4 in tuple(self._waiting):
            self._fail(tuple4, "the agent is stopping", Reason.SHUTDOWN)

    def _abandon(self, tuple4: Tuple4, waiter: asyncio.Future[PskPending]) -> None:
        if self._waiting.get(tuple4) is waiter:
            del self._waiting[tuple4]
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().discard()

    def _claim(self, tuple4: Tuple4) -> PskPending | None:
        pending, timer = self._ready.pop(tuple4, (None, None))
        if timer is not None:
            timer.cancel()
        return pending

    def _drop(self, tuple4: Tuple4) -> None:
        if (found := self._claim(tuple4)) is not None:
            found.discard()

    def _fail(self, tuple4: Tuple4, message: str, reason: Reason) -> None:
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(Unavailable(message, reason))
