# SPDX-License-Identifier: Apache-2.0
"""What one node has here, in all of its sessions together: more sessions give it no more than one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tlshub_core.types.errors import Reason, Refused


@dataclass(slots=True, eq=False)
class Standing:
    """Of one node: where its sessions come from, flows that were answered and have not come, and whose turn it is."""

    sources: Counter[str] = field(default_factory=Counter)
    outstanding: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def sessions(self) -> int:
        """How many it has."""
        return self.sources.total()

    @contextmanager
    def session(self, address: str) -> Iterator[None]:
        """One from there, while it lasts."""
        self.sources[address] += 1
        try:
            yield
        finally:
            self.sources[address] -= 1
            self.sources += Counter()  # without what is zero: whoever has an IPv6 prefix has addresses without end

    def released(self) -> None:
        """A flow that was answered has come, or was forgotten."""
        self.outstanding -= 1


class Standings:
    """By node: as many as there are certificates of the authority, and nodes in the mapping."""

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._by_node: dict[str, Standing] = {}

    def of(self, node: str) -> Standing:
        """That node's."""
        return self._by_node.setdefault(node, Standing())

    def check(self, node: str) -> None:
        """Raises Refused where it has all the sessions that it may have."""
        sessions = self.of(node).sessions
        if sessions >= self._max_sessions:
            raise Refused(f"node '{node}' has {sessions} sessions with this one", Reason.OVERLOADED)

    def others_at(self, address: str, node: str) -> str | None:
        """Another node that has a session from that address, where that node has none."""
        if node in self._by_node and self._by_node[node].sources[address]:
            return None
        return next((name for name, other in self._by_node.items() if other.sources[address]), None)
