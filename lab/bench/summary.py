# SPDX-License-Identifier: Apache-2.0
"""From what was found to the figures of bench.json: ratios by pairs of one round, CPU by process, holds, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from statistics import median

from bench.measurement import LOADS, VARIANTS, Findings, Measurement
from tlshub_core.benching.intervals import Interval, percentile, ratios

PAIRS = (
    ("uncaptured", "plain"),
    ("captured", "plain"),
    ("captured", "nginx_tls"),
    ("captured", "stunnel"),
    ("captured", "haproxy"),
    ("uncaptured_bcc", "plain"),
    ("captured_bcc", "plain"),
)
# CPU seconds are reported for so much of each load.
UNITS = {"requests": 1000, "connections": 1000, "bulk": 10**9}
UNIT_NAMES = {"requests": "per_1000_requests", "connections": "per_1000_connections", "bulk": "per_gb"}


def compared(findings: Findings) -> dict[str, dict[str, Interval]]:
    """By '<ours>_vs_<theirs>' and load: the ratio of rates, above 1 where ours is faster; of what was measured."""
    found = {f"{ours}_vs_{theirs}": compare(findings, ours, theirs) for ours, theirs in PAIRS}
    return {name: by for name, by in found.items() if by}


def compare(findings: Findings, ours: str, theirs: str) -> dict[str, Interval]:
    """By load that both variants were measured with: the ratio of rates."""
    rates = {load: (_rates(findings, ours, load), _rates(findings, theirs, load)) for load in LOADS}
    return {load: ratios(*pair) for load, pair in rates.items() if all(pair)}


def chosen(findings: Findings, variant: str, load: str) -> list[Measurement]:
    """Measurements of a variant with a load, by round."""
    found = [one for one in findings.measurements if (one.variant, one.load) == (variant, load)]
    return sorted(found, key=lambda one: one.round)


def _rates(findings: Findings, variant: str, load: str) -> list[float]:
    return [one.rate for one in chosen(findings, variant, load)]


def cpu(findings: Findings) -> dict[str, dict[str, dict[str, float]]]:
    """By variant, then per what, then by process: CPU seconds, over all rounds; processes that did nothing left out."""
    found = {variant: {load: chosen(findings, variant, load) for load in LOADS} for variant in VARIANTS}
    return {
        variant: {UNIT_NAMES[load]: _spent(those, UNITS[load]) for load, those in by.items() if those}
        for variant, by in found.items()
        if any(by.values())
    }


def _spent(those: list[Measurement], unit: int) -> dict[str, float]:
    amount = sum(one.amount for one in those)
    names = {name for one in those for name in one.cpu}
    spent = {name: sum(one.cpu.get(name, 0.0) for one in those) * unit / amount for name in sorted(names)}
    return {name: round(value, 4) for name, value in spent.items() if value > 0}


def holds(findings: Findings) -> dict[str, dict[str, float]]:
    """By side: how long connections were held, in milliseconds."""
    return {side: _hold(values) for side, values in findings.holds_ns.items()}


def _hold(values: tuple[int, ...]) -> dict[str, float]:
    return {
        "p50_ms": round(percentile(values, 0.5) / 1e6, 3),
        "p99_ms": round(percentile(values, 0.99) / 1e6, 3),
        "count": len(values),
    }


def restarts(findings: Findings) -> dict[str, float]:
    """How often the calls on one end of a connection were restarted while it was held."""
    values = findings.restarts
    return {"mean": sum(values) / len(values), "p50": median(values), "p99": percentile(values, 0.99)}


def shares(findings: Findings) -> dict[str, dict[str, float]]:
    """By the place of a long wait: the share of it that the thread was on a core."""
    return {
        one.place: {"share": round(one.cpu_seconds / one.seconds, 4), "seconds": round(one.seconds, 3)}
        for one in findings.waits
    }


def body(findings: Findings, emulated: bool) -> Mapping[str, object]:
    """bench.json."""
    return {
        "emulated": emulated,
        "rounds": findings.rounds,
        "dropped_rounds": list(findings.dropped),
        "clock": findings.clock,
        "processors": findings.processors,
        "gcm": findings.gcm,
        **{name: {load: asdict(one) for load, one in by.items()} for name, by in compared(findings).items()},
        "cpu": cpu(findings),
        "hold": holds(findings),
        "restarts_per_flow": restarts(findings),
        "held_thread_core_share": shares(findings),
        "agent_rss_mb": {str(one.flows): dict(one.megabytes) for one in findings.memory},
    }
