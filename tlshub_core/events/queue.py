# SPDX-License-Identifier: Apache-2.0
"""The agent's end of one sink: a bounded queue before a socket; it never waits for the process behind it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from socket import socketpair
from time import monotonic_ns

from tlshub_core.events.counts import SinkCounts, Tally
from tlshub_core.events.line import line_of
from tlshub_core.events.sink_process import spawn
from tlshub_core.types.events import Lost
from tlshub_core.types.interfaces import EventSink

_BURST = 256
_log = logging.getLogger(__name__)


class SinkChannel:
    """One sink and its process; `limit` bounds the events queued here, past it they are dropped and counted.

    After a drop nothing is queued until half of the queue is free; there a `Lost` then stands in for what is missing.
    Not thread-safe: for the agent's main thread, with or without a running loop.
    """

    def __init__(self, name: str, make: Callable[[], EventSink], *, limit: int) -> None:
        """Fork the process that calls `make`; see `sink_process.spawn` for when, and for the errors."""
        self.name, self._limit = name, limit
        self._queue: deque[bytes] = deque()
        self._burst = memoryview(b"")
        self._handed = self._dropped = self._gap = 0
        self._open = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._status: int | None = None
        self._tally = Tally()
        self._socket, theirs = socketpair()
        self._socket.setblocking(False)
        with theirs:
            self.pid = spawn(name, make, theirs, self._tally)

    def send(self, lines: Iterable[bytes]) -> None:
        """Queue events as `line_of` wrote them, and write what fits; never blocks, never raises."""
        for line in lines:
            if self._gap or len(self._queue) >= self._limit or not self._open:
                self._gap += 1
            else:
                self._queue.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what the process takes now; where a loop runs, the rest follows once there is room."""
        try:
            while self._open and self._more():
                self._burst = self._burst[self._socket.send(self._burst) :]
        except BlockingIOError:
            self._await_room()
        except OSError as error:
            _log.error("event sink '%s': its process %d is gone (%s), its events are dropped and counted; "
                       "see standard error for why, and restart the agent", self.name, self.pid, error)  # fmt: skip
            self._hang_up()
        else:
            self._stop_waiting()

    def counts(self) -> SinkCounts:
        """What became of the events until now."""
        self._reap()
        written, failed = self._tally.read()
        return SinkCounts(
            name=self.name,
            written=written,
            failed=failed,
            dropped=self._dropped + self._gap,
            unfinished=self._handed + len(self._queue) - written - failed,
            status=self._status,
        )

    def finish(self) -> bool:
        """One step towards the end that does not block: the rest, then end of file; True once the process has ended."""
        self.flush()
        if not self._queue and not self._burst:
            self._hang_up()
        return self._reap()

    def kill(self) -> None:
        """End the process at once; what it has not written is lost, what it was not given is dropped."""
        self._hang_up()
        if not self._reap():
            os.kill(self.pid, signal.SIGKILL)

    def _more(self) -> bool:
        if self._gap and len(self._queue) <= self._limit // 2:
            self._queue.append(line_of(Lost(time_ns=monotonic_ns(), sink=self.name, count=self._gap)))
            self._dropped, self._gap = self._dropped + self._gap, 0
        if not self._burst and self._queue:
            lines = [self._queue.popleft() for _ in range(min(_BURST, len(self._queue)))]
            # Counted when begun: should the process die half-way, nobody knows which of them it still got.
            self._handed += len(lines)
            self._burst = memoryview(b"".join(lines))
        return bool(self._burst)

    def _await_room(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop: the next send tries again
            return
        if self._loop is not loop:
            loop.add_writer(self._socket, self.flush)
            self._loop = loop

    def _stop_waiting(self) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.remove_writer(self._socket)
        self._loop = None

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            self._stop_waiting()
            self._socket.close()
            self._dropped += len(self._queue)
            self._queue.clear()

    def _reap(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status is not None
