"""Which detection found which damage, kept as flat arrays so that everything after it is arithmetic.

Matching is greedy by score within a photo and a label, as in the COCO protocol: a detection takes the free damage that
it overlaps most, if by at least the IoU asked for. Detections below an operating threshold never change what those
above it matched, so one matching serves every threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.statistics import Lighting
from dentwatch.records.annotations import Box, PhotoRecord
from dentwatch.records.detections import Detection
from dentwatch.training.evaluation.geometry import BOX_SIZES, Boxes, box_size, corners, covered, overlap
from dentwatch.training.evaluation.metrics import LOOSE_IOU, MAX_DETECTIONS

MATCH_IOUS = (LOOSE_IOU, 0.5)
IGNORE_COVER = 0.5
"""A detection with at least this share inside a damage of another label can be ignored instead of counted as wrong."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PhotoOutcome:
    """One photo with what people annotated and all that the model said about it (scores of 0.001 and more).

    One that is ``asked_again``, because the photo rules refuse it, has neither: nobody relies on what is said of it.
    """

    photo: PhotoRecord
    detections: tuple[Detection, ...]
    lighting: Lighting = "normal"
    asked_again: bool = False


@dataclass(frozen=True, slots=True)
class MatchTable:
    """The detections and damages of many photos, and who matched whom.

    ``D`` detections are sorted by falling score; ``photo`` and ``label`` are indices; ``hit[iou]`` is, per detection,
    the index of the damage it found or −1. ``covered`` marks detections that lie (:data:`IGNORE_COVER`) inside a damage
    of a label that is not judged. ``truth_*`` describe the ``T`` damages.
    """

    labels: tuple[str, ...]
    vehicles: tuple[str, ...]
    photo_vehicle: Integers
    photo: Integers
    label: Integers
    score: Floats
    size: Integers
    hit: dict[float, Integers]
    covered: Flags
    truth_photo: Integers
    truth_label: Integers
    truth_size: Integers

    @property
    def photos(self) -> int:
        """How many photos."""
        return len(self.photo_vehicle)

    @property
    def vehicle(self) -> Integers:
        """The vehicle of each detection, as an index into ``vehicles``."""
        return self.photo_vehicle[self.photo]

    @property
    def truth_vehicle(self) -> Integers:
        """The vehicle of each damage."""
        return self.photo_vehicle[self.truth_photo]

    def kept(self, thresholds: dict[str, float]) -> Flags:
        """Which detections reach the threshold of their label (a label without one keeps nothing)."""
        limits = np.array([thresholds.get(label, np.inf) for label in self.labels])
        kept: Flags = self.score >= limits[self.label]
        return kept

    def without_covered(self) -> "MatchTable":
        """The same, less the detections that found nothing at any IoU and lie inside another label's damage."""
        missed = np.all([found < 0 for found in self.hit.values()], axis=0)
        return self.select(~(self.covered & missed))

    def select(self, keep: Flags) -> "MatchTable":
        """The same photos and damages with only some of the detections, ``keep`` being ``(D,)``."""
        return replace(
            self,
            hit={iou: found[keep] for iou, found in self.hit.items()},
            photo=self.photo[keep],
            label=self.label[keep],
            score=self.score[keep],
            size=self.size[keep],
            covered=self.covered[keep],
        )


def greedy(overlaps: Floats, iou: float) -> Integers:
    """Which of ``M`` damages each of ``N`` detections, strongest first, takes; −1 for none.

    ``overlaps`` is their IoU ``(N, M)``. Equal overlaps go to the later damage, as in the COCO code.
    """
    matches = np.full(len(overlaps), -1, dtype=np.int64)
    if overlaps.size == 0:
        return matches
    free = overlaps.copy()
    last = overlaps.shape[1] - 1
    for index in np.flatnonzero(overlaps.max(axis=1) >= iou):
        best = last - int(np.argmax(free[index, ::-1]))
        if free[index, best] >= iou:
            matches[index] = best
            free[:, best] = -1.0
    return matches


def match(outcomes: Sequence[PhotoOutcome], labels: Sequence[str]) -> MatchTable:
    """Match the detections of ``outcomes`` to their annotations, label by label."""
    vehicles = tuple(sorted({outcome.photo.vehicle for outcome in outcomes}))
    place = {vehicle: index for index, vehicle in enumerate(vehicles)}
    parts: list[_Columns] = []
    truths = 0
    for photo, outcome in enumerate(outcomes):
        beside = corners([mark.box for mark in outcome.photo.annotations if mark.label not in labels])
        for index, label in enumerate(labels):
            columns = _match_label(outcome, label, beside)
            columns["hit"] = np.where(columns["hit"] >= 0, columns["hit"] + truths, -1)
            truths += len(columns["truth_size"])
            for prefix, counted in (("", "score"), ("truth_", "truth_size")):
                columns[prefix + "photo"] = np.full(len(columns[counted]), photo, dtype=np.int64)
                columns[prefix + "label"] = np.full(len(columns[counted]), index, dtype=np.int64)
            parts.append(columns)
    joined = {name: np.concatenate([empty, *(part[name] for part in parts)]) for name, empty in _NOTHING.items()}
    order = np.argsort(-joined["score"], kind="stable")
    return MatchTable(
        labels=tuple(labels),
        vehicles=vehicles,
        photo_vehicle=np.array([place[outcome.photo.vehicle] for outcome in outcomes], dtype=np.int64),
        hit={iou: joined["hit"][order, column] for column, iou in enumerate(MATCH_IOUS)},
        **{name: joined[name][order] for name in ("photo", "label", "score", "size", "covered")},
        **{name: joined[name] for name in ("truth_photo", "truth_label", "truth_size")},
    )


_Columns = dict[str, NDArray[Any]]

_NOTHING: _Columns = {
    **{name: np.empty(0, dtype=np.int64) for name in ("photo", "label", "size")},
    **{name: np.empty(0, dtype=np.int64) for name in ("truth_photo", "truth_label", "truth_size")},
    "score": np.empty(0),
    "covered": np.empty(0, dtype=np.bool_),
    "hit": np.empty((0, len(MATCH_IOUS)), dtype=np.int64),
}


def _match_label(outcome: PhotoOutcome, label: str, beside: Boxes) -> _Columns:
    """The columns of :class:`MatchTable` for one photo and label; ``hit`` is ``(D, IoUs)`` within the photo."""
    photo = outcome.photo
    found = sorted((one for one in outcome.detections if one.label == label), key=lambda one: -one.score)
    found = found[:MAX_DETECTIONS]
    marks = [mark.box for mark in photo.annotations if mark.label == label]
    boxes = corners([one.box for one in found])
    overlaps = overlap(boxes, corners(marks))

    def sizes(of: Sequence[Box]) -> Integers:
        return np.array([BOX_SIZES.index(box_size(box, photo.width, photo.height)) for box in of], dtype=np.int64)

    return {
        "score": np.array([one.score for one in found], dtype=np.float64),
        "size": sizes([one.box for one in found]),
        "hit": np.stack([greedy(overlaps, iou) for iou in MATCH_IOUS], axis=1),
        "covered": np.any(covered(boxes, beside) >= IGNORE_COVER, axis=1),
        "truth_size": sizes(marks),
    }
