# SPDX-License-Identifier: Apache-2.0
"""Two agents, a client's socket that can take no TLS: its other end is released long before its deadline, if ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tlshub_capture_openssl import tlshub_key_providers
from tlshub_capture_openssl.engine import engines

from plugins.openssl.tests.halves import PATIENCE_NS, Half, until
from tlshub_core.api import Mode, Reason, Side, State, events
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.node import HERE, ISNS, THERE, Link

(SPEC,) = tlshub_key_providers()
Agents = Callable[[Mode], AbstractAsyncContextManager[tuple[Half, Half]]]


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    """A function that starts the agent of a client under `prefer`, and that of a server under the given mode."""

    @asynccontextmanager
    async def start(mode: Mode) -> AsyncIterator[tuple[Half, Half]]:
        whose = zip(pairs.identities(tmp_path, pairs.free_port()), (HERE, THERE), (Mode.PREFER, mode), strict=True)
        halves = [Half(who, tmp_path, its, [_at(host)]) for who, host, its in whose]
        async with AsyncExitStack() as stack:
            for half in halves:
                await stack.enter_async_context(half.running())
            yield halves[0], halves[1]

    return start


def _at(host: str) -> object:
    return replace(SPEC, factory=lambda _: PeeringProvider("openssl", engines, Settings(listen=host)))


def begin(client: Half, server: Half, link: Link) -> None:
    """The client goes in clear, its SYN at once; the server's end is held."""
    client.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie, owner=link.owner, unfit=Reason.MPTCP)
    server.backend.begin(Side.SERVER, link.tuple4, cookie=cookie_of(link.server))
    server.backend.establish(cookie_of(link.server), ISNS)


def released(half: Half) -> list[events.ReleasedClear]:
    return [event for event in half.events if isinstance(event, events.ReleasedClear)]


async def test_both_ends_are_in_clear_and_say_why(agents: Agents) -> None:
    async with agents(Mode.PREFER) as (client, server):
        for _ in range(5):
            link, began = Link.make(), time.monotonic_ns()
            client.events.clear()
            server.events.clear()
            begin(client, server, link)
            async with asyncio.timeout(PATIENCE_NS / 2e9):
                await until(lambda: bool(released(client) and released(server)))
            ((ours,), (theirs,)) = released(client), released(server)
            assert (ours.reason, theirs.reason) == (Reason.MPTCP, Reason.MPTCP)
            assert theirs.time_ns - began < PATIENCE_NS / 4, "not by its deadline"
            assert client.backend.histories[link.cookie] == [State.CLEAR]
            assert server.backend.histories[cookie_of(link.server)] == [State.NEW, State.CLEAR]
            link.close()


async def test_a_server_that_requires_tls_is_not_released(agents: Agents) -> None:
    async with agents(Mode.REQUIRE) as (client, server):
        link = Link.make()
        begin(client, server, link)
        async with asyncio.timeout(PATIENCE_NS / 2e9):
            await until(lambda: bool(released(client)) and not client._capture._telling._tasks)
        assert server.backend.histories[cookie_of(link.server)] == [State.NEW]
        assert server.backend.left == {}
        link.close()
