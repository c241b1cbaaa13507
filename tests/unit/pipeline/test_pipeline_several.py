# SPDX-License-Identifier: Apache-2.0
"""Several providers on one node: who is asked for which connection, and that events name the one that served."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.testing.scripted import Script, ScriptedProvider, spec_of, wiped
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Mode, Side

Installed = list[tuple[int, Side, bool]]
ALONE_S = 0.02  # longer than the first one is left alone


async def accepted(node: MemoryNode, link: Link) -> None:
    """The accepting end begins, and all that may serve it were asked."""
    await node.begin(link, Side.SERVER)
    await asyncio.sleep(ALONE_S)
    await node.settle()


@pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])
async def test_events_name_the_provider_that_served(link: Link, installed: Installed, mode: Mode) -> None:
    node = MemoryNode(mode, Script(wait=asyncio.Event()))
    other = node.add("other")
    await accepted(node, link)
    await node.establish(link, Side.SERVER)
    node.backend.own(cookie_of(link.server), link.owner)
    await node.settle()
    assert installed == [(cookie_of(link.server), Side.SERVER, True)]
    assert [event.provider for event in node.said(events.KeysAsked)] == ["scripted", "other"]
    assert [event.provider for event in (*node.said(events.KeysReady), *node.said(events.Secured))] == ["other"] * 2
    assert (node.provider.steps, other.steps) == (["prepare"], ["prepare", "keys", "discard"])
    assert all(map(wiped, other.given))
    assert len(asyncio.all_tasks()) == 1


async def test_the_connecting_end_asks_by_one(link: Link, installed: Installed) -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    other = node.add("other")
    await node.begin(link)
    await asyncio.sleep(ALONE_S)
    assert (node.provider.steps, other.steps) == (["prepare"], [])
    node.serving.switch("other")
    later = Link.make()
    await node.begin(later)
    assert other.steps == ["prepare"]
    assert node.provider.steps == ["prepare"], "one in progress keeps its own"
    later.close()


async def test_the_rules_provider_is_waited_for_alone(link: Link) -> None:
    node = MemoryNode()
    other = node.add("other")
    node.named = "other"
    await accepted(node, link)
    assert (node.provider.steps, other.steps) == ([], ["prepare"])


async def test_one_that_peers_may_not_ask_for_is_not_waited_for(link: Link) -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    other = node.add("other")
    node.allowed.remove("other")
    await accepted(node, link)
    assert (node.provider.steps, other.steps) == (["prepare"], [])


LOST = Unavailable("nobody asked", Reason.PEER_UNREACHABLE)
BY_PEER = Refused("no", Reason.PEER_REFUSED, by_peer=True)
ENDS = [
    (Mode.PREFER, Script(ask=False, prepare_error=LOST), Script(ask=False, prepare_error=LOST), State.CLEAR),
    (Mode.REQUIRE, Script(ask=False, prepare_error=LOST), Script(ask=False, prepare_error=LOST), State.REFUSED),
    (Mode.PREFER, Script(prepare_error=LOST), Script(ask=False, prepare_error=LOST), State.REFUSED),
    (Mode.PREFER, Script(prepare_error=BY_PEER), Script(ask=False, prepare_error=LOST), State.REFUSED),
    (Mode.PREFER, Script(prepare_error=BY_PEER), Script(prepare_error=BY_PEER), State.CLEAR),
]


@pytest.mark.parametrize(("mode", "first", "second", "end"), ENDS)
async def test_where_all_fail_it_ends_by_the_rule(
    link: Link, mode: Mode, first: Script, second: Script, end: State
) -> None:
    node = MemoryNode(mode, first)
    node.add("other", second)
    await accepted(node, link)
    assert node.backend.table[cookie_of(link.server)].state is end
    assert len(node.said(events.ReleasedClear)) == (end is State.CLEAR)
    assert len(node.said(events.Refused)) == (end is State.REFUSED)
    assert len(asyncio.all_tasks()) == 1


async def test_a_connection_that_closes_ends_all_waits(link: Link) -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    node.add("other", Script(wait=asyncio.Event()))
    await accepted(node, link)
    assert len(asyncio.all_tasks()) == 4
    node.backend.close(cookie_of(link.server))
    await node.settle()
    assert len(asyncio.all_tasks()) == 1


def test_of_those_that_accept_together_one_waits() -> None:
    node, serving = MemoryNode(), Serving("a")
    for name, group in (("a", "a"), ("b", "pair"), ("c", "pair"), ("d", "d"), ("e", "e")):
        running = Running.of(spec_of(ScriptedProvider(node.context)), node.provider)
        serving.running[name] = replace(running, group=group)
    assert serving.accepting("a", lambda: {"d"}) == ("a", "b", "d"), "the pair looks itself at what a peer may ask for"
    assert serving.accepting("c", lambda: {"d"}) == ("c", "d")
    assert serving.accepting("a", lambda: {"c", "d", "e"}) == ("a", "b", "d", "e")
