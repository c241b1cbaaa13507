# SPDX-License-Identifier: Apache-2.0
"""Timelines of connections that ended, added up by what became of them; a few microseconds for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from tlshub_core.reporting.histogram import Histogram
from tlshub_core.reporting.usage import Usage
from tlshub_core.types.capture import State
from tlshub_core.types.events import Timeline
from tlshub_core.types.flow import Mode, Side

LATEST = 1000
SECURED, REFUSED = "secured", "refused"
_OUTCOMES = {State.OPEN: SECURED, State.CLEAR: "clear", State.REFUSED: REFUSED}
Kind = tuple[str, str, Side]  # outcome, provider, side


class Group:
    """Connections of a kind: `latency` and `negotiation` in nanoseconds, `throughput` in bits per second."""

    __slots__ = ("bytes", "connections", "latency", "negotiation", "throughput")

    def __init__(self) -> None:
        self.connections = self.bytes = 0
        self.latency, self.negotiation, self.throughput = Histogram(), Histogram(), Histogram()

    def add(self, one: Timeline) -> None:
        """Count a connection, in each figure that it has."""
        moved = moved_by(one)
        self.connections += 1
        self.bytes += moved
        if (latency := latency_of(one)) is not None:
            self.latency.add(latency)
        if one.negotiation_ns is not None:
            self.negotiation.add(one.negotiation_ns)
        if (throughput := throughput_of(one)) is not None:
            self.throughput.add(throughput)


class Performance:
    """By outcome, provider and side; bounded by the providers of the configuration, not by connections."""

    def __init__(self) -> None:
        self._groups: dict[Kind, Group] = {}
        self.latest: deque[Timeline] = deque(maxlen=LATEST)
        self.usage = Usage()

    def add(self, one: Timeline) -> None:
        """Count a connection that ended."""
        kind = (outcome_of(one), one.provider, one.side)
        group = self._groups.get(kind)
        if group is None:
            group = self._groups[kind] = Group()
        group.add(one)
        self.latest.append(one)

    @property
    def groups(self) -> Mapping[Kind, Group]:
        """By outcome, then provider, then side."""
        return {kind: self._groups[kind] for kind in sorted(self._groups)}

    def connections(self, outcome: str = "") -> int:
        """How many ended so, or at all."""
        return sum(group.connections for kind, group in self._groups.items() if outcome in ("", kind[0]))


def outcome_of(one: Timeline) -> str:
    """'secured', 'clear', 'refused', 'observed', or 'closed' before it was decided upon."""
    return "observed" if one.mode <= Mode.OBSERVE else _OUTCOMES.get(one.outcome, "closed")


def latency_of(one: Timeline) -> int | None:
    """From connect(), at the accepting end from TCP's handshake, until the application was let in; nanoseconds.

    Of what is only observed it is TCP's handshake alone.
    """
    begun, ended = one.syn_ns or one.established_ns, one.released_ns
    if one.mode <= Mode.OBSERVE:
        begun, ended = one.syn_ns, one.established_ns
    return ended - begun if begun is not None and ended is not None else None


def throughput_of(one: Timeline) -> int | None:
    """Both directions over the time from the release to the end; bits per second, None where nothing was moved."""
    begun, moved = one.released_ns or one.established_ns, moved_by(one)
    if not moved or begun is None or one.time_ns <= begun:
        return None
    return 8_000_000_000 * moved // (one.time_ns - begun)


def moved_by(one: Timeline) -> int:
    """Bytes in both directions, as far as they are known."""
    return (one.bytes_sent or 0) + (one.bytes_received or 0)
