# SPDX-License-Identifier: Apache-2.0
"""A bounded number of channels, made when needed; one that failed, or whose request was given up, is not used again."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from tlshub_capture_tlshub.channel import Channel, Link
from tlshub_core.api import Reason, Unavailable


class Pool:
    """At most `size` channels, and as many threads to send on them."""

    def __init__(self, size: int, link: Link, log: logging.Logger) -> None:
        self._link, self._log = link, log
        self._room = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(size, "tlshub", _as_urgent_as, (threading.get_native_id(),))
        self._idle: list[Channel] = []
        self._closed = False

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A channel for one exchange, waiting for a free one; whatever goes wrong in it, and cancelling, closes it.

        Raises OSError where a socket cannot be made.
        """
        async with self._room:
            if self._closed:
                raise Unavailable("the agent is stopping", Reason.SHUTDOWN)
            channel = self._idle_one() or Channel(self._link, self._threads, self._log)
            try:
                yield channel
            except BaseException:
                channel.close()
                raise
            self._idle.append(channel)
            if self._closed:
                self.close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        self._threads.shutdown(wait=False)

    def _idle_one(self) -> Channel | None:
        """An idle channel that nothing has come on which could be taken for the next reply."""
        while self._idle:
            channel = self._idle.pop()
            try:
                channel.settle()
            except (OSError, ValueError) as error:
                self._log.warning("a netlink socket to TLSHub's module is given up: %s", error)
                channel.close()
            else:
                return channel
        return None


def _as_urgent_as(thread: int) -> None:
    """A thread that sends holds the interpreter's lock: no other program's spinning may starve it."""
    os.sched_setscheduler(0, os.sched_getscheduler(thread), os.sched_getparam(thread))
