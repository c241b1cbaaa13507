# SPDX-License-Identifier: Apache-2.0
"""Medians and their intervals, against what a table of the sign test says and against chance itself."""

from __future__ import annotations

from random import Random

import pytest

from tlshub_core.benching.intervals import CONFIDENCE, coverage, interval, percentile, ratios

# Ranks of the sign test's 95 % interval, as tables of it have them.
RANKS = {6: 1, 8: 1, 9: 2, 12: 3, 15: 4, 20: 6, 30: 10}


@pytest.mark.parametrize(("size", "rank"), RANKS.items())
def test_the_bounds_are_those_of_the_tables(size: int, rank: int) -> None:
    found = interval(range(size, 0, -1))
    assert (found.low, found.high) == (rank, size + 1 - rank)
    assert coverage(size, rank) >= CONFIDENCE > coverage(size, rank + 1)
    assert found.confidence == coverage(size, rank)


def test_few_figures_give_all_they_have_and_say_how_little_that_is() -> None:
    found = interval([3.0, 1.0, 2.0])
    assert (found.median, found.low, found.high, found.confidence) == (2.0, 1.0, 3.0, 0.75)
    assert interval([5.0]).confidence == 0.0
    with pytest.raises(ValueError, match="no figures"):
        interval([])


def test_the_true_median_is_inside_as_often_as_is_said() -> None:
    random = Random(7)
    found = [interval(random.expovariate(1) for _ in range(15)) for _ in range(4000)]
    inside = sum(one.low <= 0.6931 <= one.high for one in found) / len(found)
    assert abs(inside - coverage(15, 4)) < 0.015


def test_a_drift_that_both_of_a_pair_see_is_not_in_their_ratio() -> None:
    drift = [1.0, 5.0, 0.2, 9.0, 3.0, 0.7]
    found = ratios([1.2 * rate for rate in drift], drift)
    assert found.low == pytest.approx(1.2) and found.high == pytest.approx(1.2)
    with pytest.raises(ValueError):
        ratios([1.0, 2.0], [1.0])


def test_percentiles() -> None:
    figures = list(range(1, 101))
    assert [percentile(figures, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
    assert percentile([4.0], 0.99) == 4.0
    with pytest.raises(ValueError, match="no figures"):
        percentile([], 0.5)
