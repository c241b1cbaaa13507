# SPDX-License-Identifier: Apache-2.0
"""What begins ends: sessions are renewed, offers dropped, waits given up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from tlshub_core.api import (
    Reason,
    Unavailable,
    events,
)
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, prepared, until, works
from tlshub_core.testing.fakes import FakeAgent
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
SERVER = IPv4Address("127.0.0.2")


def dials(agent: FakeAgent) -> int:
    return sum(event.dialler for event in agent.said(events.SessionUp))


def waiting_offers(provider: object) -> int:
    assert isinstance(provider, PeeringProvider)
    assert provider._running is not None
    return len(provider._running.hub.offers)


async def test_renewal_by_count_moves_new_flows_and_drains_the_old_session(nodes: Nodes) -> None:
    pair = nodes(session_max_flows=3)
    await pair.start()
    kept = [await prepared(pair, *pairs.flows(40_000 + number)) for number in range(3)]
    kept.append(await prepared(pair, *pairs.flows(40_010)))
    await until(lambda: len(pair.client_agent.said(events.SessionDown)) == 1)
    kept.append(await prepared(pair, *pairs.flows(40_011)))
    assert dials(pair.client_agent) == 2
    down = pair.client_agent.said(events.SessionDown)
    assert [(event.reason, event.detail) for event in down] == [(Reason.CLOSED, "renewed")]
    assert pair.client_agent.warm_peers == {SERVER: True}
    for one, two in kept:
        assert plain(await one.keys(ISNS, None)) == plain(await two.keys(ISNS, None))


async def test_renewal_by_age(nodes: Nodes) -> None:
    pair = nodes(session_max_age_s=0.3)
    await pair.start()
    await prepared(pair, *pairs.flows(40_001))
    await until(lambda: len(pair.client_agent.said(events.SessionUp)) == 2)
    assert pair.client_agent.warm_peers == {SERVER: True}
    await until(lambda: len(pair.client_agent.said(events.SessionDown)) == 2)
    assert pair.client_agent.warm_peers == {SERVER: False}, "an unused session is not renewed"
    await prepared(pair, *pairs.flows(40_002))


async def test_an_offer_that_nobody_takes_is_dropped(nodes: Nodes) -> None:
    pair = nodes(ready_ttl_s=0.05)
    await pair.start()
    client, server = pairs.flows(40_001)
    await pair.client.prepare(client)
    await until(lambda: waiting_offers(pair.server) == 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pair.server.prepare(server), 0.1)


async def test_a_second_connection_with_a_tuple_ends_the_first_ones_wait(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    older, newer = (asyncio.create_task(pair.server.prepare(server)) for _ in range(2))
    with pytest.raises(Unavailable) as caught:
        await older
    assert caught.value.reason is Reason.CLOSED
    await pair.client.prepare(client)
    await newer


async def test_a_newer_flow_with_the_same_tuple_replaces_an_unused_one(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    old, server = pairs.flows(40_001)
    new, _ = pairs.flows(40_001)
    old_pending, new_pending = await pair.client.prepare(old), await pair.client.prepare(new)
    assert waiting_offers(pair.server) == 1
    ours = plain(await (await pair.server.prepare(server)).keys(ISNS, None))
    assert ours == plain(await new_pending.keys(ISNS, None))
    assert ours != plain(await old_pending.keys(ISNS, None))


async def test_stop_ends_all_waits(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    waiting = asyncio.create_task(pair.server.prepare(pairs.flows(40_001)[1]))
    await asyncio.sleep(0)
    await pair.server.stop()
    with pytest.raises(Unavailable) as caught:
        await waiting
    assert caught.value.reason is Reason.SHUTDOWN
    with pytest.raises(Unavailable, match="not running"):
        await pair.server.prepare(pairs.flows(40_001)[1])


async def test_keys_of_an_ended_session_can_still_be_derived(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    one, two = await prepared(pair, *pairs.flows(40_001))
    await pair.stop()
    gc.collect()
    assert plain(await one.keys(ISNS, None)) == plain(await two.keys(ISNS, None))


async def test_a_session_that_has_just_ended_is_not_used(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    provider = pair.client
    assert isinstance(provider, PeeringProvider)
    assert provider._running is not None
    (await provider._running.dialler.session(SERVER)).retire()
    await works(pair, 40_101)
    assert dials(pair.client_agent) == 2
    assert pair.client_agent.warm_peers == {SERVER: True}
