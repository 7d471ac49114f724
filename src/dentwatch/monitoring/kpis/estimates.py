"""Figures with 95 % intervals, from sums alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dentwatch.monitoring.kpis.histogram import Histogram

_Z = NormalDist().inv_cdf(0.975)
_FEWEST = 5  # observations of a mean: with fewer, an interval would be guesswork


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value from ``sample`` observations; ``interval`` names how the ends were computed, "" where there are none."""

    value: float
    sample: int
    low: float | None = None
    high: float | None = None
    interval: str = ""


def share(counted: int, of: int) -> Estimate | None:
    """A share with Wilson's interval (1927); None of nothing."""
    if of == 0:
        return None
    value = counted / of
    middle = (value + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z / (1 + _Z**2 / of) * math.sqrt(value * (1 - value) / of + _Z**2 / (4 * of**2))
    return Estimate(value, of, max(0.0, middle - half), min(1.0, middle + half), "Wilson")


def mean(total: float, squares: float, count: int) -> Estimate | None:
    """The mean of ``count`` values from their sum and the sum of their squares, with Student's interval."""
    if count == 0:
        return None
    value = total / count
    if count < _FEWEST:
        return Estimate(value, count)
    variance = max(0.0, squares - count * value**2) / (count - 1)
    half = _student(count - 1) * math.sqrt(variance / count)
    return Estimate(value, count, value - half, value + half, "Student's t")


def ratio(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Sum of the firsts over sum of the seconds, with the interval of the linearised ratio (Cochran, 1977, §2.11)."""
    below = math.fsum(second for _, second in pairs)
    if below <= 0:
        return None
    value = math.fsum(first for first, _ in pairs) / below
    count = len(pairs)
    if count < _FEWEST:
        return Estimate(value, count)
    squares = math.fsum((first - value * second) ** 2 for first, second in pairs)
    half = _student(count - 1) * math.sqrt(count / (count - 1) * squares) / below
    return Estimate(value, count, max(0.0, value - half), value + half, "Student's t, linearised ratio")


def quantile(times: Histogram | None, level: float) -> Estimate | None:
    """A quantile, in ms, with an interval between two order statistics."""
    if times is None or times.count == 0:
        return None
    low, high = times.quantile_interval(level)
    return Estimate(times.quantile(level), times.count, low, high, "order statistics")


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz & Stegun, 26.7.5); off by less than 0.3 % from 4 degrees on."""
    z, n = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
