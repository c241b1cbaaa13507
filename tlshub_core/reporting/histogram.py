# SPDX-License-Identifier: Apache-2.0
"""Quantiles of a stream in bounded memory: buckets whose bounds grow by 2 % each, some 2,240 of them up to 2^64."""

from __future__ import annotations

from itertools import accumulate
from math import ceil, log

GROWTH = 1.02
ERROR = (GROWTH - 1) / (GROWTH + 1)  # of a value that is told: below 1 %, whatever its bucket holds
_LOG = log(GROWTH)
_ZERO = -1  # the bucket of 0, which has no logarithm


class Histogram:
    """Of integers from 0 to 2^64; their number, sum, least and largest are exact."""

    __slots__ = ("_buckets", "count", "largest", "least", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = self.total = self.least = self.largest = 0

    def add(self, value: int) -> None:
        """Count a value; one below 0, which no clock should bring, counts as 0."""
        value = max(0, value)
        bucket = ceil(log(value) / _LOG) if value else _ZERO
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.least = min(self.least, value) if self.count else value
        self.largest = max(self.largest, value)
        self.count += 1
        self.total += value

    def merge(self, other: Histogram) -> None:
        """Count all that the other one has."""
        if not other.count:
            return
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.least = min(self.least, other.least) if self.count else other.least
        self.largest = max(self.largest, other.largest)
        self.count += other.count
        self.total += other.total

    @property
    def mean(self) -> float:
        """The arithmetic mean, 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, part: float) -> float:
        """The value of rank ceil(part * count), from 0 to 1, within ERROR of itself; 0 of nothing."""
        buckets = sorted(self._buckets)
        rank = max(1, ceil(part * self.count))
        for bucket, seen in zip(buckets, accumulate(self._buckets[one] for one in buckets), strict=True):
            if seen >= rank:
                return min(max(_middle(bucket), self.least), self.largest)
        return 0.0


def _middle(bucket: int) -> float:
    """The value that is as far from either bound of its bucket, as a part of the value there."""
    return 0.0 if bucket == _ZERO else float(2 * GROWTH**bucket / (GROWTH + 1))
