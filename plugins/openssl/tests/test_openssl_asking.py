# SPDX-License-Identifier: Apache-2.0
"""What the asking side refuses by itself, and what it may leave undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core.api import (
    Flow,
    Node,
    Reason,
    Refused,
    State,
    Tuple4,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, plain
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


async def refusal(pair: Pair, flow: Flow) -> Refused:
    with pytest.raises(Refused) as caught:
        async with asyncio.timeout(10):
            await pair.client.prepare(flow)
    return caught.value


async def test_a_flow_that_is_new_no_more_is_not_asked_for(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    pair.client_agent.states[flow.id] = State.CLEAR
    error = await refusal(pair, flow)
    assert (error.reason, error.by_peer) == (Reason.ALREADY_CLEAR, False)
    assert pair.server_agent.expected == []


async def test_certificate_of_another_node_than_the_mapping_says(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = replace(pairs.flows(40_001)[0], peer=Node(name="node-c", address=IPv4Address("127.0.0.2")))
    error = await refusal(pair, flow)
    assert (error.reason, error.by_peer) == (Reason.PEER_UNVERIFIED, False)
    assert str(error) == "the agent at '127.0.0.2' is node 'node-b', the mapping says 'node-c'"
    assert flow.id not in pair.client_agent.states, "the flow must still be NEW"


async def test_an_unknown_peer_is_refused_without_a_dial(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = replace(pairs.flows(40_001)[0], peer=None)
    error = await refusal(pair, flow)
    assert (error.reason, error.by_peer) == (Reason.PEER_UNKNOWN, False)
    assert pair.client_agent.events == []
    assert flow.id not in pair.client_agent.states


async def test_any_node_takes_an_unknown_peer_at_the_connections_own_address(nodes: Nodes) -> None:
    pair = nodes()
    for agent in (pair.client_agent, pair.server_agent):
        agent.identity = replace(agent.identity, any_node=True)
    await pair.start()
    client, server = pairs.flows(40_001)
    own = replace(client.server, address=IPv4Address("127.0.0.2"))
    unknown = replace(client.client, address=IPv4Address("127.0.0.1"))

    async def accept(_tuple: Tuple4, _unless: object) -> None:
        return None

    pair.server_agent.expect = accept  # type: ignore[assignment,method-assign]
    one, two = await agreed(
        pair,
        replace(client, client=unknown, server=own, peer=None),
        replace(server, client=unknown, server=own, peer=None),
    )
    assert plain(one) == plain(two)


async def test_an_accepted_connection_of_an_unknown_peer_is_refused_at_once_unless_it_was_promised(
    nodes: Nodes,
) -> None:
    pair = nodes()
    await pair.start()
    stranger = replace(pairs.flows(40_001)[1], peer=None)
    with pytest.raises(Refused, match="the mapping does not know") as caught:
        async with asyncio.timeout(10):
            await pair.server.prepare(stranger)
    assert (caught.value.reason, caught.value.by_peer) == (Reason.PEER_UNKNOWN, False)
    client, server = pairs.flows(40_002)
    await pair.client.prepare(client)
    (await pair.server.prepare(replace(server, peer=None))).discard()


async def test_cancelled_asks_leave_the_session_usable(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = nodes()
    await pair.start()
    gate, real = asyncio.Event(), pair.server_agent.expect

    async def slow(tuple4: Tuple4, _unless: object) -> object:
        await gate.wait()
        return await real(tuple4)

    monkeypatch.setattr(pair.server_agent, "expect", slow)
    asking: Awaitable[object] = pair.client.prepare(pairs.flows(40_001)[0])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asking, 0.2)
    gate.set()
    one, two = await agreed(pair, *pairs.flows(40_002))
    assert plain(one) == plain(two)
