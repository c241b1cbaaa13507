# SPDX-License-Identifier: Apache-2.0
"""Marks of SVG and HTML, a logarithmic scale, and the sign of each series; a library would be larger than all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

SIGNS = 7  # a colour and a shape each: on paper without colours the shapes are left
# Of each power of ten, ever finer.
_STEPS = ((1,), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
_SHAPES = ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M-4-4h8v8h-8z", "M0-5l5 9h-10z", "M0-5l5 5-5 5-5-5z",
           "M0 5l5-9h-10z", "M-5-1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z", "M-5-3h10v6h-10z")  # fmt: skip


def tag(name: str, *inner: str, **attributes: object) -> str:
    """An element; `inner` is markup, attributes are escaped, and an underline at the end of one's name is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inner)}</{name}>"


def text(words: object) -> str:
    """Words as markup."""
    return escape(str(words))


def sign(number: int, x: float, y: float, hint: str = "") -> str:
    """The shape of a series, at a place; `hint` is shown to who points at it."""
    title = tag("title", text(hint)) if hint else ""
    return tag(
        "path", title, d=_SHAPES[number % SIGNS], transform=f"translate({x:.1f} {y:.1f})", class_=f"s{number % SIGNS}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Values from `low` to `high` at places from `start` to `end`: half and double are as far from each value."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value is."""
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self, apart: float) -> list[float]:
        """Round values within, as many as are that far from each other, so that what is written at them can be read."""
        for steps in reversed(_STEPS):
            found = self._within(steps)
            if len(found) > 1 and self._thinned(found, apart) == found:
                return found
        powers = self._thinned(self._within((1,)), apart)
        return powers if len(powers) > 1 else self._thinned(self._within(_STEPS[-1]), apart)

    def _thinned(self, values: Sequence[float], apart: float) -> list[float]:
        """Without those that are too near to the one kept before."""
        kept = list(values[:1])
        for value in values:
            if abs(self.place(value) - self.place(kept[-1])) >= apart:
                kept.append(value)
        return kept

    def _within(self, steps: Sequence[float]) -> list[float]:
        powers = range(floor(log10(self.low)), floor(log10(self.high)) + 1)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if self.low <= value <= self.high]


def scale(values: Iterable[float], start: float, end: float) -> Scale:
    """One that has room for these values, of which there is one at least, all above 0."""
    found = list(values)
    return Scale(low=min(found) / 1.3, high=max(found) * 1.3, start=start, end=end)
