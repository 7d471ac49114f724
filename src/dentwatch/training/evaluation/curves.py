"""Precision and false boxes against recall, from detections sorted by falling score.

All functions take optional ``weights`` per detection and the weighted number of damages, so that a bootstrap can
repeat vehicles without copying them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.training.evaluation.matching import Flags, Floats, MatchTable

RECALL_POINTS = np.linspace(0.0, 1.0, 101)
"""The recalls at which the COCO protocol reads precision."""

RECALL_OF_INTEREST = 0.25
"""The recall at which false boxes per photo are compared between models."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Operating points by falling score: ``threshold``, ``precision``, ``recall`` and ``false_per_photo``, each (P,).

    A point is what holds when detections with scores of ``threshold`` and more are kept.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    false_per_photo: Floats

    def false_per_photo_at(self, recall: float) -> float | None:
        """The fewest false boxes per photo with which ``recall`` is reached; None if it never is."""
        reached = self.false_per_photo[self.recall >= recall - 1e-12]
        return float(reached.min()) if reached.size else None


def interpolated_ap(right: Flags, truths: float, weights: Floats | None = None) -> float:
    """COCO's 101-point average precision at one IoU.

    ``right`` says which of the detections, sorted by falling score, found a damage; ``truths`` is the number of
    damages. Not a number when there are none.
    """
    if truths <= 0:
        return float("nan")
    if right.size == 0:
        return 0.0
    weight = np.ones(right.size) if weights is None else weights
    true = np.cumsum(np.where(right, weight, 0.0))
    total = np.cumsum(weight)
    precision = np.divide(true, total, out=np.zeros_like(true), where=total > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(true / truths, RECALL_POINTS, side="left")
    return float(np.where(places < right.size, envelope[np.minimum(places, right.size - 1)], 0.0).mean())


def label_ap(table: MatchTable, label: int, iou: float, vehicle_weights: Floats | None = None) -> float:
    """Average precision of one label at ``iou``, each vehicle counted ``vehicle_weights`` ``(V,)`` times."""
    chosen = table.label == label
    right = table.hit[iou][chosen] >= 0
    truth = table.truth_label == label
    if vehicle_weights is None:
        return interpolated_ap(right, float(truth.sum()))
    weights = vehicle_weights[table.vehicle[chosen]]
    return interpolated_ap(right, float(vehicle_weights[table.truth_vehicle[truth]].sum()), weights)


def mean_ap(table: MatchTable, iou: float) -> float:
    """Mean over the labels that are annotated at least once of the average precision at ``iou``."""
    return mean_of_known(np.array([label_ap(table, index, iou) for index in range(len(table.labels))]))


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of what is a number; not a number when nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def curve(table: MatchTable, iou: float, label: str | None = None, vehicle_weights: Floats | None = None) -> Curve:
    """The operating points of one label, or of all labels pooled under one threshold, at ``iou``.

    ``vehicle_weights`` ``(V,)`` says how often each vehicle counts.
    """
    weights = np.ones(len(table.vehicles)) if vehicle_weights is None else vehicle_weights
    chosen, truth = np.ones(table.score.size, dtype=np.bool_), np.ones(table.truth_label.size, dtype=np.bool_)
    if label is not None:
        index = table.labels.index(label)
        chosen, truth = table.label == index, table.truth_label == index
    score, weight = table.score[chosen], weights[table.vehicle[chosen]]
    right = table.hit[iou][chosen] >= 0
    truths, photos = float(weights[table.truth_vehicle[truth]].sum()), float(weights[table.photo_vehicle].sum())
    # Detections with equal scores are kept or dropped together, so a point is the last of its score.
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if score.size else np.empty(0, dtype=np.int64)
    total, true = np.cumsum(weight)[ends], np.cumsum(weight * right)[ends]
    return Curve(
        threshold=score[ends],
        precision=np.divide(true, total, out=np.zeros_like(true), where=total > 0),
        recall=true / truths if truths > 0 else np.zeros(ends.size),
        false_per_photo=(total - true) / max(photos, 1.0),
    )
