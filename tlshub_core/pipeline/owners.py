# SPDX-License-Identifier: Apache-2.0
"""Who has the socket of a connection, as far as the kernel has told, and a duplicate of it from one of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from socket import socket
from uuid import UUID

from tlshub_core.pipeline import descriptor
from tlshub_core.pipeline.heirs import Heirs
from tlshub_core.types import events
from tlshub_core.types.capture import FlowOwned, Owner
from tlshub_core.types.errors import Reason, Unavailable

_log = logging.getLogger("tlshub.connection")


class Owners:
    """The processes that have the descriptor, the latest first; since when one is known, where it was not at once."""

    def __init__(
        self, flow: UUID, cookie: int, first: Owner | None, emit: Callable[[events.Event], None], heirs: Heirs
    ) -> None:
        self._flow, self._cookie, self._emit, self._heirs = flow, cookie, emit, heirs
        self._known: list[Owner] = [first] if first else []
        self._news, self._abandoned = asyncio.Event(), False
        self.since_ns: int | None = None

    def tell(self, event: FlowOwned) -> None:
        """A process has the descriptor, or called into the held socket; process 0: the last that had it closed it.

        Who calls is known without its descriptor, which has to be looked for: the last resort where it is known.
        """
        if not event.owner.pid:
            self._abandoned = True
            return self._news.set()
        if not self._known:
            self.since_ns = event.time_ns
        known = event.owner.fd < 0 and any(one.pid == event.owner.pid for one in self._known)
        self._known.insert(len(self._known) if known else 0, event.owner)
        self._news.set()
        if event.held:
            self._emit(events.Held(time_ns=event.time_ns, flow=self._flow, pid=event.owner.pid))

    def knows(self, owner: Owner) -> bool:
        """Whether it was told of that one."""
        return owner in self._known

    @property
    def latest(self) -> Owner | None:
        """The one that the socket was taken from last, or is likeliest to be; None where nobody is known."""
        return self._known[0] if self._known else None

    async def known(self) -> None:
        """Until somebody is known who has it, or had it."""
        if not self._known and not self._abandoned:
            await self._news.wait()

    async def get(self, lost: Callable[[], None], grace_s: float) -> socket:
        """A duplicate, as soon as somebody has it.

        Nobody yet: that takes as long as accept() does. Who had it has it no more: then it was left to a child, or is
        on its way to another process, and whoever gets it is found, or calls, in its own time; `lost` is told so each
        time. Raises Unavailable where the agent may not look into the process, and `grace_s` after the last owner
        closed it: by then the connection may have ended by itself, its peer having heard of the end, not of a reset.
        """
        while (found := self.take()) is None:
            if self._abandoned:
                await asyncio.sleep(grace_s)
                raise Unavailable("the application closed the connection while it was held", Reason.CLOSED)
            if self._known:
                lost()
                heir = await self._heirs.find(self._known[0], self._cookie, self._news)
                if heir is not None:
                    return self._had(*heir)
            await self._news.wait()
        return found

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

    def try_take(self) -> socket | None:
        """The socket where it can be had: what has to be done with it now is of use, and not essential."""
        try:
            return self.take()
        except Unavailable as error:
            _log.warning("connection %s: %s", self._flow, error)
            return None

    def _had(self, owner: Owner, found: socket) -> socket:
        self._known, now = [owner], time.monotonic_ns()
        self._emit(events.Owned(time_ns=now, flow=self._flow, pid=owner.pid, fd=owner.fd, comm=owner.comm))
        return found
