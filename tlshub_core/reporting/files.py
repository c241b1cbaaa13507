# SPDX-License-Identifier: Apache-2.0
"""The report as files: JSON with the fields of the original tool and ours, and CSV with a row for each metric."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from io import StringIO
from pathlib import Path

from tlshub_core.control.answers import ReportAnswer
from tlshub_core.control.rows import Figures
from tlshub_core.reporting.figures import CPU, LATENCY, MEMORY, NEGOTIATION, THROUGHPUT
from tlshub_core.reporting.performance import latency_of, outcome_of, throughput_of
from tlshub_core.types.events import Timeline

SCHEMA_VERSION = 1
FIGURES = ("count", "min", "mean", "p50", "p95", "p99", "max")
COLUMNS = ("outcome", "provider", "side", "metric", *FIGURES)
_NONE = Figures(count=0, min=0.0, mean=0.0, p50=0.0, p95=0.0, p99=0.0, max=0.0)


def save(folder: Path, answer: ReportAnswer, latest: Iterable[Timeline]) -> tuple[Path, Path]:
    """Write 'perf_metrics_<time>.json' and '.csv', the time in seconds since 1970; raises OSError.

    A file of that name is another agent's, or an earlier report: it is not overwritten.
    """
    now = int(time.time())
    body = document(answer, latest, now)
    texts = {"json": json.dumps(body, indent=2) + "\n", "csv": table(answer)}
    paths = {kind: folder / f"perf_metrics_{now}.{kind}" for kind in texts}
    for kind, path in paths.items():
        with path.open("x", encoding="ascii", newline="") as file:
            file.write(texts[kind])
    return paths["json"], paths["csv"]


def document(answer: ReportAnswer, latest: Iterable[Timeline], now: int) -> dict[str, object]:
    """'timestamp', 'summary' and 'connections' are the original's, 0 where there is no figure; the rest is ours."""
    return {
        "schema": SCHEMA_VERSION,
        "timestamp": now,
        "summary": _summary(answer),
        "connections": [_connection(one) for one in latest],
        **asdict(answer),
    }


def _summary(answer: ReportAnswer) -> dict[str, int | float]:
    latency, negotiation, throughput = (answer.all.get(name, _NONE) for name in (LATENCY, NEGOTIATION, THROUGHPUT))
    cpu, memory = (answer.agent.get(name, _NONE) for name in (CPU, MEMORY))
    return {
        "total_connections": answer.total_connections,
        "successful_connections": answer.successful_connections,
        "failed_connections": answer.failed_connections,
        "active_connections": answer.active_connections,
        "avg_connection_latency_ms": latency.mean,
        "min_connection_latency_ms": latency.min,
        "max_connection_latency_ms": latency.max,
        "avg_key_negotiation_ms": negotiation.mean,
        "min_key_negotiation_ms": negotiation.min,
        "max_key_negotiation_ms": negotiation.max,
        "avg_throughput_mbps": throughput.mean,
        "max_throughput_mbps": throughput.max,
        "total_bytes_transferred": answer.total_bytes_transferred,
        CPU: cpu.mean,
        MEMORY: round(memory.mean),
    }


def _connection(one: Timeline) -> dict[str, object]:
    return {
        "connection_id": str(one.flow),
        LATENCY: (latency_of(one) or 0) / 1e6,
        NEGOTIATION: (one.negotiation_ns or 0) / 1e6,
        "bytes_sent": one.bytes_sent or 0,
        "bytes_received": one.bytes_received or 0,
        THROUGHPUT: (throughput_of(one) or 0) / 1e6,
        "outcome": outcome_of(one),
        "provider": one.provider,
        "side": one.side.name.lower(),
    }


def table(answer: ReportAnswer) -> str:
    """A header and a row for each group and metric, CRLF (RFC 4180); 'all' are all groups, 'agent' the agent itself."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for cells, figures in rows(answer):
        writer.writerow((*cells, *(getattr(figures, name) for name in FIGURES)))
    return text.getvalue()


def rows(answer: ReportAnswer) -> Iterator[tuple[tuple[str, str, str, str], Figures]]:
    """Outcome, provider, side and metric, with its figures."""
    for group in answer.groups:
        for metric, figures in group.metrics.items():
            yield (group.outcome, group.provider, group.side, metric), figures
    for name, metrics in _apart(answer).items():
        for metric, figures in metrics.items():
            yield (name, "", "", metric), figures


def _apart(answer: ReportAnswer) -> Mapping[str, Mapping[str, Figures]]:
    return {"all": answer.all, "agent": answer.agent}
