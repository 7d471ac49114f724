"""Label noise: where a model and the annotations disagree, and the model has reason to be sure.

After the idea of Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (2021): an
annotation is suspect where a model that is usually right about its like contradicts it. Judge photos that the model was
not trained on (val, test, or folds that were held out); those that it learnt from it agrees with.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dentwatch.records.annotations import Box
from dentwatch.records.calibration import CalibrationCurve, probability
from dentwatch.training.evaluation.geometry import BoxSize, box_size
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.mistakes import PhotoVerdict, verdict

Kind = Literal["unannotated", "label", "unseen"]

KINDS: dict[Kind, str] = {
    "unannotated": "the model is sure of a damage that nobody annotated",
    "label": "the model is sure of another label in the same place",
    "unseen": "the model sees no trace of an annotated damage, although it finds most of its like",
}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One box about which model and annotations disagree.

    ``label`` and ``box`` (pixels of the upright photo) are the model's, for ``unseen`` the annotation's.
    ``suspicion``, in [0, 1], is how probably the annotations are wrong as far as the model goes: the precision of
    detections with that score, or the share of damages of that label and size that the model finds.
    """

    kind: Kind
    photo_id: str
    name: str
    split: str
    label: str
    box: Box
    suspicion: float

    def as_plain(self) -> dict[str, Any]:
        """It as plain values for JSON."""
        return asdict(self)


def disagreements(
    outcomes: Sequence[PhotoOutcome],
    labels: Sequence[str],
    thresholds: Mapping[str, float],
    curves: Mapping[str, CalibrationCurve],
) -> list[Disagreement]:
    """The disagreements on annotated photos, the most suspect first.

    ``thresholds`` say from which score on a detection of a label counts; ``curves`` turn scores into precisions.
    """
    judged = [(outcome, verdict(outcome, labels, thresholds)) for outcome in outcomes if outcome.photo.annotated]
    shares = _found_shares(judged)
    found = [
        one for outcome, said in judged for one in (*_surplus(outcome, said, curves), *_unseen(outcome, said, shares))
    ]
    return sorted(found, key=lambda one: (-one.suspicion, one.photo_id, one.box.xyxy))


def _surplus(outcome: PhotoOutcome, said: PhotoVerdict, curves: Mapping[str, CalibrationCurve]) -> list[Disagreement]:
    kinds: dict[str, Kind] = {"nothing": "unannotated", "label": "label"}
    return [
        _about(outcome, kinds[wrong], one.label, one.box, probability(curves, one.label, one.score)[0])
        for one, wrong in zip(said.kept, said.wrong, strict=True)
        if wrong in kinds
    ]


def _unseen(
    outcome: PhotoOutcome, said: PhotoVerdict, shares: Mapping[tuple[str, BoxSize], float]
) -> list[Disagreement]:
    return [
        _about(outcome, "unseen", mark.label, mark.box, shares[mark.label, _size(outcome, mark.box)])
        for mark, missed in zip(said.marks, said.missed, strict=True)
        if missed == "unseen"
    ]


def _found_shares(judged: Sequence[tuple[PhotoOutcome, PhotoVerdict]]) -> dict[tuple[str, BoxSize], float]:
    """Label and size → the share of such damages that the model finds."""
    found: Counter[tuple[str, BoxSize]] = Counter()
    all_of: Counter[tuple[str, BoxSize]] = Counter()
    for outcome, said in judged:
        for mark, missed in zip(said.marks, said.missed, strict=True):
            like = mark.label, _size(outcome, mark.box)
            all_of[like] += 1
            found[like] += missed is None
    return {like: found[like] / count for like, count in all_of.items()}


def _size(outcome: PhotoOutcome, box: Box) -> BoxSize:
    return box_size(box, outcome.photo.width, outcome.photo.height)


def _about(outcome: PhotoOutcome, kind: Kind, label: str, box: Box, suspicion: float) -> Disagreement:
    photo = outcome.photo
    return Disagreement(kind, photo.photo_id, photo.name, photo.split, label, box, round(suspicion, 4))
