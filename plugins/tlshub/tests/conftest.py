# SPDX-License-Identifier: Apache-2.0
"""Two nodes whose providers speak over real netlink sockets, with one stand-in for both nodes' modules."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from plugins.tlshub.tests.stand_in import StandIn, node_pair
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


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
