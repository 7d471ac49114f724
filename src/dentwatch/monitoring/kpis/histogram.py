"""Times in buckets whose widths grow with them: a quantile is off by 1 % of itself at most, whatever the times are.

The buckets of DDSketch (Masson, Rim & Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", 2019): bucket i holds γ^(i−1) < x ≤ γ^i with γ = (1 + a) / (1 − a), and 2 γ^i / (γ + 1) stands for it,
which is at most the share a away from everything in the bucket. Counts are exact and add up.
"""

import math
from collections.abc import Iterable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

PRECISION = 0.01
"""Largest relative error of a quantile."""

_SHORTEST = 0.001  # ms: what is shorter counts as this
_LOG_GAMMA = math.log((1 + PRECISION) / (1 - PRECISION))
_LOWEST = round(math.log(_SHORTEST) / _LOG_GAMMA)  # the bucket that is kept as number 0: kept numbers are not negative
_KEPT = np.dtype("<u4")


class Histogram:
    """How many times fell into which bucket."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)

    @classmethod
    def of(cls, milliseconds: Iterable[float]) -> "Histogram":
        """The histogram of these times."""
        made = cls()
        times = np.maximum(np.fromiter(milliseconds, np.float64), _SHORTEST)
        if times.size:
            made._counts = np.bincount(np.ceil(np.log(times) / _LOG_GAMMA).astype(np.int64) - _LOWEST)
        return made

    @classmethod
    def unpacked(cls, packed: bytes) -> "Histogram":
        """What :meth:`packed` has kept."""
        made = cls()
        made.add_packed(packed)
        return made

    @property
    def count(self) -> int:
        """How many times it holds."""
        return int(self._counts.sum())

    def add(self, other: "Histogram") -> None:
        """Take in the times of another."""
        buckets = np.flatnonzero(other._counts)
        self._add(buckets, other._counts[buckets])

    def add_packed(self, packed: bytes) -> None:
        """Take in the times of a histogram that was packed."""
        buckets, counts = np.frombuffer(packed, _KEPT).reshape(2, -1)
        self._add(buckets, counts)

    def packed(self) -> bytes:
        """It as bytes: the numbers of its buckets, then as many counts, each of 32 bits."""
        buckets = np.flatnonzero(self._counts)
        return np.stack([buckets, self._counts[buckets]]).astype(_KEPT).tobytes()

    def quantile(self, level: float) -> float:
        """The time, in milliseconds, that the share ``level`` of the times does not exceed; there must be some."""
        return self._at_rank(max(1, math.ceil(level * self.count)))

    def quantile_interval(self, level: float, confidence: float = 0.95) -> tuple[float, float]:
        """An interval for the quantile: two order statistics, by the normal approximation of the binomial.

        Conover, "Practical Nonparametric Statistics", 3rd edition 1999, §3.2; the buckets' precision comes on top.
        """
        count = self.count
        half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(count * level * (1 - level))
        low, high = math.floor(count * level - half), math.ceil(count * level + half) + 1
        return self._at_rank(max(1, low)), self._at_rank(min(count, high))

    def _add(self, buckets: NDArray[np.integer], counts: NDArray[np.integer]) -> None:
        if buckets.size:
            if (needed := int(buckets[-1]) + 1) > self._counts.size:
                self._counts = np.pad(self._counts, (0, needed - self._counts.size))
            self._counts[buckets] += counts

    def _at_rank(self, rank: int) -> float:
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank)) + _LOWEST
        return math.exp(bucket * _LOG_GAMMA) * (1 - PRECISION)  # 2 / (γ + 1) is 1 − a
