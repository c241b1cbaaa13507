# SPDX-License-Identifier: Apache-2.0
"""One dial: connect, complete the handshake, check the node, and wait until the other side has done the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import FrameError, Refuse, Welcome
from tlshub_core.peering.session import Session
from tlshub_core.peering.settings import Settings
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Address
from tlshub_core.types.interfaces import AgentContext, TlsEngine

EngineFactory = Callable[[bool], TlsEngine]


async def open_session(agent: AgentContext, engines: EngineFactory, address: Address, settings: Settings) -> Session:
    """A session to the agent at that address, within the handshake's time; raises Unavailable and Refused."""
    limit, port = settings.handshake_timeout_s, agent.identity.port
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(str(address), port)
            channel, node = await _greeted(reader, writer, engines, agent.identity.trust_domain)
    except TimeoutError as error:
        message = f"the agent at '{address}' port {port} did not answer within {limit} s"
        raise Unavailable(message, Reason.PEER_UNREACHABLE) from error
    except OSError as error:
        message = f"the agent at '{address}' port {port} cannot be reached: {error}; does it run?"
        raise Unavailable(message, Reason.PEER_UNREACHABLE) from error
    except FrameError as error:
        message = f"the agent at '{address}' port {port} speaks another protocol: {error}"
        raise Unavailable(message, Reason.UNSUPPORTED_VERSION) from error
    return Session(channel, node, address, settings)


async def _greeted(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engines: EngineFactory, trust_domain: str
) -> tuple[Channel, str]:
    try:
        channel = Channel(engines(False), reader, writer)
        node = await channel.handshake(trust_domain)
        await _welcome(channel, node)
    except BaseException:
        writer.close()
        raise
    return channel, node


async def _welcome(channel: Channel, node: str) -> None:
    # A TLS 1.3 client is done before its own certificate is checked; asking only after the welcome keeps a flow
    # that meets a refused certificate free to be released, since nothing was asked.
    first = (await channel.receive())[0]
    if isinstance(first, Refuse):
        raise Unavailable(f"node '{node}' refused the session: {first.detail}", first.reason)
    if not isinstance(first, Welcome):
        raise Unavailable(f"node '{node}' did not begin with a welcome", Reason.UNSUPPORTED_VERSION)
