# SPDX-License-Identifier: Apache-2.0
"""A result for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tlshub_core.benching.intervals import CONFIDENCE, Interval
from tlshub_core.benching.result import CONNECTIONS, Result, Row
from tlshub_core.benching.summary import BYTES, RATE, cell
from tlshub_core.events.human import duration, size
from tlshub_core.wording import quoted

COLUMNS = ("load", "at a time", "variant", "per second", "of plain", "throughput", "p50", "p99", "p50 of plain")


def cells(result: Result) -> Iterator[tuple[str, ...]]:
    """A line for each row, under COLUMNS: medians, ratios with their intervals."""
    for row in ordered(result):
        figures, ratios = row.figures, row.ratios
        yield (
            load(row),
            str(row.concurrency),
            row.variant,
            f"{figures[RATE].median:.0f}",
            bounded(ratios[RATE]),
            f"{size(round(figures[BYTES].median))}/s" if BYTES in figures else "-",
            nanoseconds(figures["p50_ns"].median),
            nanoseconds(figures["p99_ns"].median),
            bounded(ratios["p50_ns"]),
        )


def ordered(result: Result) -> list[Row]:
    """All rows; variants as they were asked for, so that plain comes first."""
    place = {one.name: at for at, one in enumerate(result.variants)}
    return sorted(result.rows, key=lambda row: (*cell(row), place[row.variant]))


def load(row: Row) -> str:
    """What was done, in a word or two."""
    return CONNECTIONS if row.load == CONNECTIONS else f"{size(row.size)}"


def bounded(one: Interval) -> str:
    """A ratio with its interval."""
    return f"{one.median:.2f} [{one.low:.2f}, {one.high:.2f}]"


def nanoseconds(value: float) -> str:
    """As people read it."""
    return duration(round(value))


def notes(result: Result) -> Iterator[str]:
    """What has to be known of the figures, a line each."""
    yield where(result)
    if result.environment.emulated:
        yield "emulated: ratios mean something, times and rates do not"
    yield from remarks(result)


def remarks(result: Result) -> Iterator[str]:
    """What has to be known besides where it was: how sure the intervals are, what was not measured."""
    if confidence(result) < CONFIDENCE:
        yield f"{result.settings.rounds} rounds: the intervals hold with {confidence(result):.0%}, six reach 95%"
    for one in result.variants:
        if one.detail:
            yield f"'{one.name}' is {one.detail}"
    for why in dict.fromkeys(result.skipped.values()):
        names = [name for name, because in result.skipped.items() if because == why]
        yield f"not measured: {quoted(names)}: {why}"


def where(result: Result) -> str:
    """The machine, in a line."""
    one, target = result.environment, result.settings.target
    ends = f"from here to '{target}'" if target else "both ends here, on loopback"
    agent = f"agent {one.agent}" if one.agent else "no agent"
    return f"{ends}; Linux {one.kernel}, {one.processors} x {one.processor or one.machine}; {agent}; {one.began}"


def confidence(result: Result) -> float:
    """The least one of all intervals; 0 where there is none."""
    return min((one.confidence for row in result.rows for one in row.figures.values()), default=0.0)
