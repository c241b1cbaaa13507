# SPDX-License-Identifier: Apache-2.0
"""The sink: events in, metrics out; it runs in a process of its own, whose parent is the agent."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, disable_created_metrics

from tlshub_capture_prometheus import labels
from tlshub_capture_prometheus.connections import Connections
from tlshub_capture_prometheus.metrics import NAMESPACE, OfAgent, OfConnections, OfTimes
from tlshub_capture_prometheus.options import Options
from tlshub_capture_prometheus.process import AgentProcess
from tlshub_capture_prometheus.server import Server
from tlshub_core.api import Event, events

LIMIT = 65536


class PrometheusSink:
    """Counts events, and serves the counts at `/metrics` in the formats of Prometheus and OpenMetrics.

    No label has an address, a process, a rule or a node in it. `limit` bounds how many open connections are known.
    """

    def __init__(self, options: Options, limit: int = LIMIT) -> None:
        self.registry = CollectorRegistry()
        self._connections = Connections(OfConnections(self.registry), OfTimes(self.registry), limit)
        self._agent = OfAgent(self.registry)
        self._up = {True: 0, False: 0}
        self._server = Server(options, self.registry)

    def open(self) -> None:
        """Listen; raises Unavailable where the address cannot be had."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which Prometheus has no use for
        self.registry.register(AgentProcess(f"{NAMESPACE}_agent"))
        self._agent.build.labels(version("tlshub-capture")).set(1)
        self._server.open()

    def write(self, events: Sequence[Event]) -> None:
        """Count them."""
        for event in events:
            self._agent.events.labels(type(event).__name__).inc()
            self._connections.take(event)
            self._take(event)

    def close(self) -> None:
        """Stop serving; may be called again."""
        self._server.close()

    def _take(self, event: Event) -> None:
        match event:
            case events.SessionUp():
                self._agent.sessions.labels(labels.yes(event.dialler)).inc()
                self._sessions(event.dialler, 1)
            case events.SessionDown():
                self._agent.session_ends.labels(event.reason.value, labels.yes(bool(event.node))).inc()
                self._sessions(event.dialler, -1 if event.node else 0)
            case events.Lost():
                self._agent.lost.labels("kernel" if event.sink == events.RING_BUFFER else "sink").inc(event.count)
            case events.Reloaded():
                self._agent.reloads.labels(labels.yes(event.ok)).inc()
            case events.Bypass():
                self._agent.bypass.set(event.on)

    def _sessions(self, dialler: bool, more: int) -> None:
        self._up[dialler] = max(0, self._up[dialler] + more)  # the event of its beginning may have been lost
        self._agent.sessions_up.labels(labels.yes(dialler)).set(self._up[dialler])
