# SPDX-License-Identifier: Apache-2.0
"""The ring buffer overran: what was lost is said, and read from the flow table instead."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from tlshub_core.pipeline import repair
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Mode, Side

Installed = list[tuple[int, Side, bool]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that come late do so within this time."""
    monkeypatch.setattr(repair, "LATE_S", 0.01)


async def settled(node: MemoryNode) -> None:
    await node.settle()
    await asyncio.sleep(0.02)
    await node.settle()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("room", [0, 1, 2])
async def test_a_connection_of_which_events_were_lost_is_secured(
    link: Link, installed: Installed, room: int, side: Side
) -> None:
    node = MemoryNode()
    node.backend.room = room
    sock = link.client if side is Side.CLIENT else link.server
    cookie = node.backend.begin(side, link.tuple4, cookie=cookie_of(sock), owner=None)
    node.backend.own(cookie, replace(link.owner, fd=sock.fileno()))
    node.backend.establish(cookie, ISNS)
    await settled(node)
    assert node.backend.table[cookie].state is State.OPEN
    assert installed == [(cookie, side, True)]
    assert [event.count for event in node.said(events.Lost)] == [3 - room]
    assert [len(node.said(kind)) for kind in (events.Connecting, events.Secured)] == [1, 1]


async def test_an_end_that_was_lost_is_told(link: Link, installed: Installed) -> None:
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    node.backend.room = 0
    node.backend.close(link.cookie)
    await settled(node)
    (closed,) = node.said(events.Closed)
    assert closed.secured
    assert node.capture.connections() == ()


async def test_an_end_that_comes_late_is_told_once_and_as_it_came(link: Link, installed: Installed) -> None:
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    node.backend.room = 0
    node.backend.own(link.cookie, link.owner)
    batch = node.backend.take_events()
    node.backend.room = None
    node.backend.close(link.cookie)
    node.capture.handle(batch)
    (event,) = node.backend.take_events()
    node.capture.handle([replace(event, bytes_sent=7)])  # type: ignore[type-var]
    await settled(node)
    assert [closed.bytes_sent for closed in node.said(events.Closed)] == [7]


@pytest.mark.parametrize(("mode", "kind"), [(Mode.PREFER, events.ReleasedClear), (Mode.REQUIRE, events.Refused)])
async def test_a_decision_of_the_programs_that_was_lost_is_told(
    link: Link, mode: Mode, kind: type[events.Refused | events.ReleasedClear]
) -> None:
    node = MemoryNode(mode, Script(wait=asyncio.Event()))
    await node.begin(link)
    node.backend.room = 0
    node.backend.expire(link.cookie)
    await settled(node)
    assert [event.reason for event in node.said(kind)] == [Reason.EVENT_LOST]
    assert len(asyncio.all_tasks()) == 1


async def test_a_connection_that_was_decided_unheard_counts(link: Link) -> None:
    node = MemoryNode()
    node.backend.room = 0
    node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie)
    node.backend.expire(link.cookie)
    await settled(node)
    await settled(node)
    assert [len(node.said(kind)) for kind in (events.Connecting, events.Refused)] == [1, 1]


async def test_a_socket_that_connected_again_unheard_is_another_connection(link: Link, installed: Installed) -> None:
    node = MemoryNode(script=Script(wait=asyncio.Event()))
    await node.begin(link)
    node.backend.room, node.provider.script = 0, Script()
    node.backend.close(link.cookie)
    node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie, owner=link.owner)
    node.backend.establish(link.cookie, ISNS)
    await settled(node)
    assert node.backend.table[link.cookie].state is State.OPEN
    assert [len(node.said(kind)) for kind in (events.Connecting, events.Closed)] == [2, 1]


async def test_walks_are_kept_apart(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    node, walks = MemoryNode(), list[float]()
    real, loop, twice = node.backend.flows, asyncio.get_running_loop(), asyncio.Event()

    def slow() -> object:
        walks.append(loop.time())
        if len(walks) == 2:
            twice.set()
        while loop.time() < walks[-1] + 0.01:
            continue
        return real()

    monkeypatch.setattr(node.backend, "flows", slow)
    node.backend.room = 0
    for _ in range(50):
        node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie)
        await node.settle()
    async with asyncio.timeout(30):
        await twice.wait()  # on a busy machine a walk takes long, and the next one comes so much later
    assert len(walks) < 50
    assert min(after - before for before, after in itertools.pairwise(walks)) >= 0.04
    await node.capture.stop()
