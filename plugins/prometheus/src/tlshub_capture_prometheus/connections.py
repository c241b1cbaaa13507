# SPDX-License-Identifier: Apache-2.0
"""Events of connections, as metrics; of each that is open little is known, and of none for ever."""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_capture_prometheus import labels
from tlshub_capture_prometheus.metrics import OfConnections, OfTimes
from tlshub_core.api import Event, Mode, Recent, events

Begun = events.Connecting | events.TakenOver
NS = 1e-9
_ENDED = {"": labels.UNKNOWN, labels.PENDING: labels.UNDECIDED}


@dataclass(slots=True)
class Known:
    """What later events of a connection do not say again."""

    mode: str = labels.UNKNOWN
    side: str = labels.UNKNOWN
    provider: str = labels.NONE
    standing: str = ""
    asked_ns: int = 0


class Connections:
    """Counts what becomes of connections; past `limit` that are open the one heard of least lately is forgotten."""

    def __init__(self, counts: OfConnections, times: OfTimes, limit: int) -> None:
        self._counts, self._times = counts, times
        self._known = Recent(Known, limit=limit, forgotten=self._forgotten)
        self._providers = labels.Names()

    def take(self, event: Event) -> None:
        """Count it, if it is about connections."""
        match event:
            case events.Connecting() | events.TakenOver():
                self._begun(event)
            case events.KeysAsked():
                known = self._of(event)
                known.provider, known.asked_ns = self._providers.of(event.provider), event.time_ns
            case events.KeysReady():
                self._ready(event)
            case events.Secured():
                self._secured(event)
            case events.ReleasedClear():
                self._decided(event, self._of(event), labels.RELEASED, event.reason.value)
            case events.Refused():
                self._decided(event, self._of(event), labels.REFUSED, event.reason.value)
            case events.Closed():
                self._closed(event)
            case events.Unattended():
                self._counts.unattended.labels(labels.RELEASED).inc(event.released)
                self._counts.unattended.labels(labels.REFUSED).inc(event.refused)
            case events.KeyLimit():
                self._counts.key_limits.labels(_direction(event.sent), labels.yes(event.closed)).inc()

    def _of(self, event: Event) -> Known:
        known = self._known.of(event.flow)
        if event.flow is not None and not known.standing:
            self._stands(known, labels.PENDING)
        return known

    def _begun(self, event: Begun) -> None:
        known = self._of(event)
        known.mode, known.side = event.mode.name.lower(), event.side.name.lower()
        standing = labels.PENDING
        if isinstance(event, events.TakenOver):
            self._counts.taken_over.labels(event.state.name.lower()).inc()
            standing = labels.standing(event.state)
        else:
            self._counts.begun.labels(known.side, known.mode).inc()
        self._stands(known, standing if event.mode > Mode.OBSERVE else labels.OBSERVED)

    def _ready(self, event: events.KeysReady) -> None:
        known = self._of(event)
        if known.asked_ns:
            took = (event.time_ns - known.asked_ns) * NS
            self._times.negotiation.labels(self._providers.of(event.provider), known.side).observe(took)

    def _secured(self, event: events.Secured) -> None:
        known = self._of(event)
        known.provider, known.side = self._providers.of(event.provider), event.side.name.lower()
        self._times.hold.labels(known.provider, known.side).observe(event.hold_ns * NS)
        self._times.setup.labels(known.provider, known.side).observe(event.setup_ns * NS)
        self._decided(event, known, labels.SECURED, labels.NONE)

    def _decided(self, event: Event, known: Known, outcome: str, reason: str) -> None:
        self._counts.decided.labels(outcome, reason, known.provider, known.mode).inc()
        if event.flow is not None:
            self._stands(known, outcome)

    def _closed(self, event: events.Closed) -> None:
        known = self._known.end(event.flow)
        outcome = labels.SECURED if event.secured else _ENDED.get(known.standing, known.standing)
        if known.standing in (labels.PENDING, labels.OBSERVED):
            self._counts.decided.labels(outcome, labels.NONE, known.provider, known.mode).inc()
        self._stands(known, "")
        self._counts.restarts.inc(event.restarts)
        self._counts.payload.labels(outcome, _direction(True)).inc(event.bytes_sent)
        self._counts.payload.labels(outcome, _direction(False)).inc(event.bytes_received)

    def _stands(self, known: Known, standing: str) -> None:
        if known.standing:
            self._counts.open.labels(known.standing).dec()
        if standing:
            self._counts.open.labels(standing).inc()
        known.standing = standing

    def _forgotten(self, known: Known) -> None:
        self._stands(known, "")
        self._counts.forgotten.inc()


def _direction(sent: bool) -> str:
    return "sent" if sent else "received"
