"""What AP50 would gain if the model made none of one kind of mistake: where work pays.

The oracles of Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors" (2020), §2.3, over all
detections, one kind at a time. Gains do not add up: a mistake that is mended leaves others to be seen.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from dentwatch.records.annotations import Annotation
from dentwatch.records.detections import Detection
from dentwatch.training.evaluation.geometry import corners, overlap
from dentwatch.training.evaluation.matching import Floats, PhotoOutcome
from dentwatch.training.evaluation.metrics import average_precision
from dentwatch.training.evaluation.mistakes import PhotoVerdict, match_by_label, verdict

Repair = Literal["loose", "label", "twice", "other", "nothing", "missed"]

REPAIRS: dict[Repair, str] = {
    "loose": "boxes that only touch a damage, set right",
    "label": "wrong labels, set right",
    "twice": "second boxes of a damage, left out",
    "other": "boxes inside damage of another kind, left out",
    "nothing": "boxes where nothing is annotated, left out",
    "missed": "damages that no box touches, left out",
}


def gains(outcomes: Sequence[PhotoOutcome], labels: Sequence[str]) -> dict[Repair, float]:
    """By how much AP50 (mean over labels) rises with each repair; empty where no damage is annotated.

    Mistakes are those of all detections (scores of 0.001 and more), not only of those above the thresholds.
    """
    verdicts = [verdict(outcome, labels, dict.fromkeys(labels, 0.0)) for outcome in outcomes]
    sizes = [(outcome.photo.width, outcome.photo.height) for outcome in outcomes]

    def ap50(photos: Sequence[tuple[Sequence[Detection], Sequence[Annotation]]]) -> float | None:
        return average_precision([marks for _, marks in photos], [kept for kept, _ in photos], labels, sizes).mean.ap50

    before = ap50([(judged.kept, judged.marks) for judged in verdicts])
    if before is None:
        return {}
    after = {repair: ap50([_mended(judged, repair) for judged in verdicts]) for repair in REPAIRS}
    return {repair: value - before for repair, value in after.items() if value is not None}


def _mended(judged: PhotoVerdict, repair: Repair) -> tuple[Sequence[Detection], Sequence[Annotation]]:
    """Detections and damages of a photo without the mistakes of one kind."""
    if repair == "missed":
        return judged.kept, [m for m, kind in zip(judged.marks, judged.missed, strict=True) if kind != "unseen"]
    if repair in ("loose", "label"):
        return _set_right(judged, repair), judged.marks
    return [one for one, kind in zip(judged.kept, judged.wrong, strict=True) if kind != repair], judged.marks


def _set_right(judged: PhotoVerdict, repair: Repair) -> list[Detection]:
    """The detections, those of the kind moved onto the damage that they mean; of several on one only the surest."""
    overlaps = overlap(corners([one.box for one in judged.kept]), corners([mark.box for mark in judged.marks]))
    hits = match_by_label(judged.kept, judged.marks, overlaps)
    taken: set[int] = set()
    result = []
    for one, kind, hit, row in zip(judged.kept, judged.wrong, hits, overlaps, strict=True):  # the surest comes first
        if kind is not None and kind != repair:
            result.append(one)
            continue
        target = int(hit) if kind is None else _meant(one, judged.marks, row, own=repair == "loose")
        if target not in taken:
            taken.add(target)
            mark = judged.marks[target]
            result.append(one if kind is None else replace(one, label=mark.label, box=mark.box))
    return result


def _meant(one: Detection, marks: Sequence[Annotation], overlaps: Floats, *, own: bool) -> int:
    """The damage of its own label, or of another, that a detection overlaps most."""
    eligible = [index for index, mark in enumerate(marks) if (mark.label == one.label) == own]
    return max(eligible, key=lambda index: float(overlaps[index]))
