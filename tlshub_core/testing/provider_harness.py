# SPDX-License-Identifier: Apache-2.0
"""Two nodes with the provider under test, in an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.conformance import Conformance
from tlshub_core.testing.exchanges import started
from tlshub_core.testing.pair import Pair
from tlshub_core.types.interfaces import KeyProvider
from tlshub_core.types.spec import KeyProviderSpec

LIMIT_S = 60.0


class ProviderHarness(Conformance):
    """What the tests of one provider share; none takes longer than `limit_s`, and `folder` is its own."""

    spec: ClassVar[KeyProviderSpec]
    limit_s: ClassVar[float] = LIMIT_S
    folder: Path

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def options(self, listen: str) -> dict[str, object]:
        """The provider's table in the tests; `listen` is the loopback address of its node, files go into `folder`."""
        return {"listen": listen}

    def make_pair(self, folder: Path) -> Pair:
        """Two providers that are not started yet, on two nodes; their certificates are made in `folder`."""
        identities = pairs.identities(folder, pairs.free_port())
        agents = [pairs.agent(identity, self.spec.name) for identity in identities]
        client, server = (self._make(str(node.address)) for node in (pairs.CLIENT_NODE, pairs.SERVER_NODE))
        return Pair(client=client, server=server, client_agent=agents[0], server_agent=agents[1])

    def _make(self, listen: str) -> KeyProvider:
        provider: KeyProvider = self.spec.factory(self.spec.config(**self.options(listen)))
        return provider

    def run(self, folder: Path, test: Callable[[Pair], Awaitable[None]]) -> None:
        """Run one test with a started pair, bounded in time; override it where something else has to be up as well."""

        async def bounded() -> None:
            async with asyncio.timeout(self.limit_s), started(self.make_pair(folder)) as pair:
                await test(pair)

        asyncio.run(bounded())
