# SPDX-License-Identifier: Apache-2.0
"""The report as it is answered, printed and saved; metrics have the names that they have in the original tool."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from tlshub_core.control.answers import ReportAnswer
from tlshub_core.control.rows import Figures, ReportRow
from tlshub_core.reporting.histogram import Histogram
from tlshub_core.reporting.performance import REFUSED, SECURED, Group, Performance

LATENCY, NEGOTIATION, THROUGHPUT = "connection_latency_ms", "key_negotiation_ms", "throughput_mbps"
CPU, MEMORY = "cpu_usage_percent", "memory_usage_kb"
_UNITS = {LATENCY: 1e-6, NEGOTIATION: 1e-6, THROUGHPUT: 1e-6, CPU: 1e-3, MEMORY: 1 / 1024}


def report(performance: Performance, active: int, started_ns: int) -> ReportAnswer:
    """All figures of now; `active` connections go on."""
    performance.usage.sample()
    groups = performance.groups
    return ReportAnswer(
        uptime_s=(time.monotonic_ns() - started_ns) // 1_000_000_000,
        total_connections=performance.connections() + active,
        successful_connections=performance.connections(SECURED),
        failed_connections=performance.connections(REFUSED),
        active_connections=active,
        total_bytes_transferred=sum(group.bytes for group in groups.values()),
        all=_metrics(groups.values()),
        groups=tuple(
            ReportRow(
                outcome=outcome,
                provider=provider,
                side=side.name.lower(),
                connections=group.connections,
                bytes=group.bytes,
                metrics=_metrics([group]),
            )
            for (outcome, provider, side), group in groups.items()
        ),
        agent=_known({CPU: performance.usage.cpu, MEMORY: performance.usage.memory}),
    )


def _metrics(groups: Iterable[Group]) -> Mapping[str, Figures]:
    merged = Group()
    for group in groups:
        merged.latency.merge(group.latency)
        merged.negotiation.merge(group.negotiation)
        merged.throughput.merge(group.throughput)
    return _known({LATENCY: merged.latency, NEGOTIATION: merged.negotiation, THROUGHPUT: merged.throughput})


def _known(found: Mapping[str, Histogram]) -> Mapping[str, Figures]:
    """Those that have a value at all, in the units of their names."""
    return {name: _figures(histogram, _UNITS[name]) for name, histogram in found.items() if histogram.count}


def _figures(histogram: Histogram, unit: float) -> Figures:
    return Figures(
        count=histogram.count,
        min=histogram.least * unit,
        mean=histogram.mean * unit,
        p50=histogram.quantile(0.5) * unit,
        p95=histogram.quantile(0.95) * unit,
        p99=histogram.quantile(0.99) * unit,
        max=histogram.largest * unit,
    )
