# SPDX-License-Identifier: Apache-2.0
"""What becomes of a connection whose key has protected as much as it should."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tlshub_core.pipeline import wear
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.flow import Side

Installed = list[tuple[int, Side, bool]]


async def opened(link: Link, *, close: bool) -> MemoryNode:
    node = MemoryNode(close_worn=close)
    await node.begin(link)
    await node.establish(link)
    return node


async def wear_out(node: MemoryNode, link: Link, *, sent: bool) -> None:
    node.backend.wear_out(link.cookie, sent=sent, records=7, bytes=70_000)
    await node.settle()


async def test_it_is_said_once_for_each_direction(link: Link, installed: Installed) -> None:
    node = await opened(link, close=False)
    for sent in (True, True, False, True, False):
        await wear_out(node, link, sent=sent)
    said = node.said(events.KeyLimit)
    assert [(one.sent, one.records, one.bytes, one.closed) for one in said] == [
        (True, 7, 70_000, False),
        (False, 7, 70_000, False),
    ]
    assert node.backend.histories[link.cookie][-1] is State.OPEN
    link.client.sendall(b"goes on")
    assert link.server.recv(100) == b"goes on"


async def detached(link: Link, *, close: bool) -> MemoryNode:
    """An agent that finds only the socket of a connection that one before it opened."""
    before = await opened(link, close=False)
    return MemoryNode(backend=before.backend, close_worn=close)


async def test_one_that_no_agent_knows_any_more_is_said_once(
    link: Link, installed: Installed, caplog: pytest.LogCaptureFixture
) -> None:
    node = await detached(link, close=False)
    for sent in (True, True, False):
        await wear_out(node, link, sent=sent)
    assert [(one.flow, one.sent, one.closed) for one in node.said(events.KeyLimit)] == [
        (None, True, False),
        (None, False, False),
    ]
    assert caplog.text.count(f"connection {link.cookie}, secured before the last 'detach'") == 2
    link.client.sendall(b"goes on")
    node.backend.close(link.cookie)
    await wear_out(node, link, sent=True)
    assert node.capture._wear._said == set()


@pytest.mark.parametrize("begin", [opened, detached])
async def test_with_close_the_connection_ends_with_a_reset(
    link: Link, installed: Installed, begin: Callable[..., Awaitable[MemoryNode]]
) -> None:
    node = await begin(link, close=True)
    await wear_out(node, link, sent=False)
    await wear_out(node, link, sent=True)
    assert [(one.sent, one.closed) for one in node.said(events.KeyLimit)] == [(False, True)]
    assert node.backend.histories[link.cookie][-1] is State.REFUSED
    with pytest.raises(ConnectionResetError):
        link.server.recv(100)


async def test_a_cookie_that_comes_again_is_another_connection(link: Link, installed: Installed) -> None:
    node = await opened(link, close=False)
    for _ in range(2):
        await wear_out(node, link, sent=True)
        node.backend.close(link.cookie)
        await node.begin(link)
        await node.establish(link)
    assert len(node.said(events.KeyLimit)) == 2


async def test_what_is_not_open_has_no_worn_key(link: Link) -> None:
    node = MemoryNode()
    await node.begin(link)
    await wear_out(node, link, sent=True)
    assert node.said(events.KeyLimit) == []


async def test_the_kernel_is_asked_again_and_again_and_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wear, "EVERY_S", 0.001)
    asked = asyncio.Queue[int]()

    class Failing(MemoryBackend):
        def wear(self, records: int) -> None:
            asked.put_nowait(records)
            raise OSError(12, "no memory")

    async with asyncio.timeout(5), wear.watched(Failing(), 99):
        assert [await asked.get() for _ in range(3)] == [99, 99, 99]
