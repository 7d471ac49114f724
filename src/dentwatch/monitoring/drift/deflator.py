"""How much a bet may win on clean photos at most, given that the reference is only a sample of them.

Without this step every detector false-alarms: a bet whose mean is 1 on the reference has a mean of, say, 1.05 on the
world that the reference was drawn from, and 1.05 to the power of 1,000 is a certainty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99
"""That the bounds of all bets of a detector hold at once."""
_SHARES = np.linspace(0.04, 0.96, 12)
_STEPS = 20
_FACTORS = 64


@dataclass(frozen=True, slots=True)
class Worth:
    """How much a reference tells of the world that it was drawn from.

    - ``photos``: how many independent photos (or vehicles) it is worth;
    - ``confidence``: that a single bound has to hold with;
    - ``unseen``: the share of clean photos that may be unlike any of the reference.
    """

    photos: float
    confidence: float = 0.999
    unseen: float = 0.0


def confidence_of_each(bounds: int) -> float:
    """The confidence that each of so many bounds needs, that all hold at once with :data:`CONFIDENCE` (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / bounds


def mean_bound(
    values: NDArray[np.float64],
    highest: NDArray[np.float64],
    effective: float | NDArray[np.float64],
    confidence: float,
) -> NDArray[np.float64]:
    """An upper confidence bound of the mean of each column of ``values`` ``(N, B)``, which lie in [0, ``highest``].

    Betting against a mean of m: ``Π (1 − λ·(x − m)/(highest − m))`` has expectation ≤ 1 when the mean is at least m,
    for every share λ in (0, 1), and so has its average over some λ. By Markov's inequality it exceeds
    1/(1 − confidence) with probability ≤ 1 − confidence; the bound is the largest m for which it does not. It holds
    for any distribution and sample size (Waudby-Smith & Ramdas, "Estimating means of bounded random variables by
    betting", 2024). ``effective`` is the number of independent values that a column is worth, N where they are
    independent.
    """
    low, high = values.mean(axis=0), highest + 1e-9
    low = np.minimum(low, high)
    weight, limit = effective / len(values), -np.log1p(-confidence)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        refuted = _log_fortune(values, middle, highest + 1e-9, weight) >= limit
        low, high = np.where(refuted, low, middle), np.where(refuted, middle, high)
    return np.asarray(high, np.float64)


def rough_mean_bound(values: NDArray[np.float64], worth: Worth) -> NDArray[np.float64]:
    """About what :func:`mean_bound` will say, ``(B,)``, of columns that are not a sample but what is expected.

    It is Bernstein's inequality, and takes no time: enough to compare bets.
    """
    odds, highest = np.log(len(_SHARES)) - np.log1p(-worth.confidence), values.max(axis=0)
    apart = np.sqrt(2 * values.var(axis=0) * odds / worth.photos)
    bound = values.mean(axis=0) + apart + highest * odds / (3 * worth.photos)
    return np.asarray(np.maximum(bound, highest * worth.unseen), np.float64)


def _log_fortune(
    values: NDArray[np.float64],
    mean: NDArray[np.float64],
    highest: NDArray[np.float64],
    weight: float | NDArray[np.float64],
) -> NDArray[np.float64]:
    relative = (values - mean) / (highest - mean)
    # Products of few factors cannot underflow, and take a fraction of the time of as many logarithms.
    starts = np.arange(0, len(values), _FACTORS)
    logs = np.stack([np.log(np.multiply.reduceat(1 - share * relative, starts)).sum(axis=0) for share in _SHARES])
    return np.asarray(np.logaddexp.reduce(logs * weight, axis=0) - np.log(len(_SHARES)), np.float64)
