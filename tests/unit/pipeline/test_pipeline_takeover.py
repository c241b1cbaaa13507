# SPDX-License-Identifier: Apache-2.0
"""An agent starts where another one died: what each connection was, and what becomes of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from tlshub_core.pipeline import existing
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.serving import Running
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script, ScriptedProvider, spec_of
from tlshub_core.types import events
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.flow import Mode, Side

Installed = list[tuple[int, Side, bool]]
BY_PEER = Refused("no", Reason.PEER_REFUSED, by_peer=True)
HELD = (State.NEW, State.ASKED, State.ARMED)


async def died(link: Link, state: State, side: Side = Side.CLIENT, mode: Mode = Mode.REQUIRE) -> MemoryNode:
    """A node whose agent has brought one connection to that state, and has not heard all that happened since."""
    node = MemoryNode(mode, Script(wait=asyncio.Event() if state is State.NEW else None, asked_wait=never(state)))
    await node.begin(link, side)
    cookie = cookie_of(link.client if side is Side.CLIENT else link.server)
    if state not in HELD:
        node.backend.move(cookie, State.ARMED, state)
    if side is Side.SERVER:
        node.backend.own(cookie, replace(link.owner, fd=link.server.fileno()))
    node.backend.establish(cookie, ISNS)
    assert node.backend.table[cookie].state is state
    return node


def never(state: State) -> asyncio.Event | None:
    return asyncio.Event() if state is State.ASKED else None


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", HELD)
async def test_what_is_held_is_secured(link: Link, installed: Installed, state: State, side: Side) -> None:
    node = await (await died(link, state, side, Mode.PREFER)).succeed(Mode.PREFER)
    (cookie,) = node.backend.table
    deadline, now = node.backend.table[cookie].deadline_ns, time.monotonic_ns()
    assert now + 4_900_000_000 < deadline < now + 6_000_000_000, "its time begins anew"
    await node.settle()
    assert node.backend.table[cookie].state is State.OPEN
    assert installed == [(cookie, side, True)]
    again = side is Side.CLIENT and state is not State.NEW
    assert node.provider.steps[0] == ("prepare again" if again else "prepare")
    (said,) = node.said(events.TakenOver)
    assert (said.state, said.rule, said.mode) == (state if state is State.NEW else State.ASKED, "rule-0", Mode.PREFER)
    assert node.said(events.Connecting) == [], "its events that are in the ring buffer still tell nothing new"
    assert len(node.said(events.Secured)) == 1


@pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])
@pytest.mark.parametrize("side", Side)
async def test_what_was_promised_never_goes_in_clear(link: Link, side: Side, mode: Mode) -> None:
    node = await (await died(link, State.ARMED, side, mode)).succeed(mode, Script(prepare_error=BY_PEER))
    await node.settle()
    (cookie,) = node.backend.table
    assert node.backend.histories[cookie][-2:] == [State.ASKED, State.REFUSED]
    (refused,) = node.said(events.Refused)
    assert "its keys died with an agent before this one" in refused.detail


async def test_what_nobody_agrees_on_anew_is_refused_and_told_why(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlshub_core.testing.node.HANDSHAKE_NS", 50_000_000)
    node = await (await died(link, State.ASKED)).succeed(script=Script(asked_wait=asyncio.Event()))
    await asyncio.sleep(0.1)
    await node.settle()
    assert [event.reason for event in node.said(events.Refused)] == [Reason.KEYS_LOST]


class Once:
    """A provider that knows nothing of asking again."""

    def __init__(self, inner: ScriptedProvider) -> None:
        self.probe, self.start, self.prepare, self.stop = inner.probe, inner.start, inner.prepare, inner.stop


async def test_a_provider_that_cannot_ask_again_has_it_refused(link: Link) -> None:
    node = await (await died(link, State.ARMED)).succeed()
    node.serving.running["scripted"] = Running.of(spec_of(node.provider), Once(node.provider))
    await node.settle()
    (refused,) = node.said(events.Refused)
    assert refused.reason is Reason.KEYS_LOST and "provider 'scripted' cannot agree on others" in refused.detail


async def test_an_install_that_was_not_finished_is_refused(link: Link, installed: Installed) -> None:
    node = await (await died(link, State.INSTALLING)).succeed()
    await node.settle()
    assert (node.backend.table[link.cookie].state, installed) == (State.REFUSED, [])
    assert [event.reason for event in node.said(events.Refused)] == [Reason.KEYS_LOST]
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


async def test_an_install_that_was_finished_is_open(link: Link) -> None:
    node = await (await died(link, State.INSTALLING)).succeed()
    node.backend.move(link.cookie, State.INSTALLING, State.OPEN)  # as the gate does, at the agent's look
    await node.settle()
    assert (node.backend.table[link.cookie].state, node.said(events.Refused)) == (State.OPEN, [])
    link.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        link.client.recv(1)


@pytest.mark.parametrize("state", [State.OPEN, State.CLEAR, State.REFUSED])
async def test_what_is_decided_is_followed_until_it_closes(link: Link, state: State) -> None:
    node = await (await died(link, state)).succeed()
    node.backend.close(link.cookie)
    await node.settle()
    taken, closed, line = node.events
    assert isinstance(taken, events.TakenOver) and isinstance(closed, events.Closed)
    assert isinstance(line, events.Timeline) and (line.outcome, line.asked_ns, line.rx_ns) == (state, None, None)
    assert (taken.state, taken.flow, closed.secured) == (state, closed.flow, state is State.OPEN)
    assert node.provider.steps == []


async def test_what_the_programs_decided_meanwhile_is_told_by_the_next_agent(link: Link) -> None:
    node = await died(link, State.ASKED)
    await node.die()
    node.backend.expire(link.cookie)
    node = await node.succeed()
    await node.settle()
    assert [event.reason for event in node.said(events.Refused)] == [Reason.DEADLINE]


async def test_an_event_of_the_sockets_connection_before_is_not_mistaken(link: Link, installed: Installed) -> None:
    node = await died(link, State.NEW)
    node.backend.close(link.cookie)
    node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie, owner=link.owner)
    node.backend.establish(link.cookie, ISNS)
    node = await node.succeed()
    await node.settle()
    assert node.backend.table[link.cookie].state is State.OPEN
    assert node.said(events.Closed) == []


@pytest.mark.parametrize("passed_over", [False, True])
async def test_what_began_with_this_agent_is_its_own(link: Link, installed: Installed, passed_over: bool) -> None:
    node, began = MemoryNode(), time.monotonic_ns()
    node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie, owner=link.owner)
    node.backend.establish(link.cookie, ISNS)
    if passed_over:
        node.backend.take_events()
    assert node.capture.take_over(node.backend.flows(), began) == []
    await node.settle()
    assert [len(node.said(kind)) for kind in (events.Connecting, events.TakenOver, events.Secured)] == [1, 0, 1]


async def test_a_flow_that_closes_while_it_is_taken_over_is_not(link: Link) -> None:
    node = await died(link, State.NEW)
    kept = node.backend.flows()
    node.backend.close(link.cookie)
    assert node.capture.take_over([replace(one, seen=replace(one.seen, cookie=99)) for one in kept], 1 << 62) == []


async def test_the_number_of_an_older_rule_is_not_believed(link: Link) -> None:
    node = await died(link, State.OPEN)
    entry = node.backend.table[link.cookie]
    entry.seen = replace(entry.seen, rule=7)
    node = await node.succeed()
    assert node.said(events.TakenOver)[0].rule == "rule-0"
    node.backend.replace(replace(node.backend.rules, matches=()))
    node = await node.succeed()
    assert node.said(events.TakenOver)[0].rule == ""


@pytest.mark.parametrize(("state", "end"), [(State.ARMED, State.OPEN), (State.OPEN, State.REFUSED)])
async def test_both_ends_here_get_the_same_keys_or_none(installed: Installed, state: State, end: State) -> None:
    link = Link.make("127.0.0.1")
    cookies = [cookie_of(link.client), cookie_of(link.server)]
    node = MemoryNode()
    for cookie, side in zip(cookies, Side, strict=True):
        node.backend.begin(side, link.tuple4, cookie=cookie, owner=link.owner if side is Side.CLIENT else None)
    await node.settle()
    node.backend.move(cookies[1], State.ARMED, state)
    for cookie in cookies:
        node.backend.establish(cookie, ISNS)
    node.backend.own(cookies[1], Owner(pid=link.owner.pid, fd=link.server.fileno(), inode=0, comm="test"))
    node = await node.succeed()
    await node.settle()
    assert node.backend.table[cookies[0]].state is end
    assert len(installed) == (2 if end is State.OPEN else 0)
    link.close()


async def test_a_connection_that_was_taken_over_is_not_older_than_the_programs(link: Link) -> None:
    node = await died(link, State.OPEN)
    taken = MemoryNode(backend=node.backend).capture.take_over(node.backend.flows(), 1 << 62)
    connections = existing.established()
    older = existing.held(connections, node.backend, 4646)
    rest = existing.held(existing.without(connections, taken), node.backend, 4646)
    assert len(older) == len(rest) + 1
