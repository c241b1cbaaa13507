# SPDX-License-Identifier: Apache-2.0
"""Many connections at once, in an agent that is slow with each: none ends by a deadline because others came first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tlshub_core.pipeline.turns import AT_ONCE
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.flow import Flow, Mode, Side
from tlshub_core.types.interfaces import Pending

CROWD, SLOW_S, HANDSHAKE_NS = 8 * AT_ONCE, 0.03, 3_000_000_000
Installed = list[tuple[int, Side, bool]]


@pytest.fixture
def links() -> Iterator[list[Link]]:
    links = [Link.make() for _ in range(CROWD)]
    yield links
    for link in links:
        link.close()


def begin(node: MemoryNode, links: list[Link]) -> None:
    """All in one batch."""
    for link in links:
        node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie, owner=link.owner)


async def test_the_time_before_its_turn_is_not_the_connections(
    links: list[Link], installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlshub_core.testing.node.HANDSHAKE_NS", HANDSHAKE_NS)
    node = MemoryNode()
    prepare = node.provider.prepare

    async def slowly(flow: Flow) -> Pending:
        time.sleep(SLOW_S)  # noqa: ASYNC251 - that the loop stands still is what is tested
        await asyncio.sleep(0.001)
        return await prepare(flow)

    monkeypatch.setattr(node.provider, "prepare", slowly)
    began = time.monotonic_ns()
    begin(node, links)
    while any(history[-1] is State.NEW for history in node.backend.histories.values()):
        await node.settle()
    assert time.monotonic_ns() - began > HANDSHAKE_NS, "no crowd: each had its turn in time"
    for link in links:
        node.backend.establish(link.cookie, ISNS)
    while not node.said(events.Refused) and len(installed) < CROWD:
        await node.settle()
    assert len(node.said(events.Secured)) == CROWD and not node.said(events.Refused)


async def test_where_it_is_only_preferred_and_the_syn_has_gone_it_is(
    links: list[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlshub_core.testing.node.HANDSHAKE_NS", HANDSHAKE_NS)
    node = MemoryNode(Mode.PREFER, Script(wait=asyncio.Event()))
    for link in links:
        node.backend.warm_peers[link.tuple4.server] = True
    begin(node, links)
    await node.settle()
    deadlines = {
        connection.flow.deadline_ns - connection.seen.time_ns for connection in node.capture._by_cookie.values()
    }
    assert deadlines == {HANDSHAKE_NS}, "the accepting end may go in clear at that time"


async def test_what_is_established_is_installed_before_all_others_are_asked_for(
    links: list[Link], installed: Installed
) -> None:
    node = MemoryNode()
    begin(node, links[:1])
    await node.settle()
    begin(node, links[1:])
    node.backend.establish(links[0].cookie, ISNS)
    await node.settle()
    assert installed == [(links[0].cookie, Side.CLIENT, True)]
    steps = node.provider.steps
    assert steps.count("prepare") == CROWD and steps.index("keys") <= 2 * AT_ONCE, steps
    assert {history[-1] for history in node.backend.histories.values()} == {State.OPEN, State.ARMED}
