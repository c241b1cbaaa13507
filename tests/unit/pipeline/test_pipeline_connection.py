# SPDX-License-Identifier: Apache-2.0
"""The way of one connection: the order of its steps, and an end for everything that can go wrong, with keys wiped.

Sockets are real; KTLS, which many a test machine lacks, is stood in for where a test needs it to succeed.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.testing.scripted import Script, wiped
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable, Unsupported
from tlshub_core.types.flow import Mode, Side

BY_PEER = Refused("no", Reason.PEER_REFUSED, by_peer=True)
LOST = Unavailable("nobody there", Reason.PEER_UNREACHABLE)


def states(node: MemoryNode, link: Link) -> list[State]:
    return node.backend.histories[link.cookie]


async def test_steps_in_order(link: Link, installed: list[tuple[int, Side, bool]]) -> None:
    node, open_files = MemoryNode(), len(os.listdir("/proc/self/fd"))
    connection = await node.begin(link)
    assert states(node, link) == [State.NEW, State.ASKED, State.ARMED]
    assert node.provider.steps == ["prepare"]
    await node.establish(link)
    assert states(node, link)[3:] == [State.INSTALLING, State.OPEN]
    assert connection.ending.outcome is State.OPEN
    assert installed == [(link.cookie, Side.CLIENT, True)]
    assert node.provider.steps == ["prepare", "keys", "discard"]
    assert [type(event).__name__ for event in node.events] == [
        "Connecting", "KeysAsked", "Owned", "KeysReady", "Secured",
    ]  # fmt: skip
    assert all(map(wiped, node.provider.given))
    assert len(os.listdir("/proc/self/fd")) == open_files


async def test_a_server_waits_for_an_owner(link: Link, installed: list[tuple[int, Side, bool]]) -> None:
    node, cookie = MemoryNode(), descriptor.cookie_of(link.server)
    await node.begin(link, Side.SERVER)
    await node.establish(link, Side.SERVER)
    assert node.provider.steps == ["prepare"]
    node.backend.own(cookie, link.owner)
    await node.settle()
    assert installed == [(cookie, Side.SERVER, True)], "found by a walk: the number was another socket's"
    assert node.said(events.Held) == []


async def test_nothing_is_installed_before_tcp_is_established(
    link: Link, installed: list[tuple[int, Side, bool]]
) -> None:
    node = MemoryNode()
    await node.begin(link)
    node.backend.own(link.cookie, link.owner, held=True)
    await node.settle()
    assert installed == []
    assert [held.pid for held in node.said(events.Held)] == [os.getpid()]


@pytest.mark.parametrize(("asked", "end"), [(False, State.CLEAR), (True, State.REFUSED)])
async def test_the_deadline_ends_the_wait(link: Link, asked: bool, end: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlshub_core.testing.node.HANDSHAKE_NS", 30_000_000)
    never = asyncio.Event()
    node = MemoryNode(Mode.PREFER, Script(asked_wait=never) if asked else Script(wait=never))
    await node.begin(link)
    await asyncio.sleep(0.08)
    await node.settle()
    said: list[events.ReleasedClear | events.Refused] = [*node.said(events.ReleasedClear), *node.said(events.Refused)]
    assert [event.reason for event in said] == [Reason.DEADLINE]
    assert states(node, link) == ([State.NEW, State.ASKED, end] if asked else [State.NEW, end])


async def test_a_release_by_the_kernel_at_the_same_deadline_is_no_reset(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlshub_core.testing.node.HANDSHAKE_NS", 30_000_000)
    node = MemoryNode(Mode.PREFER, Script(wait=asyncio.Event()))
    await node.begin(link)
    node.backend.expire(link.cookie)
    await asyncio.sleep(0.08)  # the agent's own deadline comes before it reads the event
    await node.settle()
    assert len(node.said(events.ReleasedClear)) == 1
    assert node.said(events.Refused) == []
    link.client.sendall(b"in clear")
    assert link.server.recv(100) == b"in clear"


FAILURES: list[tuple[Mode, bool, Exception, State]] = [
    (Mode.PREFER, False, LOST, State.CLEAR),
    (Mode.PREFER, False, Unsupported("IPv6"), State.CLEAR),
    (Mode.PREFER, False, KeyError("bug"), State.CLEAR),
    (Mode.PREFER, True, LOST, State.REFUSED),
    (Mode.PREFER, True, KeyError("bug"), State.REFUSED),
    (Mode.PREFER, True, BY_PEER, State.CLEAR),
    (Mode.REQUIRE, False, LOST, State.REFUSED),
    (Mode.REQUIRE, True, BY_PEER, State.REFUSED),
]


@pytest.mark.parametrize(("mode", "ask", "error", "end"), FAILURES)
async def test_a_failed_agreement_ends_by_the_rule(
    link: Link, mode: Mode, ask: bool, error: Exception, end: State
) -> None:
    node = MemoryNode(mode, Script(ask=ask, prepare_error=error))
    connection = await node.begin(link)
    assert node.backend.table[link.cookie].state is end
    assert connection.ending.outcome is end
    assert len(node.said(events.ReleasedClear)) == (end is State.CLEAR)
    assert len(node.said(events.Refused)) == (end is State.REFUSED)
