"""From a network's raw boxes and scores to the few that are answered: non-maximum suppression per label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CANDIDATES = 1000
"""Pairs of box and label per photo that enter the suppression, best scores first (as torchvision's detectors do)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left: boxes float32 ``(K, 4)`` xyxy, scores float32 ``(K,)``, label indices int64 ``(K,)``."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


def suppress(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    iou: float,
    limit: int,
) -> Kept:
    """Greedy non-maximum suppression per label, best score first.

    ``boxes`` ``(A, 4)`` xyxy, ``scores`` ``(A, C)``, ``thresholds`` ``(C,)``: a score equal to its threshold passes. A
    box is dropped when its IoU with a better one of the same label is above ``iou``. At most ``limit`` are kept, sorted
    by score; among equal scores the lower anchor index, then the lower label index, comes first. Boxes that are empty
    or not finite, and scores that are not finite, never pass.
    """
    candidates = _candidates(boxes, scores, thresholds)
    anchors, labels = np.divmod(candidates, scores.shape[1])
    chosen_boxes = boxes[anchors]
    kept = _greedy(chosen_boxes, labels, iou, limit)
    return Kept(chosen_boxes[kept], scores[anchors[kept], labels[kept]], labels[kept].astype(np.int64))


def _candidates(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], thresholds: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Flat indices into ``scores`` of the best candidates, in the order in which they are looked at."""
    passing = np.flatnonzero(scores >= thresholds)  # few, as a rule: only they are looked at more closely
    chosen, values = boxes[passing // scores.shape[1]], scores.ravel()[passing]
    sound = np.isfinite(chosen).all(axis=1) & (chosen[:, 2] > chosen[:, 0]) & (chosen[:, 3] > chosen[:, 1])
    sound &= np.isfinite(values)
    passing, values = passing[sound], values[sound]
    if len(passing) > MAX_CANDIDATES:
        # Everything above the worst score that still fits, then ties in index order: a partition alone would pick
        # among equal scores as it pleases.
        last = np.partition(values, len(values) - MAX_CANDIDATES)[len(values) - MAX_CANDIDATES]
        above = np.flatnonzero(values > last)
        ties = np.flatnonzero(values == last)[: MAX_CANDIDATES - len(above)]
        fitting = np.concatenate([above, ties])
        passing, values = passing[fitting], values[fitting]
    best: NDArray[np.intp] = passing[np.lexsort((passing, -values))]
    return best


def _greedy(boxes: NDArray[np.float32], labels: NDArray[np.intp], iou: float, limit: int) -> NDArray[np.intp]:
    """Indices of the boxes that no earlier kept box of their label covers; stops as soon as ``limit`` are found."""
    if len(boxes) == 0:
        return np.zeros(0, np.intp)
    # Boxes of different labels are moved apart, so that one comparison serves all labels.
    apart = boxes.astype(np.float64) + (labels * (boxes.max() - boxes.min() + 1.0))[:, None]
    left, top, right, bottom = (np.ascontiguousarray(column) for column in apart.T)
    area = (right - left) * (bottom - top)
    alive = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        kept.append(index)
        if len(kept) == limit:
            break
        rest = slice(index + 1, None)
        width = np.minimum(right[rest], right[index]) - np.maximum(left[rest], left[index])
        height = np.minimum(bottom[rest], bottom[index]) - np.maximum(top[rest], top[index])
        overlap = width.clip(0) * height.clip(0)
        alive[rest] &= overlap <= iou * (area[index] + area[rest] - overlap)
    return np.asarray(kept, dtype=np.intp)
