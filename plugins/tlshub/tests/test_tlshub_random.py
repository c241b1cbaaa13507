# SPDX-License-Identifier: Apache-2.0
"""Whatever the module does with its master keys, and whenever an agent starts anew: no key is given out twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlshub_capture_tlshub import accepting
from tlshub_capture_tlshub.provider import TlshubProvider

from plugins.tlshub.tests.nodes import config, node_pair
from plugins.tlshub.tests.stand_in import StandIn
from tlshub_core.api import FlowKeys, Isns, TlshubError
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import plain, started
from tlshub_core.testing.pair import Pair

PORTS, NUMBERS = (40_001, 40_002), (1, 2)
connections = st.tuples(st.sampled_from(PORTS), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
steps = st.lists(connections | st.sampled_from(["keep", "renew", "expire", "start anew"]), min_size=4, max_size=14)


class World:
    """Two nodes and their modules; `given` is all keys that the connecting end got, `refused` counts the others."""

    def __init__(self, pair: Pair, module: StandIn) -> None:
        self._pair, self._module = pair, module
        self.given: list[bytes] = []
        self.accepted: list[bytes] = []
        self.refused = 0

    async def step(self, step: str | tuple[int, int, int]) -> None:
        match step:
            case "start anew":
                await self._pair.client.stop()
                self._pair.client = TlshubProvider(config(), self._module.port_id)
                await self._pair.client.start(self._pair.client_agent)
            case "expire":
                self._module.masters.clear()
            case str():
                self._module.keeps = step == "keep"
            case (port, client, server):
                await self._connect(port, Isns(client=client, server=server))

    async def _connect(self, port: int, isns: Isns) -> None:
        client, server = pairs.flows(port)
        try:
            one = await self._pair.client.prepare(client)
            two = await asyncio.wait_for(self._pair.server.prepare(server), 0.2)
            got = await one.keys(isns, None)
            self.given += _keys(got)
            other = await two.keys(isns, None)
            self.accepted += _keys(other)
            assert plain(got) == plain(other)
        except (TlshubError, TimeoutError):
            self.refused += 1


def _keys(keys: FlowKeys) -> Iterator[bytes]:
    return (bytes(way.key) for way in (keys.client_to_server, keys.server_to_client))


async def lived(folder: Path, todo: Sequence[str | tuple[int, int, int]]) -> World:
    async with StandIn() as module, started(node_pair(folder, module.port_id)) as pair:
        world = World(pair, module)
        for step in todo:
            await world.step(step)
        return world


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that keeps its key is believed at once: the wait makes these tests long."""
    monkeypatch.setattr(accepting, "RENEWAL_S", 0.0)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_no_key_is_given_twice(todo: list[str | tuple[int, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        world = asyncio.run(lived(Path(folder), todo))
    assert len(set(world.given)) == len(world.given)
    assert len(set(world.accepted)) == len(world.accepted)
    if "keep" not in todo:
        assert not world.refused


def test_what_is_refused_is_a_repeat() -> None:
    """The steps reach that case at all: the module keeps its key, and the numbers come again."""
    same = (40_001, 1, 2)
    with TemporaryDirectory() as folder:
        world = asyncio.run(lived(Path(folder), ["keep", same, (40_001, 2, 2), same, "start anew", (40_001, 1, 1)]))
    assert (len(world.given), world.refused) == (4, 2)
