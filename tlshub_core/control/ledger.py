# SPDX-License-Identifier: Apache-2.0
"""What the agent has done since it started, and which sessions are up, by its events on their way to the sinks."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tlshub_core.reporting.performance import Performance
from tlshub_core.types import events
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import Event


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A session as its events name it; while one is renewed there are two of a name."""

    node: str
    address: str
    dialler: bool


class Ledger:
    """Passes every event on, and counts; what it keeps is bounded by the sessions that are up."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self.started_ns = time.monotonic_ns()
        self._counts: Counter[type[Event]] = Counter()
        self._reasons: defaultdict[type[Event], Counter[str]] = defaultdict(Counter)
        self._lost = 0
        self.unattended = (0, 0)
        self.performance = Performance()
        self._up: defaultdict[SessionKey, deque[int]] = defaultdict(deque)

    def emit(self, event: Event) -> None:
        """Count it and hand it to the sinks."""
        self._emit(event)
        kind = type(event)
        reason: Reason | None = getattr(event, "reason", None)
        if reason is not Reason.EVENT_LOST:  # those are counted in `Unattended`
            self._counts[kind] += 1
            if reason is not None:
                self._reasons[kind][reason.value] += 1
        if isinstance(event, events.Timeline):
            self.performance.add(event)
        elif kind is events.SessionUp or kind is events.SessionDown:
            self._session(event)
        elif isinstance(event, events.Lost):
            self._lost += event.count
        elif isinstance(event, events.Unattended):
            released, refused = self.unattended
            self.unattended = (released + event.released, refused + event.refused)

    def count(self, kind: type[Event]) -> int:
        """How many of that type there were."""
        return self._counts[kind]

    def reasons(self, kind: type[Event]) -> Mapping[str, int]:
        """How many of that type there were for each reason, the most frequent one first."""
        return dict(self._reasons[kind].most_common())

    @property
    def lost(self) -> int:
        """Events of the kernel that the agent never saw."""
        return self._lost

    def sessions(self) -> Iterator[tuple[SessionKey, int]]:
        """Those that are up, each with the time since when."""
        return ((key, since) for key, times in self._up.items() for since in times)

    def _session(self, event: Event) -> None:
        if isinstance(event, events.SessionUp):
            self._up[SessionKey(event.node, event.address, event.dialler)].append(event.time_ns)
        elif isinstance(event, events.SessionDown):
            self._down(SessionKey(event.node, event.address, event.dialler))

    def _down(self, key: SessionKey) -> None:
        """The older of two of a name is the one that was renewed; a dial that failed was never up."""
        times = self._up.get(key)
        if times:
            times.popleft()
        if times is not None and not times:
            del self._up[key]
