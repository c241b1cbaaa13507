# SPDX-License-Identifier: Apache-2.0
"""The backend 'bcc' beside 'libbpf': as fast, as light?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

from bench.measurement import BACKENDS, Findings, Start
from bench.summary import chosen, compare
from tlshub_core.benching.intervals import Interval, ratios

FIGURES: Mapping[str, Callable[[Start], float]] = {
    "start_up_seconds": lambda one: one.seconds,
    "start_up_cpu_seconds": lambda one: one.cpu_seconds,
    "agent_rss_mb": lambda one: one.megabytes,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Ratios of bcc's figure to libbpf's: of rates by variant and load, above 1 where bcc is faster; of costs by name,
    above 1 where bcc costs more.
    """

    rates: Mapping[str, Mapping[str, Interval]]
    costs: Mapping[str, Interval]


def beside(findings: Findings) -> Beside | None:
    """None where nothing was measured with 'bcc'."""
    rates = {name: compare(findings, f"{name}_bcc", name) for name in ("uncaptured", "captured")}
    if not all(rates.values()):
        return None
    costs = {name: _by_start(findings, figure) for name, figure in FIGURES.items()}
    per_flow = {name: _per_connection(findings, name) for name in ("captured_bcc", "captured")}
    costs["agent_cpu_per_connection"] = ratios(per_flow["captured_bcc"], per_flow["captured"])
    return Beside(rates=rates, costs=costs)


def figures(found: Beside | None) -> Mapping[str, object] | None:
    """For bench.json."""
    return None if found is None else {**asdict(found)["rates"], **asdict(found)["costs"]}


def started(findings: Findings) -> dict[str, dict[str, float]]:
    """By backend and figure: the median of an agent's starts."""
    return {
        backend: {name: round(median(map(figure, of)), 3) for name, figure in FIGURES.items()}
        for backend in BACKENDS
        if (of := _of(findings, backend))
    }


def _of(findings: Findings, backend: str) -> list[Start]:
    return [one for one in findings.starts if one.backend == backend]


def _by_start(findings: Findings, figure: Callable[[Start], float]) -> Interval:
    libbpf, bcc = ([figure(one) for one in _of(findings, backend)] for backend in BACKENDS)
    return ratios(bcc, libbpf)


def _per_connection(findings: Findings, variant: str) -> list[float]:
    """CPU seconds of both agents, by round."""
    return [
        sum(spent for name, spent in one.cpu.items() if name.startswith("agent of ")) / one.amount
        for one in chosen(findings, variant, "connections")
    ]
