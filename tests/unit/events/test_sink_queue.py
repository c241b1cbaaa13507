# SPDX-License-Identifier: Apache-2.0
"""The way of events to a sink: all of them, in order, a write for each turn, gaps told where they are."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.events.sinks_for_tests import (
    Options,
    Sink,
    Start,
    event,
    good,
    noted,
    settled,
    soon,
    spec,
    wait_until,
)
from tlshub_core.api import Event
from tlshub_core.events.counts import SinkCounts
from tlshub_core.events.sinks import Sinks


def test_everything_arrives_in_order(tmp_path: Path, start: Start) -> None:
    sinks = start(good(tmp_path / "out"))
    for number in range(5000):
        sinks.emit(event(number))
    (counts,) = sinks.close(timeout=30)
    assert noted(tmp_path / "out") == list(range(5000))
    assert counts == SinkCounts(name="good", written=5000, failed=0, dropped=0, unfinished=0, status=0)


def test_what_was_dropped_is_told_in_its_place(tmp_path: Path, start: Start) -> None:
    path, begun, gate = tmp_path / "out", tmp_path / "begun", tmp_path / "gate"
    os.mkfifo(gate)
    ours = os.open(gate, os.O_RDWR)
    inner = good(path)[0].factory(Options())

    def write(batch: Sequence[Event]) -> None:
        if not begun.exists():
            begun.touch()
            with gate.open("rb", buffering=0) as shut:
                shut.read(1)
        inner.write(batch)

    sinks = start(spec("slow", lambda: Sink(write)), limit=1000)
    sinks.emit(event(0))
    sinks.flush()
    wait_until(begun.exists)
    for number in range(1, 6000):
        sinks.emit(event(number))
    lost = sinks.counts()[0].dropped
    os.write(ours, b"x")
    wait_until(lambda: settled(sinks, 0))
    for number in range(6000, 6010):
        sinks.emit(event(number))
    (counts,) = sinks.close(timeout=30)
    seen = noted(path)
    gap = seen.index(-lost)
    assert lost > 2000
    assert seen == [*range(gap), -lost, *range(gap + lost, 6010)]
    assert (counts.dropped, counts.written) == (lost, len(seen))
    os.close(ours)


async def test_in_a_loop_what_comes_within_a_moment_is_one_write(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlshub_core.events.sinks.GATHER_S", 0.5)  # longer than a busy machine takes for what comes

    def write(batch: Sequence[Event]) -> None:
        with (tmp_path / "sizes").open("a") as file:
            file.write(f"{len(batch)}\n")

    sinks = start(spec("sizes", lambda: Sink(write)))
    for turn in range(1, 4):
        for number in range(10 * turn):
            sinks.emit(event(number))
            await asyncio.sleep(0)
        assert sinks.counts()[0].written == 5 * turn * (turn - 1), "not written before the moment is over"
        await soon(lambda: sinks.counts()[0].written == 5 * turn * (turn + 1))  # noqa: B023 - called in this turn
    sinks.close(timeout=30)
    assert noted(tmp_path / "sizes") == [10, 20, 30]


async def test_in_a_loop_the_rest_follows_when_there_is_room(tmp_path: Path, start: Start) -> None:
    def slow(batch: Sequence[Event]) -> None:
        time.sleep(0.01)
        (tmp_path / "last").write_text(str(batch[-1].time_ns))

    sinks = start(spec("slow", lambda: Sink(slow)))
    for number in range(5000):
        sinks.emit(event(number))
    await soon(lambda: sinks.counts()[0].written == 5000)
    assert (tmp_path / "last").read_text() == "4999"


def test_after_its_loop_has_ended_the_rest_is_written(tmp_path: Path, start: Start) -> None:
    sinks = start(good(tmp_path / "out"))

    async def turn() -> None:
        for number in range(5000):
            sinks.emit(event(number))

    asyncio.run(turn())
    asyncio.run(turn())
    sinks.close(timeout=30)
    assert noted(tmp_path / "out") == [*range(5000)] * 2


async def test_what_was_emitted_in_the_turn_of_the_end_is_written(tmp_path: Path, start: Start) -> None:
    sinks = start(good(tmp_path / "out"))
    sinks.emit(event(7))
    (counts,) = sinks.close(timeout=30)
    assert (noted(tmp_path / "out"), counts.written) == ([7], 1)
    sinks.emit(event(8))
    await asyncio.sleep(0)
    assert noted(tmp_path / "out") == [7]


def test_a_sink_that_is_always_behind_sees_few_gaps(tmp_path: Path, start: Start) -> None:
    inner = good(tmp_path / "out")[0].factory(Options())

    def slow(batch: Sequence[Event]) -> None:
        time.sleep(0.02)
        inner.write(batch)

    sinks = start(spec("slow", lambda: Sink(slow)), limit=4000)
    for number in range(40000):
        sinks.emit(event(number))
    wait_until(lambda: settled(sinks, 0))
    (counts,) = sinks.close(timeout=30)
    seen = noted(tmp_path / "out")
    gaps = [-number for number in seen if number < 0]
    assert sum(gaps) == counts.dropped > 0
    assert len(seen) - len(gaps) + sum(gaps) == 40000
    # Between two gaps at least half of the queue was filled anew.
    assert len(gaps) <= counts.written / 2000 + 1


def test_without_sinks_nothing_is_kept() -> None:
    sinks = Sinks()
    sinks.emit(event(0))
    assert sinks.close() == []
    sinks.emit(event(1))
    assert sinks.counts() == []
