# SPDX-License-Identifier: Apache-2.0
"""Peers that are down, slow, or die while they are asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tlshub_core.api import (
    Reason,
    Tuple4,
    Unavailable,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, agreed, fails_new, plain, works
from tlshub_core.testing.pair import Pair, within

Nodes = Callable[..., Pair]


async def test_peer_down_fails_fast_the_second_time(nodes: Nodes) -> None:
    pair = nodes(backoff_base_s=0.4)
    await pair.client.start(pair.client_agent)
    for _ in range(2):
        assert (await fails_new(pair)).reason is Reason.PEER_UNREACHABLE
    assert len(pair.client_agent.events) == 1, "the second failure made no connection"
    await pair.server.start(pair.server_agent)
    await asyncio.sleep(0.45)
    await works(pair)


async def test_back_off_grows_to_its_cap(nodes: Nodes) -> None:
    pair = nodes(backoff_base_s=0.02, backoff_cap_s=0.1)
    await pair.client.start(pair.client_agent)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        await fails_new(pair)
        await asyncio.sleep(0.002)
    assert 8 <= len(pair.client_agent.events) <= 24


async def test_a_slow_peer_is_bounded_and_shared(nodes: Nodes) -> None:
    pair = nodes(handshake_timeout_s=0.3)
    accepted: list[asyncio.StreamWriter] = []
    port = pair.server_agent.identity.port
    silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.2", port)
    await pair.client.start(pair.client_agent)
    began = time.monotonic()
    errors = await asyncio.gather(*(fails_new(pair, port) for port in range(40_000, 40_020)))
    assert time.monotonic() - began < 5
    assert {error.reason for error in errors} == {Reason.PEER_UNREACHABLE}
    assert "did not answer within 0.3 s" in str(errors[0])
    assert len(accepted) == 1
    silent.close()
    for writer in accepted:
        writer.close()


@pytest.mark.parametrize("delay", [0, 0.1])
async def test_stopping_during_a_dial_fails_its_flows(nodes: Nodes, delay: float) -> None:
    pair = nodes()
    port = pair.server_agent.identity.port
    accepted: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.2", port)
    await pair.client.start(pair.client_agent)
    flows = [asyncio.create_task(pair.client.prepare(pairs.flows(port)[0])) for port in (40_001, 40_002)]
    await asyncio.sleep(delay)
    await pair.client.stop()
    for result in await asyncio.gather(*flows, return_exceptions=True):
        assert isinstance(result, Unavailable)
        assert result.reason is Reason.SHUTDOWN
    silent.close()
    for writer in accepted:
        writer.close()


async def test_a_session_killed_while_asking_is_never_the_peers_no(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = nodes(backoff_base_s=0.01)
    await pair.start()
    await works(pair)
    reached = asyncio.Event()

    async def hang(_tuple: Tuple4, _unless: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pair.server_agent, "expect", hang)
    flows = [within(pairs.flows(port)[0], 0.8) for port in (40_001, 40_002)]
    asks = [asyncio.create_task(pair.client.prepare(flow)) for flow in flows]
    await reached.wait()
    await pair.server.stop()
    for result in await asyncio.gather(*asks, return_exceptions=True):
        assert isinstance(result, Unavailable)
        assert result.reason is Reason.PEER_UNREACHABLE
    assert list(pair.client_agent.warm_peers.values()) == [False]
    monkeypatch.undo()
    await pair.server.start(pair.server_agent)
    one, two = await agreed(pair, *pairs.flows(40_003))
    assert plain(one) == plain(two)


async def test_a_session_that_ends_during_ask_is_replaced(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    real = pair.client_agent.ask

    async def ask(flow: object) -> None:
        await pair.server.stop()
        await pair.server.start(pair.server_agent)
        while any(pair.client_agent.warm_peers.values()):  # noqa: ASYNC110 - a record, with no event to wait for
            await asyncio.sleep(0.01)
        await real(flow)  # type: ignore[arg-type]

    monkeypatch.setattr(pair.client_agent, "ask", ask)
    client, server = pairs.flows(40_001)
    theirs = await pair.client.prepare(client)
    ours = await pair.server.prepare(server)
    assert plain(await theirs.keys(ISNS, None)) == plain(await ours.keys(ISNS, None))
