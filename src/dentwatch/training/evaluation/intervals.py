"""Bootstrap intervals by vehicle.

Photos of one car share its damages, its light and its photographer, so they are not independent; whole vehicles are
drawn with replacement instead (cluster bootstrap: Davison & Hinkley, "Bootstrap Methods and their Application", 1997,
§3.8). An interval spans the 2.5th to the 97.5th percentile of the resampled figures. Nothing is matched again: a
resample only weighs the vehicles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dentwatch.training.evaluation.curves import RECALL_OF_INTEREST, curve, label_ap, mean_of_known
from dentwatch.training.evaluation.matching import Flags, Floats, Integers, MatchTable
from dentwatch.training.evaluation.metrics import LOOSE_IOU
from dentwatch.training.evaluation.operating import OPERATING_IOU, damaged_photos

RESAMPLES = 500
LEVEL = 0.95

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
    """The interval of each figure of ``statistic``; figures without a value in most resamples are left out."""
    return {name: _span(values) for name, values in _resample(statistic, weights).items() if _enough(values)}


def differences(first: Statistic, second: Statistic, weights: Floats) -> dict[str, Difference]:
    """``second`` less ``first`` for the figures that both have, resampled together (paired)."""
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


def headline(table: MatchTable, thresholds: Mapping[str, float]) -> Statistic:
    """The figures of the report as a function of vehicle weights.

    ``ap50``, ``ap30`` (also ``_LABEL``); at the thresholds and IoU 0.5 ``precision``, ``recall``, ``f1``, ``accuracy``,
    ``false_positive_rate``, ``false_negative_rate``, ``false_per_photo`` (the first two also ``_LABEL``); ``recall30``
    and ``precision30`` at IoU 0.3; ``false_per_photo_at_recall25``: the fewest false boxes per photo at recall 0.25, IoU
    0.3, all labels under one threshold; ``photo_accuracy``.
    """
    kept = table.kept(dict(thresholds))
    counts = _VehicleCounts(table)
    truth, found = damaged_photos(table, thresholds)
    agreed = counts.of_photos(truth == found)
    photos = counts.of_photos(np.ones(table.photos, dtype=np.bool_))
    by_label = {
        label: (kept & (table.label == index), table.truth_label == index) for index, label in enumerate(table.labels)
    }
    everything = (kept, np.ones(table.truth_label.size, dtype=np.bool_))
    at = {
        "": counts.of(*everything, OPERATING_IOU),
        "30": counts.of(*everything, LOOSE_IOU),
        **{f"_{label}": counts.of(*flags, OPERATING_IOU) for label, flags in by_label.items()},
    }

    def statistic(weights: Floats) -> dict[str, float]:
        figures = {}
        for iou, name in ((0.5, "ap50"), (LOOSE_IOU, "ap30")):
            each = np.array([label_ap(table, index, iou, weights) for index in range(len(table.labels))])
            figures[name] = mean_of_known(each)
            figures |= {f"{name}_{label}": float(value) for label, value in zip(table.labels, each, strict=True)}
        for suffix, vectors in at.items():
            right, claimed, real = (float(weights @ vector) for vector in vectors)
            figures[f"precision{suffix}"] = _ratio(right, claimed)
            figures[f"recall{suffix}"] = _ratio(right, real)
            if not suffix:
                figures["f1"] = _ratio(2 * right, claimed + real)
                figures["accuracy"] = _ratio(right, claimed + real - right)
                figures["false_positive_rate"] = _ratio(claimed - right, claimed)
                figures["false_negative_rate"] = _ratio(real - right, real)
                figures["false_per_photo"] = _ratio(claimed - right, float(weights @ photos))
        figures["false_per_photo_at_recall25"] = _known(
            curve(table, LOOSE_IOU, None, weights).false_per_photo_at(RECALL_OF_INTEREST)
        )
        figures["photo_accuracy"] = _ratio(float(weights @ agreed), float(weights @ photos))
        return figures

    return statistic


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class _VehicleCounts:
    """Sums per vehicle, so that a resample is a dot product."""

    table: MatchTable

    def _sum(self, vehicles: Integers) -> Floats:
        return np.bincount(vehicles, minlength=len(self.table.vehicles)).astype(np.float64)

    def of(self, chosen: Flags, truths: Flags, iou: float) -> tuple[Floats, Floats, Floats]:
        """Right detections, all detections and damages per vehicle, each ``(V,)``."""
        vehicle = self.table.vehicle
        right = chosen & (self.table.hit[iou] >= 0)
        return self._sum(vehicle[right]), self._sum(vehicle[chosen]), self._sum(self.table.truth_vehicle[truths])

    def of_photos(self, chosen: Flags) -> Floats:
        """Photos per vehicle ``(V,)``."""
        return self._sum(self.table.photo_vehicle[chosen])
