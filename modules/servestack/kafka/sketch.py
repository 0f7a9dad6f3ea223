"""Quantiles of many numbers in little memory, each within 1% of its value."""

from __future__ import annotations

import math

_ACCURACY = 0.01
_GAMMA = (1 + _ACCURACY) / (1 - _ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 1e-12
"""Numbers below count as zero, so that there are at most some 4,000 buckets up to 1e18."""


class Sketch:
    """Counts of numbers from 0 on, in buckets whose ends grow by a constant factor.

    Source: Masson, Rim, Lee, *DDSketch: a fast and fully-mergeable quantile sketch with
    relative-error guarantees*, VLDB 2019, section 2.
    """

    __slots__ = ("_buckets", "_zeros", "count", "largest", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._zeros = 0
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, value: float) -> None:
        """Count a number, which is finite and not negative."""
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value
        if value < _SMALLEST:
            self._zeros += 1
            return
        index = math.ceil(math.log(value) / _LOG_GAMMA)
        self._buckets[index] = self._buckets.get(index, 0) + 1

    @property
    def mean(self) -> float:
        """The mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The number below which about `share` of the numbers lie, within 1%; 0 of nothing."""
        rank = share * (self.count - 1)
        seen = self._zeros
        if seen > rank:
            return 0.0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen > rank:
                return min(2 * _GAMMA**index / (_GAMMA + 1), self.largest)
        return self.largest
