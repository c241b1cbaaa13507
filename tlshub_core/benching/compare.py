# SPDX-License-Identifier: Apache-2.0
"""Two results: what of the later one is other than noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.benching.intervals import CONFIDENCE, Interval
from tlshub_core.benching.result import PLAIN, Result, Row
from tlshub_core.benching.summary import HIGHER_IS_BETTER, RATE
from tlshub_core.benching.table import confidence
from tlshub_core.types.errors import ConfigError

JUDGED = (RATE, "p50_ns", "p95_ns")  # the rest is of single requests, or follows from these
BETTER, SAME, WORSE = "better", "no different", "worse"
Key = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure before and after; `verdict` speaks of a difference only where the intervals do not overlap."""

    row: Row
    figure: str
    before: Interval
    after: Interval
    verdict: str

    @property
    def ratio(self) -> float:
        """After over before, of the medians."""
        return self.after.median / self.before.median


def changes(before: Result, after: Result, least: float) -> Iterator[Change]:
    """Of all that both measured; by ratios to plain where they come from different machines, see `same_machine`.

    A change of the medians by less than `least` (0.05 is 5 %) counts as none.
    """
    absolute, old = same_machine(before, after), {_key(row): row for row in before.rows}
    for row in after.rows:
        if _key(row) in old and (absolute or row.variant != PLAIN):
            yield from _of(old[_key(row)], row, absolute, least)


def _of(old: Row, new: Row, absolute: bool, least: float) -> Iterator[Change]:
    was, now = (old.figures, new.figures) if absolute else (old.ratios, new.ratios)
    for name in JUDGED:
        verdict = _verdict(was[name], now[name], least, name in HIGHER_IS_BETTER)
        yield Change(row=new, figure=name, before=was[name], after=now[name], verdict=verdict)


def _verdict(before: Interval, after: Interval, least: float, higher_is_better: bool) -> str:
    overlap = before.low <= after.high and after.low <= before.high
    if overlap or abs(after.median / before.median - 1) < least:
        return SAME
    return BETTER if (after.median > before.median) == higher_is_better else WORSE


def same_machine(one: Result, other: Result) -> bool:
    """Whether figures can be compared as they are: everything but the software under test is the same."""
    return _place(one) == _place(other)


def _place(result: Result) -> Mapping[str, object]:
    of, settings = result.environment, result.settings
    return {
        "machine": (of.kernel, of.machine, of.processor, of.processors, of.emulated),
        "work": (settings.target, settings.requests, settings.connections, settings.warm_up),
    }


def comparable(before: Result, after: Result, files: tuple[Path, Path]) -> None:
    """Raises ConfigError where nothing can be said: too few rounds for an interval, or no load in common."""
    for result, file in zip((before, after), files, strict=True):
        if confidence(result) < CONFIDENCE:
            why = f"{result.settings.rounds} rounds give no interval: measure anew with '--rounds 6', or more"
            raise ConfigError(why, file=str(file), table="settings", key="rounds")
    if not {_key(row) for row in before.rows} & {_key(row) for row in after.rows}:
        raise ConfigError(f"has no variant, load, size and concurrency in common with '{files[0]}'", file=str(files[1]))


def _key(row: Row) -> Key:
    return (row.variant, row.load, row.size, row.concurrency)
