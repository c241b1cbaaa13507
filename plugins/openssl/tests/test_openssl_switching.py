# SPDX-License-Identifier: Apache-2.0
"""The default provider of either node is switched again and again while connections begin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from socket import socket

import pytest
from tlshub_capture_openssl import tlshub_key_providers
from tlshub_capture_openssl.engine import engines

from plugins.openssl.tests.halves import Half, connect
from tlshub_core.api import (
    AgentContext,
    Cipher,
    Flow,
    FlowKeys,
    Isns,
    KeyProvider,
    KeyProviderSpec,
    Level,
    Mode,
    Pending,
    Probe,
    Reason,
    Side,
    Tuple4,
    Unavailable,
)
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.local import copy_keys, random_keys
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import plain
from tlshub_core.testing.node import HERE, THERE, Link

Module = dict[Tuple4, FlowKeys]


class Given:
    """Keys that were there before anybody asked."""

    def __init__(self, keys: FlowKeys) -> None:
        self._keys = keys

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """They."""
        return self._keys

    def discard(self) -> None:
        """Nothing is left: they are wiped by who got them."""


class ModuleProvider:
    """Agrees past the agents, as kernel modules do among themselves: the accepting end looks until keys are there."""

    def __init__(self, module: Module) -> None:
        self._module = module

    async def probe(self) -> Probe:
        """It is there."""
        return Probe(level=Level.OK, message="there")

    async def start(self, agent: AgentContext) -> None:
        """Remember whom to tell."""
        self._agent = agent

    async def stop(self) -> None:
        """Nothing to stop."""

    async def prepare(self, flow: Flow) -> Pending:
        """Under 'prefer' it gives up soon, as nothing tells it that somebody may still come."""
        if flow.side is Side.CLIENT:
            await self._agent.ask(flow)
            await asyncio.sleep(0.01)
            keys = random_keys(Cipher.AES_GCM_128)
            self._module[flow.tuple] = copy_keys(keys)
            return Given(keys)
        for _ in range(10 if flow.mode is Mode.PREFER else 10_000):
            if flow.tuple in self._module:
                await self._agent.ask(flow)
                return Given(self._module.pop(flow.tuple))
            await asyncio.sleep(0.002)
        raise Unavailable("no keys are there", Reason.PEER_UNREACHABLE)


def specs(listen: str, second: KeyProvider) -> Sequence[KeyProviderSpec]:
    """OpenSSL's provider on that address, and another one."""
    (spec,) = tlshub_key_providers()
    first = PeeringProvider("openssl", engines, Settings(listen=listen))
    return replace(spec, factory=lambda _: first), replace(spec, name="other", factory=lambda _: second)


def peering(listen: str, _module: Module) -> KeyProvider:
    return PeeringProvider("other", engines, Settings(listen=listen))


def modular(_listen: str, module: Module) -> KeyProvider:
    return ModuleProvider(module)


@pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])
@pytest.mark.parametrize("second", [peering, modular])
async def test_no_connection_is_lost_and_both_ends_have_one_provider_and_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, second: object
) -> None:
    assert callable(second)
    installed: dict[tuple[int, Side], list[object]] = {}

    def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
        installed[cookie_of(sock), side] = plain(keys)
        return time.monotonic_ns(), time.monotonic_ns()

    monkeypatch.setattr(ktls, "install", install)
    module: Module = {}
    nodes = zip(pairs.identities(tmp_path, pairs.free_port()), (HERE, THERE), strict=True)
    client, server = (Half(who, tmp_path, mode, specs(at, second(at, module))) for who, at in nodes)
    links: list[Link] = []

    async def load() -> None:
        for _ in range(25):
            links.append(link := Link.make())
            await connect(client, server, link)

    async def switches() -> None:
        for number in range(20):
            await (client, server)[number % 2].providers.switch(("other", "openssl")[number // 2 % 2])
            await asyncio.sleep(0.02)

    async with asyncio.timeout(60), client.running(), server.running():
        await asyncio.gather(switches(), *(load() for _ in range(4)))
    assert len(links) == 100
    assert len(installed) == 200
    assert all(installed[link.cookie, Side.CLIENT] == installed[cookie_of(link.server), Side.SERVER] for link in links)
    assert client.served() == server.served()
    assert set(client.served().values()) == {"openssl", "other"}
    for link in links:
        link.close()
