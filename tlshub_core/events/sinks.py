# SPDX-License-Identifier: Apache-2.0
"""All configured sinks behind one `emit`: each event is encoded once and goes to every sink's queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tlshub_core.events.counts import SinkCounts
from tlshub_core.events.line import line_of
from tlshub_core.events.queue import SinkChannel
from tlshub_core.types.events import Event
from tlshub_core.types.spec import EventSinkSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

LIMIT = 16384
GATHER_S = 0.02  # a write per event would wake every sink for each of them
_POLL_S = 0.005
_KILL_S = 1.0
_log = logging.getLogger(__name__)


class Sinks:
    """The sinks of the agent; whatever one does (raise, block, spin, exit), neither the agent nor another sink waits.

    `limit` is how many events are kept in the agent for a sink that is behind. Main thread only.
    """

    def __init__(self, *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._channels: list[SinkChannel] = []
        self._pending: list[Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, sinks: Iterable[tuple[EventSinkSpec, BaseModel]]) -> None:
        """Fork one process per (descriptor, checked options); before threads, loops and keys exist.

        Raises RuntimeError where threads run already. A sink that cannot be opened says so on standard error, and is
        opened again with each batch.
        """
        for spec, options in sinks:
            self._channels.append(SinkChannel(spec.name, partial(spec.factory, options), limit=self._limit))

    def emit(self, event: Event) -> None:
        """Hand an event to all sinks: with those of the next few milliseconds, or at once where no loop runs."""
        if not self._channels:
            return
        self._pending.append(event)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody would call later
            self.flush()
            return
        if self._loop is not loop:
            loop.call_later(GATHER_S, self.flush)
            self._loop = loop

    def flush(self) -> None:
        """Encode what was emitted since the last time and queue it; never blocks."""
        self._loop = None
        events, self._pending = self._pending, []
        lines = [line_of(event) for event in events]
        for channel in self._channels:
            channel.send(lines)

    def counts(self) -> Sequence[SinkCounts]:
        """What became of the events, sink by sink."""
        return [channel.counts() for channel in self._channels]

    def close(self, timeout: float = 5.0) -> Sequence[SinkCounts]:
        """Let the sinks finish for up to `timeout` seconds in all, kill the rest; returns the final counts.

        Blocks for that long at most (and a second for what must be killed); later events are ignored.
        """
        self.flush()
        for channel in self._ended(self._channels, timeout):
            _log.error("event sink '%s': not finished after %g s, killed; see what it waits for", channel.name, timeout)
            channel.kill()
        for channel in self._ended(self._channels, _KILL_S):
            _log.error("event sink '%s': process %d cannot be killed, left behind", channel.name, channel.pid)
        counts = self.counts()
        self._channels = []
        return counts

    @staticmethod
    def _ended(channels: Sequence[SinkChannel], timeout: float) -> Sequence[SinkChannel]:
        deadline = time.monotonic() + timeout
        while left := [channel for channel in channels if not channel.finish()]:
            if time.monotonic() >= deadline:
                return left
            time.sleep(_POLL_S)
        return []
