"""The figures of an evaluation as functions of how often each vehicle counts, ready for the bootstrap."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dentwatch.training.evaluation.curves import RECALL_OF_INTEREST, Ranking, mean_of_known
from dentwatch.training.evaluation.geometry import BOX_SIZES
from dentwatch.training.evaluation.intervals import Statistic
from dentwatch.training.evaluation.matching import Flags, Floats, Integers, MatchTable
from dentwatch.training.evaluation.metrics import LOOSE_IOU
from dentwatch.training.evaluation.operating import OPERATING_IOU, damaged_photos, rate_figures


def headline(table: MatchTable, thresholds: Mapping[str, float]) -> Statistic:
    """The figures of the report from vehicle weights ``(V,)``.

    - ``ap50`` and ``ap30``, also ``_LABEL``;
    - those of :func:`~dentwatch.training.evaluation.operating.rate_figures` at the thresholds: as they are at IoU 0.5,
      with ``_iou30`` at IoU 0.3, with ``_LABEL`` for one label at IoU 0.5;
    - ``false_per_photo_at_recall25``: the fewest false boxes per photo with which recall 0.25 is reached at IoU 0.3,
      all labels under one threshold;
    - ``photo_accuracy``: share of photos rightly called damaged or undamaged.
    """
    tallies = _tallies(table, table.kept(dict(thresholds)))
    average_precision, pooled = _ap_figures(table), Ranking.of(table, LOOSE_IOU)
    counts = VehicleCounts(table)
    truth, found = damaged_photos(table, thresholds)
    agreed, photos = counts.of_photos(truth == found), counts.of_photos(np.ones(table.photos, dtype=np.bool_))

    def statistic(weights: Floats) -> dict[str, float]:
        figures = average_precision(weights)
        seen = float(weights @ photos)
        for suffix, vectors in tallies.items():
            right, claimed, real = (float(weights @ vector) for vector in vectors)
            rates = rate_figures(right, claimed, real, seen)
            figures |= {name + suffix: value for name, value in rates.items()}
        figures["false_per_photo_at_recall25"] = pooled.false_per_photo_at(RECALL_OF_INTEREST, weights)
        figures["photo_accuracy"] = float(weights @ agreed) / seen if seen else float("nan")
        return figures

    return statistic


def _ap_figures(table: MatchTable) -> Statistic:
    rankings = {
        name: [Ranking.of(table, iou, label) for label in table.labels]
        for iou, name in ((OPERATING_IOU, "ap50"), (LOOSE_IOU, "ap30"))
    }

    def statistic(weights: Floats) -> dict[str, float]:
        figures = {}
        for name, by_label in rankings.items():
            each = np.array([ranking.average_precision(weights) for ranking in by_label])
            figures[name] = mean_of_known(each)
            figures |= {f"{name}_{label}": float(value) for label, value in zip(table.labels, each, strict=True)}
        return figures

    return statistic


def _tallies(table: MatchTable, kept: Flags) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Right detections, detections and damages per vehicle, by the suffix of the figures they give."""
    counts = VehicleCounts(table)
    every = np.ones(table.truth_label.size, dtype=np.bool_)
    tallies = {"": counts.of(kept, every, OPERATING_IOU), "_iou30": counts.of(kept, every, LOOSE_IOU)}
    for index, label in enumerate(table.labels):
        tallies[f"_{label}"] = counts.of(kept & (table.label == index), table.truth_label == index, OPERATING_IOU)
    return tallies


def by_size(table: MatchTable, thresholds: Mapping[str, float]) -> Statistic:
    """``recall_SIZE`` of the damages and ``precision_SIZE`` of the detections of each box size, at IoU 0.5."""
    counts = VehicleCounts(table)
    kept = table.kept(dict(thresholds))
    hit = table.hit[OPERATING_IOU]
    found = np.zeros(table.truth_size.size, dtype=np.bool_)
    found[hit[kept & (hit >= 0)]] = True
    vectors = {}
    for index, size in enumerate(BOX_SIZES):
        real, claimed = table.truth_size == index, kept & (table.size == index)
        vectors[f"recall_{size}"] = counts.of_truths(real & found), counts.of_truths(real)
        vectors[f"precision_{size}"] = counts.of_detections(claimed & (hit >= 0)), counts.of_detections(claimed)

    def statistic(weights: Floats) -> dict[str, float]:
        sums = {name: (float(weights @ part), float(weights @ whole)) for name, (part, whole) in vectors.items()}
        return {name: part / whole if whole else float("nan") for name, (part, whole) in sums.items()}

    return statistic


@dataclass(frozen=True, slots=True)
class VehicleCounts:
    """Sums per vehicle, so that a resample is a dot product."""

    table: MatchTable

    def _sum(self, vehicles: Integers) -> Floats:
        return np.bincount(vehicles, minlength=len(self.table.vehicles)).astype(np.float64)

    def of_photos(self, chosen: Flags) -> Floats:
        """Photos per vehicle ``(V,)``."""
        return self._sum(self.table.photo_vehicle[chosen])

    def of_detections(self, chosen: Flags) -> Floats:
        """Detections per vehicle ``(V,)``."""
        return self._sum(self.table.vehicle[chosen])

    def of_truths(self, chosen: Flags) -> Floats:
        """Damages per vehicle ``(V,)``."""
        return self._sum(self.table.truth_vehicle[chosen])

    def of(self, chosen: Flags, truths: Flags, iou: float) -> tuple[Floats, Floats, Floats]:
        """Right detections, detections and damages per vehicle, each ``(V,)``."""
        right = chosen & (self.table.hit[iou] >= 0)
        return self.of_detections(right), self.of_detections(chosen), self.of_truths(truths)
