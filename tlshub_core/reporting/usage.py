# SPDX-License-Identifier: Apache-2.0
"""What the agent's process uses of the machine, looked at now and then: never per connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getpagesize, getrusage

from tlshub_core.reporting.histogram import Histogram

EVERY_S = 2.0
LEAST_NS = 100_000_000  # the share of a processor in less time says nothing
STATM = Path("/proc/self/statm")


class Usage:
    """`cpu`: thousandths of a percent of one processor, of this process without its sinks; `memory`: bytes (RSS)."""

    def __init__(self) -> None:
        self.cpu, self.memory = Histogram(), Histogram()
        self._at, self._used = time.monotonic_ns(), time.process_time_ns()

    def sample(self) -> None:
        """Count what was used since the last time, unless that is just now."""
        now, used = time.monotonic_ns(), time.process_time_ns()
        if now - self._at < LEAST_NS:
            return
        self.cpu.add(100_000 * (used - self._used) // (now - self._at))
        self.memory.add(resident_bytes())
        self._at, self._used = now, used


def resident_bytes() -> int:
    """Of this process now; where /proc does not tell, the most that it ever was."""
    try:
        return int(STATM.read_bytes().split()[1]) * getpagesize()
    except OSError:
        return getrusage(RUSAGE_SELF).ru_maxrss * 1024


@asynccontextmanager
async def sampled(usage: Usage) -> AsyncIterator[None]:
    """Meanwhile samples are taken."""
    task = asyncio.create_task(_sample(usage))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _sample(usage: Usage) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        usage.sample()
