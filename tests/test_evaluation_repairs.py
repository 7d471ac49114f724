"""What AP50 would gain without one kind of mistake, against figures worked out by hand."""

import pytest
from evaluation_cases import LABELS, found, mark, outcome, random_outcomes

from dentwatch.records.annotations import Annotation
from dentwatch.records.detections import Detection
from dentwatch.training.evaluation.repairs import REPAIRS, Repair, gains

FIRST, SECOND = mark("dent", 0, 0), mark("dent", 200, 0)
RIGHT, RIGHT_TOO = found("dent", 0.9, 0, 0), found("dent", 0.7, 200, 0)
HALF = 51 / 101  # of two damages one is found, and nothing wrong is said
AFTER_A_WRONG_BOX = (51 + 50 * 2 / 3) / 101  # right, wrong, right


@pytest.mark.parametrize(
    ("repair", "marks", "detections", "before"),
    [
        ("loose", [FIRST, SECOND], [RIGHT, found("dent", 0.8, 225, 0), found("dent", 0.6, 175, 0)], HALF),
        ("label", [FIRST, SECOND], [RIGHT, found("scratch", 0.8, 200, 0)], HALF),
        ("twice", [FIRST, SECOND], [RIGHT, found("dent", 0.8, 0, 0), RIGHT_TOO], AFTER_A_WRONG_BOX),
        ("nothing", [FIRST, SECOND], [RIGHT, found("dent", 0.8, 400, 300), RIGHT_TOO], AFTER_A_WRONG_BOX),
        (
            "other",
            [FIRST, SECOND, mark("other", 300, 200, 200, 200)],
            [RIGHT, found("dent", 0.8, 400, 300), RIGHT_TOO],
            AFTER_A_WRONG_BOX,
        ),
        ("missed", [FIRST, SECOND], [RIGHT], HALF),
    ],
)
def test_the_only_kind_of_mistake_costs_what_its_repair_brings(
    repair: Repair, marks: list[Annotation], detections: list[Detection], before: float
) -> None:
    won = gains([outcome(marks, detections)], LABELS)
    assert won.pop(repair) == pytest.approx(1 - before)
    assert won == pytest.approx(dict.fromkeys(won, 0.0))


def test_a_loose_box_on_a_damage_that_is_found_is_left_out_and_not_moved() -> None:
    detections = [RIGHT, found("dent", 0.8, 25, 0), RIGHT_TOO]
    assert gains([outcome([FIRST, SECOND], detections)], LABELS)["loose"] == pytest.approx(1 - AFTER_A_WRONG_BOX)


def test_a_loose_box_that_is_surer_than_the_right_one_takes_its_place() -> None:
    detections = [found("dent", 0.95, 25, 0), RIGHT, RIGHT_TOO]
    before = 2 / 3  # wrong, right, right
    assert gains([outcome([FIRST, SECOND], detections)], LABELS)["loose"] == pytest.approx(1 - before)


def test_mistakes_below_every_threshold_count_as_well() -> None:
    won = gains([outcome([FIRST, SECOND], [RIGHT, found("dent", 0.002, 225, 0)])], LABELS)
    assert won["loose"] == pytest.approx(1 - HALF)


def test_many_photos_have_something_to_gain_and_nothing_comes_out_of_nothing() -> None:
    won = gains(random_outcomes(3), LABELS)
    assert list(won) == list(REPAIRS)
    assert won["nothing"] > 0.02
    assert min(won.values()) > -0.01
    assert gains([outcome([mark("other", 0, 0)], [RIGHT])], LABELS) == {}
