"""A score becomes the share of detections with such a score that are right."""

from itertools import pairwise

import numpy as np
import pytest
from evaluation_cases import LABELS, found, judged, mark, outcome, random_outcomes
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError
from tiny_model import spec

from dentwatch.records.calibration import probability
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.training.evaluation.calibration import (
    FEWEST_RIGHT,
    MOST_POINTS,
    calibrate,
    calibration_errors,
)
from dentwatch.training.evaluation.matching import MatchTable, PhotoOutcome, match


def overconfident(seed: int, photos: int = 1500) -> list[PhotoOutcome]:
    """One scratch box a photo, whose score is the square root of the probability that it is right."""
    random = np.random.default_rng(seed)
    outcomes = []
    for number in range(photos):
        score = float(random.uniform(0.01, 1))
        x = 0 if random.random() < score**2 else 300
        outcomes.append(outcome([mark("scratch", 0, 0)], [found("scratch", score, x, 0)], name=str(number)))
    return outcomes


def table_of(right: int, wrong: int) -> MatchTable:
    boxes = [found("dent", 0.9, 0, 0)] * right + [found("dent", 0.2, 300, 0)] * wrong
    return match([outcome([mark("dent", 0, 0)], [box]) for box in boxes], LABELS)


def test_an_overconfident_model_is_seen_through() -> None:
    """Scores of 0.3, 0.6 and 0.9 are worth 0.09, 0.36 and 0.81."""
    curves = calibrate(match(overconfident(1), LABELS))
    for score in (0.3, 0.6, 0.9):
        stated, measured = probability(curves, "scratch", score)
        assert measured
        assert stated == pytest.approx(score**2, abs=0.08)


def test_calibration_lowers_the_error_on_other_photos() -> None:
    curves = calibrate(match(overconfident(1), LABELS))
    errors = calibration_errors(match(overconfident(2), LABELS), {"scratch": 0.3}, curves)
    assert errors["score_calibration_error"] > 0.15
    assert errors["calibration_error"] < 0.05


def test_the_error_is_the_gap_between_stated_and_right() -> None:
    """Three of four boxes of 0.9 are right: a gap of 0.15; the two of 0.2 below the threshold do not count."""
    boxes = [found("dent", 0.9, x, 0) for x in (0, 0, 0, 300)] + [found("dent", 0.2, 300, 0)] * 2
    table = match([outcome([mark("dent", 0, 0)], [box]) for box in boxes], LABELS)
    assert calibration_errors(table, {"dent": 0.5}, {}) == {"score_calibration_error": pytest.approx(0.15)}
    assert calibration_errors(table, {"dent": 0.1}, {}) == {
        "score_calibration_error": pytest.approx((4 * 0.15 + 2 * 0.2) / 6)
    }
    assert np.isnan(calibration_errors(table, {}, {})["score_calibration_error"])


def test_a_label_with_too_few_right_detections_gets_no_curve() -> None:
    assert calibrate(table_of(FEWEST_RIGHT - 1, 50)) == {}
    assert calibrate(table_of(FEWEST_RIGHT, 50)).keys() == {"dent"}
    assert probability({}, "dent", 0.37) == (0.37, False)


def test_a_handful_of_right_detections_does_not_claim_certainty() -> None:
    curves = calibrate(table_of(FEWEST_RIGHT, 0))
    assert 0.85 < probability(curves, "dent", 0.99)[0] < 1


@given(some.integers(0, 2**16), some.integers(1, 30), some.integers(1, 3))
def test_a_curve_rises_has_few_points_and_fits_a_model(seed: int, noise: int, digits: int) -> None:
    curves = calibrate(match(random_outcomes(seed, noise=noise, digits=digits), LABELS))
    for curve in curves.values():
        assert 1 <= len(curve) <= MOST_POINTS
        assert all(one[0] < other[0] and one[1] <= other[1] for one, other in pairwise(curve))
    model = ModelSpec.model_validate_json(spec(calibration=curves).model_dump_json())
    assert model.calibration == curves


def test_between_points_the_probability_is_on_the_line_and_outside_it_is_level() -> None:
    curves = {"dent": ((0.2, 0.1), (0.6, 0.5))}
    stated = [probability(curves, "dent", score)[0] for score in (0.0, 0.2, 0.4, 0.6, 1.0)]
    assert stated == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


@pytest.mark.parametrize("curve", [(), ((0.5, 0.2), (0.5, 0.3)), ((0.2, 0.5), (0.4, 0.3)), ((0.2, 1.5),)])
def test_a_curve_that_falls_is_no_calibration(curve: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValidationError):
        spec(calibration={"dent": curve})


def test_an_older_model_has_none() -> None:
    document = spec().model_dump(exclude={"calibration"})
    assert ModelSpec.model_validate(document).calibration == {}


def test_an_evaluation_holds_the_error_of_the_scores() -> None:
    result = judged(random_outcomes(3))
    error = result.figures["score_calibration_error"].value
    assert error is not None and 0 < error < 1
    assert "calibration_error" not in result.figures
