"""The test that says that a drift is over: the drifted statistic against a bet that at least half of the drift remains.

Of the statistics that moved, the one that moved most is watched. A cut is put where a tenth of the reference lies
beyond it, on the side to which the photos drifted: ``normal`` is the reference's share beyond it, ``drifted`` that of
the photos between the drift's onset and its alarm. The null hypothesis "still drifted" says that the share beyond the
cut is at least ``half`` = (normal + drifted) / 2. Against it, each photo bets

    e = claim / half                 beyond the cut,
    e = (1 - claim) / (1 - half)     else, with claim = normal + (drifted - normal) / 4,

whose mean is at most 1 while the null holds, because claim < half; the mean over an inspection's photos keeps that
under any dependence between them. The bets multiply in a Shiryaev–Roberts recursion, M ← e · (M + 1) (Shin, Ramdas &
Rinaldo, "E-detectors"), and it is over when M ≥ :data:`WRONGLY_ONCE_IN`: a drift that stays as it is is called over at
most once in so many inspections on average. What was called over wrongly is noticed again by the detectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

WRONGLY_ONCE_IN = 10_000
"""Inspections, on average, until a drift that stays as it is is called over."""

_BEYOND = 0.1  # of the reference: rare enough to be told from the drift, common enough to be known
_LEAST_EXCESS = 0.1  # of a drift's photos beyond the cut over the reference's: a smaller one could not be seen to go


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where the test of one incident stands; ``side`` is +1 where the statistic rose, -1 where it fell."""

    statistic: str
    side: int
    cut: float
    normal: float
    drifted: float
    evidence: float = 0.0
    inspections: int = 0

    @classmethod
    def begin(
        cls,
        names: Sequence[str],
        reference: NDArray[np.float64],
        drifted: NDArray[np.float64],
        moved: Sequence[tuple[str, int]],
    ) -> Self | None:
        """The test for a drift in which ``moved`` (statistic, side) moved from ``reference`` to ``drifted``.

        Both are ``(N, F)`` with columns ``names``. None where no statistic is known in both.
        """
        tests = [
            test
            for name, side in moved
            if name in names
            and (test := cls._of(name, side, reference[:, names.index(name)], drifted[:, names.index(name)]))
        ]
        return max(tests, key=lambda test: test.drifted - test.normal, default=None)

    @classmethod
    def _of(cls, name: str, side: int, reference: NDArray[np.float64], drifted: NDArray[np.float64]) -> Self | None:
        known, seen = reference[~np.isnan(reference)] * side, drifted[~np.isnan(drifted)] * side
        if not known.size or not seen.size:
            return None
        cut = float(np.quantile(known, 1 - _BEYOND))
        normal = float((known > cut).mean())
        share = ((seen > cut).sum() + 1) / (seen.size + 2)  # of few photos: neither 0 nor 1
        return cls(name, side, cut * side, normal, float(max(share, normal + _LEAST_EXCESS)))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_document`."""
        return cls(**document)

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return asdict(self)

    def update(self, names: Sequence[str], photos: NDArray[np.float64]) -> Self:
        """The test after an inspection with the features ``photos`` ``(k, F)``."""
        values = photos[:, names.index(self.statistic)]
        values = values[~np.isnan(values)]
        if not values.size:
            return self
        excess = self.drifted - self.normal
        half, claim = self.normal + excess / 2, self.normal + excess / 4
        beyond = values * self.side > self.cut * self.side
        bet = float(np.where(beyond, claim / half, (1 - claim) / (1 - half)).mean())
        return replace(self, evidence=bet * (self.evidence + 1), inspections=self.inspections + 1)

    @property
    def is_over(self) -> bool:
        """Whether the drift is over."""
        return self.evidence >= WRONGLY_ONCE_IN
