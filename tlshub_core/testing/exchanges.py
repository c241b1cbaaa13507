# SPDX-License-Identifier: Apache-2.0
"""What tests do with a pair of providers: agree on a connection's keys, compare them, see a flow fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.pair import Pair
from tlshub_core.types.errors import Refused, Unavailable
from tlshub_core.types.flow import Flow, Isns
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import DirectionKeys, FlowKeys

LIMIT_S = 10.0
ISNS = Isns(client=1_000, server=2_000)


@asynccontextmanager
async def started(pair: Pair) -> AsyncIterator[Pair]:
    """The pair, started, and stopped at the end."""
    try:
        await pair.start()
        yield pair
    finally:
        await pair.stop()


async def prepared(pair: Pair, client: Flow, server: Flow) -> tuple[Pending, Pending]:
    """Both ends of one connection, agreed on and not derived yet; client first."""
    ends: list[Coroutine[None, None, Pending]] = [pair.client.prepare(client), pair.server.prepare(server)]
    first, second = await asyncio.gather(*ends)
    return first, second


async def agreed(pair: Pair, client: Flow, server: Flow) -> tuple[FlowKeys, FlowKeys]:
    """The keys of both ends; client first."""
    one, two = await prepared(pair, client, server)
    return await one.keys(ISNS, None), await two.keys(ISNS, None)


def buffers(keys: FlowKeys) -> list[bytearray]:
    """Key, salt, iv, rec_seq, of client to server and then of server to client."""
    ways: tuple[DirectionKeys, DirectionKeys] = (keys.client_to_server, keys.server_to_client)
    return [part for way in ways for part in (way.key, way.salt, way.iv, way.rec_seq)]


def plain(keys: FlowKeys) -> list[object]:
    """All of the keys as comparable values: cipher, then key, salt, iv, rec_seq of either direction."""
    return [keys.cipher, *map(bytes, buffers(keys))]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells; raises TimeoutError."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def works(pair: Pair, port: int = 40_100) -> None:
    """Asserts that a connection from that port gets equal keys on both ends."""
    one, two = await agreed(pair, *pairs.flows(port))
    assert plain(one) == plain(two)


async def fails(pair: Pair, flow: Flow) -> Refused | Unavailable:
    """The error of a flow on the client's side; asserts that there is one, in time."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await pair.client.prepare(flow)
    except (Refused, Unavailable) as error:
        return error
    raise AssertionError("the flow did not fail")


async def fails_new(pair: Pair, port: int = 40_001) -> Refused | Unavailable:
    """The same, of a flow that must still be NEW: nothing was asked, so it is no refusal by the peer either."""
    flow = pairs.flows(port)[0]
    error = await fails(pair, flow)
    assert flow.id not in pair.client_agent.states
    assert not (isinstance(error, Refused) and error.by_peer)
    return error
