# SPDX-License-Identifier: Apache-2.0
"""An agent or a session ended between the question and the keys: it is asked again, and never with two keys at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from tlshub_core.api import AskingAgain, Flow, Pending, Reason, Refused, State, Tuple4, Unavailable
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, prepared, until, works
from tlshub_core.testing.pair import Pair, within

Nodes = Callable[..., Pair]


async def again(pair: Pair, flow: Flow) -> Pending:
    assert isinstance(pair.client, AskingAgain)
    return await pair.client.prepare_again(replace(flow, id=uuid4()))


async def test_both_ends_have_the_keys_of_the_last_agreement(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    first, theirs = await prepared(pair, client, server)
    second = await again(pair, client)
    one, two, old = [await end.keys(ISNS, None) for end in (second, theirs, first)]
    assert plain(one) == plain(two) != plain(old)
    assert not {bytes(old.client_to_server.key), bytes(old.server_to_client.key)} & {
        bytes(one.client_to_server.key),
        bytes(one.server_to_client.key),
    }


@pytest.mark.parametrize("state", [State.ARMED, State.INSTALLING, State.OPEN])
async def test_an_end_that_may_have_keys_refuses(nodes: Nodes, state: State) -> None:
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    _, theirs = await prepared(pair, client, server)
    await theirs.keys(ISNS, None)
    pair.server_agent.accepted[client.tuple] = state
    with pytest.raises(Refused, match="may have keys") as caught:
        await again(pair, client)
    assert not caught.value.by_peer, "that alone would let this end go in clear"
    assert caught.value.reason is Reason.KEYS_LOST


async def test_a_first_question_is_about_a_connection_to_come(nodes: Nodes) -> None:
    """Whatever became of an older one of the same addresses and ports, which may be there still."""
    pair = nodes()
    await pair.start()
    client, server = pairs.flows(40_001)
    _, theirs = await prepared(pair, client, server)
    pair.server_agent.accepted[client.tuple] = State.OPEN
    ours, next_one = await prepared(pair, replace(client, id=uuid4()), server)
    assert plain(await ours.keys(ISNS, None)) == plain(await next_one.keys(ISNS, None))
    assert plain(await theirs.keys(ISNS, None)) != []


async def test_another_nodes_agent_cannot_replace_what_was_agreed_on(nodes: Nodes) -> None:
    pair = nodes()
    for agent in (pair.client_agent, pair.server_agent):
        agent.identity = replace(agent.identity, any_node=True)
        agent._pods = {address: pod for address, pod in agent._pods.items() if pod.name != "client"}
    await pair.start()
    client, server = pairs.flows(40_001)
    _, theirs = await prepared(pair, client, server)
    theirs.node = "node-c"  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="another node's agent has asked"):
        await again(pair, client)


async def test_an_old_release_says_no_and_that_is_no_leave_to_go_in_clear(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    monkeypatch.setattr("tlshub_core.peering.decoder.VERSION", 2)
    with pytest.raises(Refused) as caught:
        await again(pair, pairs.flows(40_001)[0])
    assert (caught.value.by_peer, caught.value.reason) == (False, Reason.UNSUPPORTED_VERSION)


async def test_a_question_that_was_lost_with_its_session_is_asked_in_the_next(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer's agent dies under fifty questions, and is away for a while."""
    pair = nodes(backoff_base_s=0.05)
    await pair.start()
    await works(pair)
    asked, real = asyncio.Semaphore(0), pair.server_agent.expect

    async def hang(_tuple: Tuple4, _unless: object) -> object:
        asked.release()
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(pair.server_agent, "expect", hang)
    views = [pairs.flows(port) for port in range(40_001, 40_051)]
    asks = [asyncio.create_task(pair.client.prepare(client)) for client, _ in views]
    await asked.acquire()
    await pair.server.stop()
    await asyncio.sleep(0.3)
    late = asyncio.create_task(pair.client.prepare(pairs.flows(40_060)[0]))  # NEW while the agent is away
    monkeypatch.setattr(pair.server_agent, "expect", real)
    await pair.server.start(pair.server_agent)
    ours = await asyncio.gather(*asks)
    for one, (_, server) in zip(ours, views, strict=True):
        theirs = await pair.server.prepare(server)
        assert plain(await one.keys(ISNS, None)) == plain(await theirs.keys(ISNS, None))
    (await late).discard()
    assert set(pair.client_agent.states.values()) == {State.ASKED}


async def test_an_agent_that_does_not_come_back_is_waited_for_until_the_deadline(nodes: Nodes) -> None:
    pair = nodes(backoff_base_s=0.05)
    await pair.start()
    await works(pair)
    await pair.server.stop()
    await until(lambda: not any(pair.client_agent.warm_peers.values()))
    loop = asyncio.get_running_loop()
    began, flow = loop.time(), within(pairs.flows(40_001)[0], 2.0)
    with pytest.raises(Unavailable) as caught:
        await pair.client.prepare(flow)
    assert caught.value.reason is Reason.PEER_UNREACHABLE
    assert 1.0 < loop.time() - began < 2.0, "in time for its own reason to be told"
    assert flow.id not in pair.client_agent.states, "nothing was asked: it may go in clear where its rule allows"
