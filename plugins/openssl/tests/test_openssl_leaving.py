# SPDX-License-Identifier: Apache-2.0
"""Two agents agree to leave a connection alone: who may say so, and who has to allow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core.api import Flow, LeavingProvider, Mode, Reason, Refused, Unavailable
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Leave, Left, Refuse
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, plain
from tlshub_core.testing.pair import Pair
from tlshub_core.types.errors import UNFIT

Nodes = Callable[..., Pair]
Dialled = Callable[[Pair], AbstractAsyncContextManager[Channel]]


async def leave(pair: Pair, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
    assert isinstance(pair.client, LeavingProvider)
    await pair.client.leave(flow, reason)


async def test_both_leave_it_alone_and_nothing_was_asked(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    await leave(pair, flow)
    assert pair.server_agent.left == [flow.tuple]
    assert (pair.server_agent.expected, pair.client_agent.states) == ([], {})
    one, two = await agreed(pair, *pairs.flows(40_002))
    assert plain(one) == plain(two)


@pytest.mark.parametrize("reason", [Reason.PASSTHROUGH, *sorted(UNFIT, key=lambda reason: reason.value)])
async def test_the_other_node_is_told_why(nodes: Nodes, reason: Reason) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    await leave(pair, flow, reason)
    assert pair.server_agent.left_for == {flow.tuple: reason}


async def test_a_node_whose_rule_does_not_say_so_refuses(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    pair.server_agent.leaves = False
    with pytest.raises(Refused) as caught:
        await leave(pair, pairs.flows(40_001)[0])
    assert (caught.value.reason, caught.value.by_peer) == (Reason.NO_RULE, True)
    one, two = await agreed(pair, *pairs.flows(40_001))
    assert plain(one) == plain(two)


@pytest.mark.parametrize("address", ["10.2.0.1", "10.9.9.9"])
async def test_only_the_node_of_the_client_may_say_it(nodes: Nodes, address: str) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    with pytest.raises(Refused) as caught:
        await leave(pair, replace(flow, client=replace(flow.client, address=IPv4Address(address))))
    assert (caught.value.reason, caught.value.by_peer) == (Reason.NOT_YOURS, True)
    assert pair.server_agent.left == []


async def test_an_address_of_another_node_is_not_left_alone(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = pairs.flows(40_001)[0]
    with pytest.raises(Refused) as caught:
        await leave(pair, replace(flow, server=replace(flow.server, address=IPv4Address("10.9.9.9"))))
    assert (caught.value.reason, pair.server_agent.left) == (Reason.NOT_MINE, [])


async def test_it_is_said_once(nodes: Nodes, dialled: Dialled) -> None:
    pair = nodes()
    await pair.server.start(pair.server_agent)
    flow = pairs.flows(40_001)[0]
    async with dialled(pair) as channel:
        channel.send(Leave(flow=flow.id, tuple4=flow.tuple))
        assert await channel.receive() == [Left(flow=flow.id)]
        channel.send(Leave(flow=flow.id, tuple4=flow.tuple))
        (again,) = await channel.receive()
    assert isinstance(again, Refuse)
    assert again.reason is Reason.REPLAYED
    assert pair.server_agent.left == [flow.tuple]


async def test_without_a_peer_nobody_agrees(nodes: Nodes) -> None:
    pair = nodes()
    await pair.client.start(pair.client_agent)
    with pytest.raises(Unavailable) as caught:
        await leave(pair, pairs.flows(40_001)[0])
    assert caught.value.reason is Reason.PEER_UNREACHABLE


@pytest.mark.parametrize("passthrough", [True, False])
async def test_a_connection_that_is_asked_for_late_is_waited_for_under_passthrough(
    nodes: Nodes, passthrough: bool
) -> None:
    pair = nodes(stranger_grace_s=0.05)
    await pair.start()
    client, server = pairs.flows(40_001)
    server = replace(server, mode=Mode.PREFER, passthrough=passthrough)
    taking = asyncio.create_task(pair.server.prepare(server))
    await asyncio.sleep(0.2)
    assert taking.done() is not passthrough
    await pair.client.prepare(client)
    if passthrough:
        (await taking).discard()
    else:
        assert isinstance(taking.exception(), Unavailable)
