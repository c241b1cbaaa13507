# SPDX-License-Identifier: Apache-2.0
"""What the agent promises to a peer on a provider's behalf, and when it must not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.flow import Mode, Side, Tuple4

HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
IN = Tuple4(client=THERE, client_port=40_000, server=HERE, server_port=80)


def waiting(mode: Mode = Mode.PREFER) -> MemoryNode:
    return MemoryNode(mode, Script(wait=asyncio.Event()))


async def refusal(node: MemoryNode, tuple4: Tuple4) -> Reason:
    with pytest.raises(Refused) as caught:
        await node.context.expect(tuple4)
    assert not caught.value.by_peer
    return caught.value.reason


@pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])
async def test_a_promise_before_the_connection(mode: Mode) -> None:
    node = waiting(mode)
    assert await node.context.expect(IN) is mode
    cookie = node.backend.begin(Side.SERVER, IN)
    assert node.backend.histories[cookie] == [State.ASKED]


async def test_a_promise_after_the_connection() -> None:
    node = waiting()
    cookie = node.backend.begin(Side.SERVER, IN)
    await node.settle()
    await node.context.expect(IN)
    assert node.backend.histories[cookie] == [State.NEW, State.ASKED]


async def test_a_connection_that_nobody_has_told_the_agent_of_yet_is_promised_too() -> None:
    node = waiting()
    cookie = node.backend.begin(Side.SERVER, IN)
    await node.context.expect(IN)
    assert node.backend.histories[cookie] == [State.NEW, State.ASKED]


async def test_only_for_this_nodes_addresses_and_held_ports() -> None:
    node = waiting()
    assert await refusal(node, replace(IN, server=THERE)) is Reason.NOT_MINE
    assert await refusal(node, replace(IN, server=ip_address("192.0.2.1"))) is Reason.NOT_MINE
    for mode in (Mode.BYPASS, Mode.OBSERVE):
        node.backend.rules = rule_set([row(mode)])
        assert await refusal(node, IN) is Reason.NO_RULE
    node.backend.rules = rule_set([replace(row(Mode.REQUIRE), sides=frozenset({Side.CLIENT}))])
    assert await refusal(node, IN) is Reason.NO_RULE
    assert node.backend.expected == {}


async def test_not_for_a_connection_that_is_in_clear() -> None:
    node = waiting()
    cookie = node.backend.begin(Side.SERVER, IN)
    node.backend.expire(cookie)
    await node.settle()
    assert await refusal(node, IN) is Reason.ALREADY_CLEAR


async def test_not_for_a_connection_that_the_kernel_released_unheard() -> None:
    node = waiting()
    cookie = node.backend.begin(Side.SERVER, IN)
    await node.settle()
    node.backend.expire(cookie)
    assert await refusal(node, IN) is Reason.ALREADY_CLEAR


async def test_asking(link: Link) -> None:
    node = waiting()
    flow = (await node.begin(link)).flow
    await node.context.ask(flow)
    await node.context.ask(flow)
    assert node.backend.histories[flow.cookie] == [State.NEW, State.ASKED]
    for state in (State.OPEN, State.REFUSED, State.CLEAR):
        node.backend.table[flow.cookie].history.append(state)
        with pytest.raises(Refused, match=state.name.lower()):
            await node.context.ask(flow)
    node.backend.table.clear()
    with pytest.raises(Refused, match="closed"):
        await node.context.ask(flow)


def test_whose_an_address_is() -> None:
    node = MemoryNode()
    assert node.context.mine(HERE)
    assert not node.context.mine(THERE), "the mapping puts it on another node"
    assert node.context.mine(ip_address("127.0.0.3"))
    assert not node.context.mine(ip_address("192.0.2.1"))
    assert not node.context.mine(ip_address("2001:db8::1"))
    assert not node.context.mine(IPv6Address("fe80::1")), "link-local, and no interface is named"


async def test_warm_peers_are_told_to_the_backend() -> None:
    node = MemoryNode()
    node.context.warm(THERE, True)
    assert node.backend.warm_peers == {THERE: True}
    node.context.warm(THERE, False)
    assert node.backend.warm_peers == {THERE: False}


def test_the_rules_provider_at_the_accepting_end() -> None:
    node = MemoryNode()
    assert node.context.provider_of(IN) is None
    node.named = "special"
    assert node.context.provider_of(IN) == "special"
    node.backend.rules = rule_set([row(Mode.OBSERVE)])
    assert node.context.provider_of(IN) is None, "it holds nothing"
    node.backend.rules = rule_set([])
    assert node.context.provider_of(IN) is None


def test_what_providers_share_is_made_once() -> None:
    node = MemoryNode()
    first: list[int] = node.context.common("one", list)
    assert node.context.common("one", list) is first
    assert node.context.common("other", list) is not first
