# SPDX-License-Identifier: Apache-2.0
"""Every REFUSE that a peer can answer with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core.api import (
    Cipher,
    Flow,
    Reason,
    Refused,
    State,
    Tuple4,
    Unavailable,
    Unsupported,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, plain
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
PEER_REASONS = [reason for reason in Reason if reason is not Reason.NO_AGENT]


async def refusal(pair: Pair, flow: Flow) -> Refused:
    with pytest.raises(Refused) as caught:
        async with asyncio.timeout(10):
            await pair.client.prepare(flow)
    return caught.value


@pytest.mark.parametrize("reason", PEER_REASONS)
async def test_every_reason_of_expect_comes_back(nodes: Nodes, reason: Reason) -> None:
    pair = nodes()
    await pair.start()
    pair.server_agent.refuse = reason
    error = await refusal(pair, pairs.flows(40_001)[0])
    assert (error.reason, error.by_peer) == (reason, True)
    assert str(error) == f"node 'node-b' refused: refused with '{reason.value}', as the test wants it"
    pair.server_agent.refuse = None
    one, two = await agreed(pair, *pairs.flows(40_001))
    assert plain(one) == plain(two)


async def test_provider_not_allowed(nodes: Nodes) -> None:
    pair = nodes()
    pair.server_agent.providers_allowed = frozenset({"other"})
    await pair.start()
    error = await refusal(pair, pairs.flows(40_001)[0])
    assert (error.reason, error.by_peer) == (Reason.PROVIDER_NOT_ALLOWED, True)
    assert pair.server_agent.expected == []


async def test_no_common_cipher(nodes: Nodes) -> None:
    pair = nodes()
    pair.server_agent.ciphers = (Cipher.AES_GCM_256,)
    await pair.start()
    error = await refusal(pair, pairs.flows(40_001)[0])
    assert (error.reason, error.by_peer) == (Reason.NO_COMMON_CIPHER, True)
    assert pair.server_agent.expected == []


async def test_not_mine(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    error = await refusal(pair, replace(flow, server=replace(flow.server, address=IPv4Address("10.9.9.9"))))
    assert (error.reason, error.by_peer) == (Reason.NOT_MINE, True)


@pytest.mark.parametrize("address", ["10.2.0.1", "10.9.9.9"])
async def test_not_yours(nodes: Nodes, address: str) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    error = await refusal(pair, replace(flow, client=replace(flow.client, address=IPv4Address(address))))
    assert (error.reason, error.by_peer) == (Reason.NOT_YOURS, True)
    assert pair.server_agent.expected == []


async def test_replayed(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    await pair.client.prepare(flow)
    pair.client_agent.states[flow.id] = State.NEW
    error = await refusal(pair, flow)
    assert (error.reason, error.by_peer) == (Reason.REPLAYED, True)


async def test_overloaded_until_a_connection_comes(nodes: Nodes) -> None:
    pair = nodes(max_pending=2)
    await pair.start()
    for port in (40_001, 40_002):
        await pair.client.prepare(pairs.flows(port)[0])
    error = await refusal(pair, pairs.flows(40_003)[0])
    assert (error.reason, error.by_peer) == (Reason.OVERLOADED, True)
    await pair.server.prepare(pairs.flows(40_001)[1])
    await pair.client.prepare(pairs.flows(40_004)[0])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("a bug"), Reason.PROVIDER_BUG),
        (Unsupported("not this one"), Reason.UNSUPPORTED),
        (Unavailable("no kernel", Reason.KTLS_UNAVAILABLE), Reason.KTLS_UNAVAILABLE),
    ],
)
async def test_errors_of_expect_refuse_that_flow_alone(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason
) -> None:
    pair = nodes()
    await pair.start()

    async def fail(_tuple: Tuple4, _unless: object) -> None:
        raise error

    monkeypatch.setattr(pair.server_agent, "expect", fail)
    assert (await refusal(pair, pairs.flows(40_001)[0])).reason is reason
    monkeypatch.undo()
    one, two = await agreed(pair, *pairs.flows(40_001))
    assert plain(one) == plain(two)
