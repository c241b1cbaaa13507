# SPDX-License-Identifier: Apache-2.0
"""From trials to rows: medians over the rounds, and of ratios to plain, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from tlshub_core.benching.intervals import Interval, interval, ratios
from tlshub_core.benching.result import PLAIN, REQUESTS, SHARES, Row, Trial

RATE, BYTES = "per_second", "bytes_per_second"
Cell = tuple[str, int, int]


def _quantile(share: float) -> Callable[[Trial], float]:
    at = SHARES.index(share)
    return lambda trial: float(trial.quantiles_ns[at])


FIGURES: Mapping[str, Callable[[Trial], float]] = MappingProxyType(
    {
        RATE: lambda trial: trial.count / trial.seconds,
        BYTES: lambda trial: trial.count * trial.size / trial.seconds,
        "min_ns": _quantile(0.0),
        "mean_ns": lambda trial: trial.mean_ns,
        "p50_ns": _quantile(0.5),
        "p95_ns": _quantile(0.95),
        "p99_ns": _quantile(0.99),
        "max_ns": _quantile(1.0),
    }
)
HIGHER_IS_BETTER = frozenset({RATE, BYTES})


def cell(one: Trial | Row) -> Cell:
    """What is compared with each other: the same load, size and concurrency."""
    return (one.load, one.size, one.concurrency)


def rows(trials: Iterable[Trial]) -> tuple[Row, ...]:
    """A row for each variant under each load. Raises ValueError where a round is twice, or has no plain one."""
    ordered = sorted(trials, key=lambda one: (*cell(one), one.variant, one.round))
    by = {key: list(found) for key, found in groupby(ordered, key=lambda one: (cell(one), one.variant))}
    return tuple(_row(found, by.get((where, PLAIN), [])) for (where, _), found in by.items())


def _row(found: Sequence[Trial], plain: Sequence[Trial]) -> Row:
    one, rounds = found[0], [trial.round for trial in found]
    if len(set(rounds)) != len(rounds):
        raise ValueError(f"'{one.variant}' has a round twice")
    if rounds != [trial.round for trial in plain]:
        raise ValueError(f"'{one.variant}' and '{PLAIN}' have not the same rounds")
    names = [name for name in FIGURES if name != BYTES or (one.load == REQUESTS and one.size)]
    return Row(
        variant=one.variant,
        load=one.load,
        size=one.size,
        concurrency=one.concurrency,
        figures={name: interval(map(FIGURES[name], found)) for name in names},
        ratios={name: _ratio(FIGURES[name], found, plain) for name in names},
    )


def _ratio(figure: Callable[[Trial], float], found: Sequence[Trial], plain: Sequence[Trial]) -> Interval:
    return ratios(list(map(figure, found)), list(map(figure, plain)))
