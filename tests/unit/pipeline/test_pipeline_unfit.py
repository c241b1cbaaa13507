# SPDX-License-Identifier: Apache-2.0
"""A client's socket that can take no TLS: the peer is told at once, and only a rule that prefers lets its end go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import HERE, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import UNFIT, Reason, Refused, TlshubError, Unavailable
from tlshub_core.types.flow import Mode, Side

BOTH = sorted(UNFIT, key=lambda reason: reason.value)
Waiting = Callable[..., MemoryNode]


@pytest.fixture
def waiting() -> Waiting:
    """A function that makes the node of an accepting end, which nobody asks for."""

    def make(mode: Mode, *, passthrough: bool = False) -> MemoryNode:
        node = MemoryNode(mode, Script(wait=asyncio.Event()))
        node.backend.replace(rule_set([row(mode, passthrough=passthrough)]))
        node.context.mine = lambda _address: True  # type: ignore[method-assign]
        node.keys.providers_of = lambda *_: ("scripted",)  # type: ignore[method-assign]
        return node

    return make


def states(node: MemoryNode, link: Link) -> list[State]:
    """Of the accepting end."""
    return node.backend.histories[descriptor.cookie_of(link.server)]


@pytest.mark.parametrize("reason", BOTH)
async def test_the_peer_is_told_why(link: Link, reason: Reason) -> None:
    node = MemoryNode(Mode.PREFER)
    await node.begin(link, unfit=reason)
    assert node.backend.histories[link.cookie] == [State.CLEAR]
    assert (node.provider.steps, node.provider.told) == (["leave"], [reason])
    assert [event.reason for event in node.said(events.ReleasedClear)] == [reason]


@pytest.mark.parametrize(
    ("mode", "side", "reason"),
    [
        (Mode.REQUIRE, Side.CLIENT, Reason.MPTCP),
        (Mode.PREFER, Side.SERVER, Reason.MPTCP),
        (Mode.PREFER, Side.CLIENT, Reason.REPAIR),  # its other end has begun long ago
    ],
)
async def test_nobody_is_told_where_nobody_waits(link: Link, mode: Mode, side: Side, reason: Reason) -> None:
    node = MemoryNode(mode)
    await node.begin(link, side, unfit=reason)
    assert node.provider.steps == []


@pytest.mark.parametrize("error", [Unavailable("away"), Refused("no", Reason.NO_RULE, by_peer=True), KeyError("bug")])
async def test_a_peer_that_cannot_be_told_changes_nothing_here(
    link: Link, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tlshub.connection")
    node = MemoryNode(Mode.PREFER, Script(prepare_error=error))
    await node.begin(link, unfit=Reason.MPTCP)
    assert node.backend.histories[link.cookie] == [State.CLEAR]
    assert node.said(events.Refused) == []
    assert "in clear for 'mptcp', was not told: " in caplog.text


async def test_one_that_closes_at_once_is_told_of_all_the_same(link: Link) -> None:
    answer = asyncio.Event()
    node = MemoryNode(Mode.PREFER, Script(wait=answer))
    await node.begin(link, unfit=Reason.MPTCP)
    node.backend.close(link.cookie)
    await node.settle()
    (telling,) = node.capture._telling._tasks
    answer.set()
    await telling
    assert not telling.cancelled() and node.provider.told == [Reason.MPTCP]


async def test_an_agent_that_stops_waits_for_no_peer(link: Link) -> None:
    node = MemoryNode(Mode.PREFER, Script(wait=asyncio.Event()))
    await node.begin(link, unfit=Reason.MPTCP)
    async with asyncio.timeout(5):
        await node.capture.stop()
    assert node.capture._telling._tasks == set()


@pytest.mark.parametrize("passthrough", [True, False])
@pytest.mark.parametrize("comes_first", [True, False])
async def test_the_accepting_end_is_released_at_once(
    link: Link, waiting: Waiting, comes_first: bool, passthrough: bool
) -> None:
    node = waiting(Mode.PREFER, passthrough=passthrough)
    if not comes_first:
        await node.context.leave(link.tuple4, Reason.MPTCP)
    await node.begin(link, Side.SERVER)
    await node.establish(link, Side.SERVER)
    if comes_first:
        assert states(node, link) == [State.NEW]
        await node.context.leave(link.tuple4, Reason.MPTCP)
        await node.settle()
    assert states(node, link) == [State.NEW, State.CLEAR]
    assert [event.reason for event in node.said(events.ReleasedClear)] == [Reason.MPTCP]
    assert node.said(events.Refused) == []


@pytest.mark.parametrize("passthrough", [True, False])
@pytest.mark.parametrize("comes_first", [True, False])
async def test_no_peer_brings_one_in_clear_whose_rule_requires_tls(
    link: Link, waiting: Waiting, comes_first: bool, passthrough: bool
) -> None:
    node = waiting(Mode.REQUIRE, passthrough=passthrough)
    if comes_first:
        await node.begin(link, Side.SERVER)
    with pytest.raises(Refused, match="no rule here leaves 'mptcp' to port"):
        await node.context.leave(link.tuple4, Reason.MPTCP)
    if not comes_first:
        await node.begin(link, Side.SERVER)
    await node.settle()
    assert states(node, link) == [State.NEW]


async def test_a_rule_that_came_to_require_tls_meanwhile_counts(link: Link, waiting: Waiting) -> None:
    node = waiting(Mode.PREFER)
    await node.context.leave(link.tuple4, Reason.MPTCP)
    node.backend.replace(rule_set([row(Mode.REQUIRE)]))
    await node.begin(link, Side.SERVER)
    assert states(node, link) == [State.NEW]


async def test_one_that_was_promised_is_not_released(link: Link, waiting: Waiting) -> None:
    """Its other end may be in TLS, whatever is said now."""
    node = waiting(Mode.PREFER)
    await node.context.expect(link.tuple4)
    with pytest.raises(Refused):
        await node.context.leave(link.tuple4, Reason.MPTCP)
    await node.begin(link, Side.SERVER)
    assert states(node, link) == [State.ASKED]


async def test_only_connections_to_this_node(link: Link) -> None:
    node = MemoryNode(Mode.PREFER)
    with pytest.raises(TlshubError) as caught:
        await node.context.leave(link.tuple4, Reason.MPTCP)
    assert isinstance(caught.value, Refused) and caught.value.reason is Reason.NOT_MINE


async def test_both_ends_on_this_node(link: Link) -> None:
    link, node = Link.make(HERE), MemoryNode(Mode.PREFER)
    await node.begin(link, unfit=Reason.MPTCP)
    await node.begin(link, Side.SERVER)
    await node.establish(link, Side.SERVER)
    assert states(node, link) == [State.NEW, State.CLEAR]
    assert [event.reason for event in node.said(events.ReleasedClear)] == [Reason.MPTCP] * 2
    link.close()


async def test_what_the_programs_tell_late_is_told_once(link: Link, waiting: Waiting) -> None:
    """The agent looks at the flow between the two events, and it is in clear already."""
    node = waiting(Mode.PREFER, passthrough=True)
    await node.context.leave(link.tuple4, Reason.MPTCP)
    cookie = descriptor.cookie_of(link.server)
    node.backend.begin(Side.SERVER, link.tuple4, cookie=cookie)
    seen, decided = node.backend.take_events()
    node.capture.handle([seen])
    for _ in range(20):
        await asyncio.sleep(0)
    assert node.said(events.ReleasedClear) == []
    node.capture.handle([decided])
    await node.settle()
    assert [event.reason for event in node.said(events.ReleasedClear)] == [Reason.MPTCP]
