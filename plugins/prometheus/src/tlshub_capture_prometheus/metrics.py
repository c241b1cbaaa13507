# SPDX-License-Identifier: Apache-2.0
"""All metrics, by what they tell; each documents itself in the text that Prometheus gets."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tlshub_capture_prometheus.labels import OUTCOMES, REFUSED, RELEASED, STANDINGS

NAMESPACE = "tlshub_capture"
DIRECTIONS = ("sent", "received")
DIALLERS = ("yes", "no")
PLACES = ("kernel", "sink")
# From a warm session on fast hardware to the longest deadline that makes sense.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class OfConnections:
    """What becomes of connections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        self.begun = counter("connections", "Connections that a rule names and that began.", ["side", "mode"])
        self.taken_over = counter(
            "connections_taken_over", "Connections that an earlier agent began, by their state then.", ["state"]
        )
        self.decided = counter(
            "connections_decided",
            "Connections by what was decided; 'undecided' ended before, 'observed' has a rule that decides nothing.",
            ["outcome", "reason", "provider", "mode"],
        )
        self.unattended = counter(
            "connections_unattended",
            "Connections that the kernel's programs alone decided, while no agent ran or events were lost.",
            ["outcome"],
        )
        self.open = Gauge(
            "connections_open",
            "Connections that have not ended, by where they stand.",
            ["standing"],
            namespace=NAMESPACE,
            registry=registry,
        )
        self.forgotten = counter(
            "connections_forgotten", "Connections whose end was not heard of, dropped from memory to make room."
        )
        self.payload = counter(
            "payload_bytes",
            "TCP payload of connections that have ended, the framing of TLS records included.",
            ["outcome", "direction"],
        )
        self.restarts = counter("gate_restarts", "Calls that were restarted in the gate of connections that ended.")
        self.key_limits = counter(
            "key_limits", "Keys that protected as much as one should (RFC 8446, 5.5).", ["direction", "closed"]
        )
        _begin_at_zero(self.open, STANDINGS)
        _begin_at_zero(self.unattended, (RELEASED, REFUSED))
        for outcome in OUTCOMES:
            _begin_at_zero(self.payload, DIRECTIONS, outcome)


class OfTimes:
    """How long connections are kept waiting."""

    def __init__(self, registry: CollectorRegistry) -> None:
        histogram = partial(
            Histogram, labelnames=["provider", "side"], namespace=NAMESPACE, registry=registry, buckets=SECONDS
        )
        self.hold = histogram("hold_seconds", "From TCP's handshake until a secured connection was open.")
        self.negotiation = histogram(
            "negotiation_seconds",
            "From asking the key provider until its keys were there; TCP's handshake and accept() are in it.",
        )
        self.setup = histogram("setup_seconds", "From the first sight of a secured connection until it was open.")


class OfAgent:
    """What concerns no single connection."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        self.build = gauge("build_info", "Always 1; the version of the agent.", ["version"])
        self.sessions_up = gauge("sessions_up", "Sessions with other nodes' agents that are up.", ["dialler"])
        self.sessions = counter("sessions", "Sessions with other nodes' agents that came up.", ["dialler"])
        self.session_ends = counter(
            "session_ends", "Sessions that ended; 'was_up' is 'no' for dials that failed.", ["reason", "was_up"]
        )
        self.lost = counter(
            "events_lost", "Events that were lost, in the kernel or on the way to this sink.", ["where"]
        )
        self.events = counter("events", "Events that this sink was given.", ["event"])
        self.reloads = counter("reloads", "Rules, mapping or key provider were changed, or could not be.", ["ok"])
        self.bypass = gauge("bypass_active", "1 while new connections are left alone, whatever their rule says.")
        for metric in (self.sessions_up, self.sessions):
            _begin_at_zero(metric, DIALLERS)
        _begin_at_zero(self.lost, PLACES)


def _begin_at_zero(metric: Counter | Gauge, values: tuple[str, ...], *before: str) -> None:
    """A series that begins with its first event hides that event from `rate` and `increase`."""
    for value in values:
        metric.labels(*before, value)
