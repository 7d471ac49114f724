"""The last updates, from which the size and the pace of a drift are told; older ones are forgotten."""

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.reading import Pace

REMEMBERED = 256
"""Updates that are remembered."""
_BEFORE = 128
_GRADUAL_SHARE = 0.25  # of the shift that was there before the onset already


class Recent:
    """The mean figures of the last :data:`REMEMBERED` updates, in reference standard deviations."""

    def __init__(self, statistics: int) -> None:
        self.figures = np.full((REMEMBERED, statistics), np.nan, np.float32)
        """A ring, ``(REMEMBERED, J)``: update ``n`` (from 1) is in row ``n % REMEMBERED``; NaN where missing."""

    def remember(self, update: int, figures: NDArray[np.float64]) -> None:
        """Keep the ``figures`` ``(J,)`` of ``update``."""
        self.figures[update % REMEMBERED] = figures

    def between(self, first: int, last: int, latest: int) -> NDArray[np.float32]:
        """The figures of updates ``first`` to ``last`` that are still remembered at ``latest``, ``(n, J)``."""
        oldest = max(1, latest - REMEMBERED + 1)
        return self.figures[np.arange(max(first, oldest), last + 1) % REMEMBERED]

    def shift(self, onset: int, latest: int) -> NDArray[np.float64]:
        """How far each statistic lies from the reference since ``onset``, ``(J,)``; 0 where it is missing."""
        return _mean(self.between(onset, latest, latest))

    def pace(self, onset: int, latest: int, statistic: int) -> Pace:
        """``gradual`` where ``statistic`` had gone part of the way before ``onset``, or that is forgotten."""
        before = self.between(onset - _BEFORE, onset - 1, latest)
        if onset > 1 and not len(before):
            return "gradual"
        after = self.shift(onset, latest)[statistic]
        already = float(_mean(before)[statistic]) if len(before) else 0.0
        # A few photos before the onset are no ground to call a drift gradual.
        return "gradual" if len(before) >= 32 and already * np.sign(after) > _GRADUAL_SHARE * abs(after) else "sudden"


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    there = ~np.isnan(rows)
    return np.asarray(np.where(there, rows, 0).sum(axis=0, dtype=np.float64) / np.maximum(there.sum(axis=0), 1))
