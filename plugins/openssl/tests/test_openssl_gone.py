# SPDX-License-Identifier: Apache-2.0
"""Clients that are gone when their keys are agreed: what was promised them is forgotten in time, all of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from tlshub_core.peering.pending import SessionPending
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import until, works
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
COUNT = 2000


def pendings() -> int:
    """How many flows have keys that could still be derived, in both agents."""
    gc.collect()
    return sum(isinstance(one, SessionPending) for one in gc.get_objects())


async def test_thousands_of_them_leave_nothing_and_cost_nobody_the_room(nodes: Nodes) -> None:
    pair = nodes(ready_ttl_s=1.0, max_pending=COUNT)
    await pair.start()
    await works(pair, 30_000)
    before = pendings()
    for first in range(0, COUNT, 100):
        asked = [pair.client.prepare(pairs.flows(40_000 + number)[0]) for number in range(first, first + 100)]
        for one in await asyncio.gather(*asked):
            one.discard()  # as the client's agent does when the application has closed it
    assert isinstance(pair.server, PeeringProvider) and pair.server._running is not None
    offers = pair.server._running.hub.offers
    await until(lambda: len(offers) == 0)
    assert pendings() <= before
    for number in range(20):
        await works(pair, 45_000 + number)
