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


def test_thresholds_are_the_best_over_both() -> None:
    for wrong, drifted in ((1, 0.5), (99, 0.3)):  # wrong boxes that come with the uncertain four
        chosen = choose_thresholds_for_drift(TAKEN, uncertain(wrong), (LABEL,), {})
        assert recall(uncertain(wrong), chosen) == drifted


def test_recall_that_is_there_in_photos_as_taken_lowers_nothing() -> None:
    chosen = choose_thresholds_for_drift(TAKEN, uncertain(99), (LABEL,), {LABEL: 0.5})
    assert recall(TAKEN, chosen) == 0.5
    assert recall(uncertain(99), chosen) == 0.3


def test_recall_in_photos_as_taken_is_kept_at_any_price() -> None:
    chosen = choose_thresholds_for_drift(uncertain(99), TAKEN, (LABEL,), {LABEL: 0.5})
    assert recall(uncertain(99), chosen) == 0.5


def test_a_label_that_is_never_found_gets_a_threshold_all_the_same() -> None:
    nothing = photos([], 20)
    chosen = choose_thresholds_for_drift(nothing, nothing, (LABEL,), {LABEL: 0.5})
    assert chosen[LABEL].fallback is not None
