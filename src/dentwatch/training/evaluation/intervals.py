"""Bootstrap intervals by vehicle.

Photos of one car share its damages, its light and its photographer, so they are not independent; whole vehicles are
drawn with replacement instead (cluster bootstrap: Davison & Hinkley, "Bootstrap Methods and their Application", 1997,
§3.8). An interval spans the 2.5th to the 97.5th percentile of the resampled figures. Nothing is matched again: a
resample only weighs the vehicles.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dentwatch.training.evaluation.matching import Floats

RESAMPLES = 500
LEVEL = 0.95
FEWEST_VEHICLES = 5
"""With fewer vehicles there is too little to draw from, and no interval is given."""

Statistic = Callable[[Floats], dict[str, float]]
"""Figures by name from vehicle weights ``(V,)``; not a number where a figure has no value."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Ends of a 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a figure differs between two models on the same vehicles.

    ``value`` is the second's less the first's; ``share_better`` is the share of resamples in which it is above zero.
    """

    value: float
    interval: Interval
    share_better: float


def draw(vehicles: int, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """How often each vehicle is drawn in each resample, ``(resamples, vehicles)``."""
    random = np.random.default_rng(seed)
    return random.multinomial(vehicles, np.full(vehicles, 1 / vehicles), size=resamples).astype(np.float64)


def intervals(statistic: Statistic, weights: Floats) -> dict[str, Interval]:
    """The interval of each figure of ``statistic``; figures without a value in most resamples are left out.

    Empty with fewer than :data:`FEWEST_VEHICLES` vehicles.
    """
    if weights.shape[1] < FEWEST_VEHICLES:
        return {}
    return {name: _span(values) for name, values in _resample(statistic, weights).items() if _enough(values)}


def differences(first: Statistic, second: Statistic, weights: Floats) -> dict[str, Difference]:
    """``second`` less ``first`` for the figures that both have, resampled together (paired).

    Empty with fewer than :data:`FEWEST_VEHICLES` vehicles, as in :func:`intervals`.
    """
    if weights.shape[1] < FEWEST_VEHICLES:
        return {}
    before, after = _resample(first, weights), _resample(second, weights)
    ones = np.ones(weights.shape[1])
    here, there = first(ones), second(ones)
    result = {}
    for name in before.keys() & after.keys():
        change = after[name] - before[name]
        value = there[name] - here[name]
        if _enough(change) and not np.isnan(value):
            known = change[~np.isnan(change)]
            result[name] = Difference(value, _span(change), float((known > 0).mean()))
    return {name: result[name] for name in here if name in result}


def _resample(statistic: Statistic, weights: Floats) -> dict[str, Floats]:
    rows = [statistic(row) for row in weights]
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _enough(values: Floats) -> bool:
    return values.size > 0 and bool((~np.isnan(values)).mean() > 0.5)


def _span(values: Floats) -> Interval:
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))
