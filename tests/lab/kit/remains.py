# SPDX-License-Identifier: Apache-2.0
"""What is left in an agent when all is over: no connection, no descriptor more than before, about as much memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.kit.agent import Agent
from tests.lab.kit.control import tell
from tests.lab.kit.node import Node

MORE_KB = 8 * 1024
PATIENCE_S = 60.0


def resident_kb(agent: Agent) -> int:
    """VmRSS of the agent's own process."""
    lines = Path(f"/proc/{agent.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@contextmanager
def nothing_left(*nodes: Node) -> Iterator[None]:
    """Assert so in the end; a session between the agents has a descriptor: have it up before."""
    before = [(node.agent.descriptors(), resident_kb(node.agent)) for node in nodes]
    yield
    for node, (descriptors, resident) in zip(nodes, before, strict=True):
        await_no_flows(node)
        node.agent.await_descriptors(descriptors)
        more = resident_kb(node.agent) - resident
        assert more <= MORE_KB, f"the agent of '{node.name}' has {more} KB more than before"


def await_no_flows(node: Node) -> None:
    """Until the agent knows no connection any more."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := tell(node, "flows", "--all"))["total"]:
        assert time.monotonic() < deadline, (node.name, left)
        time.sleep(0.1)
