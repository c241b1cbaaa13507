# SPDX-License-Identifier: Apache-2.0
"""Sinks in real processes that raise, block, spin and die: the agent waits for none, every event is accounted for."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.events.sinks_for_tests import (
    Sink,
    Start,
    Write,
    accounted,
    event,
    good,
    noted,
    settled,
    spec,
    wait_until,
)
from tlshub_core.api import Event

PROMPT_S = 2.0


def never(batch: Sequence[Event]) -> None:
    while True:
        time.sleep(60)


def spin(batch: Sequence[Event]) -> None:
    while True:
        batch = batch


def leave(batch: Sequence[Event]) -> None:
    os._exit(3)


@pytest.mark.parametrize("bad", [never, spin], ids=["blocks", "spins"])
def test_a_sink_that_never_returns_stops_nobody(tmp_path: Path, start: Start, bad: Write) -> None:
    sinks = start(spec("bad", lambda: Sink(bad)), good(tmp_path / "out"), limit=3000)
    for number in range(8000):
        begun = time.monotonic()
        sinks.emit(event(number))
        assert time.monotonic() - begun < PROMPT_S
        if number % 500 == 0:
            wait_until(lambda: settled(sinks, 1))
    wait_until(lambda: settled(sinks, 1))
    begun = time.monotonic()
    stuck, fine = sinks.close(timeout=0.2)
    assert time.monotonic() - begun < 0.2 + PROMPT_S
    assert noted(tmp_path / "out") == list(range(8000))
    assert (fine.dropped, fine.failed, fine.unfinished, fine.status) == (0, 0, 0, 0)
    assert (stuck.written, stuck.failed, stuck.status) == (0, 0, -signal.SIGKILL)
    assert stuck.dropped >= 8000 - 3000 - 2000, "more than the queue and a socket's buffer was kept"
    assert accounted(stuck) == 8000


def test_a_sink_that_raises_loses_that_batch_alone(
    tmp_path: Path, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    def write(batch: Sequence[Event]) -> None:
        if any(e.time_ns % 2 for e in batch):
            raise ValueError("odd\nline")

    sinks = start(spec("bad", lambda: Sink(write)), good(tmp_path / "out"))
    for number in range(20):
        sinks.emit(event(number))
        wait_until(lambda n=number: sum(accounted(c) - c.unfinished for c in sinks.counts()) == 2 * (n + 1))  # type: ignore[misc]
    bad, fine = sinks.close(timeout=30)
    assert (bad.written, bad.failed, bad.status) == (10, 10, 0)
    assert fine.written == 20
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "event sink 'bad': failed: ValueError: odd line; 1 events lost, 1 in all"
    assert len(said) == 4, "said at the first, second, fourth and eighth loss"


def test_a_sink_that_exits_is_counted_and_said_once(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sinks = start(spec("bad", lambda: Sink(leave)), good(tmp_path / "out"))
    sinks.emit(event(0))
    wait_until(lambda: sinks.counts()[0].status is not None)
    with caplog.at_level(logging.ERROR):
        for number in range(1, 1000):
            sinks.emit(event(number))
    bad, fine = sinks.close(timeout=30)
    assert noted(tmp_path / "out") == list(range(1000))
    assert (bad.written, bad.failed, bad.status, accounted(bad)) == (0, 0, 3, 1000)
    assert fine.written == 1000
    assert (
        [record.getMessage().partition(" (")[0] for record in caplog.records].count(
            caplog.records[0].getMessage().partition(" (")[0]
        )
        == len(caplog.records)
        == 1
    )
    assert "event sink 'bad'" in caplog.records[0].getMessage()


def test_sys_exit_ends_the_child_and_not_the_test(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    pid = os.getpid()
    sinks = start(spec("bad", lambda: Sink(lambda batch: sys.exit(0))))
    sinks.emit(event(0))
    (counts,) = sinks.close(timeout=30)
    assert (os.getpid(), counts.status, counts.unfinished) == (pid, 1, 1)
    assert "event sink 'bad': process ends: SystemExit: 0" in capfd.readouterr().err


def test_a_killed_sink_leaves_its_counts(tmp_path: Path, start: Start) -> None:
    sinks = start(good(tmp_path / "out"))
    for number in range(10):
        sinks.emit(event(number))
    wait_until(lambda: sinks.counts()[0].written == 10)
    os.kill(sinks._channels[0].pid, signal.SIGKILL)
    wait_until(lambda: sinks.counts()[0].status == -signal.SIGKILL)
    sinks.emit(event(10))
    (counts,) = sinks.close()
    assert (counts.written, accounted(counts)) == (10, 11)


def test_a_sink_that_cannot_be_opened_is_opened_later(
    tmp_path: Path, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    def opened() -> None:
        (tmp_path / "ready").read_bytes()

    sinks = start(spec("late", lambda: Sink(lambda batch: None, opened)))
    sinks.emit(event(0))
    wait_until(lambda: sinks.counts()[0].failed == 1)
    (tmp_path / "ready").touch()
    sinks.emit(event(1))
    (counts,) = sinks.close(timeout=30)
    assert (counts.written, counts.failed) == (1, 1)
    assert "event sink 'late': cannot be opened: FileNotFoundError" in capfd.readouterr().err
