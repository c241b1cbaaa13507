# SPDX-License-Identifier: Apache-2.0
"""The connections of now, counted in one walk: by state, by the other node, by rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tlshub_core.control.flows import batches, chosen
from tlshub_core.pipeline.connection import Connection
from tlshub_core.types.flow import Mode

Found = tuple[Connection, str]  # and the name of its state


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """`nodes` by name, '' for unknown ones; `rules` by name and mode, each by state."""

    states: Counter[str] = field(default_factory=Counter)
    nodes: Counter[str] = field(default_factory=Counter)
    rules: defaultdict[tuple[str, Mode], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, connection: Connection, state: str) -> None:
        """Count one."""
        flow = connection.flow
        self.states[state] += 1
        self.nodes[flow.peer.name if flow.peer else ""] += 1
        self.rules[flow.rule, flow.mode][state] += 1


async def counted(connections: Sequence[Connection], also: Callable[[Sequence[Found]], None] | None = None) -> Census:
    """All of them, the latest first and a few at a time; `also` is handed those few."""
    census = Census()
    async for batch in batches(reversed(connections)):
        found = [(one, state) for one in batch if (state := chosen(one, ""))]
        for one, state in found:
            census.add(one, state)
        if also is not None:
            also(found)
    return census
