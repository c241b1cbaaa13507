# SPDX-License-Identifier: Apache-2.0
"""The exchange between two nodes: who is told what when, and what an attacker on the way can do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from tlshub_capture_psk.answers import Answers
from tlshub_capture_psk.messages import Ask, Message, Ready, Refuse, Welcome, seal, unseal
from tlshub_capture_psk.offers import Offers
from tlshub_capture_psk.secret import Secret

from tlshub_core.api import Endpoint, Flow, Reason, Refused, State, Unavailable
from tlshub_core.testing import Pair, flows

Nodes = Callable[..., Pair]


def run(pair: Pair, test: Callable[[], Awaitable[None]]) -> None:
    """One test with a started pair."""

    async def started() -> None:
        try:
            await pair.start()
            async with asyncio.timeout(20):
                await test()
        finally:
            await pair.stop()

    asyncio.run(started())


def asked(pair: Pair, flow: Flow, epoch: bytes) -> Ask:
    """The question for a flow."""
    return Ask(nonce=uuid4().bytes * 2, epoch=epoch, flow=flow.id, tuple4=flow.tuple, ciphers=(51,))


def answers(pair: Pair, secret_file: Path, limit: int = 100) -> Answers:
    """The server's answers, without a socket."""
    return Answers("psk", pair.server_agent, Secret.read(secret_file), Offers(), limit)


def test_a_node_that_is_not_there_leaves_the_flow_new(nodes: Nodes) -> None:
    pair = nodes()

    async def test() -> None:
        await pair.server.stop()
        flow = flows(40_001)[0]
        with pytest.raises(Unavailable) as caught:
            await pair.client.prepare(flow)
        assert caught.value.reason is Reason.PEER_UNREACHABLE
        assert pair.client_agent.states == {}

    run(pair, test)


def test_a_node_with_another_secret_is_not_there(nodes: Nodes, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.write_text("5d" * 32)
    pair = nodes(other)

    async def test() -> None:
        with pytest.raises(Unavailable):
            await pair.client.prepare(flows(40_001)[0])

    run(pair, test)


def test_a_node_that_begins_anew_is_asked_in_its_new_epoch(nodes: Nodes) -> None:
    pair = nodes()

    async def test() -> None:
        await pair.client.prepare(flows(40_001)[0])
        await pair.server.stop()
        await pair.server.start(pair.server_agent)
        flow = flows(40_002)[0]
        await pair.client.prepare(flow)
        assert pair.server_agent.expected[-1] == flow.tuple
        assert pair.client_agent.states[flow.id] is State.ASKED

    run(pair, test)


def test_an_unknown_node_is_refused_here(nodes: Nodes) -> None:
    pair = nodes()

    async def test() -> None:
        with pytest.raises(Refused) as caught:
            await pair.client.prepare(replace(flows(40_001)[0], peer=None))
        assert (caught.value.reason, caught.value.by_peer) == (Reason.PEER_UNKNOWN, False)

    run(pair, test)


def test_only_the_node_of_the_client_may_ask(nodes: Nodes) -> None:
    pair = nodes()

    async def test() -> None:
        flow = flows(40_001)[0]
        stolen = replace(flow, client=Endpoint(address=flow.server.address, port=1))
        with pytest.raises(Refused) as caught:
            await pair.client.prepare(stolen)
        assert (caught.value.reason, caught.value.by_peer) == (Reason.NOT_YOURS, True)

    run(pair, test)


def test_a_question_that_comes_again_has_the_same_answer_and_no_effect(nodes: Nodes, secret_file: Path) -> None:
    pair = nodes()
    server = answers(pair, secret_file)

    async def test() -> None:
        flow = flows(40_001)[0]
        ask = asked(pair, flow, server.epoch)
        first = await server.answer("node-a", ask)
        assert isinstance(first, Ready)
        assert await server.answer("node-a", ask) is first
        assert pair.server_agent.expected == [flow.tuple]
        again = await server.answer("node-a", asked(pair, flow, server.epoch))
        assert isinstance(again, Refuse)
        assert again.reason is Reason.REPLAYED

    run(pair, test)


def test_what_was_recorded_is_worth_nothing_in_the_next_epoch(nodes: Nodes, secret_file: Path) -> None:
    pair = nodes()
    server = answers(pair, secret_file, limit=2)

    async def test() -> None:
        old = [asked(pair, flows(40_001 + number)[0], server.epoch) for number in range(2)]
        for ask in old:
            assert isinstance(await server.answer("node-a", ask), Ready)
        for ask in old:
            assert await server.answer("node-a", ask) == Welcome(nonce=ask.nonce, epoch=server.epoch)
        assert len(pair.server_agent.expected) == 2

    run(pair, test)


@pytest.mark.parametrize(("sender", "receiver"), [("node-a", "node-c"), ("node-b", "node-b")])
def test_what_is_for_another_node_is_not_answered(nodes: Nodes, secret_file: Path, sender: str, receiver: str) -> None:
    pair = nodes()
    mac = Secret.read(secret_file).mac

    async def test() -> None:
        flow = flows(40_001)[0]
        strange = asked(pair, flow, bytes(16))
        told = await exchange(pair, [seal(mac, sender, receiver, strange), seal(mac, "node-a", "node-b", strange)])
        assert [unseal(mac, data)[2] for data in told] == [Welcome(nonce=strange.nonce, epoch=epoch(told, mac))]

    run(pair, test)


def epoch(told: list[bytes], mac: bytearray) -> bytes:
    """The epoch in the one answer that there may be."""
    message: Message = unseal(mac, told[0])[2]
    assert isinstance(message, Welcome)
    return message.epoch


async def exchange(pair: Pair, datagrams: list[bytes]) -> list[bytes]:
    """Send these to the server, one after the other; what came back until the last was answered."""
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        for data in datagrams:
            await loop.sock_sendto(sock, data, ("127.0.0.2", pair.server_agent.identity.port))
        return [(await loop.sock_recvfrom(sock, 2048))[0]]
