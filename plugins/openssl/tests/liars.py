# SPDX-License-Identifier: Apache-2.0
"""A third node with a good certificate of the same authority, which speaks the protocol and lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from uuid import UUID, uuid4

from tlshub_capture_openssl.engine import engines

from tlshub_core.api import Identity, Tuple4
from tlshub_core.peering import pki
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Frame, Ready, Refuse, Secure, Welcome
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.pair import Pair

NAME = "node-c"
FROM = "127.0.0.3"


def certified(pair: Pair) -> Identity:
    """The liar's own certificate, which is in order."""
    folder = pair.server_agent.identity.ca.parent
    pki.init(folder, pairs.TRUST_DOMAIN, [NAME])
    return pairs.identity(folder, NAME, pair.server_agent.identity.port)


@asynccontextmanager
async def dialled(pair: Pair, who: Identity, source: str = FROM) -> AsyncIterator[tuple[Channel, Frame]]:
    """That node's session to the server's agent, and the first frame in it."""
    port = pair.server_agent.identity.port
    streams = await asyncio.open_connection("127.0.0.2", port, local_addr=(source, 0))
    channel = Channel(engines(who)(False), *streams)
    try:
        await channel.handshake(pairs.TRUST_DOMAIN)
        yield channel, (await channel.receive())[0]
    finally:
        channel.close()


@asynccontextmanager
async def session(pair: Pair, who: Identity, source: str = FROM) -> AsyncIterator[Channel]:
    """The same, welcome."""
    async with dialled(pair, who, source) as (channel, first):
        assert first == Welcome()
        yield channel


def secure(tuple4: Tuple4, flow: UUID | None = None, nonce: bytes = bytes(32)) -> Secure:
    """A question in order."""
    return Secure(flow=flow or uuid4(), tuple4=tuple4, provider="openssl", nonce=nonce, ciphers=(51,))


def to_server(client: str, port: int = 40_001) -> Tuple4:
    """The tuple of a connection from there to port 80 of the server's pod."""
    server = pairs.flows(port)[0].server.address
    return Tuple4(client=ip_address(client), client_port=port, server=server, server_port=80)


async def asked(channel: Channel, question: Secure) -> Ready | Refuse:
    """The answer to one question."""
    channel.send(question)
    (answer,) = await channel.receive()
    assert isinstance(answer, Ready | Refuse)
    assert answer.flow == question.flow
    return answer
