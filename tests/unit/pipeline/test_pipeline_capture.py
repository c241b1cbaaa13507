# SPDX-License-Identifier: Apache-2.0
"""Events to connections: what is known by cookie and tuple, what starts a task, what is said about each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.connection import Connection
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import FlowClosed, FlowDecided, FlowEstablished, FlowSeen, Overrun, State, Unaccounted
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Mode, Side, Tuple4

HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
OUT = Tuple4(client=HERE, client_port=40_000, server=THERE, server_port=80)
IN = Tuple4(client=THERE, client_port=40_000, server=HERE, server_port=80)


async def test_a_connection_is_announced_with_its_ends_and_rule() -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    node.backend.begin(Side.CLIENT, OUT)
    await node.settle()
    (said,) = node.said(events.Connecting)
    assert (said.client, said.server, said.rule, said.peer) == ("127.0.0.1:40000", "127.0.0.2:80", "rule-0", "there")
    assert (said.side, said.mode) == (Side.CLIENT, Mode.REQUIRE)


async def test_observing_asks_nobody_and_counts() -> None:
    node = MemoryNode(Mode.OBSERVE)
    cookie = node.backend.begin(Side.CLIENT, OUT)
    node.backend.establish(cookie, ISNS)
    node.backend.close(cookie)
    await node.settle()
    await node.capture.stop()
    assert [type(event) for event in node.events] == [events.Connecting, events.Closed, events.Timeline]
    assert not node.said(events.Closed)[0].secured
    assert node.provider.steps == []


async def test_events_of_unknown_connections_change_nothing() -> None:
    node = MemoryNode()
    closed = FlowClosed(cookie=99, time_ns=0, state=State.OPEN, restarts=0, held_ns=0, bytes_sent=0, bytes_received=0)
    node.capture.handle([FlowEstablished(cookie=99, time_ns=0, local_isn=1, remote_isn=2), closed])
    assert node.events == []


@pytest.mark.parametrize(("state", "kind"), [(State.REFUSED, events.Refused), (State.CLEAR, events.ReleasedClear)])
async def test_a_flow_without_room_in_the_table_counts(state: State, kind: type[events.Event]) -> None:
    node = MemoryNode()
    node.capture.handle([FlowDecided(cookie=99, time_ns=7, state=state, reason=Reason.TABLE_FULL)])
    (said,) = node.said(kind)
    assert (said.flow, said.time_ns) == (None, 7)
    assert isinstance(said, events.Refused | events.ReleasedClear)
    assert said.reason is Reason.TABLE_FULL


async def test_an_overrun_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    node = MemoryNode()
    node.capture.handle([Overrun(lost=12)])
    (lost,) = node.said(events.Lost)
    assert lost.count == 12
    assert "12 events of the kernel were lost" in caplog.text


async def test_what_was_decided_without_an_agent_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    node = MemoryNode()
    node.capture.handle([Unaccounted(released=2, refused=3, since_ns=5)])
    (said,) = node.said(events.Unattended)
    assert isinstance(said, events.Unattended)
    assert (said.released, said.refused, said.since_ns, said.flow) == (2, 3, 5, None)
    assert "while no agent watched, 2 connections were released in clear, 3 refused" in caplog.text


@pytest.mark.parametrize("state", [State.REFUSED, State.CLEAR])
async def test_a_flow_that_the_kernel_decided_at_once_starts_no_task(state: State, link: Link) -> None:
    node = MemoryNode(Mode.PREFER)
    cookie = node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie)
    (seen,) = node.backend.take_events()
    assert isinstance(seen, FlowSeen)
    node.backend.decide(cookie, state, Reason.REPAIR)  # its other end has begun long ago, and is told of nothing
    node.capture.handle([replace(seen, state=state), *node.backend.take_events()])
    await node.settle()
    assert node.provider.steps == []
    kind = events.ReleasedClear if state is State.CLEAR else events.Refused
    assert [type(event) for event in node.events] == [events.Connecting, kind]


async def test_a_bug_in_one_connection_spares_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: Connection) -> None:
        raise ZeroDivisionError("bug")

    node = MemoryNode(script=Script(wait=asyncio.Event()))
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "_secure", broken)
        broken_one = node.backend.begin(Side.CLIENT, OUT)
        await node.settle()
    assert "bug in the agent" in caplog.text
    assert node.backend.table[broken_one].state is State.REFUSED, "ended by its rule at once"
    node.backend.begin(Side.CLIENT, replace(OUT, client_port=40_001))
    await node.settle()
    assert node.provider.steps == ["prepare"]
    await node.capture.stop()
    assert [entry.state for entry in node.backend.table.values()] == [State.REFUSED, State.NEW]


async def test_bypassed_connections_are_not_heard_of() -> None:
    node = MemoryNode()
    node.backend.rules = rule_set([row(Mode.BYPASS)])
    node.backend.begin(Side.CLIENT, OUT)
    await node.settle()
    assert node.events == []


async def test_a_bug_with_one_event_spares_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = MemoryNode()
    lost = node.backend.begin(Side.CLIENT, OUT)
    kept = node.backend.begin(Side.CLIENT, replace(OUT, client_port=40_001))
    real = type(node.capture)._seen

    def broken(self: Capture, seen: FlowSeen) -> None:
        if seen.cookie == lost:
            raise OSError("no descriptor left")
        real(self, seen)

    monkeypatch.setattr(type(node.capture), "_seen", broken)
    await node.settle()
    assert "bug in the agent" in caplog.text
    assert node.backend.table[lost].state is State.NEW, "left to the kernel's deadline"
    assert node.backend.table[kept].state is State.ARMED


async def test_a_socket_that_connects_again_keeps_its_cookie_and_not_its_task() -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    cookie = node.backend.begin(Side.CLIENT, OUT)
    await node.settle()
    node.backend.close(cookie)
    node.backend.begin(Side.CLIENT, OUT, cookie=cookie)
    await node.settle()
    await asyncio.sleep(0)
    assert len(node.capture._tasks) == 1, "the cancelled task must not take the new one's place away"
    await node.capture.stop()
    assert (node.capture._tasks, node.backend.table[cookie].state) == ({}, State.NEW)
