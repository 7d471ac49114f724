"""What a score is worth: the share of detections with such a score that are right (IoU ≥ 0.5), per label.

Isotonic regression (Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability estimates",
KDD 2002) over groups of detections with neighbouring scores. A group holds a fixed number of *right* detections, so
that the many of low scores, nearly all wrong, do not take all groups; its precision is the posterior mean under
Jeffreys' prior, (right + ½) / (all + 1), so that a handful of right detections at the top does not claim certainty.
"""

from collections.abc import Mapping

import numpy as np

from dentwatch.records.calibration import CalibrationCurve, probability
from dentwatch.training.evaluation.matching import Flags, Floats, Integers, MatchTable
from dentwatch.training.evaluation.operating import OPERATING_IOU

MOST_POINTS = 12
RIGHT_PER_POINT = 5
FEWEST_RIGHT = 20
"""A label with fewer right detections gets no curve: it would say more about chance than about the model."""

_BINS = 10


def calibrate(table: MatchTable) -> dict[str, CalibrationCurve]:
    """The curve of each label that has enough right detections to measure one."""
    curves = {}
    for index, label in enumerate(table.labels):
        chosen = table.label == index
        right = table.hit[OPERATING_IOU][chosen] >= 0
        if right.sum() >= FEWEST_RIGHT:
            curves[label] = _curve(table.score[chosen], right)
    return curves


def _curve(score: Floats, right: Flags) -> CalibrationCurve:
    """The curve of detections by falling ``score`` ``(D,)``, of which ``right`` ``(D,)`` found a damage."""
    from sklearn.isotonic import IsotonicRegression

    hits = int(right.sum())
    groups = min(MOST_POINTS, hits // RIGHT_PER_POINT)
    before: Integers = np.cumsum(right) - right
    group = np.minimum(before * groups // hits, groups - 1)
    size = np.bincount(group, minlength=groups)
    mean_score = np.bincount(group, score, groups) / size
    precision = (np.bincount(group, right, groups) + 0.5) / (size + 1)
    fit = IsotonicRegression(y_min=0.0, y_max=1.0).fit(mean_score.round(6), precision, sample_weight=size)
    points = zip(fit.X_thresholds_.tolist(), fit.y_thresholds_.round(6).tolist(), strict=True)
    return tuple((float(at), float(share)) for at, share in points)


def calibration_errors(
    table: MatchTable, thresholds: Mapping[str, float], curves: Mapping[str, CalibrationCurve]
) -> dict[str, float]:
    """How far stated probabilities lie from the share that is right, on average over the detections at the thresholds.

    The expected calibration error over ten bins of equal width (Naeini, Cooper & Hauskrecht, "Obtaining well calibrated
    probabilities using Bayesian binning", AAAI 2015): ``score_calibration_error`` for the scores as they are and, where
    the model has ``curves``, ``calibration_error`` for the probabilities that prices rest on. Not a number without
    detections.
    """
    kept = table.select(table.kept(dict(thresholds)))
    right = kept.hit[OPERATING_IOU] >= 0
    errors = {"score_calibration_error": _expected_error(kept.score, right)}
    if curves:
        stated = [
            probability(curves, table.labels[label], float(score))[0]
            for label, score in zip(kept.label, kept.score, strict=True)
        ]
        errors["calibration_error"] = _expected_error(np.array(stated), right)
    return errors


def _expected_error(stated: Floats, right: Flags) -> float:
    if not stated.size:
        return float("nan")
    group = np.minimum((stated * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(group, stated, _BINS) - np.bincount(group, right, _BINS)
    return float(np.abs(gaps).sum() / stated.size)
