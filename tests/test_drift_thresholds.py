"""Operating thresholds of a model that is made for a drift."""

from collections.abc import Sequence

from evaluation_cases import found, mark, outcome

from dentwatch.training.evaluation.drift_thresholds import choose_thresholds_for_drift
from dentwatch.training.evaluation.matching import PhotoOutcome, match
from dentwatch.training.evaluation.operating import ThresholdChoice, rates

LABEL = "dent"


def photos(right: Sequence[float], missed: int, wrong: Sequence[float] = ()) -> list[PhotoOutcome]:
    """Photos of one damage each, found with a score of ``right`` or missed, and some where there is none."""
    here = mark(LABEL, 0, 0)
    return [
        *(outcome([here], [found(LABEL, score, 0, 0)]) for score in right),
        *(outcome([here], []) for _ in range(missed)),
        *(outcome([], [found(LABEL, score, 0, 0)]) for score in wrong),
    ]


def recall(seen: list[PhotoOutcome], chosen: dict[str, ThresholdChoice]) -> float:
    return rates(match(seen, (LABEL,)), {LABEL: chosen[LABEL].threshold}, 0.5).figures["recall"]


def uncertain(wrong: int) -> list[PhotoOutcome]:
    """Photos in which the drift took certainty from four dents: to keep them takes ``wrong`` wrong boxes."""
    return photos([0.8] * 6 + [0.3] * 4, 10, wrong=[0.5] * wrong)


TAKEN = photos([0.9] * 10, 10)
CHEAP, DEAR = uncertain(11), uncertain(12)
"""All dents: F1 over both falls from 2·16 ÷ (16 + 40) = 57.1 % to 2·20 ÷ (20 + 11 + 40) = 56.3 %, and to 55.6 %."""


def test_recall_comes_back_in_drifted_photos_where_it_is_cheap() -> None:
    without, chosen = (choose_thresholds_for_drift(TAKEN, CHEAP, (LABEL,), least) for least in ({}, {LABEL: 0.5}))
    assert (recall(CHEAP, without), recall(CHEAP, chosen)) == (0.3, 0.5)
    assert recall(TAKEN, chosen) == 0.5
    assert chosen[LABEL].recall == 0.5


def test_no_more_is_brought_back_than_was_there_before() -> None:
    chosen = choose_thresholds_for_drift(TAKEN, CHEAP, (LABEL,), {LABEL: 0.3})
    assert recall(CHEAP, chosen) == 0.3


def test_recall_in_drifted_photos_costs_at_most_a_point_of_f1() -> None:
    chosen = choose_thresholds_for_drift(TAKEN, DEAR, (LABEL,), {LABEL: 0.5})
    assert recall(DEAR, chosen) == 0.3


def test_recall_in_photos_as_taken_is_kept_at_any_price() -> None:
    chosen = choose_thresholds_for_drift(uncertain(99), TAKEN, (LABEL,), {LABEL: 0.5})
    assert recall(uncertain(99), chosen) == 0.5


def test_a_label_that_is_never_found_gets_a_threshold_all_the_same() -> None:
    nothing = photos([], 20)
    chosen = choose_thresholds_for_drift(nothing, nothing, (LABEL,), {LABEL: 0.5})
    assert chosen[LABEL].fallback is not None
