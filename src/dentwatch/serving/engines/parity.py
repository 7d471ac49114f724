"""Whether two engines, or an engine and the trained network, say the same about the same photos."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.records.model_bundle import ModelSpec
from dentwatch.serving.suppression import Kept, suppress

BOX_TOLERANCE = 0.05
"""Largest difference of a box side, pixels of the input, that counts as none: invisible in an answer."""
SCORE_TOLERANCE = 1e-4
"""Largest difference of a score that counts as none."""
_COMPARED = 20  # best candidates per photo and label whose boxes are compared
_COMPARED_SCORE = 0.05  # weaker ones are not answered, and of equally weak ones the two may keep others
_SAME_IOU = 0.7


def difference(one: Sequence[Any], other: Sequence[Any]) -> dict[str, float]:
    """Largest differences between two pairs of boxes and scores, ``(A, 4)`` and ``(A, C)`` for each photo.

    Scores are compared by rank. Each of the best boxes of ``one`` is compared with the nearest box of ``other``,
    because candidates that are equally good may be listed in another order.
    """
    worst = {"boxes": 0.0, "scores": 0.0}
    for boxes, scores, other_boxes, other_scores in zip(*one, *other, strict=True):
        ranked, other_ranked = np.sort(scores, axis=0), np.sort(other_scores, axis=0)
        worst["scores"] = max(worst["scores"], float(np.abs(ranked - other_ranked).max(initial=0)))
        best = np.unique(np.argsort(-scores, axis=0, kind="stable")[:_COMPARED])
        best = best[scores[best].max(axis=1) >= _COMPARED_SCORE]
        gaps = np.abs(boxes[best][:, None] - other_boxes[None]).max(axis=2).min(axis=1)
        worst["boxes"] = max(worst["boxes"], float(gaps.max(initial=0)))
    return worst


def agreement(reference: Sequence[Any], other: Sequence[Any], spec: ModelSpec) -> float:
    """F1 of the boxes that ``other`` answers against those of ``reference``, 0 where neither answers any.

    At the model's operating thresholds, one to one per label, best scores first, from an IoU of 0.7 on.
    """
    floors = np.asarray([spec.thresholds.get(label, np.inf) for label in spec.labels], np.float32)
    hits = answered = 0
    for boxes, scores, other_boxes, other_scores in zip(*reference, *other, strict=True):
        due = suppress(boxes, scores, floors, spec.nms_iou, spec.max_detections)
        found = suppress(other_boxes, other_scores, floors, spec.nms_iou, spec.max_detections)
        hits += _hits(due, found)
        answered += len(due.labels) + len(found.labels)
    return 2 * hits / answered if answered else 0.0


def _hits(due: Kept, found: Kept) -> int:
    free = np.ones(len(due.labels), np.bool_)
    hits = 0
    for box, label in zip(found.boxes, found.labels, strict=True):
        overlaps = np.where(free & (due.labels == label), _ious(due.boxes, box), 0)
        if overlaps.size and overlaps.max() >= _SAME_IOU:
            free[overlaps.argmax()] = False
            hits += 1
    return hits


def _ious(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU of each of ``boxes`` ``(K, 4)`` with ``box`` ``(4,)``."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = sides.clip(0).astype(np.float64).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).prod(axis=1)
    return np.asarray(shared / (areas + float((box[2:] - box[:2]).prod()) - shared), np.float64)
