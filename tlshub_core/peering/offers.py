# SPDX-License-Identifier: Apache-2.0
"""Where a flow that was answered READY and the connection that it is for meet, whichever comes first."""

from __future__ import annotations

import asyncio

from tlshub_core.peering.pending import SessionPending
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Tuple4


class Offers:
    """By tuple: flows without a connection yet, dropped after `ttl_s` seconds, and connections without a flow yet."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._ready: dict[Tuple4, tuple[SessionPending, asyncio.TimerHandle]] = {}
        self._waiting: dict[Tuple4, asyncio.Future[SessionPending]] = {}

    def put(self, tuple4: Tuple4, pending: SessionPending) -> None:
        """Offer a flow; a newer one for the same tuple replaces one that was not used."""
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(pending)
            return
        self._drop(tuple4)
        timer = asyncio.get_running_loop().call_later(self._ttl_s, self._drop, tuple4)
        self._ready[tuple4] = (pending, timer)

    def has(self, tuple4: Tuple4) -> bool:
        """Whether the flow was offered, so that `take` does not wait."""
        return tuple4 in self._ready

    async def take(self, tuple4: Tuple4) -> SessionPending:
        """The flow for a connection, waiting for it if need be; raises Unavailable where a newer connection asks."""
        found = self._claim(tuple4)
        if found is not None:
            return _taken(found)
        self._fail(tuple4, "a newer connection has the same addresses and ports", Reason.CLOSED)
        waiter = self._waiting[tuple4] = asyncio.get_running_loop().create_future()
        try:
            return _taken(await waiter)
        except asyncio.CancelledError:
            self._abandon(tuple4, waiter)
            raise

    def close(self) -> None:
        """Forget all flows; those who wait get Unavailable."""
        for tuple4 in tuple(self._ready):
            self._drop(tuple4)
        for tuple4 in tuple(self._waiting):
            self._fail(tuple4, "the agent is stopping", Reason.SHUTDOWN)

    def __len__(self) -> int:
        return len(self._ready)

    def _abandon(self, tuple4: Tuple4, waiter: asyncio.Future[SessionPending]) -> None:
        if self._waiting.get(tuple4) is waiter:
            del self._waiting[tuple4]
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().discard()

    def _drop(self, tuple4: Tuple4) -> None:
        found = self._claim(tuple4)
        if found is not None:
            found.discard()

    def _claim(self, tuple4: Tuple4) -> SessionPending | None:
        found = self._ready.pop(tuple4, None)
        if found is None:
            return None
        found[1].cancel()
        return found[0]

    def _fail(self, tuple4: Tuple4, message: str, reason: Reason) -> None:
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(Unavailable(message, reason))


def _taken(pending: SessionPending) -> SessionPending:
    pending.taken()
    return pending
