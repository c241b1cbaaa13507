# SPDX-License-Identifier: Apache-2.0
"""A tuple that comes again: which master key it gets, and what is derived from one that the module keeps."""

from __future__ import annotations

import asyncio

import pytest

from plugins.tlshub.tests.nodes import MASTER, Nodes, flow, key_of, keys
from plugins.tlshub.tests.stand_in import FETCH, START, StandIn
from tlshub_core.api import (
    Isns,
    Reason,
    Refused,
    Unavailable,
)
from tlshub_core.testing.exchanges import ISNS, plain

OTHER = Isns(client=5, server=6)


async def test_a_tuple_used_again_gets_another_master_key(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    first = await keys(pair.client)
    module.asked.clear()
    assert await keys(pair.client) != first
    assert module.opcodes() == [FETCH, START, FETCH]


async def test_a_master_key_of_which_nothing_was_derived_serves_the_next_flow(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    (await pair.client.prepare(flow())).discard()
    module.asked.clear()
    await keys(pair.client)
    assert module.opcodes() == [FETCH]


async def test_a_new_agent_starts_first_whatever_there_is(nodes: Nodes, module: StandIn) -> None:
    module.masters[key_of()] = MASTER
    pair = nodes()
    await pair.start()
    module.asked.clear()
    await keys(pair.client)
    assert module.opcodes() == [FETCH, START, FETCH]
    assert module.masters[key_of()] != MASTER


async def test_a_master_key_older_than_the_agent_that_stays_is_not_used(nodes: Nodes, module: StandIn) -> None:
    module.masters[key_of()], module.keeps = MASTER, True
    pair = nodes()
    await pair.start()
    for _ in range(2):
        with pytest.raises(Unavailable, match="kept a master key, of which this agent cannot tell") as caught:
            await pair.client.prepare(flow())
        assert caught.value.reason is Reason.REPLAYED


async def test_a_module_that_keeps_its_key_is_used_with_other_numbers_only(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.keeps = True
    first = await keys(pair.client)
    assert await keys(pair.client, OTHER) != first
    with pytest.raises(Refused, match="derived before") as caught:
        await keys(pair.client)
    assert caught.value.reason is Reason.REPLAYED
    with pytest.raises(Unavailable, match="kept a master key"):
        await keys(pair.client, Isns(client=7, server=8))
    module.keeps = False
    assert await keys(pair.client) != first


async def test_two_flows_of_one_tuple_take_turns(nodes: Nodes, module: StandIn) -> None:
    pair = nodes()
    await pair.start()
    module.asked.clear()
    pending = await asyncio.gather(*(pair.client.prepare(flow()) for _ in range(3)))
    assert module.opcodes() == [FETCH, START, FETCH, FETCH, FETCH]
    assert plain(await pending[0].keys(ISNS, None)) != plain(await pending[1].keys(OTHER, None))
    with pytest.raises(Refused):
        await pending[2].keys(ISNS, None)
