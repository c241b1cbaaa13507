# SPDX-License-Identifier: Apache-2.0
"""The accepting end: how long it waits, with which keys, and when it may go in clear."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from plugins.tlshub.tests.nodes import MASTER, Nodes, preferred
from plugins.tlshub.tests.stand_in import FETCH, StandIn, found
from tlshub_core.api import (
    Flow,
    Reason,
    Refused,
    State,
    Unavailable,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, until
from tlshub_core.testing.pair import Pair


async def server_fails(pair: Pair, flow: Flow) -> tuple[Unavailable, State]:
    with pytest.raises(Unavailable) as caught:
        await pair.server.prepare(flow)
    return caught.value, pair.server_agent.states.get(flow.id, State.NEW)


async def test_a_server_whom_nobody_asked_for_gives_up_before_its_deadline(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    flow = preferred(within_s=0.8)[1]
    error, state = await server_fails(pair, flow)
    assert (error.reason, state) == (Reason.PEER_UNREACHABLE, State.NEW)
    assert 0 < flow.deadline_ns / 1e9 - time.monotonic() < 0.5
    assert 3 < module.opcodes().count(FETCH) < 40


async def test_a_server_waits_a_second_for_a_stranger(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    flow = replace(preferred(within_s=30)[1], peer=None)
    began = time.monotonic()
    assert (await server_fails(pair, flow))[1] is State.NEW
    assert time.monotonic() - began < 10


async def test_a_server_whose_module_fails_is_refused(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.once(FETCH, [found(9, MASTER)])
    assert (await server_fails(pair, preferred()[1]))[1] is State.ASKED
    await module.__aexit__()
    assert (await server_fails(pair, preferred()[1]))[1] is State.ASKED


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
    error, state = await server_fails(pair, preferred()[1])
    assert (error.reason, state) == (Reason.REPLAYED, State.ASKED)
