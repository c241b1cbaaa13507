# SPDX-License-Identifier: Apache-2.0
"""What is known of one connection while its events come in, and the block of text that is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tlshub_core.events.human import duration, printable, size
from tlshub_core.types.events import (
    Closed,
    Connecting,
    Held,
    KeyLimit,
    KeysAsked,
    KeysReady,
    Owned,
    Refused,
    ReleasedClear,
    Secured,
    TakenOver,
)
from tlshub_core.types.flow import Mode, Side

Decision = Secured | ReleasedClear | Refused
Begun = Connecting | TakenOver
FlowEvent = Begun | Held | Owned | KeysAsked | KeysReady | Decision


@dataclass(slots=True)
class Connection:
    """The events of one connection; any of them may be missing, since a full queue drops some."""

    begun: Begun | None = None
    held: Held | None = None
    owner: Owned | Secured | None = None
    asked: KeysAsked | None = None
    ready: KeysReady | None = None
    decision: Decision | None = None

    def add(self, event: FlowEvent) -> None:
        """Remember an event."""
        match event:
            case Connecting() | TakenOver():
                self.begun = event
            case Held():
                self.held = event
            case Owned():
                self.owner = event
            case KeysAsked():
                self.asked = event
            case KeysReady():
                self.ready = event
            case _:
                self.decision = event
                self.owner = event if isinstance(event, Secured) else self.owner

    def block(self, when: str) -> Iterator[str]:
        """The lines about this connection and what was decided, in the words and order of the original tool."""
        yield from ("", "=== New TCP Connection Detected ===", f"Time: {when}")
        source, destination = self._ends()
        yield from (f"Source: {source}", f"Destination: {destination}", f"PID: {self._process()}")
        if self.begun:
            yield f"Rule: {_rule(self.begun)}"
        if self.asked:
            yield "Fetching TLS key..."
        if self.ready:
            yield printable(f"TLS key obtained successfully ({self.ready.cipher}, from '{self.ready.provider}')")
        if self.decision:
            yield verdict(self.decision)

    def ending(self, closed: Closed) -> str:
        """The line about its end."""
        how = "KTLS" if closed.secured else "not secured"
        lasted = f", {duration(closed.time_ns - self.begun.time_ns)}" if self.begun else ""
        moved = f"sent {size(closed.bytes_sent)}, received {size(closed.bytes_received)}"
        return f"Connection closed: {self.name()} ({how}{lasted}, {moved})"

    def name(self) -> str:
        """Both ends, client first."""
        return " -> ".join(self._ends())

    def _ends(self) -> tuple[str, str]:
        known = self.begun or (self.owner if isinstance(self.owner, Secured) else None)
        return (printable(known.client), printable(known.server)) if known else ("unknown", "unknown")

    def _process(self) -> str:
        if self.owner:
            return f"{self.owner.pid} ({printable(self.owner.comm)})"
        return str(self.held.pid) if self.held else "unknown"


def taken_over(event: TakenOver) -> str:
    """The line about one that an earlier agent began."""
    ends = printable(f"{event.client} -> {event.server}")
    return f"Connection taken over: {ends} ({event.state.name.lower()}), rule {_rule(event)}"


def worn(event: KeyLimit) -> str:
    """The line that says how much a key has protected, and what becomes of the connection."""
    much = f"{event.records} records, {size(event.bytes)}"
    way = "sent" if event.sent else "received"
    end = "closed" if event.closed else "it goes on; a new connection gets a new key"
    return f"KEY LIMIT, {much} {way} with one key: {end}"


def verdict(event: Decision) -> str:
    """The line that says what became of a connection."""
    match event:
        case Secured():
            return (
                f"KTLS configured successfully (set up in {duration(event.setup_ns)}, held {duration(event.hold_ns)})"
            )
        case ReleasedClear():
            return f"Connection released in clear: {_why(event)}"
        case Refused():
            return f"Connection refused: {_why(event)}"


def _why(event: ReleasedClear | Refused) -> str:
    return f"{event.reason.value} ({printable(event.detail)})" if event.detail else event.reason.value


def _rule(event: Begun) -> str:
    way = "outgoing" if event.side is Side.CLIENT else "incoming"
    peer = f", peer '{event.peer}'" if event.peer else ""
    return printable(f"'{event.rule}' ({Mode(event.mode).name.lower()}, {way}{peer})")
