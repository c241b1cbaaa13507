# SPDX-License-Identifier: Apache-2.0
"""Two nodes whose providers speak over real netlink sockets, with one stand-in for both nodes' modules."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tlshub_capture_tlshub.client import Client

from plugins.tlshub.tests.nodes import Nodes, client_of, node_pair
from plugins.tlshub.tests.stand_in import StandIn
from tlshub_core.testing.pair import Pair


@pytest.fixture
async def module() -> AsyncIterator[StandIn]:
    """The stand-in, serving."""
    async with StandIn() as one:
        yield one


@pytest.fixture
async def nodes(tmp_path: Path, module: StandIn) -> AsyncIterator[Nodes]:
    """A function that makes a pair (not started) on that module; options are both nodes'."""
    made: list[Pair] = []

    def make(**options: object) -> Pair:
        made.append(node_pair(tmp_path, module.port_id, **options))
        return made[-1]

    yield make
    for pair in made:
        await pair.stop()


@pytest.fixture
async def client(module: StandIn) -> AsyncIterator[Client]:
    """A client of that stand-in."""
    one = client_of(module)
    yield one
    one.close()


@pytest.fixture
async def hasty(module: StandIn) -> AsyncIterator[Client]:
    """One that waits for half a second only."""
    one = client_of(module, request_timeout_s=0.5)
    yield one
    one.close()
