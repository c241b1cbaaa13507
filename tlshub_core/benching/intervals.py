# SPDX-License-Identifier: Apache-2.0
"""The median of few noisy figures, with an interval that supposes nothing about how they are spread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, comb
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A median, and the bounds that enclose the true one with `confidence`."""

    median: float
    low: float
    high: float
    confidence: float


def coverage(size: int, rank: int) -> float:
    """How surely the true median lies between the `rank`th smallest and the `rank`th largest of `size` figures."""
    outside = sum(comb(size, below) for below in range(rank))
    return 1 - outside / 2.0 ** (size - 1)


def interval(figures: Iterable[float]) -> Interval:
    """Median and order-statistic interval; fewer than six figures reach less than CONFIDENCE, and say so.

    Raises ValueError where there is no figure.
    """
    ordered = sorted(figures)
    if not ordered:
        raise ValueError("no figures")
    size = len(ordered)
    rank = max((r for r in range(1, (size + 1) // 2 + 1) if coverage(size, r) >= CONFIDENCE), default=1)
    return Interval(
        median=median(ordered), low=ordered[rank - 1], high=ordered[size - rank], confidence=coverage(size, rank)
    )


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Of rates that were measured in pairs, ours over theirs; raises ValueError where they are no pairs."""
    return interval(a / b for a, b in zip(ours, theirs, strict=True))


def percentile(figures: Iterable[float], share: float) -> float:
    """The smallest figure that at least `share` (0 to 1) of all do not exceed; raises ValueError for none."""
    ordered = sorted(figures)
    if not ordered:
        raise ValueError("no figures")
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
