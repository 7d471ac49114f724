"""Where a figure stands among the reference's: its conformal rank, which is uniform when nothing has changed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_SPACING = 4.0
_OVERHANG = 0.5  # how far beyond the reference's range a figure is told from its ends, in ranges


class Ranks(NamedTuple):
    """The ranks of some photos; every array is ``(k, J)``.

    The figure of a photo lies in bins ``first`` to ``last`` (both included) of the ``n + 1`` bins that the reference's
    sorted figures form: more than one where it ties with some. ``missing`` marks figures that are NaN.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    missing: NDArray[np.bool_]


class ReferenceRanks:
    """Ranks of ``J`` columns against a reference ``(N, J)``, in which NaN is a missing figure.

    All columns lie one after another in one sorted array, so that one search finds the ranks of all.
    """

    def __init__(self, reference: NDArray[np.float64]) -> None:
        columns = [np.sort(column[~np.isnan(column)]) for column in reference.T]
        self.counts = np.array([column.size for column in columns])
        """How many reference figures each column has, ``(J,)``."""
        self._lowest = np.array([column[0] for column in columns])
        spread = np.array([column[-1] - column[0] for column in columns])
        self._scale = 1.0 / np.where(spread > 0, spread, np.maximum(np.abs(self._lowest), 1.0))
        self._place = _SPACING * np.arange(len(columns))
        self._sorted = np.concatenate([self._placed(column, j) for j, column in enumerate(columns)])
        self._start = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.bin_start = self._start + np.arange(len(columns))
        """Where each column's ``n + 1`` bins begin in a table that holds those of all columns, ``(J,)``."""
        middles = [(np.arange(2 * count + 1) / 2 + 0.5) / (count + 1) for count in self.counts]
        self._normal = np.concatenate([ndtri(middle) for middle in middles])
        self._normal_start = 2 * self._start + np.arange(len(columns))

    def _placed(self, values: NDArray[np.float64], column: int | None = None) -> NDArray[np.float64]:
        at: int | slice = slice(None) if column is None else column
        placed = values - self._lowest[at]
        placed *= self._scale[at]
        np.maximum(placed, -_OVERHANG, out=placed)
        np.minimum(placed, 1 + _OVERHANG, out=placed)
        placed += self._place[at]
        return np.asarray(placed, np.float64)

    def of(self, values: NDArray[np.float64]) -> Ranks:
        """The ranks of ``values`` ``(k, J)``."""
        placed = self._placed(values)
        missing = placed != placed  # noqa: PLR0124  # NaN, for a third of the cost of np.isnan
        first = self._sorted.searchsorted(placed) - self._start
        last = self._sorted.searchsorted(placed, "right") - self._start
        if missing.any():
            first, last = np.where(missing, 0, first), np.where(missing, self.counts, last)
        return Ranks(first, last, missing)

    def normal(self, ranks: Ranks) -> NDArray[np.float64]:
        """Φ⁻¹ of the middle of each figure's bins, ``(k, J)``: 0 for what is missing, so that it says nothing."""
        return np.asarray(self._normal.take(self._normal_start + ranks.first + ranks.last))
