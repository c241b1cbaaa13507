# SPDX-License-Identifier: Apache-2.0
"""Under a rule with passthrough: the client's first words decide, and the two ends never come to different ends."""

from __future__ import annotations

import asyncio
from socket import socket

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import HERE, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Mode, Side

NO = Refused("no", Reason.NO_RULE, by_peer=True)
LOST = Unavailable("nobody there", Reason.PEER_UNREACHABLE)
Installed = list[tuple[int, Side, bool]]


def node_of(mode: Mode = Mode.REQUIRE, script: Script | None = None) -> MemoryNode:
    """A node whose only rule has passthrough; a client may be quiet for as long as a test takes."""
    node = MemoryNode(mode, script, patience_ns=60_000_000_000)
    node.backend.replace(rule_set([row(mode, passthrough=True)]))
    return node


async def spoken(node: MemoryNode, link: Link, *, tls: bool) -> list[State]:
    """The client connects and makes its first call; the states of its flow."""
    await node.begin(link)
    await node.establish(link)
    assert node.provider.steps == [], "the peer was asked before the client had spoken"
    node.backend.speak(link.cookie, tls=tls)
    await node.settle()
    return node.backend.histories[link.cookie]


async def test_tls_is_left_alone_once_the_peer_leaves_it_alone(link: Link, installed: Installed) -> None:
    node = node_of()
    assert await spoken(node, link, tls=True) == [State.NEW, State.CLEAR]
    assert node.provider.steps == ["leave"]
    assert [event.reason for event in node.said(events.ReleasedClear)] == [Reason.PASSTHROUGH]
    assert installed == []
    link.client.sendall(b"hello")
    assert link.server.recv(5) == b"hello"


async def test_it_stays_held_until_the_peer_has_answered(link: Link) -> None:
    answer = asyncio.Event()
    node = node_of(script=Script(wait=answer))
    assert await spoken(node, link, tls=True) == [State.NEW]
    answer.set()
    await node.settle()
    assert node.backend.histories[link.cookie] == [State.NEW, State.CLEAR]


async def test_anything_else_is_secured(link: Link, installed: Installed) -> None:
    node = node_of()
    states = await spoken(node, link, tls=False)
    assert states == [State.NEW, State.ASKED, State.ARMED, State.INSTALLING, State.OPEN]
    assert installed == [(link.cookie, Side.CLIENT, True)]
    node.backend.speak(link.cookie, tls=True)
    await node.settle()
    assert node.provider.steps == ["prepare", "keys", "discard"]


async def test_a_client_that_says_nothing_is_secured_when_patience_ends(link: Link, installed: Installed) -> None:
    node = MemoryNode(patience_ns=30_000_000)
    node.backend.replace(rule_set([row(Mode.REQUIRE, passthrough=True)]))
    await node.begin(link)
    await asyncio.sleep(0.06)
    await node.settle()
    assert node.provider.steps == [], "patience begins when the client can speak"
    await node.establish(link)
    assert installed == []
    await asyncio.sleep(0.06)
    await node.settle()
    assert installed == [(link.cookie, Side.CLIENT, True)]


@pytest.mark.parametrize("error", [NO, LOST, KeyError("bug")])
@pytest.mark.parametrize(("mode", "end"), [(Mode.REQUIRE, State.REFUSED), (Mode.PREFER, State.CLEAR)])
async def test_a_peer_that_does_not_agree_leaves_the_end_to_the_mode(
    link: Link, mode: Mode, end: State, error: Exception
) -> None:
    node = node_of(mode, Script(prepare_error=error))
    assert await spoken(node, link, tls=True) == [State.NEW, end]
    assert len(node.said(events.Refused)) == (end is State.REFUSED)


async def test_a_deadline_of_the_programs_is_not_overruled_by_a_late_answer(link: Link) -> None:
    answer = asyncio.Event()
    node = node_of(script=Script(wait=answer))
    await spoken(node, link, tls=True)
    node.backend.expire(link.cookie)
    answer.set()
    await node.settle()
    assert node.backend.histories[link.cookie] == [State.NEW, State.REFUSED]
    assert node.said(events.ReleasedClear) == []


@pytest.mark.parametrize("comes_first", [True, False])
async def test_the_accepting_end_is_left_alone_as_promised(link: Link, comes_first: bool) -> None:
    node = node_of(script=Script(wait=asyncio.Event()))
    node.context.mine = lambda _address: True  # type: ignore[method-assign]
    node.keys.providers_of = lambda *_: ("scripted",)  # type: ignore[method-assign]
    if not comes_first:
        await node.context.leave(link.tuple4)
    await node.begin(link, Side.SERVER)
    await node.establish(link, Side.SERVER)
    if comes_first:
        await node.context.leave(link.tuple4)
        await node.settle()
    assert node.backend.histories[descriptor.cookie_of(link.server)] == [State.NEW, State.CLEAR]
    assert [event.reason for event in node.said(events.ReleasedClear)] == [Reason.PASSTHROUGH]
    assert node.said(events.Refused) == []


async def test_no_end_is_left_alone_that_was_promised_or_whose_rule_does_not_say_so(link: Link) -> None:
    node = node_of()
    node.context.mine = lambda _address: True  # type: ignore[method-assign]
    await node.context.expect(link.tuple4)
    with pytest.raises(Refused) as caught:
        await node.context.leave(link.tuple4)
    assert caught.value.reason is Reason.NO_RULE
    other = MemoryNode()
    other.context.mine = lambda _address: True  # type: ignore[method-assign]
    with pytest.raises(Refused):
        await other.context.leave(link.tuple4)
    await other.begin(link, Side.SERVER)
    assert other.backend.histories[descriptor.cookie_of(link.server)] != [State.NEW, State.CLEAR]


async def test_a_later_promise_takes_the_place_of_one_to_leave_alone(link: Link) -> None:
    node = node_of(script=Script(wait=asyncio.Event()))
    node.context.mine = lambda _address: True  # type: ignore[method-assign]
    await node.context.leave(link.tuple4)
    await node.context.expect(link.tuple4)
    await node.begin(link, Side.SERVER)
    assert node.backend.histories[descriptor.cookie_of(link.server)][0] is State.ASKED


@pytest.mark.parametrize("tls", [True, False])
async def test_both_ends_on_this_node(tls: bool, installed: Installed) -> None:
    link, node = Link.make(HERE), node_of()
    for side in (Side.CLIENT, Side.SERVER):
        await node.begin(link, side)
        await node.establish(link, side)
    node.backend.own(descriptor.cookie_of(link.server), link.owner)
    await node.settle()
    assert installed == [] and node.said(events.Refused) == []
    node.backend.speak(link.cookie, tls=tls)
    await node.settle()
    cookies = [link.cookie, descriptor.cookie_of(link.server)]
    end = State.CLEAR if tls else State.OPEN
    assert [node.backend.table[cookie].state for cookie in cookies] == [end, end]
    assert {cookie for cookie, _, _ in installed} == (set() if tls else set(cookies))
    link.close()


async def test_a_client_that_closes_at_once_leaves_nothing(link: Link) -> None:
    node = node_of()
    await node.begin(link)
    await node.establish(link)
    node.backend.close(link.cookie)
    await node.settle()
    assert node.provider.steps == [] and node.said(events.Refused) == []
    assert isinstance(link.client, socket)
