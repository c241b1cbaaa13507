# SPDX-License-Identifier: Apache-2.0
"""A peer with a good certificate that answers wrongly: never taken for a refusal, never more than its session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from tlshub_capture_openssl.engine import engines

from tlshub_core.api import LeavingProvider, Reason, Refused, State, Unavailable, events
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Leave, Left, Ready, Refuse, Secure, Sendable, Welcome
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import fails, fails_new
from tlshub_core.testing.pair import Pair, within

Nodes = Callable[..., Pair]
Script = Callable[[Channel], Awaitable[None]]
OTHER = UUID(int=9)


@asynccontextmanager
async def rogue(pair: Pair, script: Script) -> AsyncIterator[None]:
    """The client's provider, and a script instead of the server's."""
    who, scripts = pair.server_agent.identity, set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(engines(who)(True), reader, writer)
        scripts.add(asyncio.current_task())
        assert await channel.handshake(pairs.TRUST_DOMAIN) == "node-a"
        await script(channel)
        channel.close()

    server = await asyncio.start_server(session, "127.0.0.2", who.port)
    await pair.client.start(pair.client_agent)
    yield
    await pair.client.stop()
    server.close()
    await asyncio.gather(*(task for task in scripts if task is not None))


async def asked(channel: Channel) -> Secure:
    channel.send(Welcome())
    frame = (await channel.receive())[0]
    assert isinstance(frame, Secure)
    return frame


def raw(channel: Channel, data: bytes) -> None:
    channel.engine.write(data)
    channel._flush()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-x\r\n", "speaks another protocol: a frame of 21331 bytes"),
        (b"\x00\x18\x05\x04" + bytes(20), "did not begin with a welcome"),
        (b"", "closed the connection"),
    ],
)
async def test_no_welcome(nodes: Nodes, data: bytes, message: str) -> None:
    async def script(channel: Channel) -> None:
        raw(channel, data)

    pair = nodes()
    async with rogue(pair, script):
        assert message in str(await fails_new(pair))
        assert pair.client_agent.warm_peers == {}


def ready(secure: Secure, cipher: int) -> Ready:
    return Ready(flow=secure.flow, nonce=bytes(32), cipher=cipher)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda secure: ready(secure, 54), "chose a cipher that was not offered"),
        (lambda _: Welcome(), "a 'welcome' frame from the listening side"),
        (lambda secure: secure, "a 'secure' frame from the listening side"),
    ],
)
async def test_wrong_answers_end_the_session(nodes: Nodes, answer: Callable[[Secure], Sendable], message: str) -> None:
    async def script(channel: Channel) -> None:
        channel.send(answer(await asked(channel)))
        with pytest.raises(Unavailable):
            await channel.receive()

    pair = nodes()
    async with rogue(pair, script):
        flow = pairs.flows(40_001)[0]
        error = await fails(pair, flow)
        assert isinstance(error, Unavailable)
        assert message in str(error)
        assert pair.client_agent.states[flow.id] is State.ASKED
        await asyncio.sleep(0.05)
        assert [message in event.detail for event in pair.client_agent.said(events.SessionDown)] == [True]


async def test_the_end_of_the_connection_is_no_answer(nodes: Nodes) -> None:
    again = list[bool]()

    async def script(channel: Channel) -> None:
        again.append((await asked(channel)).again)

    pair = nodes(backoff_base_s=0.1)
    async with rogue(pair, script):
        error = await fails(pair, within(pairs.flows(40_001)[0], 0.8))
        assert isinstance(error, Unavailable)
        assert error.reason is Reason.PEER_UNREACHABLE
    assert 2 <= len(again) < 10, "the same question to a peer that closes at each is not asked without a pause"
    assert again == [False, *[True] * (len(again) - 1)]


async def test_strange_flows_and_versions_leave_the_session_alone(nodes: Nodes) -> None:
    async def script(channel: Channel) -> None:
        first = await asked(channel)
        raw(channel, b"\x00\x14\x05\x63" + first.flow.bytes)
        second = (await channel.receive())[0]
        assert isinstance(second, Secure)
        channel.send(ready(first, 51))
        channel.send(ready(second, 51))
        with pytest.raises(Unavailable):
            await channel.receive()

    pair = nodes()
    async with rogue(pair, script):
        error = await fails(pair, pairs.flows(40_001)[0])
        assert isinstance(error, Unavailable)
        assert error.reason is Reason.UNSUPPORTED_VERSION
        await pair.client.prepare(pairs.flows(40_002)[0])
        assert pair.client_agent.said(events.SessionDown) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda leave: Ready(flow=leave.flow, nonce=bytes(32), cipher=51), Unavailable),
        (lambda _: Left(flow=OTHER), Refused),
        (lambda leave: leave, Unavailable),
    ],
)
async def test_nothing_but_its_own_left_lets_a_flow_go(
    nodes: Nodes, answer: Callable[[Leave], Sendable], kind: type[Exception]
) -> None:
    async def script(channel: Channel) -> None:
        channel.send(Welcome())
        frame = (await channel.receive())[0]
        assert isinstance(frame, Leave)
        channel.send(answer(frame))
        channel.send(Refuse(flow=frame.flow, reason=Reason.NO_RULE))
        with pytest.raises(Unavailable):
            await channel.receive()

    pair = nodes()
    async with rogue(pair, script):
        assert isinstance(pair.client, LeavingProvider)
        with pytest.raises(kind):
            await pair.client.leave(pairs.flows(40_001)[0])


async def test_left_is_no_answer_to_secure(nodes: Nodes) -> None:
    async def script(channel: Channel) -> None:
        channel.send(Left(flow=(await asked(channel)).flow))
        with pytest.raises(Unavailable):
            await channel.receive()

    pair = nodes()
    async with rogue(pair, script):
        error = await fails(pair, pairs.flows(40_001)[0])
        assert isinstance(error, Unavailable)
        assert "answered with a 'left' frame that was not asked for" in str(error)
