"""The operating threshold of each label, and what holds at it (DESIGN.md §9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dentwatch.errors import SettingsError
from dentwatch.training.evaluation.curves import Curve, curve
from dentwatch.training.evaluation.matching import Flags, Floats, MatchTable

Rule = Literal["f1", "precision", "recall", "false-per-photo"]

OPERATING_IOU = 0.5
FEWEST_TRUTHS = 10
FEWEST_FOUND = 5
FALLBACK_THRESHOLD = 0.5
LOWEST_THRESHOLD = 0.001


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """How an operating threshold is chosen.

    ``f1`` takes the best F1 (harmonic mean of precision and recall); ``precision=T`` the most recall with a precision
    of at least T; ``recall=T`` the most precision with a recall of at least T; ``false-per-photo=T`` the most recall
    with at most T false boxes per photo.
    """

    name: Rule = "f1"
    target: float | None = None

    @classmethod
    def parse(cls, text: str) -> "ThresholdRule":
        """Read ``f1`` or ``NAME=TARGET``; raises :class:`SettingsError` on anything else."""
        name, _, target = text.partition("=")
        if text == "f1":
            return cls()
        try:
            value = float(target)
        except ValueError:
            value = -1.0
        if (
            name not in ("precision", "recall", "false-per-photo")
            or value < 0
            or (name != "false-per-photo" and value > 1)
        ):
            raise SettingsError(
                f"{text!r} is no rule for operating thresholds.",
                "Use f1, precision=0.7, recall=0.3 or false-per-photo=1.0 (with your own number).",
            )
        return cls(name, value)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The rule as :meth:`parse` reads it."""
        return self.name if self.target is None else f"{self.name}={self.target:g}"


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """The operating threshold of one label and why; ``fallback`` says what stood in the way of the rule."""

    label: str
    threshold: float
    rule: str
    precision: float | None
    recall: float | None
    truths: int
    fallback: str | None = None


def choose_thresholds(table: MatchTable, rule: ThresholdRule | None = None) -> dict[str, ThresholdChoice]:
    """One operating threshold per label, from the detections of the val split, at IoU 0.5.

    A label with fewer than :data:`FEWEST_TRUTHS` damages or :data:`FEWEST_FOUND` right detections takes the threshold
    that the rule gives for all labels pooled; if they are too few as well, :data:`FALLBACK_THRESHOLD`. If no threshold
    meets a target, the one that comes nearest is taken and ``fallback`` says so.
    """
    rule = rule or ThresholdRule()
    return {label: _choose(table, label, rule) for label in table.labels}


def _choose(table: MatchTable, label: str, rule: ThresholdRule) -> ThresholdChoice:
    index = table.labels.index(label)
    truths = int((table.truth_label == index).sum())
    found = int((table.hit[OPERATING_IOU][table.label == index] >= 0).sum())
    if truths >= FEWEST_TRUTHS and found >= FEWEST_FOUND:
        return _apply(curve(table, OPERATING_IOU, label), label, rule, truths, None)
    why = f"only {truths} damages and {found} right detections of this label"
    if table.truth_label.size >= FEWEST_TRUTHS and int((table.hit[OPERATING_IOU] >= 0).sum()) >= FEWEST_FOUND:
        pooled = _apply(curve(table, OPERATING_IOU), label, rule, truths, None)
        return ThresholdChoice(
            label, pooled.threshold, rule.text, None, None, truths, f"{why}: chosen for all labels pooled"
        )
    return ThresholdChoice(label, FALLBACK_THRESHOLD, rule.text, None, None, truths, f"{why}: fixed value")


def _apply(points: Curve, label: str, rule: ThresholdRule, truths: int, fallback: str | None) -> ThresholdChoice:
    place = _best(points, rule)
    if place is None:
        fallback = f"no threshold reaches {rule.text}: the nearest is taken"
        place = int(np.argmax(points.precision if rule.name == "precision" else points.recall))
        if rule.name == "false-per-photo":
            place = 0
    # Half-way to the next lower score, so that rounding in another engine does not drop the last detection kept.
    score = points.threshold[place]
    below = points.threshold[place + 1] if place + 1 < points.threshold.size else LOWEST_THRESHOLD
    threshold = float(max((score + below) / 2, LOWEST_THRESHOLD))
    return ThresholdChoice(
        label, threshold, rule.text, float(points.precision[place]), float(points.recall[place]), truths, fallback
    )


