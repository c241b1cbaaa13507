# SPDX-License-Identifier: Apache-2.0
"""The connecting end under 'prefer': when a flow may still be NEW, and so go in clear, and when it may not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from plugins.tlshub.tests.nodes import Nodes, preferred
from plugins.tlshub.tests.stand_in import FETCH, START, StandIn, reply
from tlshub_core.api import (
    Flow,
    Reason,
    Refused,
    State,
    Unavailable,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.pair import Pair


async def client_fails(pair: Pair, flow: Flow) -> tuple[Unavailable | Refused, State]:
    with pytest.raises((Unavailable, Refused)) as caught:
        await pair.client.prepare(flow)
    return caught.value, pair.client_agent.states.get(flow.id, State.NEW)


async def test_no_handshake_is_begun_with_whom_the_mapping_does_not_know(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    error, state = await client_fails(pair, replace(preferred()[0], peer=None))
    assert (error.reason, state) == (Reason.PEER_UNKNOWN, State.NEW)
    assert not isinstance(error, Refused) or not error.by_peer
    assert START not in module.opcodes()


async def test_a_failed_handshake_refuses_that_flow_and_spares_the_next_ones(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(node_pause_s=0.3)
    await pair.start()
    module.script = lambda opcode, _: [reply(3)] if opcode == START else None
    error, state = await client_fails(pair, preferred(40_001)[0])
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.ASKED)
    error, state = await client_fails(pair, preferred(40_002)[0])
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.NEW)
    assert "a handshake with node 'node-b' failed less than 0.3 s ago" in str(error)
    assert module.opcodes().count(START) == 1
    _, state = await client_fails(pair, preferred(40_001)[0])
    assert state is State.ASKED  # the other module may have this tuple's key
    await asyncio.sleep(0.3)
    module.script = None
    await pair.client.prepare(preferred(40_002)[0])
    await pair.client.prepare(preferred(40_003)[0])


async def test_under_require_a_failed_handshake_spares_nobody(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(START, [reply(3)])
    await client_fails(pair, preferred(40_001)[0])
    await pair.client.prepare(pairs.flows(40_002)[0])


async def test_a_handshake_that_succeeds_ends_the_pause(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(START, [reply(3)])
    await client_fails(pair, preferred(40_001)[0])
    await pair.client.prepare(pairs.flows(40_002)[0])
    await pair.client.prepare(preferred(40_003)[0])


async def test_a_tuple_that_the_peer_may_have_a_key_for_is_asked_first(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(request_timeout_s=0.5)
    await pair.start()
    await pair.client.prepare(preferred()[0])
    module.script = lambda opcode, _: [] if opcode == FETCH else None
    error, state = await client_fails(pair, preferred()[0])
    assert state is State.ASKED and "did not answer FETCH" in str(error)


async def test_a_client_that_cannot_tell_is_refused(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(request_timeout_s=0.5)
    await pair.start()
    module.once(FETCH, [])
    assert (await client_fails(pair, preferred()[0]))[1] is State.ASKED


async def test_a_client_without_a_module_may_go_in_clear(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    await module.__aexit__()
    error, state = await client_fails(pair, preferred()[0])
    assert state is State.NEW and "no kernel module answers" in str(error)
