"""Where a figure stands among the reference's: its conformal rank, which is uniform when nothing has changed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

MOST_VALUES = 4000
"""Of more reference figures so many order statistics are kept: finer ranks win no more and cost memory."""
_SPACING = 5.0
_OVERHANG = 0.5  # how far beyond the reference's range a figure is told from its ends, in ranges
_MISSING = 2.0  # where a missing figure is put, in ranges


class ReferenceRanks:
    """Ranks of ``J`` columns against a reference ``(N, J)``, in which NaN is a missing figure.

    The ``n`` figures of a column form ``n + 1`` bins, equally likely for a new figure. A figure's *place* is between
    two neighbouring figures (in one bin), on some that are equal (in all bins that touch them), or nowhere, if it is
    missing. Places are numbered through all columns, so that one search finds those of a whole photo, and one look-up
    what belongs to them.
    """

    def __init__(self, reference: NDArray[np.float64]) -> None:
        columns = [_thinned(np.sort(column[~np.isnan(column)])) for column in reference.T]
        self.counts = np.array([column.size for column in columns])
        """How many reference figures each column has, ``(J,)``."""
        self._lowest = np.array([column[0] for column in columns])
        spread = np.array([column[-1] - column[0] for column in columns])
        self._scale = 1.0 / np.where(spread > 0, spread, np.maximum(np.abs(self._lowest), 1.0))
        self._start = _SPACING * np.arange(len(columns))
        found = [self._places_of(column, number) for number, column in enumerate(columns)]
        self._grid = np.concatenate([grid for grid, _, _ in found])
        self._bins = [(first, last) for _, first, last in found]
        middles = [
            ((first + last) / 2 + 0.5) / (n + 1) for (first, last), n in zip(self._bins, self.counts, strict=True)
        ]
        self.normal = _joined([ndtri(middle)[:, None] for middle in middles], 0.0)[:, 0]
        """Φ⁻¹ of the middle of a figure's bins, by place; 0 for what is missing, so that it says nothing."""

    def places(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The places of ``values`` ``(k, J)``, NaN where missing."""
        moved = values - self._lowest
        moved *= self._scale
        np.maximum(moved, -_OVERHANG, out=moved)
        np.minimum(moved, 1 + _OVERHANG, out=moved)
        np.fmin(moved, _MISSING, out=moved)  # of NaN and a number, the number
        moved += self._start
        places: NDArray[np.int64] = self._grid.searchsorted(moved, "right")
        return places

    def by_place(self, by_bin: Sequence[NDArray[np.float64]], missing: float) -> NDArray[np.float64]:
        """What belongs to each place, ``(places, B)``, where ``by_bin`` has what belongs to each column's bins.

        Bins of a column are ``(n + 1, B)``. A tie gets the mean of its bins, which is what the usual random rank
        among them would get on average.
        """
        parts = []
        for (first, last), own in zip(self._bins, by_bin, strict=True):
            sums = np.concatenate([np.zeros((1, own.shape[1])), np.cumsum(own, axis=0)])
            parts.append((sums[last + 1] - sums[first]) / (last + 1 - first)[:, None])
        return _joined(parts, missing)

    def per_column(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` ``(J, B)`` repeated for every place of their column, ``(places, B)``."""
        places = [len(first) + 1 for first, _ in self._bins]
        return np.concatenate([np.zeros((1, values.shape[1])), np.repeat(values, places, axis=0)])

    def _places_of(
        self, column: NDArray[np.float64], number: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """The grid whose steps are the places of one column, and the first and the last bin of each place."""
        moved = (column - self._lowest[number]) * self._scale[number] + self._start[number]
        values, counts = np.unique(moved, return_counts=True)
        after = np.cumsum(counts)
        # Left of the first value, on it, right of it, on the second …
        first = np.stack([after - counts, after - counts], 1).ravel()
        last = np.stack([after - counts, after], 1).ravel()
        steps = np.stack([values, np.nextafter(values, np.inf)], 1).ravel()
        ends = self._start[number] + np.array([-1.0, (1 + _OVERHANG + _MISSING) / 2])
        return (
            np.concatenate([ends[:1], steps, ends[1:]]),
            np.append(first, after[-1]),
            np.append(last, after[-1]),
        )


def _joined(columns: list[NDArray[np.float64]], missing: float) -> NDArray[np.float64]:
    """The columns' parts, one after another as the places are numbered, each with one for missing figures."""
    width = columns[0].shape[1]
    unused = [np.zeros((1, width))]  # every figure is beyond the grid's first step
    return np.concatenate(unused + [row for part in columns for row in (part, np.full((1, width), missing))])


def _thinned(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(ordered) <= MOST_VALUES:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, MOST_VALUES).round().astype(np.int64)]
