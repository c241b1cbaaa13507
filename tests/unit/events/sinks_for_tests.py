# SPDX-License-Identifier: Apache-2.0
"""Sinks that behave in one way each, and how to wait for what they do."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from tlshub_core.api import Event, EventSink, EventSinkSpec, events
from tlshub_core.events.counts import SinkCounts
from tlshub_core.events.sinks import Sinks

Write = Callable[[Sequence[Event]], None]
Configured = tuple[EventSinkSpec, BaseModel]
Start = Callable[..., Sinks]


class Options(BaseModel):
    """No options."""


class Sink:
    """A sink made of functions."""

    def __init__(self, write: Write, opened: Callable[[], None] = lambda: None) -> None:
        self.write, self.open = write, opened

    def close(self) -> None:
        """Nothing is held."""


def spec(name: str, make: Callable[[], EventSink]) -> Configured:
    """A configured sink, as `Sinks.start` takes it."""
    return EventSinkSpec(name=name, summary=name, config=Options, factory=lambda options: make()), Options()


def good(path: Path) -> Configured:
    """A sink that notes the number of each event, and minus the size of each gap."""

    def write(batch: Sequence[Event]) -> None:
        with path.open("a") as file:
            file.writelines(f"{-e.count if isinstance(e, events.Lost) else e.time_ns}\n" for e in batch)

    return spec("good", lambda: Sink(write))


def noted(path: Path) -> list[int]:
    """The numbers in a file."""
    return [int(line) for line in path.read_text().split()]


def event(number: int) -> Event:
    """An event with a number."""
    return events.Reloaded(time_ns=number, what="x" * 100, ok=True, detail="")


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


async def soon(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait likewise, while the loop turns."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def settled(sinks: Sinks, which: int) -> bool:
    """Whether a sink has nothing left to do; without a loop, what did not fit goes with the next flush."""
    sinks.flush()
    return sinks.counts()[which].unfinished == 0


def accounted(counts: SinkCounts) -> int:
    """How many events are in the counts."""
    return counts.written + counts.failed + counts.dropped + counts.unfinished


@contextmanager
def small_files(size: int = 10) -> Iterator[None]:
    """Files of this process end at that many bytes; for a moment only: the run's report may be a file too."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
