# SPDX-License-Identifier: Apache-2.0
"""A peer that asks again for a connection: what was agreed on before is replaced, or it is refused."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.unit.peering.test_peering_offers import ISNS, TUPLE, Exporter
from tlshub_core.peering.offers import Offers
from tlshub_core.peering.pending import SessionPending
from tlshub_core.types.errors import Refused, Unavailable
from tlshub_core.types.keys import Cipher


def agreement(context: bytes = b"one", node: str = "node-a") -> SessionPending:
    return SessionPending(Exporter(), context, Cipher.AES_GCM_128, "quartz", node)


async def test_what_the_connection_took_is_replaced_until_keys_are_derived_of_it() -> None:
    offers = Offers(60)
    assert not offers.replaceable(TUPLE)
    offers.put(TUPLE, agreement())
    held = await offers.take(TUPLE)
    assert offers.replaceable(TUPLE)
    newer = agreement(b"two")
    offers.put(TUPLE, newer, again=True)
    assert (held._context, len(offers)) == (b"two", 0)
    with pytest.raises(Unavailable):
        await newer.keys(ISNS, None)
    await held.keys(ISNS, None)
    assert not offers.replaceable(TUPLE)


async def test_a_connection_that_waits_gets_it() -> None:
    offers = Offers(60)
    waiting = asyncio.create_task(offers.take(TUPLE))
    await asyncio.sleep(0)
    assert offers.replaceable(TUPLE)
    newer = agreement(b"two")
    offers.put(TUPLE, newer, again=True)
    third = agreement(b"three")
    offers.put(TUPLE, third, again=True)
    assert await waiting is newer
    assert newer._context == b"three", "it was replaced before the one that waited had its turn"


async def test_what_no_connection_took_comes_before_what_an_older_one_did() -> None:
    offers = Offers(60)
    offers.put(TUPLE, agreement())
    older = await offers.take(TUPLE)
    offers.put(TUPLE, agreement(b"of the next one"))
    offers.put(TUPLE, agreement(b"of the next one, again"), again=True)
    assert older._context == b"one"
    assert (await offers.take(TUPLE))._context == b"of the next one, again"


@pytest.mark.parametrize("taken", [False, True])
async def test_another_node_replaces_nothing(taken: bool) -> None:
    offers = Offers(60)
    offers.put(TUPLE, agreement())
    kept = await offers.take(TUPLE) if taken else None
    offers.check(TUPLE, "node-a", again=True)
    with pytest.raises(Refused, match="another node's agent"):
        offers.check(TUPLE, "node-b", again=True)
    if kept is not None:
        offers.check(TUPLE, "node-b", again=False)


async def test_what_a_connection_has_forgotten_is_forgotten_here() -> None:
    offers = Offers(60)
    offers.put(TUPLE, agreement())
    kept = await offers.take(TUPLE)
    kept.discard()
    assert not offers.replaceable(TUPLE)
    del kept
    gc.collect()
    assert len(offers._taken) == 0
