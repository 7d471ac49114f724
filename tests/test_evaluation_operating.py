"""What holds at the operating thresholds, and how they are chosen."""

import numpy as np
import pytest
from evaluation_cases import LABELS, found, mark, outcome, random_outcomes

from dentwatch.errors import SettingsError
from dentwatch.training.evaluation.matching import match
from dentwatch.training.evaluation.mistakes import MISSED, NO_DAMAGE, confusion, verdict
from dentwatch.training.evaluation.operating import (
    FALLBACK_THRESHOLD,
    ThresholdRule,
    choose_thresholds,
    damaged_photos,
    rates,
)

HALF = {"scratch": 0.5, "dent": 0.5}


def test_rates_are_what_design_says() -> None:
    """Two right, one wrong, two missed in two photos."""
    table = match(
        [
            outcome(
                [mark("dent", 0, 0), mark("dent", 200, 0)],
                [found("dent", 0.9, 0, 0), found("dent", 0.4, 200, 0), found("dent", 0.6, 400, 300)],
            ),
            outcome([mark("scratch", 0, 0), mark("scratch", 200, 0)], [found("scratch", 0.8, 200, 0)]),
        ],
        LABELS,
    )
    counted = rates(table, HALF, 0.5)
    assert (counted.true_positives, counted.false_positives, counted.false_negatives) == (2, 1, 2)
    assert counted.figures == pytest.approx(
        {
            "precision": 2 / 3,
            "recall": 1 / 2,
            "f1": 4 / 7,
            "accuracy": 2 / 5,
            "false_positive_rate": 1 / 3,
            "false_negative_rate": 1 / 2,
            "false_per_photo": 1 / 2,
        }
    )
    assert rates(table, HALF, 0.5, "scratch").figures["precision"] == 1.0


def test_a_damage_is_found_once_and_by_its_own_label() -> None:
    table = match(
        [
            outcome(
                [mark("dent", 0, 0)],
                [found("dent", 0.9, 0, 0), found("dent", 0.8, 2, 0), found("scratch", 0.95, 0, 0)],
            )
        ],
        LABELS,
    )
    counted = rates(table, HALF, 0.5)
    assert (counted.true_positives, counted.false_positives, counted.false_negatives) == (1, 2, 0)


def test_nothing_to_divide_by_is_no_number() -> None:
    figures = rates(match([outcome([], [])], LABELS), HALF, 0.5).figures
    assert np.isnan(figures["precision"])
    assert np.isnan(figures["recall"])
    assert figures["false_per_photo"] == 0.0


def test_boxes_inside_other_damage_can_be_ignored_but_found_damage_stays() -> None:
    """A wrong box half inside a broken part goes; one that is a little inside, or found a dent, stays."""
    table = match(
        [
            outcome(
                [mark("other", 0, 0, 100, 100), mark("dent", 10, 10)],
                [
                    found("dent", 0.9, 10, 10),
                    found("scratch", 0.8, 50, 60, 80, 20),
                    found("scratch", 0.7, 90, 90),
                ],
            )
        ],
        LABELS,
    )
    assert table.score.tolist() == [0.9, 0.8, 0.7]
    assert table.without_covered().score.tolist() == [0.9, 0.7]


def test_photos_are_damaged_or_not() -> None:
    table = match(
        [
            outcome([mark("dent", 0, 0)], [found("scratch", 0.9, 300, 300)]),
            outcome([], [found("dent", 0.9, 0, 0)]),
            outcome([mark("other", 0, 0)], [found("dent", 0.1, 0, 0)]),
        ],
        LABELS,
    )
    truth, seen = damaged_photos(table, HALF)
    assert truth.tolist() == [True, False, False]
    assert seen.tolist() == [True, True, False]


def test_the_default_threshold_has_the_best_f1_of_all() -> None:
    table = match(random_outcomes(5, photos=60), LABELS)
    chosen = choose_thresholds(table)
    for label in LABELS:
        at = {one: choice.threshold for one, choice in chosen.items()}
        best = rates(table, at, 0.5, label).figures["f1"]
        others = [rates(table, {**at, label: other}, 0.5, label).figures["f1"] for other in np.linspace(0.005, 1, 200)]
        assert best >= max(others) - 1e-12
        assert chosen[label].precision == pytest.approx(rates(table, at, 0.5, label).figures["precision"])
        assert chosen[label].fallback is None


