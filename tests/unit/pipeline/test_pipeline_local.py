# SPDX-License-Identifier: Apache-2.0
"""Both ends on this node: equal keys, in buffers of their own, taken once, and none left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from uuid import uuid4

import pytest

from tlshub_core.pipeline import local
from tlshub_core.pipeline.local import LocalKeys
from tlshub_core.testing.exchanges import plain
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import ISNS, MemoryNode
from tlshub_core.testing.scripted import wiped
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Endpoint, Flow, Mode, Side, Tuple4
from tlshub_core.types.keys import Cipher, FlowKeys

HOME = IPv4Address("127.0.0.1")
TUPLE = Tuple4(client=HOME, client_port=40_000, server=HOME, server_port=80)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FlowKeys]:
    """All keys that are made or copied, to see what became of them."""
    found: list[FlowKeys] = []

    def noting(make: Callable[..., FlowKeys]) -> Callable[..., FlowKeys]:
        def noted(source: object) -> FlowKeys:
            found.append(make(source))
            return found[-1]

        return noted

    monkeypatch.setattr(local, "random_keys", noting(local.random_keys))
    monkeypatch.setattr(local, "copy_keys", noting(local.copy_keys))
    return found


@pytest.mark.parametrize("cipher", Cipher)
async def test_both_ends_get_equal_keys_of_their_own(cipher: Cipher, made: list[FlowKeys]) -> None:
    keys = LocalKeys(cipher)
    client, server = keys.offer(TUPLE), keys.take(TUPLE)
    one, two = await client.keys(ISNS, None), await server.keys(ISNS, None)
    assert plain(one) == plain(two)
    one.wipe()
    assert wiped(one)
    assert not wiped(two)
    server.discard()
    client.discard()
    assert not wiped(two), "what was given is the receiver's to wipe"
    assert [one, two] == made


async def test_no_end_gets_keys_twice() -> None:
    keys = LocalKeys(Cipher.AES_GCM_128)
    for pending in (keys.offer(TUPLE), keys.take(TUPLE)):
        await pending.keys(ISNS, None)
        with pytest.raises(Unavailable):
            await pending.keys(ISNS, None)


async def test_the_accepting_end_alone_is_told_that_nobody_asked() -> None:
    keys = LocalKeys(Cipher.AES_GCM_128)
    with pytest.raises(Refused) as caught:
        keys.take(TUPLE)
    assert caught.value.reason is Reason.NO_RULE
    assert not caught.value.by_peer, "another agent may have been promised the very tuple"
    keys.offer(TUPLE)
    keys.take(TUPLE).discard()
    with pytest.raises(Refused):
        keys.take(TUPLE)


async def test_a_reused_tuple_gets_new_keys_and_old_ones_are_wiped(made: list[FlowKeys]) -> None:
    keys = LocalKeys(Cipher.AES_GCM_128)
    first = await keys.offer(TUPLE).keys(ISNS, None)
    second = await keys.offer(TUPLE).keys(ISNS, None)
    assert wiped(made[1]), "the first copy, which nobody took"
    taken = await keys.take(TUPLE).keys(ISNS, None)
    assert plain(taken) == plain(second) != plain(first)


async def test_discard_wipes_both_copies(made: list[FlowKeys]) -> None:
    keys = LocalKeys(Cipher.AES_GCM_128)
    client = keys.offer(TUPLE)
    client.discard()
    client.discard()
    assert len(made) == 2
    assert all(map(wiped, made))
    with pytest.raises(Refused):
        keys.take(TUPLE)
    with pytest.raises(Unavailable):
        await client.keys(ISNS, None)


async def test_a_late_discard_spares_the_newer_connection(made: list[FlowKeys]) -> None:
    keys = LocalKeys(Cipher.AES_GCM_128)
    older = keys.offer(TUPLE)
    newer = keys.offer(TUPLE)
    older.discard()
    assert plain(await newer.keys(ISNS, None)) == plain(await keys.take(TUPLE).keys(ISNS, None))
    assert all(map(wiped, made[:2]))


async def test_a_copy_that_nobody_takes_is_wiped_in_time(made: list[FlowKeys], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "UNCLAIMED_S", 0.01)
    given = await LocalKeys(Cipher.AES_GCM_128).offer(TUPLE).keys(ISNS, None)
    await asyncio.sleep(0.05)
    assert wiped(made[1])
    assert not wiped(given)


def flow_of(node: MemoryNode, side: Side) -> Flow:
    cookie = node.backend.begin(side, TUPLE)
    client, server = (Endpoint(address=HOME, port=port) for port in (TUPLE.client_port, TUPLE.server_port))
    return Flow(
        id=uuid4(), cookie=cookie, side=side, client=client, server=server, peer=None, rule="", mode=Mode.PREFER,
        deadline_ns=0,
    )  # fmt: skip


async def test_both_ends_here_need_no_provider() -> None:
    node = MemoryNode(Mode.PREFER)
    client, server = flow_of(node, Side.CLIENT), flow_of(node, Side.SERVER)
    assert {node.keys.providers_of(flow, "scripted", 0) for flow in (client, server)} == {("local",)}
    one = await node.keys.prepare(client, ["local"])
    two = await node.keys.prepare(server, ["local"])
    assert plain(await one.pending.keys(ISNS, None)) == plain(await two.pending.keys(ISNS, None))
    assert {node.backend.table[flow.cookie].state for flow in (client, server)} == {State.ASKED}
    assert node.provider.steps == []


async def test_an_accepting_end_that_comes_when_no_rule_holds_it_any_more_is_secured_all_the_same() -> None:
    node = MemoryNode(Mode.PREFER)
    one = await node.keys.prepare(flow_of(node, Side.CLIENT), ["local"])
    node.backend.replace(rule_set([]))
    server = flow_of(node, Side.SERVER)
    assert node.backend.table[server.cookie].state is State.ASKED
    two = await node.keys.prepare(server, ["local"])
    assert plain(await one.pending.keys(ISNS, None)) == plain(await two.pending.keys(ISNS, None))


async def test_an_accepting_end_that_is_in_clear_already_leaves_the_client_new() -> None:
    node = MemoryNode(Mode.PREFER)
    client, server = flow_of(node, Side.CLIENT), flow_of(node, Side.SERVER)
    node.backend.decide(server.cookie, State.CLEAR, Reason.DEADLINE)
    with pytest.raises(Refused) as caught:
        await node.keys.prepare(client, ["local"])
    assert caught.value.by_peer
    assert node.backend.table[client.cookie].state is State.NEW


@pytest.mark.parametrize(("side", "by_peer"), [(Side.CLIENT, True), (Side.SERVER, False)])
async def test_an_end_that_no_rule_holds_leaves_the_other_one_new(side: Side, by_peer: bool) -> None:
    node = MemoryNode()
    node.backend.rules = rule_set([replace(row(Mode.PREFER), sides=frozenset({side}))])
    flow = flow_of(node, side)
    with pytest.raises(Refused) as caught:
        await node.keys.prepare(flow, ["local"])
    assert caught.value.by_peer is by_peer
    assert node.backend.table[flow.cookie].state is State.NEW


async def test_keys_are_wiped_where_the_flow_was_decided_meanwhile(made: list[FlowKeys]) -> None:
    node = MemoryNode()
    flow = flow_of(node, Side.CLIENT)
    node.backend.decide(flow.cookie, State.REFUSED, Reason.DEADLINE)
    with pytest.raises(Refused):
        await node.keys.prepare(flow, ["local"])
    assert len(made) == 2
    assert all(map(wiped, made))
