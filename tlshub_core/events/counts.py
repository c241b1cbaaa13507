# SPDX-License-Identifier: Apache-2.0
"""What became of the events of one sink; the sink process counts in memory that it shares with the agent."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

_TALLY = struct.Struct("=QQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCounts:
    """Events of one sink, its own `Lost` events among them.

    `written` by the sink; `failed`: in a batch at which it raised; `dropped`: never handed over, the queue was full or
    the process gone; `unfinished`: queued or handed over and nothing heard of yet, lost if the process has ended.
    `status` is the exit status of the process, negative for the signal that ended it, None while it runs.
    """

    name: str
    written: int
    failed: int
    dropped: int
    unfinished: int
    status: int | None


class Tally:
    """Two counters in shared memory that the sink process alone writes; they outlive a `kill -9` of it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def add(self, *, written: int = 0, failed: int = 0) -> int:
        """Count a batch; returns how many events have failed in all."""
        before = self.read()
        _TALLY.pack_into(self._memory, 0, before[0] + written, before[1] + failed)
        return before[1] + failed

    def read(self) -> tuple[int, int]:
        """Events written and failed until now."""
        written, failed = _TALLY.unpack_from(self._memory)
        return written, failed
