"""What kinds of mistakes a model makes at its operating thresholds.

The kinds follow the idea of Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors" (2020),
reduced to what a person can act on: each wrong detection and each missed damage gets exactly one kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dentwatch.records.annotations import Annotation
from dentwatch.records.detections import Detection
from dentwatch.training.evaluation.geometry import corners, covered, overlap
from dentwatch.training.evaluation.matching import IGNORE_COVER, Floats, Integers, PhotoOutcome, greedy
from dentwatch.training.evaluation.metrics import MAX_DETECTIONS
from dentwatch.training.evaluation.operating import OPERATING_IOU

WrongKind = Literal["label", "twice", "loose", "other", "nothing"]
MissedKind = Literal["label", "loose", "unsure", "unseen"]

WRONG_KINDS: dict[WrongKind, str] = {
    "label": "right place, wrong label",
    "twice": "a damage found a second time",
    "loose": "touches a damage (IoU 0.1 to 0.5)",
    "other": "inside a damage of another kind",
    "nothing": "nothing annotated there",
}
MISSED_KINDS: dict[MissedKind, str] = {
    "label": "found under another label",
    "loose": "touched by a detection (IoU 0.1 to 0.5)",
    "unsure": "found, but below the threshold",
    "unseen": "not seen at all",
}
LOOSE_FROM = 0.1
NO_DAMAGE = "nothing"
MISSED = "missed"


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """How one photo went at the operating thresholds and IoU 0.5.

    ``kept`` are the detections that reach their threshold, strongest first, and ``wrong`` gives the kind of each, None
    for right ones; ``marks`` are the damages of the judged labels and ``missed`` gives the kind of each, None for found
    ones.
    """

    kept: tuple[Detection, ...]
    wrong: tuple[WrongKind | None, ...]
    marks: tuple[Annotation, ...]
    missed: tuple[MissedKind | None, ...]

    @property
    def right(self) -> int:
        """How many damages were found."""
        return sum(kind is None for kind in self.missed)

    @property
    def mistakes(self) -> int:
        """Wrong detections and missed damages."""
        return sum(kind is not None for kind in (*self.wrong, *self.missed))

    @property
    def quality(self) -> float:
        """F1 of this photo, 1 for an undamaged one without detections."""
        right = self.right
        return 2 * right / (2 * right + self.mistakes) if right or self.mistakes else 1.0


def verdict(outcome: PhotoOutcome, labels: Sequence[str], thresholds: Mapping[str, float]) -> PhotoVerdict:
    """Judge one photo; labels outside ``labels`` are neither detected nor missed."""
    judged = sorted((one for one in outcome.detections if one.label in labels), key=lambda one: -one.score)
    kept = [one for one in _capped(judged, labels) if one.score >= thresholds.get(one.label, np.inf)]
    marks = [mark for mark in outcome.photo.annotations if mark.label in labels]
    places = corners([mark.box for mark in marks])
    overlaps = overlap(corners([one.box for one in kept]), places)
    hits = match_by_label(kept, marks, overlaps)
    beside = covered(
        corners([one.box for one in kept]),
        corners([mark.box for mark in outcome.photo.annotations if mark.label not in labels]),
    )
    found = {int(hit) for hit in hits if hit >= 0}
    weak = overlap(corners([one.box for one in judged]), places)
    return PhotoVerdict(
        tuple(kept),
        tuple(
            None if hits[index] >= 0 else _wrong_kind(one, marks, overlaps[index], beside[index])
            for index, one in enumerate(kept)
        ),
        tuple(marks),
        tuple(
            None
            if index in found
            else _missed_kind(
                mark.label,
                [one.label for one in kept],
                overlaps[:, index],
                [one.label for one in judged],
                weak[:, index],
            )
            for index, mark in enumerate(marks)
        ),
    )


def _capped(judged: Sequence[Detection], labels: Sequence[str]) -> list[Detection]:
    """At most as many detections per label as the COCO protocol counts, strongest first."""
    left = dict.fromkeys(labels, MAX_DETECTIONS)
    result = []
    for one in judged:
        left[one.label] -= 1
        if left[one.label] >= 0:
            result.append(one)
    return result


def match_by_label(kept: Sequence[Detection], marks: Sequence[Annotation], overlaps: Floats) -> Integers:
    """Index of the damage of the same label that each detection found, −1 for none."""
    same = np.array([[one.label == mark.label for mark in marks] for one in kept], dtype=np.bool_)
    return greedy(np.where(same.reshape(overlaps.shape), overlaps, 0.0), OPERATING_IOU)


def _wrong_kind(one: Detection, marks: Sequence[Annotation], overlaps: Floats, beside: Floats) -> WrongKind:
    same = np.array([mark.label == one.label for mark in marks], dtype=np.bool_)
    own, foreign = overlaps[same], overlaps[~same]
    if own.size and own.max() >= OPERATING_IOU:
        return "twice"
    if foreign.size and foreign.max() >= OPERATING_IOU:
        return "label"
    if own.size and own.max() >= LOOSE_FROM:
        return "loose"
    return "other" if beside.size and beside.max() >= IGNORE_COVER else "nothing"


def _missed_kind(
    label: str, kept_labels: list[str], kept: Floats, all_labels: list[str], everything: Floats
) -> MissedKind:
    foreign = [value for name, value in zip(kept_labels, kept, strict=True) if name != label]
    own = [value for name, value in zip(kept_labels, kept, strict=True) if name == label]
    weak = [value for name, value in zip(all_labels, everything, strict=True) if name == label]
    if max(foreign, default=0.0) >= OPERATING_IOU:
        return "label"
    if max(own, default=0.0) >= LOOSE_FROM:
        return "loose"
    return "unsure" if max(weak, default=0.0) >= OPERATING_IOU else "unseen"


def confusion(outcomes: Sequence[PhotoOutcome], verdicts: Sequence[PhotoVerdict]) -> dict[str, dict[str, int]]:
    """What was detected where which label is annotated: ``{annotated: {detected: count}}``.

    Boxes are matched greedily by score at IoU 0.5 whatever their labels, all annotated labels included. Detections
    without a damage are under :data:`NO_DAMAGE`, damages without a detection under :data:`MISSED`.
    """
    counts: dict[str, dict[str, int]] = {}

    def count(annotated: str, detected: str) -> None:
        row = counts.setdefault(annotated, {})
        row[detected] = row.get(detected, 0) + 1

    for outcome, judged in zip(outcomes, verdicts, strict=True):
        marks = outcome.photo.annotations
        overlaps = overlap(corners([one.box for one in judged.kept]), corners([mark.box for mark in marks]))
        hits = greedy(overlaps, OPERATING_IOU)
        for one, hit in zip(judged.kept, hits, strict=True):
            count(marks[hit].label if hit >= 0 else NO_DAMAGE, one.label)
        for index in set(range(len(marks))) - {int(hit) for hit in hits}:
            count(marks[index].label, MISSED)
    return counts
