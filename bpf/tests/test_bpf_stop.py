# SPDX-License-Identifier: Apache-2.0
"""Who goes on when, of those that the weaker hold stopped: real maps, and real processes that are stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tlshub_capture_bpf import layout
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.hearing import Hearing
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_capture_bpf.pins import Pins
from tlshub_capture_bpf.programs import Programs
from tlshub_capture_bpf.stops import Stops

from bpf.tests.test_bpf_node import config, made
from bpf.tests.test_bpf_untyped import called
from tlshub_core.api import FlowOwned, Owner, State

__all__ = ("config", "made")
HASH = 1
NOTE, SIGNAL, TELL = 2, 109, 130  # bpf_map_update_elem, bpf_send_signal, bpf_ringbuf_output in <linux/bpf.h>


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


def told(pid: int) -> Hearing:
    """One that has heard of a process with the connection 1, and of no more."""
    hearing = Hearing.__new__(Hearing)
    owner = Owner(pid=pid, fd=3, inode=1, comm="sleep")
    hearing._batch, hearing._ready = [FlowOwned(cookie=1, time_ns=1, owner=owner, held=True)], asyncio.Event()
    hearing._ready.set()
    return hearing


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


def test_one_that_was_stopped_after_its_connection_was_decided_goes_on_when_that_is_told(table: Table) -> None:
    pid, backend = table.process(), LibbpfBackend()
    os.kill(pid, signal.SIGCONT)
    table.flow(1, State.OPEN)
    table.stop(1, pid)
    table.stops.let_go()  # too early: the signal comes now, and the second note
    assert table.left() == 0
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    table.stop(1, pid)
    backend._stops, backend._hearing = table.stops, told(pid)
    asyncio.run(anext(aiter(backend.events())))
    assert not is_stopped(pid) and table.left() == 0


@pytest.mark.parametrize("name", ["stop_connector", "stop_poller", "installed"])
def test_a_stop_is_noted_before_the_signal_and_after_and_then_told(name: str, made: Built) -> None:
    order = [helper for helper in called(made.programs[name]) if helper in (NOTE, SIGNAL, TELL)]
    signal_at = order.index(SIGNAL)
    assert NOTE in order[:signal_at] and NOTE in order[signal_at : order.index(TELL)]


def test_all_go_where_nothing_is_held_any_more(table: Table) -> None:
    pid, users = table.process(), table.process()
    table.flow(1, State.NEW)
    table.stop(1, pid)
    table.stops.all_go()
    assert not is_stopped(pid) and is_stopped(users) and table.left() == 0


def test_programs_end_before_those_who_are_stopped_go_on_and_maps_after(monkeypatch: pytest.MonkeyPatch) -> None:
    done, backend = list[str](), LibbpfBackend()
    steps = {Programs: ("detach", "close"), Pins: ("drop", "remove", "release"), Stops: ("all_go",)}
    for one, names in steps.items():
        for name in names:
            monkeypatch.setattr(one, name, lambda *_, said=name: done.append(said))
    backend._programs, backend._pins = Programs.__new__(Programs), Pins.__new__(Pins)
    backend._stops = Stops.__new__(Stops)
    asyncio.run(backend.detach(unpin=True))
    assert done == ["detach", "drop", "remove", "all_go", "close", "release"]
