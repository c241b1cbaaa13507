# SPDX-License-Identifier: Apache-2.0
"""Flows between two nodes that trust each other: equal keys, one dial, either side first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
from tlshub_capture_openssl.engine import Engine

from tlshub_core.api import (
    Cipher,
    Identity,
    State,
    Unavailable,
    events,
)
from tlshub_core.peering import exporter
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, agreed, plain
from tlshub_core.testing.fakes import FakeAgent
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


def dials(agent: FakeAgent) -> int:
    return sum(event.dialler for event in agent.said(events.SessionUp))


async def test_two_hundred_flows_at_once_share_one_dial(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    views = [pairs.flows(port, ipv6=bool(port % 2)) for port in range(40_000, 40_200)]
    ends = await asyncio.gather(*(agreed(pair, *view) for view in views))
    assert all(plain(one) == plain(two) for one, two in ends)
    assert len({bytes(way.key) for one, _ in ends for way in (one.client_to_server, one.server_to_client)}) == 400
    assert dials(pair.client_agent) == 1
    assert len(pair.client_agent.said(events.SessionUp)) == 1
    assert pair.client_agent.warm_peers == {pairs.SERVER_NODE.address: True}
    assert set(pair.client_agent.states.values()) == {State.ASKED}
    assert len(pair.server_agent.expected) == 200


async def test_both_nodes_dial_for_their_own_connections(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    back = replace(client, client=server.server, server=server.client, peer=server.peer)
    back_server = replace(server, client=server.server, server=server.client, peer=client.peer)
    turned = Pair(
        client=pair.server, server=pair.client, client_agent=pair.server_agent, server_agent=pair.client_agent
    )
    for one, two in (await agreed(pair, client, server), await agreed(turned, back, back_server)):
        assert plain(one) == plain(two)
    assert (dials(pair.client_agent), dials(pair.server_agent)) == (1, 1)


@pytest.mark.parametrize("cipher", Cipher)
async def test_the_answering_node_chooses_the_cipher(nodes: Nodes, cipher: Cipher) -> None:
    pair = nodes()
    pair.client_agent.ciphers = tuple(Cipher)
    pair.server_agent.ciphers = (cipher, Cipher.AES_GCM_128)
    await pair.start()
    one, two = await agreed(pair, *pairs.flows(40_001))
    assert plain(one) == plain(two)
    assert one.cipher is cipher


async def test_server_side_may_come_first_or_last(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    first = asyncio.create_task(pair.server.prepare(server))
    await asyncio.sleep(0.05)
    assert not first.done()
    theirs = await pair.client.prepare(client)
    assert plain(await (await first).keys(ISNS, None)) == plain(await theirs.keys(ISNS, None))
    late_client, late_server = pairs.flows(40_002)
    theirs = await pair.client.prepare(late_client)
    assert late_client.tuple in pair.server_agent.expected
    ours = await pair.server.prepare(late_server)
    assert plain(await ours.keys(ISNS, None)) == plain(await theirs.keys(ISNS, None))


async def test_exported_secrets_are_wiped(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    from tlshub_capture_openssl.engine import Engine

    seen: list[bytearray] = []
    real = Engine.export

    def export(self: Engine, label: bytes, context: bytes, size: int) -> bytearray:
        seen.append(real(self, label, context, size))
        assert any(seen[-1])
        return seen[-1]

    monkeypatch.setattr(Engine, "export", export)
    pair = nodes()
    await pair.start()
    await agreed(pair, *pairs.flows(40_001))
    assert seen == [bytearray(64), bytearray(64)]
    assert exporter.LABEL == b"EXPORTER-TLS-Capture"


async def test_listening_on_all_addresses_of_both_families(nodes: Nodes) -> None:
    pair = nodes(listen="")
    await pair.server.start(pair.server_agent)
    for host in ("127.0.0.1", "127.0.0.2", *(["::1"] if socket.has_dualstack_ipv6() else [])):
        _, writer = await asyncio.open_connection(host, pair.server_agent.identity.port)
        writer.close()
    with pytest.raises(Unavailable, match=r"cannot listen on 'any address' port \d+: .*in use.*; see 'port'"):
        await pair.client.start(pair.client_agent)


async def test_probe(nodes: Nodes) -> None:
    pair = nodes()
    assert (await pair.client.probe()).level.value == "ok"
    await pair.start()
    assert "certificate of node 'node-a'" in (await pair.client.probe()).message
    who: Identity = pair.client_agent.identity
    who.ca.write_text("none")
    assert (await pair.client.probe()).level.value == "failed"
