"""Average precision: by hand, by the COCO code, and our own code that the intervals need."""

import numpy as np
import pytest
from evaluation_cases import LABELS, found, mark, outcome, random_outcomes
from hypothesis import given, settings
from hypothesis import strategies as st

from dentwatch.records.annotations import Box
from dentwatch.training.evaluation.curves import Ranking
from dentwatch.training.evaluation.geometry import box_size, corners, covered, overlap
from dentwatch.training.evaluation.matching import PhotoOutcome, match
from dentwatch.training.evaluation.metrics import APResult, average_precision


def coco(outcomes: list[PhotoOutcome]) -> APResult:
    return average_precision(
        [one.photo.annotations for one in outcomes],
        [one.detections for one in outcomes],
        LABELS,
        [(one.photo.width, one.photo.height) for one in outcomes],
    )


def test_a_perfect_model_has_an_average_precision_of_one() -> None:
    marks = [mark("scratch", 0, 0), mark("dent", 200, 200)]
    result = coco([outcome(marks, [found(one.label, 0.9, one.box.x, one.box.y) for one in marks])])
    assert result.mean.ap == result.mean.ap50 == result.mean.ap30 == 1.0


def test_average_precision_is_what_a_person_computes() -> None:
    """Right, wrong, right of two damages: precision 1 up to recall 0.5 (51 of 101 points), then 2/3 (50 points)."""
    one = outcome(
        [mark("scratch", 0, 0), mark("scratch", 200, 200)],
        [found("scratch", 0.9, 0, 0), found("scratch", 0.8, 400, 300), found("scratch", 0.7, 200, 200)],
    )
    assert coco([one]).labels["scratch"].ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_overlap_counts_at_the_ious_that_it_reaches() -> None:
    """A box shifted by a fifth of its width overlaps by 40 / 60 = 0.667: right at 0.3, 0.5, 0.55, 0.6, 0.65 only."""
    result = coco([outcome([mark("dent", 100, 100)], [found("dent", 0.9, 110, 100)])]).labels["dent"]
    assert (result.ap30, result.ap50, result.ap75) == (1.0, 1.0, 0.0)
    assert result.ap == pytest.approx(0.4)


def test_a_label_that_nobody_annotated_has_no_figure_and_does_not_pull_the_mean() -> None:
    result = coco([outcome([mark("dent", 0, 0)], [found("dent", 0.9, 0, 0), found("scratch", 0.9, 0, 0)])])
    assert result.labels["scratch"].ap50 is None
    assert result.mean.ap50 == 1.0
    assert "ap50_scratch" not in result.figures()


def test_no_detections_are_zero_and_no_photos_are_nothing() -> None:
    assert coco([outcome([mark("dent", 0, 0)], [])]).labels["dent"].ap50 == 0.0
    assert coco([]).figures() == {}


def test_other_labels_do_not_count() -> None:
    right = outcome([mark("dent", 0, 0)], [found("dent", 0.5, 0, 0)])
    beside = outcome(
        [mark("dent", 0, 0), mark("other", 300, 300)], [found("dent", 0.5, 0, 0), found("other", 0.9, 100, 100)]
    )
    assert coco([beside]).figures() == coco([right]).figures()


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 truths, 0 detections"):
        average_precision([[]], [], LABELS, [(640, 480)])


def test_the_size_of_a_box_does_not_depend_on_the_megapixels_of_the_photo() -> None:
    assert box_size(Box(0, 0, 31, 32), 640, 480) == "small"
    assert box_size(Box(0, 0, 32, 32), 640, 480) == "medium"
    assert box_size(Box(0, 0, 96, 96), 640, 480) == "large"
    assert box_size(Box(0, 0, 190, 190), 3000, 4000) == box_size(Box(0, 0, 30.4, 30.4), 480, 640) == "small"


def test_a_photo_and_its_enlargement_have_the_same_figures() -> None:
    small, large = random_outcomes(3), []
    for one in small:
        marks = [
            mark(a.label, *(4 * v for v in (a.box.x, a.box.y, a.box.width, a.box.height)))
            for a in one.photo.annotations
        ]
        boxes = [
            found(d.label, d.score, *(4 * v for v in (d.box.x, d.box.y, d.box.width, d.box.height)))
            for d in one.detections
        ]
        large.append(outcome(marks, boxes, size=(2560, 1920)))
    assert coco(large).figures() == pytest.approx(coco(small).figures())


@given(seed=st.integers(0, 10_000), noise=st.integers(0, 110))
@settings(max_examples=15, deadline=None)
def test_our_average_precision_equals_the_coco_code(seed: int, noise: int) -> None:
    """Also where scores are equal and where a photo has more detections than the protocol counts."""
    outcomes = random_outcomes(seed, photos=8, noise=noise)
    theirs, table = coco(outcomes), match(outcomes, LABELS)
    for label in LABELS:
        for iou, name in ((0.5, "ap50"), (0.3, "ap30")):
            expected = getattr(theirs.labels[label], name)
            ours = Ranking.of(table, iou, label).average_precision()
            assert np.isnan(ours) if expected is None else ours == pytest.approx(expected, abs=1e-9)


def test_overlap_and_cover_of_boxes() -> None:
    first, second = corners([Box(0, 0, 10, 10), Box(0, 0, 0, 5)]), corners([Box(5, 0, 10, 10), Box(100, 100, 1, 1)])
    assert overlap(first, second) == pytest.approx(np.array([[50 / 150, 0], [0, 0]]))
    assert covered(first, second) == pytest.approx(np.array([[0.5, 0], [0, 0]]))
    assert overlap(first, corners([])).shape == (2, 0)


def test_the_curve_tells_false_boxes_per_photo_at_a_recall() -> None:
    """One threshold for all labels: the damage is reached after two wrong boxes in two photos; the other one never."""
    table = match(
        [
            outcome([mark("dent", 0, 0)], [found("dent", 0.6, 0, 0), found("scratch", 0.7, 300, 300)]),
            outcome([mark("scratch", 0, 0)], [found("dent", 0.8, 300, 300)]),
        ],
        LABELS,
    )
    ranking = Ranking.of(table, 0.5)
    points = ranking.curve()
    assert points.recall.tolist() == [0.0, 0.0, 0.5]
    assert points.false_per_photo.tolist() == [0.5, 1.0, 1.0]
    assert ranking.false_per_photo_at(0.5) == 1.0
    assert np.isnan(ranking.false_per_photo_at(0.75))


def test_false_boxes_at_a_recall_are_those_of_the_curve() -> None:
    for seed in range(20):
        ranking = Ranking.of(match(random_outcomes(seed, photos=10), LABELS), 0.3)
        points = ranking.curve()
        for recall in (0.1, 0.25, 0.5):
            reached = points.false_per_photo[points.recall >= recall - 1e-12]
            expected = reached.min() if reached.size else np.nan
            assert ranking.false_per_photo_at(recall) == pytest.approx(expected, nan_ok=True)


def test_detections_with_equal_scores_are_kept_or_dropped_together() -> None:
    table = match([outcome([mark("dent", 0, 0)], [found("dent", 0.6, 0, 0), found("dent", 0.6, 300, 300)])], LABELS)
    points = Ranking.of(table, 0.5, "dent").curve()
    assert points.threshold.tolist() == [0.6]
    assert points.precision.tolist() == [0.5]
