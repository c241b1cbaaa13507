# SPDX-License-Identifier: Apache-2.0
"""A node with a good certificate asks for what is not its own: it gets no key of it, and nothing of it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from uuid import uuid4

import pytest

from plugins.openssl.tests import liars
from tlshub_core.api import FlowKeys, Reason
from tlshub_core.peering import exporter
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Leave, Ready, Refuse, Secure
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, prepared
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
HOST_A, HOST_B, NOWHERE = "127.0.0.1", "127.0.0.2", "10.9.9.9"


@pytest.fixture
def any_node(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Both take any node; neither knows the clients' addresses, and each has its own host's."""
    pair = nodes()
    for agent, host in ((pair.client_agent, HOST_A), (pair.server_agent, HOST_B)):
        agent.identity = replace(agent.identity, any_node=True)
        agent._pods = {address: pod for address, pod in agent._pods.items() if pod.name.startswith("server")}
        mine, own = agent.mine, IPv4Address(host)
        monkeypatch.setattr(agent, "mine", lambda address, mine=mine, own=own: address == own or mine(address))
    return pair


def refused(answer: Ready | Refuse) -> tuple[Reason, str]:
    assert isinstance(answer, Refuse)
    return answer.reason, answer.detail


@pytest.mark.parametrize(
    ("client", "why"),
    [
        ("10.1.0.1", "'10.1.0.1' is on node 'node-a', not on 'node-c'"),
        ("10.2.0.1", "'10.2.0.1' is on node 'node-b', not on 'node-c'"),
        (NOWHERE, f"the mapping here does not know '{NOWHERE}'"),
    ],
)
async def test_a_tuple_of_others(nodes: Nodes, client: str, why: str) -> None:
    """Before, between and after what the client's own node asks: its keys are those of both honest ends."""
    pair = nodes()
    await pair.start()
    question = liars.to_server(client)
    async with liars.session(pair, liars.certified(pair)) as channel:
        assert refused(await liars.asked(channel, liars.secure(question))) == (Reason.NOT_YOURS, why)
        assert pair.server_agent.expected == []
        ours, theirs = await prepared(pair, *pairs.flows(40_001))
        assert refused(await liars.asked(channel, liars.secure(question))) == (Reason.NOT_YOURS, why)
        for reason in (Reason.PASSTHROUGH, Reason.MPTCP):
            channel.send(Leave(flow=uuid4(), tuple4=question, reason=reason))
            (answer,) = await channel.receive()
            assert isinstance(answer, Refuse)
            assert (answer.reason, pair.server_agent.left) == (Reason.NOT_YOURS, [])
        assert plain(await ours.keys(ISNS, None)) == plain(await theirs.keys(ISNS, None))


async def test_any_node_is_not_any_address(any_node: Pair) -> None:
    """Unknown to the mapping: not this node's own addresses, nor one that another node's session comes from."""
    pair = any_node
    await pair.start()
    who_a, who_c = pair.client_agent.identity, liars.certified(pair)
    async with liars.session(pair, who_a, HOST_A) as honest, liars.session(pair, who_c) as liar:
        mine = refused(await liars.asked(liar, liars.secure(liars.to_server(HOST_B))))
        assert mine == (Reason.NOT_YOURS, f"'{HOST_B}' is on node 'node-b', not on 'node-c'")
        theirs = refused(await liars.asked(liar, liars.secure(liars.to_server(HOST_A))))
        assert theirs == (Reason.NOT_YOURS, f"'{HOST_A}' is on node 'node-a', not on 'node-c'")
        assert pair.server_agent.expected == []
        for channel, address in ((honest, HOST_A), (liar, liars.FROM), (liar, NOWHERE)):
            assert isinstance(await liars.asked(channel, liars.secure(liars.to_server(address))), Ready)


async def test_two_nodes_behind_one_address_may_both_ask_for_it(any_node: Pair) -> None:
    pair = any_node
    await pair.start()
    who_a, who_c = pair.client_agent.identity, liars.certified(pair)
    async with liars.session(pair, who_a, HOST_A), liars.session(pair, who_c, HOST_A) as channel:
        assert isinstance(await liars.asked(channel, liars.secure(liars.to_server(HOST_A))), Ready)


async def agree(pair: Pair, channel: Channel, question: Secure) -> tuple[FlowKeys, FlowKeys]:
    """What the asking program derives, and the accepting end of that tuple."""
    answer = await liars.asked(channel, question)
    assert isinstance(answer, Ready)
    cipher = pair.server_agent.ciphers[0]
    context = exporter.context(question.flow, question.tuple4, question.nonce, answer.nonce, cipher)
    pending = await pair.server.prepare(pairs.flows(question.tuple4.client_port)[1])
    return exporter.export_flow_keys(channel.engine, context, cipher), await pending.keys(ISNS, None)


async def test_ids_and_nonces_that_come_again_give_other_keys(nodes: Nodes) -> None:
    """In one session an id is refused; once it is forgotten there, or in the next session, the keys are new ones."""
    pair = nodes(max_seen=1)
    await pair.start()
    who, flow, tuple4 = pair.client_agent.identity, uuid4(), liars.to_server("10.1.0.1")
    question = liars.secure(tuple4, flow)
    seen: list[object] = []
    for _ in range(2):
        async with liars.session(pair, who, HOST_A) as channel:
            for _ in range(2):
                ours, theirs = await agree(pair, channel, question)
                assert plain(ours) == plain(theirs)
                seen.append(bytes(ours.client_to_server.key))
                assert refused(await liars.asked(channel, question))[0] is Reason.REPLAYED
                await agree(pair, channel, liars.secure(tuple4))  # one more id, and the first is forgotten
    assert len(set(seen)) == len(seen) == 4
