# SPDX-License-Identifier: Apache-2.0
"""Garbage, bad frames and strangers on the port: bounded, and no other session suffers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from tlshub_core.api import (
    Reason,
    Unavailable,
    events,
)
from tlshub_core.peering import frames
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Frame, Ready, Refuse
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, plain, works
from tlshub_core.testing.pair import Pair

FLOW = UUID(int=5)
Nodes = Callable[..., Pair]
Dialled = Callable[..., AbstractAsyncContextManager[Channel]]


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", bytes(5000), b"\x16\x03\x01\xff\xff" + bytes(70_000)])
async def test_garbage_on_the_port(nodes: Nodes, noise: bytes) -> None:
    pair = nodes()
    await pair.start()
    reader, writer = await asyncio.open_connection("127.0.0.2", pair.server_agent.identity.port)
    writer.write(noise)
    async with asyncio.timeout(10):
        try:
            await reader.read()
        except ConnectionResetError:
            logging.getLogger(__name__).info("reset, which will do as well")
    writer.close()
    await works(pair)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\x01\x01", b"\x04\x01\x01\x01" + bytes(1021), b"\x00\x04\x01\x09", b"\x00\x04\x01\x04"]
)
async def test_bad_frames_end_their_session_and_no_other(nodes: Nodes, dialled: Dialled, data: bytes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair)
    async with dialled(pair) as channel:
        channel.engine.write(data)
        channel._flush()
        with pytest.raises(Unavailable, match="closed the connection"):
            async with asyncio.timeout(10):
                await channel.receive()
    one, two = await agreed(pair, *pairs.flows(40_101))
    assert plain(one) == plain(two)
    assert [event.reason for event in pair.server_agent.events if isinstance(event, events.SessionDown)] == [
        Reason.PROVIDER_FAILED
    ]
    assert not any(isinstance(event, events.SessionDown) for event in pair.client_agent.events)


async def test_a_newer_version_is_answered(nodes: Nodes, dialled: Dialled) -> None:
    pair = nodes()
    await pair.start()
    async with dialled(pair) as channel:
        channel.engine.write(b"\x00\x18\x05\x63" + FLOW.bytes + b"more")
        channel._flush()
        detail = "version 5 is newer than this agent, which knows version 4"
        assert await channel.receive() == [Refuse(flow=FLOW, reason=Reason.UNSUPPORTED_VERSION, detail=detail)]
        channel.send(frames.Secure(flow=FLOW, tuple4=pairs.flows(40_001)[0].tuple, provider="openssl",
                                   nonce=bytes(32), ciphers=(9, 51)))  # fmt: skip
        answer: Frame = (await channel.receive())[0]
        assert isinstance(answer, Ready)
        assert answer.cipher == 51


async def test_unauthenticated_connections_are_limited_and_end(nodes: Nodes) -> None:
    pair = nodes(handshake_timeout_s=0.5, max_unauthenticated=4)
    await pair.start()
    port = pair.server_agent.identity.port
    streams = [await asyncio.open_connection("127.0.0.2", port) for _ in range(8)]
    provider = pair.server
    assert isinstance(provider, PeeringProvider)
    assert provider._running is not None
    listener = provider._running.hub.listener
    async with asyncio.timeout(10):
        while listener.turned_away < 8:  # noqa: ASYNC110 - a counter, with no event to wait for
            await asyncio.sleep(0.02)
    for _, writer in streams:
        writer.close()
    await works(pair)
