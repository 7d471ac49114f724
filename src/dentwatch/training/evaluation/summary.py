"""From judged photos to the figures of an :class:`~dentwatch.training.evaluation.result.EvaluationResult`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dentwatch.data.statistics import LIGHTINGS, Lighting
from dentwatch.records.calibration import CalibrationCurve
from dentwatch.training.evaluation.calibration import calibration_errors
from dentwatch.training.evaluation.curves import curve
from dentwatch.training.evaluation.figures import by_size, headline
from dentwatch.training.evaluation.geometry import BOX_SIZES, BoxSize
from dentwatch.training.evaluation.intervals import Statistic, draw, intervals
from dentwatch.training.evaluation.matching import MATCH_IOUS, MatchTable, PhotoOutcome, match
from dentwatch.training.evaluation.metrics import APResult, average_precision
from dentwatch.training.evaluation.mistakes import PhotoVerdict, confusion
from dentwatch.training.evaluation.operating import damaged_photos
from dentwatch.training.evaluation.result import (
    Bootstrap,
    CurvePoints,
    Figure,
    Figures,
    LightingSlice,
    PhotoLevel,
    SizeSlice,
)

CURVE_POINTS = 300
"""Most points of a curve that are kept for drawing."""


def measure(statistic: Statistic, vehicles: int, bootstrap: Bootstrap) -> Figures:
    """Each figure of ``statistic`` with its interval."""
    spans = intervals(statistic, draw(vehicles, bootstrap.resamples, bootstrap.seed))
    return {
        name: Figure(
            value=None if np.isnan(value) else value,
            low=spans[name].low if name in spans else None,
            high=spans[name].high if name in spans else None,
        )
        for name, value in statistic(np.ones(vehicles)).items()
    }


def summarise(
    outcomes: Sequence[PhotoOutcome],
    verdicts: Sequence[PhotoVerdict],
    labels: Sequence[str],
    thresholds: Mapping[str, float],
    bootstrap: Bootstrap,
    curves: Mapping[str, CalibrationCurve],
) -> dict[str, Any]:
    """The measured fields of an evaluation result by name (see there); ``curves`` are the model's calibration."""
    table = match(outcomes, labels)
    vehicles = len(table.vehicles)
    precision = average_precision(
        [outcome.photo.annotations for outcome in outcomes],
        [outcome.detections for outcome in outcomes],
        labels,
        [(outcome.photo.width, outcome.photo.height) for outcome in outcomes],
    )
    return {
        "figures": measure(headline(table, thresholds), vehicles, bootstrap)
        | {
            # Resampling adds to such an error, so an interval would lie beside it.
            name: Figure(value=None if np.isnan(error) else error)
            for name, error in calibration_errors(table, thresholds, curves).items()
        },
        "ap": precision.figures(),
        "ignoring_other": measure(headline(table.without_covered(), thresholds), vehicles, bootstrap),
        "sizes": _sizes(table, thresholds, precision, bootstrap),
        "lighting": {light: _lighting(outcomes, light, labels, thresholds, bootstrap) for light in LIGHTINGS},
        "photo_level": _photo_level(table, thresholds),
        "confusion": confusion(outcomes, verdicts),
        "wrong_kinds": dict(Counter(kind for judged in verdicts for kind in judged.wrong if kind)),
        "missed_kinds": dict(Counter(kind for judged in verdicts for kind in judged.missed if kind)),
        "curves": {
            f"{label or 'all'}@{iou:g}": _points(table, iou, label) for label in (None, *labels) for iou in MATCH_IOUS
        },
    }


def _sizes(
    table: MatchTable, thresholds: Mapping[str, float], precision: APResult, bootstrap: Bootstrap
) -> dict[BoxSize, SizeSlice]:
    figures = measure(by_size(table, thresholds), len(table.vehicles), bootstrap)
    return {
        size: SizeSlice(
            truths=precision.mean.sizes[size].truths,
            ap=precision.mean.sizes[size].ap,
            ap50=precision.mean.sizes[size].ap50,
            recall=figures[f"recall_{size}"],
            precision=figures[f"precision_{size}"],
        )
        for size in BOX_SIZES
    }


def _lighting(
    outcomes: Sequence[PhotoOutcome],
    light: Lighting,
    labels: Sequence[str],
    thresholds: Mapping[str, float],
    bootstrap: Bootstrap,
) -> LightingSlice:
    table = match([outcome for outcome in outcomes if outcome.lighting == light], labels)
    vehicles = len(table.vehicles)
    return LightingSlice(
        photos=table.photos,
        vehicles=vehicles,
        truths=table.truth_label.size,
        figures=measure(headline(table, thresholds), vehicles, bootstrap) if vehicles else {},
    )


def _photo_level(table: MatchTable, thresholds: Mapping[str, float]) -> PhotoLevel:
    truth, found = damaged_photos(table, thresholds)
    return PhotoLevel(
        damaged_found=int((truth & found).sum()),
        damaged_missed=int((truth & ~found).sum()),
        undamaged_clean=int((~truth & ~found).sum()),
        undamaged_accused=int((~truth & found).sum()),
    )


def _points(table: MatchTable, iou: float, label: str | None) -> CurvePoints:
    points = curve(table, iou, label)
    count = points.threshold.size
    if count:
        # Early points carry most of the shape, so they are kept more densely than late ones.
        spread = np.geomspace(1, count, min(CURVE_POINTS // 2, count))
        even = np.linspace(1, count, min(CURVE_POINTS // 2, count))
        places = np.unique(np.concatenate([spread, even]).round().astype(np.int64)) - 1
    else:
        places = np.empty(0, dtype=np.int64)
    return CurvePoints(
        threshold=points.threshold[places].round(6).tolist(),
        precision=points.precision[places].round(6).tolist(),
        recall=points.recall[places].round(6).tolist(),
        false_per_photo=points.false_per_photo[places].round(6).tolist(),
    )
