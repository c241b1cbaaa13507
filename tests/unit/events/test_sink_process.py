# SPDX-License-Identifier: Apache-2.0
"""The process of a sink: what it sheds, what it outlives, when it ends."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.events.sinks_for_tests import (
    Sink,
    Start,
    event,
    good,
    noted,
    spec,
    wait_until,
)
from tlshub_core.api import Event
from tlshub_core.events.sinks import Sinks


def never(batch: Sequence[Event]) -> None:
    while True:
        time.sleep(60)


def test_the_agents_death_ends_its_sinks_after_the_last_event(tmp_path: Path) -> None:
    agent = os.fork()
    if not agent:
        sinks = Sinks()
        sinks.start([good(tmp_path / "out"), spec("other", lambda: Sink(lambda batch: None))])
        # No more than the socket holds: what is still queued in an agent dies with it.
        for number in range(100):
            sinks.emit(event(number))
        (tmp_path / "pids").write_text(" ".join(str(channel.pid) for channel in sinks._channels))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(agent, 0)[1]) == -signal.SIGKILL
    for pid in noted(tmp_path / "pids"):
        wait_until(lambda pid=pid: ended(pid))  # type: ignore[misc]
    assert noted(tmp_path / "out") == list(range(100))


def ended(pid: int) -> bool:
    """An orphan has ended when it is gone or only waits for its new parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def status() -> list[str]:
    return Path("/proc/self/status").read_text().splitlines()


def test_the_child_is_an_ordinary_process_of_its_own(tmp_path: Path, start: Start) -> None:
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.dup2(inherited, 200)
    facts = tmp_path / "facts"

    def write(batch: Sequence[Event]) -> None:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        found = {
            "fds": [fd for fd in fds if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")],
            "ignores int": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
            "handles usr1": signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL,
            "blocked": len(blocked),
            "policy": os.sched_getscheduler(0),
            "comm": Path("/proc/self/comm").read_text(),
            "may": [line.split(":\t")[1] for line in status() if line.startswith(("CapPrm", "CapEff", "NoNewPrivs"))],
        }
        facts.write_text(json.dumps(found))

    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    sinks = start(spec("one", lambda: Sink(never)), spec("two", lambda: Sink(write)))
    signal.signal(signal.SIGUSR1, before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        time.sleep(0.2)
        os.kill(sinks._channels[1].pid, number)
    sinks.emit(event(0))
    wait_until(lambda: sinks.counts()[1].written == 1)
    found = json.loads(facts.read_text())
    assert len(found.pop("fds")) == 1, "it has more than its socket"
    expected = {
        "ignores int": True,
        "handles usr1": False,
        "blocked": 0,
        "policy": os.SCHED_OTHER,
        "comm": "sink-two\n",
        "may": ["0000000000000000", "0000000000000000", "1"],
    }
    assert found == expected
    os.close(inherited)
    os.close(200)


def test_threads_that_run_already_are_an_error() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with pytest.raises(RuntimeError, match="event sink 'x': started after threads, start the sinks first"):
        Sinks().start([spec("x", lambda: Sink(never))])
    done.set()
    thread.join()
