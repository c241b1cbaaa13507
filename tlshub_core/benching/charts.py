# SPDX-License-Identifier: Apache-2.0
"""The two kinds of chart that the report has, as SVG: lines over a few places, and ranges of times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tlshub_core.benching.intervals import Interval
from tlshub_core.benching.marks import SIGNS, Scale, scale, sign, tag, text

WIDTH, HEIGHT = 440.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 78.0, 16.0, 34.0, 34.0
ROW, NAMES, ASIDE = 30.0, 110.0, 3.0
TALL, WIDE = 24.0, 58.0  # room for what is written at a value, below each other and side by side
Written = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """`series` are by number (see `marks.sign`) and name: a median with its interval for each of `labels`, or None."""

    title: str
    labels: Sequence[str]
    series: Mapping[tuple[int, str], Sequence[Interval | None]]
    written: Written


def lines(chart: Lines) -> str:
    """Its SVG; values upwards, logarithmic."""
    every = [value for one in chart.series.values() for found in one if found for value in (found.low, found.high)]
    values, step = scale(every, HEIGHT - BOTTOM, TOP), (WIDTH - LEFT - RIGHT) / len(chart.labels)
    places = [LEFT + step * (at + 0.5) for at in range(len(chart.labels))]
    inner = [*_grid(values, chart.written), *_labels(chart.labels, places)]
    for (number, name), found in chart.series.items():
        aside = ASIDE * (number - (len(chart.series) - 1) / 2)  # else one stroke would hide another
        points = list(zip([x + aside for x in places], chart.labels, found, strict=True))
        inner += _series(number, name, points, values, chart.written)
    return _svg(chart.title, HEIGHT, inner)


def _series(
    number: int, name: str, found: Sequence[tuple[float, str, Interval | None]], values: Scale, written: Written
) -> Iterator[str]:
    there = [(x, label, one) for x, label, one in found if one]
    way = "".join(f"{'L' if at else 'M'}{x:.1f} {values.place(one.median):.1f}" for at, (x, _, one) in enumerate(there))
    yield tag("path", d=way, class_=f"line s{number % SIGNS}")
    for x, label, one in there:
        y1, y2 = values.place(one.low), values.place(one.high)
        yield tag("path", d=f"M{x:.1f} {y1:.1f}V{y2:.1f}", class_=f"line s{number % SIGNS}")
        yield sign(number, x, values.place(one.median), f"{name}, {label}: {bounds(one, written)}")


def bounds(one: Interval, written: Written) -> str:
    """A median with its interval."""
    return f"{written(one.median)} [{written(one.low)}, {written(one.high)}]"


def _grid(values: Scale, written: Written) -> Iterator[str]:
    for tick in values.ticks(TALL):
        y = values.place(tick)
        yield tag("path", d=f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", class_="grid")
        yield tag("text", text(written(tick)), x=f"{LEFT - 6}", y=f"{y + 4:.1f}", class_="right")


def _labels(labels: Sequence[str], places: Sequence[float]) -> Iterator[str]:
    for label, x in zip(labels, places, strict=True):
        yield tag("text", text(label), x=f"{x:.1f}", y=f"{HEIGHT - 12}", class_="middle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """`rows` are by number and name: the median of p50, p95 and p99, with their intervals."""

    title: str
    rows: Mapping[tuple[int, str], tuple[Interval, Interval, Interval]]
    written: Written


def ranges(chart: Ranges) -> str:
    """Its SVG; values from left to right, logarithmic: a sign at p50, a line to p99 with a stroke at p95."""
    every = [value for row in chart.rows.values() for one in row for value in (one.low, one.median)]
    values, bottom = scale(every, NAMES, WIDTH - RIGHT), TOP + ROW * len(chart.rows)
    inner = []
    for tick in values.ticks(WIDE):
        x = values.place(tick)
        inner.append(tag("path", d=f"M{x:.1f} {TOP}V{bottom}", class_="grid"))
        inner.append(tag("text", text(chart.written(tick)), x=f"{x:.1f}", y=f"{bottom + 18}", class_="middle"))
    for at, ((number, name), row) in enumerate(chart.rows.items()):
        inner += _range(number, name, row, TOP + ROW * (at + 0.5), values, chart.written)
    return _svg(chart.title, bottom + BOTTOM, inner)


def _range(
    number: int, name: str, row: tuple[Interval, Interval, Interval], y: float, values: Scale, written: Written
) -> Iterator[str]:
    p50, p95, p99 = (values.place(one.median) for one in row)
    yield tag("text", text(name), x=f"{NAMES - 8}", y=f"{y + 4}", class_="right")
    yield tag("path", d=f"M{p50:.1f} {y}H{p99:.1f}M{p95:.1f} {y - 6}v12", class_=f"line s{number % SIGNS}")
    yield sign(number, p50, y, f"{name}: " + ", ".join(bounds(one, written) for one in row))


def _svg(title: str, height: float, inner: Sequence[str]) -> str:
    head = tag("text", text(title), x="8", y="18", class_="title")
    return tag("svg", head, *inner, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=title)
