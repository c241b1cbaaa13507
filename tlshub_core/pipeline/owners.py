# SPDX-License-Identifier: Apache-2.0
"""Who has the socket of a connection, as far as the kernel has told, and a duplicate of it from one of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from itertools import count
from socket import socket
from uuid import UUID

from tlshub_core.pipeline import descriptor, heirs
from tlshub_core.types import events
from tlshub_core.types.capture import FlowOwned, Owner
from tlshub_core.types.errors import Reason, Unavailable

FIRST_PAUSE_S = 0.01
EVERYWHERE = (1, 3)  # the looks that go through all processes: dear, and most often the socket was only closed
_log = logging.getLogger("tlshub.connection")


class Owners:
    """The processes that have the descriptor, the latest first."""

    def __init__(self, flow: UUID, cookie: int, first: Owner | None, emit: Callable[[events.Event], None]) -> None:
        self._flow, self._cookie, self._emit = flow, cookie, emit
        self._known: list[Owner] = [first] if first else []
        self._news = asyncio.Event()

    def tell(self, event: FlowOwned) -> None:
        """A process has the descriptor, or called into the held socket.

        Who calls is known without its descriptor, which has to be looked for: the last resort where it is known.
        """
        known = event.owner.fd < 0 and any(one.pid == event.owner.pid for one in self._known)
        self._known.insert(len(self._known) if known else 0, event.owner)
        self._news.set()
        if event.held:
            self._emit(events.Held(time_ns=event.time_ns, flow=self._flow, pid=event.owner.pid))

    @property
    def latest(self) -> Owner:
        """The one that the socket was taken from last."""
        return self._known[0]

    async def get(self, patience_s: float) -> socket:
        """A duplicate, as soon as somebody has it.

        Nobody yet: that takes as long as accept() does. Who had it has it no more: somebody calls, or is found to have
        it, within `patience_s`, or TimeoutError is raised. Raises Unavailable where the agent may not look into the
        process.
        """
        while (found := self.take()) is None:
            if not self._known:
                await self._news.wait()
                continue
            async with asyncio.timeout(patience_s):
                found = await self._search()
            if found is not None:
                break
        return found

    async def _search(self) -> socket | None:
        """From another process, looked for ever more rarely; None as soon as the kernel tells of one."""
        looks = count()
        while not self._news.is_set():
            number = next(looks)
            found = await heirs.find(self._known[0], self._cookie, everywhere=number in EVERYWHERE)
            if found is not None:
                return self._had(*found)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), FIRST_PAUSE_S * 2**number)
        return None

    def take(self) -> socket | None:
        """A duplicate from whoever has the socket now; raises Unavailable where the agent may not look."""
        self._news.clear()
        for owner in self._known:
            try:
                found = descriptor.take(owner, self._cookie)
            except OSError as error:
                message = f"cannot reach the socket of process {owner.pid}: {error.strerror}"
                raise Unavailable(message, Reason.OWNER_UNKNOWN) from error
            if found is not None:
                return self._had(owner, found)
        return None

    def _had(self, owner: Owner, found: socket) -> socket:
        self._known = [owner]
        now = time.monotonic_ns()
        self._emit(events.Owned(time_ns=now, flow=self._flow, pid=owner.pid, fd=owner.fd, comm=owner.comm))
        return found

    def try_take(self) -> socket | None:
        """The socket where it can be had: what has to be done with it now is of use, and not essential."""
        try:
            return self.take()
        except Unavailable as error:
            _log.warning("connection %s: %s", self._flow, error)
            return None
