# SPDX-License-Identifier: Apache-2.0
"""Where a flow and its connection meet: counted once, forgotten in every way there is."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from tlshub_core.peering.offers import Offers
from tlshub_core.peering.pending import SessionPending
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Isns, Tuple4
from tlshub_core.types.keys import Cipher

TUPLE = Tuple4(client=IPv4Address("10.0.0.1"), client_port=4000, server=IPv4Address("10.0.0.2"), server_port=80)
ISNS = Isns(client=1, server=2)


class Exporter:
    """Gives a fixed output."""

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        return bytearray(range(size))


def offer(released: list[str], name: str = "flow") -> SessionPending:
    return SessionPending(Exporter(), b"context", Cipher.AES_GCM_128, "quartz", "node-a", lambda: released.append(name))


async def discarded(pending: SessionPending) -> bool:
    try:
        await pending.keys(ISNS, None)
    except Unavailable as error:
        return error.reason is Reason.CLOSED
    return False


async def test_taken_at_once_or_later_and_released_once() -> None:
    offers, released = Offers(60), list[str]()
    first = offer(released)
    offers.put(TUPLE, first)
    assert await offers.take(TUPLE) is first
    waiting = asyncio.create_task(offers.take(TUPLE))
    await asyncio.sleep(0)
    second = offer(released)
    offers.put(TUPLE, second)
    assert await waiting is second
    assert released == ["flow", "flow"]
    second.discard()
    assert released == ["flow", "flow"]
    assert not await discarded(first)


async def test_an_unused_offer_is_replaced_and_dropped() -> None:
    offers, released = Offers(0.02), list[str]()
    old, new = offer(released, "old"), offer(released, "new")
    offers.put(TUPLE, old)
    offers.put(TUPLE, new)
    assert (released, len(offers)) == (["old"], 1)
    await asyncio.sleep(0.05)
    assert (released, len(offers)) == (["old", "new"], 0)
    assert await discarded(old)
    assert await discarded(new)


async def test_an_offer_handed_to_a_cancelled_wait_is_forgotten() -> None:
    offers, released = Offers(60), list[str]()
    waiting = asyncio.create_task(offers.take(TUPLE))
    await asyncio.sleep(0)
    pending = offer(released)
    offers.put(TUPLE, pending)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert released == ["flow"]
    assert await discarded(pending)


async def test_a_cancelled_wait_takes_nothing() -> None:
    offers, released = Offers(60), list[str]()
    waiting = asyncio.create_task(offers.take(TUPLE))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pending = offer(released)
    offers.put(TUPLE, pending)
    assert await offers.take(TUPLE) is pending


async def test_close_forgets_all() -> None:
    offers, released = Offers(60), list[str]()
    pending = offer(released)
    offers.put(TUPLE, pending)
    other = asyncio.create_task(offers.take(Tuple4(client=TUPLE.server, client_port=1, server=TUPLE.client,
                                                   server_port=2)))  # fmt: skip
    await asyncio.sleep(0)
    offers.close()
    assert (released, len(offers)) == (["flow"], 0)
    with pytest.raises(Unavailable) as caught:
        await other
    assert caught.value.reason is Reason.SHUTDOWN
    assert await discarded(pending)
