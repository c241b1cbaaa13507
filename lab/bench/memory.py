# SPDX-License-Identifier: Apache-2.0
"""The agents' memory, before and after many connections; these are the agents that the lab started."""

from __future__ import annotations

from collections.abc import Mapping

from bench.cpu import resident
from bench.load import work
from bench.measurement import Memory
from tests.lab.kit.node import Node

FIRST_LOOK, AT_ONCE = 1000, 100


def memory(nodes: Mapping[str, Node], base: str, flows: int) -> list[Memory]:
    """Now, after at least the first thousand connections to this URL, and after `flows`. Raises LoadError."""
    found = [_look(nodes, 0)]
    for until in sorted({min(FIRST_LOOK, flows), flows}):
        for _ in range((until - found[-1].flows) // AT_ONCE):
            work(nodes["node-a"], "connections", base, AT_ONCE)
        found.append(_look(nodes, until))
    return found


def _look(nodes: Mapping[str, Node], flows: int) -> Memory:
    return Memory(flows=flows, megabytes={name: round(resident(node.agent.pid), 1) for name, node in nodes.items()})
