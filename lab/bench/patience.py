# SPDX-License-Identifier: Apache-2.0
"""What becomes of work that stands still: repeated once; then its round is dropped; only then all is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from bench.load import PATIENCE_S, LoadError
from bench.measurement import Measurement
from bench.progress import say

T = TypeVar("T")
MOST_DROPPED = 3
LEAST_S, TIMES = 10.0, 50.0


def patience(target: float) -> float:
    """Seconds after which a piece of work stands still that was made to take `target`: far above what it may take."""
    return min(PATIENCE_S, max(LEAST_S, TIMES * target))


def twice(attempt: Callable[[], T]) -> T:
    """Its result, or that of another attempt where the first one fails. Raises LoadError."""
    try:
        return attempt()
    except LoadError as error:
        say(f"once more, since it failed: {error}")
        return attempt()


def growing(one: Callable[[int], list[Measurement]], count: int) -> Iterator[tuple[list[Measurement], list[int]]]:
    """All measurements of whole rounds so far, and the rounds that were dropped, after each round, from 1 to `count`.

    Raises LoadError where more than MOST_DROPPED were.
    """
    whole: list[Measurement] = []
    dropped: list[int] = []
    for number in range(1, count + 1):
        try:
            whole += one(number)
            say(f"round {number} of {count} is done")
        except LoadError as error:
            dropped.append(number)
            say(f"round {number} is dropped: {error}")
            if len(dropped) > MOST_DROPPED:
                raise
        yield whole, dropped
