# SPDX-License-Identifier: Apache-2.0
"""The connecting end: what is asked of the module, and in which order."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from plugins.tlshub.tests.nodes import MASTER, Nodes, flow, key_of, keys
from plugins.tlshub.tests.stand_in import FETCH, INIT, START, StandIn, found, reply
from tlshub_core.api import (
    Cipher,
    Pending,
    State,
    Unavailable,
    Unsupported,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, plain, until


async def test_the_order_is_fetch_start_fetch(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.asked.clear()
    await keys(pair.client)
    assert module.opcodes() == [FETCH, START, FETCH]
    assert {payload[:12] for _, payload in module.asked} == {key_of()}


async def test_both_sides_send_the_client_s_address_first(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    await agreed(pair, *pairs.flows(40_001))
    asked = [payload for opcode, payload in module.asked if opcode != INIT]
    assert {payload[:12] for payload in asked} == {key_of()}
    assert {(payload[12], payload[13]) for payload in asked} == {(START, 0), (FETCH, 0), (FETCH, 1)}


async def test_version_2_names_the_server_s_node_on_both_sides(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(protocol_version=2)
    await pair.start()
    await agreed(pair, *pairs.flows(40_001))
    assert {payload[8:12] for opcode, payload in module.asked if opcode != INIT} == {bytes((127, 0, 0, 2))}
    client = flow()
    module.asked.clear()
    unmapped = replace(client, server=replace(client.server, pod=None, address=pairs.ip_address("10.9.9.9")))
    await pair.client.prepare(unmapped)
    assert {payload[8:12] for _, payload in module.asked} == {bytes(4)}


async def test_the_flow_is_asked_before_start_and_not_before_fetch(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    one, states = flow(), []
    module.script = lambda opcode, _: states.append((opcode, pair.client_agent.states.get(one.id)))  # type: ignore[func-returns-value]
    await pair.client.prepare(one)
    assert states == [(FETCH, None), (START, State.ASKED), (FETCH, State.ASKED)]


async def test_what_has_expired_is_started_again(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    await keys(pair.client)
    module.asked.clear()
    module.once(FETCH, [found(-2)], [found(-2)])
    await keys(pair.client)
    assert module.opcodes() == [FETCH, START, FETCH, START, FETCH]


async def test_what_always_has_expired_is_given_up(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.script = lambda opcode, _: [found(-2)] if opcode == FETCH else None
    with pytest.raises(Unavailable, match="had expired 3 times"):
        await pair.client.prepare(flow())


async def test_a_handshake_under_way_elsewhere_is_waited_for(nodes: Nodes, module: StandIn) -> None:
    """START says 'already connected', and the key comes a moment later."""
    pair = nodes()
    await pair.start()
    left = iter([None, [reply(5)], [found(-1)], [found(-1)], [found(0, MASTER)]])
    module.script = lambda opcode, payload: next(left)
    module.asked.clear()
    await keys(pair.client)
    assert module.opcodes() == [FETCH, START, FETCH, FETCH, FETCH]


async def test_a_start_that_was_cancelled_lets_the_next_flow_go_on(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(START, [])
    waiting = asyncio.create_task(pair.client.prepare(flow()))
    await until(lambda: START in module.opcodes())
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await keys(pair.client)


async def test_keys_of_the_node_s_first_cipher(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    pair.client_agent.ciphers = pair.server_agent.ciphers = (Cipher.AES_GCM_256, Cipher.AES_GCM_128)
    await pair.start()
    one, two = await agreed(pair, *pairs.flows(40_001))
    assert one.cipher is Cipher.AES_GCM_256 and plain(one) == plain(two)


async def test_ipv6_is_said_to_be_unsupported(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    with pytest.raises(Unsupported, match=r"IPv6 is not supported by TLSHub: '\[fd00:2::1\]:80'"):
        await pair.client.prepare(pairs.flows(40_001, ipv6=True)[0])


async def test_before_start_and_after_stop_nothing_is_prepared(nodes: Nodes) -> None:
    pair = nodes()
    with pytest.raises(Unavailable, match="'tlshub' is not running"):
        await pair.client.prepare(flow())
    await pair.start()
    await pair.stop()
    with pytest.raises(Unavailable, match="'tlshub' is not running"):
        await pair.client.prepare(flow())


async def test_a_pending_shows_nothing(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    pending: Pending = await pair.client.prepare(flow())
    assert not hasattr(pending, "__dict__")
