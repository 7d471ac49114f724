"""Average precision, and precision and false boxes against recall, from detections ranked by falling score.

A ranking can be weighed by vehicle, so that a bootstrap repeats vehicles without copying or matching them again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.training.evaluation.matching import Floats, Integers, MatchTable

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


@dataclass(frozen=True, slots=True)
class Ranking:
    """The detections of one label, or of all under one threshold, by falling score, with what they found at one IoU.

    ``score`` and ``vehicle`` are ``(D,)``, ``hits`` the places of the right ones ``(H,)``, ``ends`` the last place of
    each score ``(P,)``; ``truths`` and ``photos`` count damages and photos per vehicle ``(V,)``.
    """

    score: Floats
    vehicle: Integers
    hits: Integers
    ends: Integers
    truths: Floats
    photos: Floats

    @classmethod
    def of(cls, table: MatchTable, iou: float, label: str | None = None) -> "Ranking":
        """The ranking of ``label``, or of all labels, at ``iou``."""
        chosen = np.ones(table.score.size, dtype=np.bool_)
        truth = np.ones(table.truth_label.size, dtype=np.bool_)
        if label is not None:
            chosen, truth = table.label == table.labels.index(label), table.truth_label == table.labels.index(label)
        score = table.score[chosen]
        vehicles = len(table.vehicles)
        return cls(
            score=score,
            vehicle=table.vehicle[chosen],
            hits=np.flatnonzero(table.hit[iou][chosen] >= 0),
            # Detections with equal scores are kept or dropped together, so a point is the last of its score.
            ends=np.flatnonzero(np.append(score[1:] != score[:-1], score.size > 0)),
            truths=np.bincount(table.truth_vehicle[truth], minlength=vehicles).astype(np.float64),
            photos=np.bincount(table.photo_vehicle, minlength=vehicles).astype(np.float64),
        )

    def _weights(self, weights: Floats | None) -> Floats:
        return np.ones(self.truths.size) if weights is None else weights

    def average_precision(self, weights: Floats | None = None) -> float:
        """COCO's 101-point average precision, each vehicle counted ``weights`` ``(V,)`` times.

        Not a number when there is no damage. Only the places of right detections are looked at: in between, recall
        stands still and precision falls.
        """
        weights = self._weights(weights)
        truths = float(weights @ self.truths)
        if truths <= 0:
            return float("nan")
        if self.hits.size == 0:
            return 0.0
        each = weights[self.vehicle]
        true, total = np.cumsum(each[self.hits]), np.cumsum(each)[self.hits]
        precision = np.divide(true, total, out=np.zeros_like(true), where=total > 0)
        envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
        return float(envelope[np.searchsorted(true / truths, RECALL_POINTS, side="left")].mean())

    def curve(self, weights: Floats | None = None) -> Curve:
        """The operating points, each vehicle counted ``weights`` ``(V,)`` times."""
        weights = self._weights(weights)
        each = weights[self.vehicle]
        right = np.zeros_like(each)
        right[self.hits] = each[self.hits]
        total, true = np.cumsum(each)[self.ends], np.cumsum(right)[self.ends]
        truths, photos = float(weights @ self.truths), float(weights @ self.photos)
        return Curve(
            threshold=self.score[self.ends],
            precision=np.divide(true, total, out=np.zeros_like(true), where=total > 0),
            recall=true / truths if truths > 0 else np.zeros_like(true),
            false_per_photo=(total - true) / max(photos, 1.0),
        )

    def false_per_photo_at(self, recall: float, weights: Floats | None = None) -> float:
        """The fewest false boxes per photo with which ``recall`` is reached; not a number if it never is."""
        weights = self._weights(weights)
        needed, photos = recall * float(weights @ self.truths), float(weights @ self.photos)
        each = weights[self.vehicle]
        true = np.cumsum(each[self.hits])
        first = int(np.searchsorted(true, needed - 1e-9))
        if needed <= 0 or first >= true.size or photos <= 0:
            return float("nan")
        end = int(self.ends[np.searchsorted(self.ends, self.hits[first])])
        kept = float(each[: end + 1].sum())
        found = float(each[self.hits[: np.searchsorted(self.hits, end, side="right")]].sum())
        return (kept - found) / photos


def curve(table: MatchTable, iou: float, label: str | None = None) -> Curve:
    """The operating points of one label, or of all labels under one threshold, at ``iou``."""
    return Ranking.of(table, iou, label).curve()


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of what is a number; not a number when nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
