# SPDX-License-Identifier: Apache-2.0
"""Makes 'top.svg' and 'report.svg': what these show of an agent with real connections and a real peer, all on loopback.

Its kernel is in memory (see `memory_agent.py`), so that it can be made anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from socket import socket

from memory_agent import MemoryAgent
from typescript import COLUMNS, lines, picture, said

from tlshub_core.control.requests import Top
from tlshub_core.pipeline import ktls
from tlshub_core.testing.node import Link
from tlshub_core.testing.pair import free_port, identities
from tlshub_core.top.controls import Controls
from tlshub_core.top.sample import between, take
from tlshub_core.top.screen import View, screen
from tlshub_core.types.capture import Owner
from tlshub_core.types.flow import Node, Pod, Side
from tlshub_core.types.keys import FlowKeys

HEIGHT = 24
HERE, THERE, PRINTER, GONE = (f"127.0.0.{last}" for last in (1, 2, 3, 4))
NODES = {"node-a": HERE, "node-b": THERE}
ALONE = {"node-c": PRINTER, "node-d": GONE}  # no agent runs there
TALKING, TICKS = 11, 20
SERVERS = (*[THERE] * TALKING, PRINTER, PRINTER, GONE)
SPEEDS = (200_000, 50_000, 8_000, 900)  # bytes per second of one connection each, over and over
CONFIG = """
[keys]
provider = "openssl"
[peering]
trust_domain = "test.example"
port = {port}
node = "{node}"
[control]
socket = "{node}.sock"
[plugin.openssl]
listen = "{address}"
[[rule]]
name = "orders"
match = {{ cidrs = ["127.0.0.1/32", "127.0.0.2/32"] }}
mode = "require"
[[rule]]
name = "printers"
match = {{ cidrs = ["127.0.0.3/32"] }}
mode = "prefer"
[[rule]]
name = "rest"
mode = "require"
"""


def main() -> int:
    """Make it."""
    ktls.install = install
    with tempfile.TemporaryDirectory() as folder:
        view, report = asyncio.run(_viewed(Path(folder)))
    pictures = Path(sys.argv[1])
    picture(screen(view, COLUMNS, HEIGHT), "tlshub-capture top", pictures / "top.svg")
    picture(lines(report), "tlshub-capture ctl report", pictures / "report.svg")
    return 0


def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
    """Instead of `ktls.install`: this kernel may have no KTLS. The times of either direction."""
    now = time.monotonic_ns()
    return now, now


async def _viewed(folder: Path) -> tuple[View, str]:
    """What 'top' shows, and what 'ctl report' says when most connections have ended."""
    async with AsyncExitStack() as stack:
        agents = [await _agent(folder, stack, name) for name in _certified(folder)]
        links = [stack.enter_context(closing(Link.make(server))) for server in SERVERS]
        for link in links:
            await _connect(agents, link)
        ask = partial(asyncio.to_thread, take, folder / "node-a.sock", Top(limit=HEIGHT, order="newest", text=""))
        before = await ask()
        held = stack.enter_context(closing(Link.make(THERE)))
        agents[0].begin(held, Side.CLIENT, _owner(held.client))  # whose SYN is on its way
        await _talk(links[:TALKING])
        now = await ask()
        for link in links:
            agents[0].close(link, Side.CLIENT)
        report = await said(["ctl", "--socket", str(folder / "node-a.sock"), "report"], folder / "typescript")
        return View(sample=now, rates=between(before, now), controls=Controls()), report


def _owner(sock: socket) -> Owner:
    return Owner(pid=os.getpid(), fd=sock.fileno(), inode=0, comm=Path("/proc/self/comm").read_text().strip())


def _certified(folder: Path) -> Mapping[str, str]:
    """The nodes, with a certificate and a configuration each."""
    port = free_port()
    identities(folder, port)
    for name, address in NODES.items():
        text = CONFIG.format(port=port, node=name, address=address, folder=folder)
        (folder / f"{name}.toml").write_text(text)
    return NODES


async def _agent(folder: Path, stack: AsyncExitStack, name: str) -> MemoryAgent:
    nodes = [Node(name=name, address=IPv4Address(address)) for name, address in {**NODES, **ALONE}.items()]
    pods = [Pod(name=node.name, node=node, address=node.address) for node in nodes]
    agent = MemoryAgent(folder / f"{name}.toml", pods)
    await agent.start(stack)
    return agent


async def _connect(agents: Sequence[MemoryAgent], link: Link) -> None:
    """Both ends, where the other one has an agent, until it is decided what becomes of it."""
    client, server = agents
    client.begin(link, Side.CLIENT, _owner(link.client))
    ends = [(client, Side.CLIENT, link.client)]
    if str(link.tuple4.server) == THERE:
        server.begin(link, Side.SERVER, _owner(link.server))
        ends.append((server, Side.SERVER, link.server))
    for agent, side, sock in ends:
        agent.establish(link, side, _owner(sock))
    for agent, _, _ in ends:
        await agent.decided.acquire()


async def _talk(links: Sequence[Link]) -> None:
    """Each at its own speed."""
    for _ in range(TICKS):
        for link, speed in zip(links, itertools.cycle(SPEEDS), strict=False):
            link.client.sendall(bytes(speed // TICKS))
            link.server.recv(speed)
        await asyncio.sleep(1 / TICKS)


if __name__ == "__main__":
    sys.exit(main())
