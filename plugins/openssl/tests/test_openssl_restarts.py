# SPDX-License-Identifier: Apache-2.0
"""A peer whose agent is restarted: connections that begin meanwhile wait for it; not for one that was never there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tlshub_core.api import Flow, Reason, Refused, events
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, fails, fails_new, plain, until, works
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


def ends(port: int, wait_s: float) -> tuple[Flow, Flow]:
    """Both ends of a connection whose handshake may take so long."""
    deadline = time.monotonic_ns() + int(wait_s * 1e9)
    one, two = pairs.flows(port)
    return replace(one, deadline_ns=deadline), replace(two, deadline_ns=deadline)


@pytest.mark.parametrize("down_s", [0.0, 0.3, 1.5])
async def test_no_connection_fails_because_of_it(nodes: Nodes, down_s: float) -> None:
    pair = nodes()
    await pair.start()
    for number in range(3):
        await works(pair, 40_001 + number)
        await pair.server.stop()
        begun = [ends(41_000 + one, 8.0) for one in range(20)]
        meanwhile = [asyncio.create_task(pair.client.prepare(client)) for client, _ in begun]
        await asyncio.sleep(down_s)
        await pair.server.start(pair.server_agent)
        for one, (_, server) in zip(await asyncio.gather(*meanwhile), begun, strict=True):
            two = await pair.server.prepare(server)
            assert plain(await one.keys(ISNS, None)) == plain(await two.keys(ISNS, None))


async def test_one_that_does_not_come_back_is_waited_for_until_shortly_before_the_deadline(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    await pair.server.stop()
    await until(lambda: bool(pair.client_agent.said(events.SessionDown)))
    began, flow = time.monotonic(), ends(40_002, 2.0)[0]
    assert (await fails(pair, flow)).reason is Reason.PEER_UNREACHABLE
    assert 0.5 < time.monotonic() - began < 2.0
    assert flow.id not in pair.client_agent.states, "nothing was asked: under 'prefer' it may go in clear"


async def test_one_that_was_never_there_is_not_waited_for(nodes: Nodes) -> None:
    pair = nodes()
    await pair.client.start(pair.client_agent)
    began = time.monotonic()
    for number in range(10):
        assert (await fails_new(pair, 40_001 + number)).reason is Reason.PEER_UNREACHABLE
    assert time.monotonic() - began < 3.0


async def test_nor_is_one_that_is_another_now(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    await pair.server.stop()
    pki = pairs.identities(pair.server_agent.identity.ca.parent / "other", pair.server_agent.identity.port)[1]
    pair.server_agent.identity = pki
    await pair.server.start(pair.server_agent)
    began = time.monotonic()
    assert isinstance(await fails(pair, ends(40_002, 5.0)[0]), Refused)
    assert time.monotonic() - began < 3.0
