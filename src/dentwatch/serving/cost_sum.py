"""The sum of costs that may or may not be due: its mean, and quantiles without drawing random numbers.

Each cost is due with a probability of its own, independently of the others, and is then uniform within its range: the
individual risk model of actuaries (Klugman, Panjer & Willmot, "Loss Models", 4th edition 2012, §9.11). The sum's
distribution is computed by convolving one cost after another on a grid (ibid. §9.6, arithmetic severities); with fixed
equal costs it is the Poisson binomial distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 1 << 14
"""A grid that would be larger gets cells of twice the width, as often as it takes: time and memory stay bounded."""

_TOLERANCE = 1e-9
"""By how much a sum of probabilities may miss a quantile's level, so that rounding does not decide."""


@dataclass(frozen=True, slots=True, order=True)
class UncertainCost:
    """A cost between ``low`` and ``high`` that is due with ``probability``."""

    probability: float
    low: float
    high: float

    @property
    def mean(self) -> float:
        """What it comes to on average, the times included when it is not due."""
        return self.probability * (self.low + self.high) / 2


class CostSum:
    """The distribution of the sum of ``costs``, on a grid of cells of ``cell`` or, for large sums, 2, 4, 8 … ``cell``.

    A range's ends are rounded to the grid; where none needs to be, and cells keep their width, one more cost never
    lowers a quantile. Where one more cost makes :attr:`cell` wider, it may lower one by two cells at most, which is
    less than a 4,000th of the sum. The order of ``costs`` makes no difference.
    """

    def __init__(self, costs: Sequence[UncertainCost], cell: float) -> None:
        ordered = sorted(costs)  # sums of floats depend on their order
        self.mean = sum(cost.mean for cost in ordered)
        self.most = sum(cost.high for cost in ordered)
        while self.most / cell > MOST_CELLS:
            cell *= 2
        self.cell = cell
        mass: NDArray[np.float64] = np.ones(1)
        for cost in ordered:
            mass = _with(mass, cost.probability, round(cost.low / cell), round(cost.high / cell))
        self._mass = mass
        self._values = np.minimum(np.arange(mass.size) * cell, self.most)

    def quantile(self, level: float) -> float:
        """The smallest value that the sum does not exceed with a probability of ``level`` (0 to 1)."""
        place = int(np.searchsorted(np.cumsum(self._mass), level - _TOLERANCE))
        return float(self._values[min(place, self._values.size - 1)])

    def mean_below(self, cap: float) -> float:
        """The mean of the sum where all above ``cap`` counts as ``cap``."""
        excess = float(self._mass @ np.maximum(self._values - cap, 0.0))
        return min(max(self.mean - excess, 0.0), cap)


def _with(mass: NDArray[np.float64], probability: float, first: int, last: int) -> NDArray[np.float64]:
    """The distribution ``mass`` after adding, with ``probability``, a number of cells from ``first`` to ``last``."""
    count, width = mass.size, last - first + 1
    below = np.concatenate([[0.0], np.cumsum(mass)])
    ends = np.arange(1, count + width)
    grown = np.zeros(count + last)
    # Adding a uniform number is a moving sum, and that a difference of two running sums: linear time, never negative.
    grown[first:] = (below[np.minimum(ends, count)] - below[np.maximum(ends - width, 0)]) * (probability / width)
    grown[:count] += (1 - probability) * mass
    return grown
