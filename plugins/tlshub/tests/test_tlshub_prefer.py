# SPDX-License-Identifier: Apache-2.0
"""Never one end in clear and the other in TLS: when a flow of mode 'prefer' may still be NEW, and when it may not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from plugins.tlshub.tests.stand_in import FETCH, START, StandIn, found, reply
from tlshub_core.api import Flow, Mode, Reason, Refused, State, Unavailable
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, until
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
OLD = bytes(range(1, 33))


def flows(port: int = 40_001, within_s: float = 1.0) -> tuple[Flow, Flow]:
    """Both ends under 'prefer', with that much time."""
    deadline = time.monotonic_ns() + int(within_s * 1e9)
    client, server = (replace(end, mode=Mode.PREFER, deadline_ns=deadline) for end in pairs.flows(port))
    return client, server


async def client_fails(pair: Pair, flow: Flow) -> tuple[Unavailable | Refused, State]:
    with pytest.raises((Unavailable, Refused)) as caught:
        await pair.client.prepare(flow)
    return caught.value, pair.client_agent.states.get(flow.id, State.NEW)


async def server_fails(pair: Pair, flow: Flow) -> tuple[Unavailable, State]:
    with pytest.raises(Unavailable) as caught:
        await pair.server.prepare(flow)
    return caught.value, pair.server_agent.states.get(flow.id, State.NEW)


async def test_no_handshake_is_begun_with_whom_the_mapping_does_not_know(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    error, state = await client_fails(pair, replace(flows()[0], peer=None))
    assert (error.reason, state) == (Reason.PEER_UNKNOWN, State.NEW)
    assert not isinstance(error, Refused) or not error.by_peer
    assert START not in module.opcodes()


async def test_a_failed_handshake_refuses_that_flow_and_spares_the_next_ones(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(node_pause_s=0.3)
    await pair.start()
    module.script = lambda opcode, _: [reply(3)] if opcode == START else None
    error, state = await client_fails(pair, flows(40_001)[0])
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.ASKED)
    error, state = await client_fails(pair, flows(40_002)[0])
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.NEW)
    assert "a handshake with node 'node-b' failed less than 0.3 s ago" in str(error)
    assert module.opcodes().count(START) == 1
    _, state = await client_fails(pair, flows(40_001)[0])
    assert state is State.ASKED  # the other module may have this tuple's key
    await asyncio.sleep(0.3)
    module.script = None
    await pair.client.prepare(flows(40_002)[0])
    await pair.client.prepare(flows(40_003)[0])


async def test_under_require_a_failed_handshake_spares_nobody(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(START, [reply(3)])
    await client_fails(pair, flows(40_001)[0])
    await pair.client.prepare(pairs.flows(40_002)[0])


async def test_a_handshake_that_succeeds_ends_the_pause(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(START, [reply(3)])
    await client_fails(pair, flows(40_001)[0])
    await pair.client.prepare(pairs.flows(40_002)[0])
    await pair.client.prepare(flows(40_003)[0])


async def test_a_tuple_that_the_peer_may_have_a_key_for_is_asked_first(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(request_timeout_s=0.5)
    await pair.start()
    await pair.client.prepare(flows()[0])
    module.script = lambda opcode, _: [] if opcode == FETCH else None
    error, state = await client_fails(pair, flows()[0])
    assert state is State.ASKED and "did not answer FETCH" in str(error)


async def test_a_client_that_cannot_tell_is_refused(nodes: Nodes, module: StandIn) -> None:
    pair = nodes(request_timeout_s=0.5)
    await pair.start()
    module.once(FETCH, [])
    assert (await client_fails(pair, flows()[0]))[1] is State.ASKED


async def test_a_client_without_a_module_may_go_in_clear(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    await module.__aexit__()
    error, state = await client_fails(pair, flows()[0])
    assert state is State.NEW and "no kernel module answers" in str(error)


async def test_a_server_whom_nobody_asked_for_gives_up_before_its_deadline(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    flow = flows(within_s=0.8)[1]
    error, state = await server_fails(pair, flow)
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.NEW)
    assert 0 < flow.deadline_ns / 1e9 - time.monotonic() < 0.5
    assert 3 < module.opcodes().count(FETCH) < 40


async def test_a_server_waits_a_second_for_a_stranger(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = replace(flows(within_s=30)[1], peer=None)
    began = time.monotonic()
    assert (await server_fails(pair, flow))[1] is State.NEW
    assert time.monotonic() - began < 10


async def test_a_server_whose_module_fails_is_refused(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(FETCH, [found(9, OLD)])
    assert (await server_fails(pair, flows()[1]))[1] is State.ASKED
    await module.__aexit__()
    assert (await server_fails(pair, flows()[1]))[1] is State.ASKED


async def test_a_server_under_require_waits_on(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    waiting = asyncio.create_task(pair.server.prepare(replace(server, deadline_ns=time.monotonic_ns())))
    await until(lambda: module.opcodes().count(FETCH) > 5)
    one = await pair.client.prepare(client)
    assert plain(await one.keys(ISNS, None)) == plain(await (await waiting).keys(ISNS, None))


async def test_a_server_waits_for_a_used_key_to_be_replaced(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    for _ in range(2):
        waiting = asyncio.create_task(pair.server.prepare(replace(server)))
        await asyncio.sleep(0.05)
        one = await pair.client.prepare(replace(client, id=pairs.uuid4()))
        assert plain(await one.keys(ISNS, None)) == plain(await (await waiting).keys(ISNS, None))


async def test_a_server_takes_a_key_that_stays_and_never_derives_twice(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.keeps = True
    client, server = pairs.flows(40_001)
    for isns in (ISNS, replace(ISNS, client=9)):
        ends = await asyncio.gather(
            pair.client.prepare(replace(client, id=pairs.uuid4())),
            pair.server.prepare(replace(server, id=pairs.uuid4())),
        )
        one, two = [plain(await end.keys(isns, None)) for end in ends]
        assert one == two
    with pytest.raises(Refused, match="derived before"):
        await (await pair.server.prepare(server)).keys(ISNS, None)
    error, state = await server_fails(pair, flows()[1])
    assert (error.reason, state) == (Reason.REPLAYED, State.ASKED)
