# SPDX-License-Identifier: Apache-2.0
"""Two peering providers on each node: one listening socket, and every flow under the name that its client asked by."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tlshub_capture_openssl.engine import engines

from tlshub_core.api import Reason, Refused, Unavailable, events
from tlshub_core.peering.pending import SessionPending
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, fails, plain, prepared, until, works
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


def other(listen: str) -> PeeringProvider:
    return PeeringProvider("other", engines, Settings(listen=listen))


@asynccontextmanager
async def both(pair: Pair, allowed: tuple[str, ...] = ("openssl", "other")) -> AsyncIterator[Pair]:
    """The second providers of the same agents; all four are started, the first ones before."""
    for agent in (pair.client_agent, pair.server_agent):
        agent.providers_allowed = frozenset(allowed)
    ends = {"client_agent": pair.client_agent, "server_agent": pair.server_agent}
    second = Pair(client=other("127.0.0.1"), server=other("127.0.0.2"), **ends)
    await pair.start()
    await second.start()
    try:
        yield second
    finally:
        await second.stop()


async def names(pair: Pair, port: int, server: Pair | None = None) -> tuple[str, str]:
    """The provider's name on either end of a connection whose keys are equal; `server` waits instead of its own."""
    waits = Pair(
        client=pair.client,
        server=(server or pair).server,
        client_agent=pair.client_agent,
        server_agent=pair.server_agent,
    )
    one, two = await prepared(waits, *pairs.flows(port))
    assert isinstance(one, SessionPending)
    assert isinstance(two, SessionPending)
    assert plain(await one.keys(ISNS, None)) == plain(await two.keys(ISNS, None))
    return one.asked_as, two.asked_as


async def test_each_name_serves_whichever_provider_waits(nodes: Nodes) -> None:
    first = nodes()
    async with both(first) as second:
        for number, (asks, waits) in enumerate([(first, first), (second, second), (first, second), (second, first)]):
            asked = "openssl" if asks is first else "other"
            assert await names(asks, 40_000 + number, waits) == (asked, asked)
        dialled = [event for event in first.client_agent.said(events.SessionUp) if event.dialler]
        assert len(dialled) == 2, "each provider has a session of its own"


async def test_a_flow_that_comes_late_is_found_under_any_name(nodes: Nodes) -> None:
    first = nodes()
    async with both(first) as second:
        client, server = pairs.flows(40_001)
        theirs = await second.client.prepare(client)
        ours = await first.server.prepare(server)
        assert plain(await theirs.keys(ISNS, None)) == plain(await ours.keys(ISNS, None))


async def test_a_newer_flow_under_another_name_replaces_an_unused_one(nodes: Nodes) -> None:
    first = nodes()
    async with both(first) as second:
        await first.client.prepare(pairs.flows(40_001)[0])
        newer, server = pairs.flows(40_001)
        theirs = await second.client.prepare(newer)
        ours = await first.server.prepare(server)
        assert plain(await theirs.keys(ISNS, None)) == plain(await ours.keys(ISNS, None))


async def test_a_name_that_is_allowed_need_not_run_here(nodes: Nodes) -> None:
    pair = nodes()
    pair.server_agent.providers_allowed = frozenset({"openssl", "other"})
    await pair.start()
    asks = other("127.0.0.1")
    await asks.start(pair.client_agent)
    ends = {"client_agent": pair.client_agent, "server_agent": pair.server_agent}
    assert await names(Pair(client=asks, server=pair.server, **ends), 40_001) == ("other", "other")
    await asks.stop()


async def test_a_name_that_is_not_allowed_is_refused_though_it_runs(nodes: Nodes) -> None:
    first = nodes()
    async with both(first, allowed=("openssl",)) as second:
        error = await fails(second, pairs.flows(40_001)[0])
        assert error.reason is Reason.PROVIDER_NOT_ALLOWED
        assert first.server_agent.expected == []
        await works(first)


async def test_the_rules_provider_is_the_only_one_and_needs_no_other_word(nodes: Nodes) -> None:
    first = nodes()
    async with both(first, allowed=("openssl",)) as second:
        first.server_agent.named = "other"
        error = await fails(first, pairs.flows(40_001)[0])
        assert isinstance(error, Refused)
        assert error.by_peer
        assert str(error) == "node 'node-b' refused: the rule here names provider 'other', not 'openssl'"
        await works(second)


async def test_it_listens_until_the_last_one_stops(nodes: Nodes) -> None:
    first = nodes()
    async with both(first) as second:
        await first.server.stop()
        await works(second)
        port = first.server_agent.identity.port
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.2", port))
        await second.server.stop()
        socket.create_server(("127.0.0.2", port)).close()
        await first.server.start(first.server_agent)
        await works(first, 40_200)


async def test_one_socket_cannot_listen_in_two_places(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    elsewhere = other("127.0.0.3")
    with pytest.raises(Unavailable) as caught:
        await elsewhere.start(pair.server_agent)
    assert str(caught.value) == (
        "provider 'other' would listen on '127.0.0.3', and 'openssl' listens on '127.0.0.2': one socket serves both, "
        "so give them the same 'listen'"
    )
    await elsewhere.stop()
    await works(pair)


async def test_who_waits_is_told_when_the_last_one_stops(nodes: Nodes) -> None:
    first = nodes()
    async with both(first) as second:
        waiting = asyncio.create_task(first.server.prepare(pairs.flows(40_001)[1]))
        await asyncio.sleep(0)
        await second.server.stop()
        await first.server.stop()
        await until(waiting.done)
        error = waiting.exception()
        assert isinstance(error, Unavailable)
        assert error.reason is Reason.SHUTDOWN
