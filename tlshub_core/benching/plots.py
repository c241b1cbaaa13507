# SPDX-License-Identifier: Apache-2.0
"""What of a result is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tlshub_core.benching.charts import Lines, Ranges, Written, lines, ranges
from tlshub_core.benching.intervals import Interval, interval
from tlshub_core.benching.result import CONNECTIONS, REQUESTS, SHARES, Result, Row
from tlshub_core.benching.summary import BYTES, RATE
from tlshub_core.benching.table import nanoseconds
from tlshub_core.events.human import size

Figure = Callable[[Row], Interval]
_NAMES = {0.0: "min", 1.0: "max"}


def set_ups(result: Result) -> Iterator[str]:
    """A chart for each concurrency."""
    for many in _numbers(row.concurrency for row in result.rows if row.load == CONNECTIONS):
        found = {row.variant: row.figures for row in result.rows if (row.load, row.concurrency) == (CONNECTIONS, many)}
        rows = {
            (at, one.name): (found[one.name]["p50_ns"], found[one.name]["p95_ns"], found[one.name]["p99_ns"])
            for at, one in enumerate(result.variants)
            if one.name in found
        }
        yield ranges(Ranges(title=_at_a_time(many), rows=rows, written=nanoseconds))


def ratios(result: Result) -> Iterator[str]:
    """Of rates to plain, by size, a chart for each concurrency."""
    yield from _by_size(result, "rate over plain's", lambda row: row.ratios[RATE], lambda value: f"{value:.2g}")


def throughputs(result: Result) -> Iterator[str]:
    """By size, a chart for each concurrency."""
    yield from _by_size(result, "bytes per second", lambda row: row.figures[BYTES], lambda v: f"{size(round(v))}/s")


def _by_size(result: Result, what: str, figure: Figure, written: Written) -> Iterator[str]:
    sizes = _numbers(row.size for row in _requests(result))
    for many in _numbers(row.concurrency for row in _requests(result)):
        places = [(size(wide), (wide, many)) for wide in sizes]
        yield _chart(result, f"{_at_a_time(many)}, {what} by size", figure, places, written)


def rates(result: Result) -> Iterator[str]:
    """By concurrency, a chart for each size; none where only one concurrency was measured."""
    crowds = _numbers(row.concurrency for row in _requests(result))
    for wide in _numbers(row.size for row in _requests(result)) if len(crowds) > 1 else ():
        places = [(str(many), (wide, many)) for many in crowds]
        title = f"{size(wide)}, requests per second by concurrency"
        yield _chart(result, title, lambda row: row.figures[RATE], places, _count)


def latencies(result: Result) -> Iterator[str]:
    """By the share of requests, a chart for each size and concurrency."""
    for wide, many in sorted({(row.size, row.concurrency) for row in _requests(result)}):
        series = {(at, one.name): _quantiles(result, one.name, wide, many) for at, one in enumerate(result.variants)}
        labels = [_NAMES.get(share, f"p{share:.0%}".rstrip("%")) for share in SHARES]
        title = f"{size(wide)}, {_at_a_time(many)}"
        yield lines(Lines(title=title, labels=labels, series=series, written=nanoseconds))


def _quantiles(result: Result, variant: str, wide: int, many: int) -> Sequence[Interval | None]:
    place = (variant, REQUESTS, wide, many)
    found = [one.quantiles_ns for one in result.trials if (one.variant, one.load, one.size, one.concurrency) == place]
    return [interval(map(float, column)) for column in zip(*found, strict=True)] or [None] * len(SHARES)


def _chart(
    result: Result, title: str, figure: Figure, places: Sequence[tuple[str, tuple[int, int]]], written: Written
) -> str:
    by = {(row.variant, row.size, row.concurrency): figure(row) for row in _requests(result)}
    series = {
        (at, one.name): [by.get((one.name, *place)) for _, place in places] for at, one in enumerate(result.variants)
    }
    return lines(Lines(title=title, labels=[label for label, _ in places], series=series, written=written))


def _requests(result: Result) -> list[Row]:
    return [row for row in result.rows if row.load == REQUESTS and row.size]


def _numbers(found: Iterable[int]) -> list[int]:
    return sorted(set(found))


def _at_a_time(many: int) -> str:
    return "one connection" if many == 1 else f"{many} connections at a time"


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") + "/s" if value >= 10 else f"{value:.2g}/s"
