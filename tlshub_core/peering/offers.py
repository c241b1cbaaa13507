# SPDX-License-Identifier: Apache-2.0
"""Where a flow that was answered READY and the connection that it is for meet, whichever comes first."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from tlshub_core.peering.pending import SessionPending
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Tuple4


class Offers:
    """By tuple: flows without a connection yet, dropped after `ttl_s` seconds, and connections without a flow yet."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._ready: dict[Tuple4, tuple[SessionPending, asyncio.TimerHandle]] = {}
        self._waiting: dict[Tuple4, asyncio.Future[SessionPending]] = {}
        self._taken = WeakValueDictionary[Tuple4, SessionPending]()

    def put(self, tuple4: Tuple4, pending: SessionPending, *, again: bool = False) -> None:
        """Offer a flow; a newer one for the same tuple replaces one that no connection took.

        With `again` also one that the latest connection took, as long as no keys were derived of it.
        """
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            self._taken[tuple4] = pending
            waiter.set_result(pending)
            return
        taken = self._unspent(tuple4) if again else None
        if taken is not None:
            taken.replace(pending)
            return
        self._drop(tuple4)
        timer = asyncio.get_running_loop().call_later(self._ttl_s, self._drop, tuple4)
        self._ready[tuple4] = (pending, timer)

    def check(self, tuple4: Tuple4, node: str, *, again: bool) -> None:
        """Raises Refused where `put` would replace what was agreed on with another node."""
        ready, taken = self._ready.get(tuple4), self._unspent(tuple4) if again else None
        if any(one.node != node for one in (ready[0] if ready else None, taken) if one is not None):
            raise Refused("another node's agent has asked for that connection", Reason.NOT_YOURS)

    def replaceable(self, tuple4: Tuple4) -> bool:
        """Whether the connection that asks again gets what is put now: it waits, or has derived no keys yet."""
        return tuple4 in self._waiting or tuple4 in self._ready or self._unspent(tuple4) is not None

    def has(self, tuple4: Tuple4) -> bool:
        """Whether the flow was offered, so that `take` does not wait."""
        return tuple4 in self._ready

    async def take(self, tuple4: Tuple4) -> SessionPending:
        """The flow for a connection, waiting for it if need be; raises Unavailable where a newer connection asks."""
        found = self._claim(tuple4)
        if found is not None:
            self._taken[tuple4] = found
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

    def _unspent(self, tuple4: Tuple4) -> SessionPending | None:
        taken = self._taken.get(tuple4)
        return taken if taken is not None and taken.unspent and tuple4 not in self._ready else None

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
