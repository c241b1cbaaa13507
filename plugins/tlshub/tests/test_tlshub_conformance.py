# SPDX-License-Identifier: Apache-2.0
"""The provider passes what every key provider must pass, with both versions of the module's messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import AF_INET
from typing import ClassVar, Literal

import tlshub_capture_tlshub
from tlshub_capture_tlshub.channel import KERNEL

from plugins.tlshub.tests.nodes import node_pair
from plugins.tlshub.tests.stand_in import StandIn
from tlshub_core.testing.exchanges import started
from tlshub_core.testing.pair import Pair
from tlshub_core.testing.provider import LIMIT_S, KeyProviderConformance


class TestTlshub(KeyProviderConformance):
    spec = next(iter(tlshub_capture_tlshub.tlshub_key_providers()))
    version: ClassVar[Literal[1, 2]] = 1

    def make_pair(self, folder: Path) -> Pair:
        return node_pair(folder, KERNEL, protocol_version=self.version)

    def run(self, folder: Path, test: Callable[[Pair], Awaitable[None]]) -> None:
        async def served() -> None:
            async with asyncio.timeout(LIMIT_S), StandIn() as module:
                pair = node_pair(folder, module.port_id, protocol_version=self.version)
                async with started(pair):
                    await test(pair)

        asyncio.run(served())

    def test_name(self) -> None:
        assert self.spec.name == "tlshub"
        assert self.spec.families == {AF_INET}
        assert not self.spec.needs_socket
        assert not self.spec.passthrough


class TestVersion2(TestTlshub):
    version = 2
