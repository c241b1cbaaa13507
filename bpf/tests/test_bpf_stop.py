# SPDX-License-Identifier: Apache-2.0
"""Who goes on when, of those that the weaker hold stopped: real maps, and real processes that are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tlshub_capture_bpf import layout
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_capture_bpf.stops import Stops

from tlshub_core.api import State

HASH = 1


class Table:
    """Flows and stops in maps of their own, and processes that are stopped for these."""

    def __init__(self, stack: ExitStack) -> None:
        libbpf, self._stack = Libbpf(), stack
        sizes = ((layout.STOP.size, layout.U64.size), (layout.U64.size, layout.FLOW.size))
        fds = [libbpf.code("bpf_map_create", HASH, b"test", *size, 64, None) for size in sizes]
        for fd in fds:
            stack.callback(os.close, fd)
        self._stopped, self._flows = Map(libbpf, fds[0], layout.U64.size), Map(libbpf, fds[1], layout.FLOW.size)
        self.stops = Stops(libbpf, *fds)

    def process(self) -> int:
        """One that is stopped."""
        child = subprocess.Popen(["sleep", "60"])
        self._stack.callback(child.wait)
        self._stack.callback(child.kill)
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        return child.pid

    def flow(self, cookie: int, state: State) -> None:
        """A flow stands there now."""
        size = layout.FLOW.size
        self._flows.put(layout.U64.pack(cookie), layout.U32.pack(state).ljust(size, b"\0"))

    def stop(self, cookie: int, pid: int) -> None:
        """It was stopped for that connection."""
        self._stopped.put(layout.STOP.pack(cookie, pid, 0), layout.U64.pack(1))

    def left(self) -> int:
        """How many stops are noted."""
        return len(list(self._stopped.items(layout.STOP.size)))


@pytest.fixture
def table() -> Iterator[Table]:
    if os.geteuid():
        pytest.skip("needs root: to make BPF maps")
    with ExitStack() as stack:
        yield Table(stack)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_process_goes_on_when_none_of_its_connections_is_held(table: Table) -> None:
    pid, other, users = table.process(), table.process(), table.process()
    for cookie, one in ((1, pid), (2, pid), (3, other)):
        table.flow(cookie, State.ARMED)
        table.stop(cookie, one)
    table.flow(1, State.OPEN)
    table.stops.let_go()
    assert is_stopped(pid) and is_stopped(other) and table.left() == 3
    table.flow(2, State.REFUSED)
    table.stops.let_go()
    assert not is_stopped(pid) and is_stopped(other) and is_stopped(users) and table.left() == 1


def test_a_connection_that_is_gone_holds_nobody_and_neither_does_a_process_that_is(table: Table) -> None:
    pid = table.process()
    table.stop(1, pid)
    table.stop(2, 2**22 - 1)
    table.flow(2, State.CLEAR)
    table.stops.let_go()
    assert not is_stopped(pid) and table.left() == 0


def test_all_go_where_nothing_is_held_any_more(table: Table) -> None:
    pid, users = table.process(), table.process()
    table.flow(1, State.NEW)
    table.stop(1, pid)
    table.stops.all_go()
    assert not is_stopped(pid) and is_stopped(users) and table.left() == 0
