"""How strong a drift is, and how many photos it has: what makes re-made photos have the statistics of production."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.remakes import Way

Floats = NDArray[np.float64]

_QUANTILES = np.arange(0.05, 1, 0.1)
_STEPS = 10  # places between two measured amounts at which the fit is tried
_SHARES = np.arange(0.1, 0.95, 0.1)
_WORTH = 0.7  # of the misfit must remain at most before it is believed that only a share of the photos drifted


@dataclass(frozen=True, slots=True)
class Match:
    """``way`` with the ``amount`` of it, on a ``share`` of the photos, that comes nearest to production.

    ``misfit`` is the root mean square distance of the quantiles, in standard deviations of the statistics over all
    amounts; ``medians`` ``(S,)`` are those of the photos, re-made and not, that were matched.
    """

    way: Way
    amount: float
    share: float
    misfit: float
    medians: Floats


def match_amount(ways: Sequence[Way], clean: Floats, remade: Sequence[Floats], production: Floats) -> Match:
    """The way, amount and share whose photos are most like production's.

    ``clean`` ``(N, S)`` are the statistics of the photos as taken, ``remade`` holds ``(A, N, S)`` for each way's
    amounts, ``production`` is ``(M, S)``; not-a-numbers in it do not count. Compared are quantiles, so that content
    that a few photos have and others have not says little; a photo's statistics are interpolated between two amounts.
    All photos are taken to have drifted unless a share of them fits much better.
    """
    ladders = [np.concatenate([clean[None], steps]) for steps in remade]
    # One measure for all ways, so that they can be compared.
    scale = np.concatenate([ladder.reshape(-1, clean.shape[1]) for ladder in ladders]).std(axis=0) + 1e-9
    wanted = np.nanquantile(production, _QUANTILES, axis=0)
    found = [_best(way, ladder, wanted, scale) for way, ladder in zip(ways, ladders, strict=True)]
    whole, part = (min((pair[place] for pair in found), key=lambda one: one.misfit) for place in (0, 1))
    return part if part.misfit < _WORTH * whole.misfit else whole


def _best(way: Way, ladder: Floats, wanted: Floats, scale: Floats) -> tuple[Match, Match]:
    """The best match with all photos drifted, and with only a share of them."""
    amounts = (way.nothing, *way.amounts)
    matches: list[list[Match]] = [[], []]
    for rung in np.linspace(0, len(ladder) - 1, (len(ladder) - 1) * _STEPS + 1):
        lower = min(int(rung), len(ladder) - 2)
        drifted = ladder[lower] + (rung - lower) * (ladder[lower + 1] - ladder[lower])
        amount = float(np.interp(rung, np.arange(len(amounts)), amounts))
        for share, quantiles in _mixed(ladder[0], drifted):
            misfit = float(np.sqrt((((quantiles[:-1] - wanted) / scale) ** 2).mean()))
            matches[share < 1].append(Match(way, amount, share, misfit, quantiles[-1]))
    whole, part = (min(some, key=lambda one: one.misfit) for some in matches)
    return whole, part


def _mixed(clean: Floats, drifted: Floats) -> list[tuple[float, Floats]]:
    """Quantiles, and at last the median, of all drifted photos, and of each share of them among clean ones."""
    levels = np.append(_QUANTILES, 0.5)
    found: list[tuple[float, Floats]] = [(1.0, np.quantile(drifted, levels, axis=0))]
    both = np.concatenate([clean, drifted])
    order = np.argsort(both, axis=0)
    values, is_drifted = np.take_along_axis(both, order, axis=0), order >= len(clean)
    for share in _SHARES:
        reached = np.cumsum(np.where(is_drifted, share, 1 - share), axis=0) / len(clean)
        places = [np.searchsorted(reached[:, column], levels) for column in range(both.shape[1])]
        found.append((float(share), np.stack([values[place, column] for column, place in enumerate(places)], axis=1)))
    return found
