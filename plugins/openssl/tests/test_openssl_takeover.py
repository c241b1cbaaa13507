# SPDX-License-Identifier: Apache-2.0
"""Agents die and start again while connections begin, with real sessions between them; the kernel's part is in memory.

Whatever happens: no end in clear where the other one is TLS, both ends with the same keys, no keys in two places.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import socket

import pytest
from tlshub_capture_openssl import tlshub_key_providers
from tlshub_capture_openssl.engine import engines

from plugins.openssl.tests.halves import Half
from tlshub_core.api import FlowKeys, Identity, Mode, Owner, Side, State
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import plain
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.node import HERE, ISNS, THERE, Link

(SPEC,) = tlshub_key_providers()
PATIENCE_NS = 4_000_000_000
ENDED = (State.OPEN, State.REFUSED, State.CLEAR)
Keys = dict[int, list[list[object]]]


class Node:
    """A node whose agent comes and goes; its kernel stays."""

    def __init__(self, who: Identity, folder: Path, mode: Mode, host: str) -> None:
        settings = Settings(listen=host, handshake_timeout_s=2.0)
        here = replace(SPEC, factory=lambda _: PeeringProvider("openssl", engines, settings))
        self._arguments = (who, folder, mode, [here])
        self.agent = Half(*self._arguments, patience_ns=PATIENCE_NS)
        self.kernel = self.agent.backend

    async def restart(self, *, killed: bool, away_s: float) -> None:
        await self.agent.stop(killed=killed)
        await asyncio.sleep(away_s)
        self.kernel.warm_peers.clear()
        self.agent = Half(*self._arguments, backend=self.kernel, patience_ns=PATIENCE_NS)
        await self.agent.start()

    async def programs(self) -> None:
        """They decide at each flow's deadline, whether there is an agent or not."""
        while True:
            for cookie, entry in tuple(self.kernel.table.items()):
                if entry.state not in ENDED and time.monotonic_ns() > entry.deadline_ns:
                    self.kernel.expire(cookie)
            await asyncio.sleep(0.01)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """What went into which socket."""
    found: Keys = defaultdict(list)

    def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
        found[cookie_of(sock)].append(plain(keys))
        return time.monotonic_ns(), time.monotonic_ns()

    monkeypatch.setattr(ktls, "install", install)
    return found


@pytest.fixture
def nodes(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Node, Node]:
    who = pairs.identities(tmp_path, pairs.free_port())
    return Node(who[0], tmp_path, request.param, HERE), Node(who[1], tmp_path, request.param, THERE)


async def reaches(kernel: MemoryBackend, cookie: int, *states: State) -> bool:
    while (entry := kernel.table.get(cookie)) is not None and entry.state not in states:  # noqa: ASYNC110 - as a kernel
        await asyncio.sleep(0.001)
    return entry is not None


async def connection(client: Node, server: Node, link: Link) -> None:
    """As TCP and two programs would do it, until both ends are decided upon; a reset of one closes the other."""
    ours, theirs = link.cookie, cookie_of(link.server)
    warm = client.kernel.warm_peers.get(link.tuple4.server)
    client.kernel.begin(Side.CLIENT, link.tuple4, cookie=ours, owner=link.owner)
    await reaches(client.kernel, ours, State.ARMED, State.INSTALLING, *ENDED, *((State.NEW,) if warm else ()))
    if client.kernel.table[ours].state is State.REFUSED:
        return
    server.kernel.begin(Side.SERVER, link.tuple4, cookie=theirs)
    for node, cookie in ((client, ours), (server, theirs)):
        node.kernel.establish(cookie, ISNS)
    server.kernel.own(theirs, Owner(pid=link.owner.pid, fd=link.server.fileno(), inode=0, comm="test"))
    ends = [(client, ours, server, theirs), (server, theirs, client, ours)]
    await asyncio.gather(*(_ends(*end) for end in ends))


async def _ends(node: Node, cookie: int, other: Node, its_cookie: int) -> None:
    await reaches(node.kernel, cookie, *ENDED)
    if node.kernel.histories[cookie][-1] is State.REFUSED and its_cookie in other.kernel.table:
        other.kernel.close(its_cookie)


def judge(client: Node, server: Node, links: list[Link], installed: Keys) -> Counter[str]:
    """What became of the connections; asserts what must hold for each."""
    found, seen = Counter[str](), list[object]()
    for link in links:
        ends = link.cookie, cookie_of(link.server)
        ours, theirs = client.kernel.histories[ends[0]], server.kernel.histories.get(ends[1], [State.REFUSED])
        assert {ours[-1], theirs[-1]} != {State.OPEN, State.CLEAR}, (ours, theirs)
        keys = [installed.get(cookie, []) for cookie in ends]
        assert max(map(len, keys)) <= 1, "keys went into one socket twice"
        if ours[-1] is theirs[-1] is State.OPEN:
            assert keys[0] == keys[1]
        seen += {str(one) for end in keys for one in end}
        found[f"{ours[-1].name}/{theirs[-1].name}".lower()] += 1
    assert len(seen) == len(set(seen)), "two connections with the same keys"
    return found


def some_links(count: int) -> Iterator[Link]:
    return (Link.make() for _ in range(count))


@pytest.mark.parametrize("nodes", [Mode.REQUIRE], indirect=True)
@pytest.mark.parametrize("state", [State.NEW, State.ASKED, State.ARMED])
async def test_the_connecting_agent_dies_and_nothing_is_lost(
    nodes: tuple[Node, Node], installed: Keys, state: State
) -> None:
    client, server = nodes
    await client.agent.start()
    if state is not State.NEW:
        await server.agent.start()
    link = Link.make()
    going = asyncio.create_task(connection(client, server, link))
    await reaches(client.kernel, link.cookie, state)
    await client.agent.stop(killed=True)
    if state is State.NEW:
        await server.agent.start()
    client.agent = Half(*client._arguments, backend=client.kernel, patience_ns=PATIENCE_NS)
    await client.agent.start()
    await going
    assert judge(client, server, [link], installed) == {"open/open": 1}
    for node in nodes:
        await node.agent.stop()
    link.close()


@pytest.mark.parametrize("nodes", [Mode.PREFER, Mode.REQUIRE], indirect=True)
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("seed", range(2))
async def test_agents_come_and_go_under_load(
    nodes: tuple[Node, Node], installed: Keys, killed: bool, seed: int
) -> None:
    client, server = nodes
    chance, links = random.Random(seed), list(some_links(150))
    for node in nodes:
        await node.agent.start()
    await connection(client, server, links[0])  # the session is up: who comes and goes is met by few at a time
    programs = [asyncio.create_task(node.programs()) for node in nodes]
    going = list[asyncio.Task[None]]()
    for number, link in enumerate(links[1:]):
        going.append(asyncio.create_task(connection(client, server, link)))
        await asyncio.sleep(chance.uniform(0, 0.01))
        if number % 25 == 24:
            await chance.choice(nodes).restart(killed=killed, away_s=chance.uniform(0, 0.3))
    await asyncio.gather(*going)
    for task in programs:
        task.cancel()
    found = judge(client, server, links, installed)
    assert found["open/open"] > 0.9 * len(links), found
    for node in nodes:
        await node.agent.stop()
    for link in links:
        link.close()
