"""Bets on ranks: functions of a figure's rank with mean 1 under uniform ranks, so that they can win only by drift.

A bet on a statistic is ``(1 − ρ) + ρ·exp(s·δ·z − δ²/2)`` with ``z = Φ⁻¹(u)``: the likelihood ratio of a normal figure
that moved by ``δ`` reference standard deviations in direction ``s``, mixed with 1 so that a fortune is never staked on
one photo. A bet on a cause is the same mixture with the density of the cause's score among simulated drifts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dentwatch.monitoring.drift.deflator import Worth, rough_mean_bound
from dentwatch.monitoring.drift.ranks import ReferenceRanks

CAPS = (3.0, 6.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 400.0, 700.0)
"""Of these is chosen the highest likelihood ratio that a bet believes."""
MERGED_UP_TO = 200.0
"""Up to this cap the two highest bins of a cause's density are one."""
_MARGIN = 0.35  # nats per photo that bets on the rarest ranks alone must be better by: few photos stand for those
_GRID = (np.arange(2000) + 0.5) / 2000
SIGNS = (1.0, -1.0)
SHIFTS = (1.0, 2.0)
"""δ in reference standard deviations."""
STAKES = (0.95, 0.3)
"""ρ: 0.95 for a drift of all photos, 0.3 for a drift of some."""

STATISTIC_BETS: tuple[tuple[float, float, float], ...] = tuple(product(SIGNS, SHIFTS, STAKES))
"""Sign, δ and ρ of each bet on a statistic."""


@dataclass(frozen=True, slots=True)
class BetTable:
    """What every bet pays for a figure, for ``J`` columns with ``B`` bets each; 1 for one that is missing.

    ``pays`` is by place (:class:`~dentwatch.monitoring.drift.ranks.ReferenceRanks`), ``(places, B)``; ``highest`` is
    the most that a bet can pay, ``(J, B)``.
    """

    pays: NDArray[np.float64]
    highest: NDArray[np.float64]


def statistic_bets(reference: ReferenceRanks, worth: Worth) -> BetTable:
    """The bets on statistics, :data:`STATISTIC_BETS` per column, against a reference."""
    bets = [(_normal_ratio(sign, shift), stake) for sign, shift, stake in STATISTIC_BETS]
    caps = _best_caps(bets, worth)
    return _table(reference, [_pays(int(count), bets, caps) for count in reference.counts])


def cause_bets(
    reference: ReferenceRanks,
    edges: NDArray[np.float64],
    densities: NDArray[np.float64],
    worth: Worth,
) -> BetTable:
    """The bets on causes, one per stake: ``densities`` ``(C, E − 1)`` are those of a score's rank between ``edges``."""
    bets = [(_stepped_ratio(edges, density), stake) for density in densities for stake in STAKES]
    caps = _best_caps(bets, worth)
    size = len(STAKES)
    parts = [slice(start, start + size) for start in range(0, len(bets), size)]
    return _table(
        reference, [_pays(int(n), bets[part], caps[part]) for n, part in zip(reference.counts, parts, strict=True)]
    )


Ratio = Callable[[NDArray[np.float64], float], NDArray[np.float64]]
"""A likelihood ratio of ranks in (0, 1), drifted against clean, as it is meant for a cap."""


def _normal_ratio(sign: float, shift: float) -> Ratio:
    return lambda u, _cap: np.asarray(np.exp(sign * shift * ndtri(u) - shift**2 / 2))


def _stepped_ratio(edges: NDArray[np.float64], density: NDArray[np.float64]) -> Ratio:
    widths = np.diff(edges)[-2:]
    merged = density.copy()
    merged[-2:] = density[-2:] @ widths / widths.sum()

    def ratio(u: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
        # A bet that can hardly win from the rarest ranks does better to bet on their neighbours, too.
        return np.asarray((density if cap > MERGED_UP_TO else merged)[np.searchsorted(edges[1:-1], u, "right")])

    return ratio


def _pays(count: int, bets: Sequence[tuple[Ratio, float]], caps: NDArray[np.float64]) -> NDArray[np.float64]:
    """What ``bets`` (ratio and stake) pay in each of ``count + 1`` equally likely bins, ``(count + 1, B)``."""
    middles = (np.arange(count + 1) + 0.5) / (count + 1)
    return np.stack(
        [_mixed(ratio(middles, cap), stake, cap) for (ratio, stake), cap in zip(bets, caps, strict=True)], 1
    )


def _best_caps(bets: Sequence[tuple[Ratio, float]], worth: Worth) -> NDArray[np.float64]:
    """The cap at which each bet's money grows fastest under its own drift, after the deflator has taken its part.

    A high cap wins more per photo, but a small reference says little about the rare ranks that pay it.
    """
    growth = []
    drifted = np.stack([_mixed(ratio(_GRID, np.inf), stake, np.inf) for ratio, stake in bets], 1)
    for cap in CAPS:
        pays = np.stack([_mixed(ratio(_GRID, cap), stake, cap) for ratio, stake in bets], 1)
        won = np.log(pays / rough_mean_bound(pays, worth))
        growth.append((drifted * won).mean(axis=0) - _MARGIN * (cap > MERGED_UP_TO))
    return np.asarray(np.array(CAPS)[np.argmax(growth, axis=0)])


def _mixed(ratio: NDArray[np.float64], stake: float, cap: float) -> NDArray[np.float64]:
    capped = np.minimum(ratio / ratio.mean(), cap)
    # What the cap takes from rare ranks is spread over all, so that a low cap stakes less.
    return np.asarray(1 - stake * capped.mean() + stake * capped, np.float64)


def _table(reference: ReferenceRanks, pays: list[NDArray[np.float64]]) -> BetTable:
    return BetTable(reference.by_place(pays, missing=1.0), np.stack([pay.max(axis=0) for pay in pays]))