def _best(points: Curve, rule: ThresholdRule) -> int | None:
    """Index of the point that the rule asks for (ties: the higher threshold), or None if none meets its target."""
    precision, recall = points.precision, points.recall
    if rule.name == "f1":
        return int(np.argmax(f1(points)))
    target = 0.0 if rule.target is None else rule.target
    allowed = {
        "precision": precision >= target,
        "recall": recall >= target,
        "false-per-photo": points.false_per_photo <= target,
    }[rule.name]
    if not allowed.any():
        return None
    return int(np.argmax(np.where(allowed, precision if rule.name == "recall" else recall, -1.0)))


def f1(points: Curve) -> Floats:
    """F1 of each operating point, ``(P,)``: 2·precision·recall ÷ (precision + recall), 0 where nothing is right."""
    total = points.precision + points.recall
    return np.divide(2 * points.precision * points.recall, total, out=np.zeros_like(total), where=total > 0)


RATE_NAMES = (
    "precision",
    "recall",
    "f1",
    "accuracy",
    "false_positive_rate",
    "false_negative_rate",
    "false_per_photo",
)


def rate_figures(right: float, claimed: float, real: float, photos: float) -> dict[str, float]:
    """The rates of DESIGN.md §9 from right detections, all detections, damages and photos.

    With TP = ``right``, FP = ``claimed`` − TP and FN = ``real`` − TP: ``precision`` TP / (TP + FP), ``recall``
    TP / (TP + FN), ``f1`` their harmonic mean, ``accuracy`` TP / (TP + FP + FN), ``false_positive_rate``
    FP / detections, ``false_negative_rate`` FN / damages, ``false_per_photo`` FP / photos. Not a number where there is
    nothing to divide by.
    """
    wrong, missed = claimed - right, real - right
    shares = [
        (right, claimed),
        (right, real),
        (2 * right, claimed + real),
        (right, right + wrong + missed),
        (wrong, claimed),
        (missed, real),
        (wrong, photos),
    ]
    values = [part / whole if whole > 0 else float("nan") for part, whole in shares]
    return dict(zip(RATE_NAMES, values, strict=True))


@dataclass(frozen=True, slots=True)
class Rates:
    """How many were right, wrong and missed at the operating thresholds, in how many photos."""

    true_positives: int
    false_positives: int
    false_negatives: int
    photos: int

    @property
    def figures(self) -> dict[str, float]:
        """See :func:`rate_figures`."""
        right = self.true_positives
        return rate_figures(right, right + self.false_positives, right + self.false_negatives, self.photos)


def rates(table: MatchTable, thresholds: Mapping[str, float], iou: float, label: str | None = None) -> Rates:
    """Count right, wrong and missed at the operating thresholds, for one label or all together."""
    kept = table.kept(dict(thresholds))
    truths = np.ones(table.truth_label.size, dtype=np.bool_)
    if label is not None:
        kept = kept & (table.label == table.labels.index(label))
        truths = table.truth_label == table.labels.index(label)
    right = int((table.hit[iou][kept] >= 0).sum())
    return Rates(right, int(kept.sum()) - right, int(truths.sum()) - right, table.photos)


def damaged_photos(table: MatchTable, thresholds: Mapping[str, float]) -> tuple[Flags, Flags]:
    """Per photo ``(P,)``: is a damage of the judged labels annotated, and is one detected at the thresholds?"""
    truth = np.zeros(table.photos, dtype=np.bool_)
    truth[table.truth_photo] = True
    found = np.zeros(table.photos, dtype=np.bool_)
    found[table.photo[table.kept(dict(thresholds))]] = True
    return truth, found
