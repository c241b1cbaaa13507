# SPDX-License-Identifier: Apache-2.0
"""What the agent is like at one moment, and what happened per second between two of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.control import requests
from tlshub_core.control.answers import TopAnswer
from tlshub_core.control.client import ask
from tlshub_core.top import traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An answer, and the bytes that its connections had carried then (CLOCK_MONOTONIC), by id, of those known."""

    answer: TopAnswer
    carried: Mapping[str, int]
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Per second; `cpu` is of one core, `traffic` in bytes by the connection's id."""

    connections: float
    secured: float
    released_clear: float
    refused: float
    cpu: float
    traffic: Mapping[str, float]


def take(path: Path, request: requests.Top) -> Sample:
    """Ask the agent there; raises CommandError."""
    answer, carried = ask(path, request, TopAnswer, "flows"), dict[str, int]()
    with suppress(OSError):  # without it the column stays empty
        carried.update(traffic.carried(answer.flows))
    return Sample(answer=answer, carried=carried, time_ns=time.monotonic_ns())


def between(before: Sample | None, now: Sample) -> Rates | None:
    """None where there is nothing to compare with: the first sample, and the first one of another agent."""
    if before is None or before.answer.status.pid != now.answer.status.pid:
        return None
    seconds = (now.answer.uptime_ms - before.answer.uptime_ms) / 1000
    if seconds <= 0:
        return None
    old, new = before.answer.status.totals, now.answer.status.totals
    return Rates(
        connections=(now.answer.connections - before.answer.connections) / seconds,
        secured=(new.secured - old.secured) / seconds,
        released_clear=(new.released_clear - old.released_clear) / seconds,
        refused=(new.refused - old.refused) / seconds,
        cpu=(now.answer.cpu_ms - before.answer.cpu_ms) / 1000 / seconds,
        traffic=_traffic(before, now),
    )


def _traffic(before: Sample, now: Sample) -> Mapping[str, float]:
    seconds = max((now.time_ns - before.time_ns) / 1e9, 0.001)
    both = now.carried.keys() & before.carried.keys()
    return {flow: max(0, now.carried[flow] - before.carried[flow]) / seconds for flow in both}
