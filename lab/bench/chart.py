# SPDX-License-Identifier: Apache-2.0
"""The ratios as bars with their intervals, an SVG file written by hand: no library is worth a dozen rectangles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log10
from xml.sax.saxutils import escape

from bench.backends import Beside
from tlshub_core.benching.intervals import Interval

LEFT, ROW, WIDTH, TOP = 300, 24, 520, 54
LEAST, MOST = 0.1, 10.0
_HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="13">'


def place(ratio: float) -> float:
    """Where a ratio is from left to right; logarithmic, so that half and double are as far from 1."""
    kept = min(max(ratio, LEAST), MOST)
    return LEFT + WIDTH * (log10(kept) - log10(LEAST)) / (log10(MOST) - log10(LEAST))


def svg(compared: Mapping[str, Mapping[str, Interval]], both: Beside | None, where: str) -> str:
    """The whole file."""
    rates = dict(compared) | ({f"{name}, bcc vs libbpf": by for name, by in both.rates.items()} if both else {})
    rows = [(f"{name.replace('_', ' ')}: {load}", one, 1) for name, by in rates.items() for load, one in by.items()]
    if both:
        rows += [(f"{name.replace('_', ' ')}, bcc / libbpf (a cost)", one, -1) for name, one in both.costs.items()]
    title = f"rate of the first over that of the second ({where})"
    height = TOP + ROW * len(rows) + 30
    lines = [
        _HEAD.format(w=LEFT + WIDTH + 90, h=height),
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>',
        *_scale(height),
    ]
    for number, (label, one, sense) in enumerate(rows):
        lines += _row(TOP + ROW * number, label, one, (one.median - 1) * sense >= 0)
    return "\n".join([*lines, "</svg>", ""])


def _scale(height: int) -> Iterator[str]:
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        x, colour = place(tick), "#333" if tick == 1 else "#ddd"
        yield f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 26}" stroke="{colour}"/>'
        yield f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{tick:g}</text>'


def _row(y: int, label: str, one: Interval, good: bool) -> Iterator[str]:
    start, end = sorted((place(1), place(one.median)))
    colour = "#2a7f62" if good else "#b5533c"
    middle = y + ROW // 2 - 3
    yield f'<text x="{LEFT - 10}" y="{middle + 5}" text-anchor="end">{escape(label)}</text>'
    yield f'<rect x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="{ROW - 6}" fill="{colour}"/>'
    low, high = place(one.low), place(one.high)
    yield f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="black" stroke-width="2"/>'
    yield f'<text x="{LEFT + WIDTH + 10}" y="{middle + 5}">{one.median:.2f}</text>'
