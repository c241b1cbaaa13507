# SPDX-License-Identifier: Apache-2.0
"""Quantiles from buckets against those of all values: within one per cent, whatever the values, in bounded memory."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.reporting.histogram import ERROR, Histogram

QUANTILES = (0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0)
numbers = st.integers(0, 2**64)
alike = st.integers(1, 2**40).flatmap(lambda low: st.integers(low, low + low // 10))
many = st.lists(st.one_of(numbers, st.integers(0, 20), alike), min_size=1, max_size=300)


def of(values: list[int]) -> Histogram:
    found = Histogram()
    for value in values:
        found.add(value)
    return found


def exact(values: list[int], part: float) -> int:
    return sorted(values)[max(1, ceil(part * len(values))) - 1]


def check(found: Histogram, values: list[int]) -> None:
    assert (found.count, found.total, found.least, found.largest) == (
        len(values),
        sum(values),
        min(values),
        max(values),
    )
    assert found.mean == sum(values) / len(values)
    for part in QUANTILES:
        true = exact(values, part)
        assert abs(found.quantile(part) - true) <= ERROR * true * (1 + 1e-9), (part, true)


def test_the_error_is_below_one_per_cent() -> None:
    assert 0 < ERROR < 0.01


@given(many)
def test_quantiles_are_those_of_the_values(values: list[int]) -> None:
    check(of(values), values)


@given(many, many)
def test_two_that_are_merged_are_as_one(first: list[int], second: list[int]) -> None:
    found = of(first)
    found.merge(of(second))
    check(found, first + second)
    nothing = Histogram()
    found.merge(nothing)
    nothing.merge(found)
    check(nothing, first + second)


def test_nothing_has_no_figures() -> None:
    nothing = Histogram()
    assert (nothing.count, nothing.mean, nothing.quantile(0.5)) == (0, 0.0, 0.0)


def test_a_time_that_runs_backwards_is_none() -> None:
    assert (of([-5]).least, of([-5]).quantile(1.0)) == (0, 0.0)


def test_memory_is_bounded_however_many_values() -> None:
    found = Histogram()
    value = 1
    while value < 2**64:
        found.add(value)
        value += value // 200 + 1
    assert found.count > 5000 and len(found._buckets) <= 2241
