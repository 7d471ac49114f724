"""From a detection's score to the probability that it is right, as measured on validation photos."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field


def _monotone(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if not points:
        raise ValueError("a calibration curve needs at least one point")
    for (score, precision), (next_score, next_precision) in pairwise(points):
        if score >= next_score or precision > next_precision:
            raise ValueError("the scores of a calibration curve must rise, and its precision must not fall")
    return points


_Share = Annotated[float, Field(ge=0, le=1)]
CalibrationCurve = Annotated[tuple[tuple[_Share, _Share], ...], AfterValidator(_monotone)]
"""Points ``(score, precision)`` by rising score; straight lines between them, level outside."""


def probability(curves: Mapping[str, CalibrationCurve], label: str, score: float) -> tuple[float, bool]:
    """The probability that a detection is right, and whether it was measured.

    For a label without a curve the score itself is taken, which says little: networks are seldom calibrated.
    """
    curve = curves.get(label)
    if curve is None:
        return score, False
    scores, precisions = zip(*curve, strict=True)
    return float(np.interp(score, scores, precisions)), True
