"""The last updates, from which the size and the pace of a drift are told; older ones are forgotten."""

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.reading import Pace

REMEMBERED = 256
"""Updates that are remembered."""
_BEFORE = 128
_LEAST_SINCE = 5
_RISE_OVER_STEP = 1.0
_GRADUAL_SHARE = 0.25  # of the shift that was there before the onset already


class Recent:
    """The mean figures of the last :data:`REMEMBERED` updates.

    ``centre`` and ``per_spread`` ``(J,)`` are the reference's means and 1 ÷ its standard deviations.
    """

    def __init__(self, centre: NDArray[np.float64], per_spread: NDArray[np.float64]) -> None:
        self._centre, self._per_spread = centre, per_spread
        self.figures = np.full((REMEMBERED, len(centre)), np.nan, np.float32)
        """A ring, ``(REMEMBERED, J)``, in the statistics' own units: update ``n`` (from 1) is in row
        ``n % REMEMBERED``; NaN where missing.
        """

    def remember(self, update: int, figures: NDArray[np.float64]) -> None:
        """Keep the ``figures`` ``(J,)`` of ``update``."""
        self.figures[update % REMEMBERED] = figures

    def between(self, first: int, last: int, latest: int) -> NDArray[np.float64]:
        """The figures of updates ``first`` to ``last`` that are still remembered at ``latest``, ``(n, J)``.

        They are in reference standard deviations from its mean.
        """
        oldest = max(1, latest - REMEMBERED + 1)
        return (self.figures[np.arange(max(first, oldest), last + 1) % REMEMBERED] - self._centre) * self._per_spread

    def shift(self, onset: int, latest: int) -> NDArray[np.float64]:
        """How far each statistic lies from the reference since ``onset``, ``(J,)``; 0 where it is missing."""
        return _mean(self.between(onset, latest, latest))

    def pace(self, onset: int, latest: int, statistic: int) -> Pace:
        """``gradual`` where ``statistic`` still moves, or had moved before ``onset`` already, or that is forgotten."""
        if rise_over_step(self.between(1, latest, latest)[:, statistic]) > _RISE_OVER_STEP:
            return "gradual"
        before = self.between(onset - _BEFORE, onset - 1, latest)
        if onset > 1 and not len(before):
            return "gradual"
        after = self.shift(onset, latest)[statistic]
        already = float(_mean(before)[statistic]) if len(before) else 0.0
        # A few photos before the onset are no ground to call a drift gradual.
        return "gradual" if len(before) >= 32 and already * np.sign(after) > _GRADUAL_SHARE * abs(after) else "sudden"


def rise_over_step(figures: NDArray[np.float64]) -> float:
    """How much better a steady rise fits ``figures`` ``(n,)``, in reference standard deviations, than a step.

    Each begins at 0 at the update that suits it best. It is the logarithm of the likelihood ratio for normal noise of
    unknown size, n/2 · ln(squares left by the step ÷ squares left by the rise); NaN figures are left out.
    """
    figures = figures[~np.isnan(figures)]
    if len(figures) <= _LEAST_SINCE:
        return 0.0
    since = np.arange(len(figures)) - np.arange(len(figures) - _LEAST_SINCE)[:, None] + 1.0
    np.maximum(since, 0.0, out=since)
    total = float(figures @ figures)
    by_step, by_rise = (
        ((shape @ figures) ** 2 / (shape**2).sum(axis=1)).max() for shape in ((since > 0).astype(np.float64), since)
    )
    tiny = 1e-12 * total  # squares left by a perfect fit
    return float(len(figures) / 2 * np.log((total - by_step + tiny) / (total - by_rise + tiny))) if total else 0.0


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    there = ~np.isnan(rows)
    return np.asarray(np.where(there, rows, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))
