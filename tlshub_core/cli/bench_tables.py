# SPDX-License-Identifier: Apache-2.0
"""What 'bench compare' prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from tlshub_core.benching.compare import BETTER, SAME, WORSE, Change
from tlshub_core.benching.intervals import Interval
from tlshub_core.benching.summary import HIGHER_IS_BETTER
from tlshub_core.benching.table import load, nanoseconds

COLUMNS = ("load", "at a time", "variant", "figure", "before", "after", "after/before", "verdict")


def cells(one: Change, absolute: bool) -> tuple[str, ...]:
    """A line of the table."""
    row = one.row
    before, after = _shown(one.figure, one.before, absolute), _shown(one.figure, one.after, absolute)
    where = (load(row), str(row.concurrency), row.variant)
    return (*where, one.figure, before, after, f"{one.ratio:.2f}", one.verdict)


def _shown(figure: str, one: Interval, absolute: bool) -> str:
    if not absolute:
        return f"{one.median:.2f} [{one.low:.2f}, {one.high:.2f}]"
    if figure in HIGHER_IS_BETTER:
        return f"{one.median:.0f} [{one.low:.0f}, {one.high:.0f}]"
    return f"{nanoseconds(one.median)} [{nanoseconds(one.low)}, {nanoseconds(one.high)}]"


def change(one: Change) -> dict[str, object]:
    """The same for programs."""
    row = one.row
    place = {"variant": row.variant, "load": row.load, "size": row.size, "concurrency": row.concurrency}
    figures = {"figure": one.figure, "before": asdict(one.before), "after": asdict(one.after), "ratio": one.ratio}
    return {**place, **figures, "verdict": one.verdict}


def verdict(found: Sequence[Change], absolute: bool) -> str:
    """The last line."""
    counts = ", ".join(f"{sum(one.verdict == name for one in found)} {name}" for name in (WORSE, BETTER, SAME))
    how = "figures" if absolute else "ratios to plain, since machine or settings differ"
    return f"{len(found)} figures compared, by their {how}: {counts}"
