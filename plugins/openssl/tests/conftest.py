# SPDX-License-Identifier: Apache-2.0
"""Two nodes on 127.0.0.1 and 127.0.0.2 with real TLS between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tlshub_capture_openssl.engine import engines

from tlshub_core.api import TlsEngine
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Welcome
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


def provider(listen: str, settings: dict[str, object]) -> PeeringProvider:
    return PeeringProvider("openssl", engines, replace(Settings(), **{"listen": listen, **settings}))  # type: ignore[arg-type]


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    """A function that makes a pair (not started); the settings are both nodes'."""
    made: list[Pair] = []

    def make(**settings: object) -> Pair:
        client, server = pairs.identities(tmp_path, pairs.free_port())
        pair = Pair(
            client=provider("127.0.0.1", settings),
            server=provider("127.0.0.2", settings),
            client_agent=pairs.agent(client, "openssl"),
            server_agent=pairs.agent(server, "openssl"),
        )
        made.append(pair)
        return pair

    yield make
    for pair in made:
        await pair.stop()


@pytest.fixture
def dialled() -> Callable[..., AbstractAsyncContextManager[Channel]]:
    """A channel of the client's node to the server's agent, past the welcome."""
    return _dialled


@asynccontextmanager
async def _dialled(pair: Pair, engine: TlsEngine | None = None) -> AsyncIterator[Channel]:
    engine = engine or engines(pair.client_agent.identity)(False)
    streams = await asyncio.open_connection("127.0.0.2", pair.server_agent.identity.port)
    channel = Channel(engine, *streams)
    try:
        assert await channel.handshake(pairs.TRUST_DOMAIN) == "node-b"
        assert await channel.receive() == [Welcome()]
        yield channel
    finally:
        channel.close()