def test_a_target_precision_is_met_with_the_most_recall() -> None:
    table = match(random_outcomes(6, photos=60), LABELS)
    chosen = choose_thresholds(table, ThresholdRule.parse("precision=0.6"))["scratch"]
    kept = rates(table, {"scratch": chosen.threshold}, 0.5, "scratch").figures
    assert kept["precision"] >= 0.6
    for other in np.linspace(0.005, 1, 200):
        figures = rates(table, {"scratch": other}, 0.5, "scratch").figures
        assert not (figures["precision"] >= 0.6 and figures["recall"] > kept["recall"])


@pytest.mark.parametrize(
    ("rule", "name", "low", "high"),
    [("recall=0.4", "recall", 0.4, 1), ("false-per-photo=0.2", "false_per_photo", 0, 0.2)],
)
def test_other_targets_are_met(rule: str, name: str, low: float, high: float) -> None:
    table = match(random_outcomes(7, photos=60), LABELS)
    chosen = choose_thresholds(table, ThresholdRule.parse(rule))["dent"]
    assert chosen.fallback is None
    assert low <= rates(table, {"dent": chosen.threshold}, 0.5, "dent").figures[name] <= high


def test_a_target_out_of_reach_takes_the_nearest_and_says_so() -> None:
    table = match(random_outcomes(8, photos=60), LABELS)
    chosen = choose_thresholds(table, ThresholdRule.parse("recall=1"))["dent"]
    assert "recall=1" in str(chosen.fallback)
    assert chosen.recall == max(
        rates(table, {"dent": other}, 0.5, "dent").figures["recall"] for other in np.linspace(0.005, 1, 200)
    )


def test_too_few_damages_fall_back_to_all_labels_then_to_a_fixed_value() -> None:
    dents = [outcome([mark("dent", 0, 0)], [found("dent", 0.8, 0, 0)]) for _ in range(12)]
    few = [outcome([mark("scratch", 0, 0)], [found("scratch", 0.3, 0, 0)]), *dents]
    chosen = choose_thresholds(match(few, LABELS))
    assert "pooled" in str(chosen["scratch"].fallback)
    assert chosen["scratch"].threshold < 0.3
    nothing = choose_thresholds(match([], LABELS))
    assert {one.threshold for one in nothing.values()} == {FALLBACK_THRESHOLD}


@pytest.mark.parametrize("text", ["f2", "precision", "precision=2", "recall=high", "f1=0.3", "recall=-1"])
def test_an_unknown_rule_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        ThresholdRule.parse(text)


def test_every_mistake_has_one_kind() -> None:
    one = outcome(
        [
            mark("dent", 0, 0),
            mark("scratch", 200, 0),
            mark("other", 400, 0, 100, 100),
            mark("dent", 0, 300),
            mark("dent", 200, 300),
            mark("dent", 500, 400),
        ],
        [
            found("dent", 0.95, 0, 0),
            found("dent", 0.9, 3, 0),
            found("dent", 0.85, 200, 0),
            found("dent", 0.8, 420, 10),
            found("dent", 0.75, 35, 300),
            found("dent", 0.7, 560, 200),
            found("dent", 0.2, 200, 300),
        ],
    )
    judged = verdict(one, LABELS, HALF)
    assert judged.wrong == (None, "twice", "label", "other", "loose", "nothing")
    assert [kind for label, kind in zip([mark.label for mark in judged.marks], judged.missed, strict=True)] == [
        None,
        "label",
        "loose",
        "unsure",
        "unseen",
    ]
    assert (judged.right, judged.mistakes) == (1, 9)
    assert judged.quality == pytest.approx(2 / 11)


def test_verdicts_agree_with_the_rates() -> None:
    outcomes = random_outcomes(9, photos=30)
    counted = rates(match(outcomes, LABELS), HALF, 0.5)
    verdicts = [verdict(one, LABELS, HALF) for one in outcomes]
    assert sum(one.right for one in verdicts) == counted.true_positives
    assert sum(kind is not None for one in verdicts for kind in one.wrong) == counted.false_positives
    assert sum(kind is not None for one in verdicts for kind in one.missed) == counted.false_negatives


def test_confusion_says_what_was_taken_for_what() -> None:
    one = outcome(
        [mark("scratch", 0, 0), mark("dent", 200, 0), mark("other", 400, 0)],
        [found("dent", 0.9, 0, 0), found("scratch", 0.8, 400, 0), found("dent", 0.7, 500, 400)],
    )
    assert confusion([one], [verdict(one, LABELS, HALF)]) == {
        "scratch": {"dent": 1},
        "other": {"scratch": 1},
        "dent": {MISSED: 1},
        NO_DAMAGE: {"dent": 1},
    }
