"""The test that a drift is over: rarely wrong while it lasts, and not long after it went."""

import numpy as np

from dentwatch.monitoring.recovery import WRONGLY_ONCE_IN, Recovery

NAMES = ("noise", "luma_mean")


def photos(rng: np.random.Generator, count: int, shift: float) -> np.ndarray:
    """Features of ``count`` photos whose brightness is ``shift`` standard deviations from the reference's."""
    return np.column_stack([rng.normal(size=count), rng.normal(shift, 1, count)])


def begun(rng: np.random.Generator, shift: float) -> Recovery:
    sides = [("noise", 1), ("luma_mean", 1 if shift > 0 else -1)]
    test = Recovery.begin(NAMES, photos(rng, 1000, 0), photos(rng, 40, shift), sides)
    assert test is not None
    return test


def updates_until_over(test: Recovery, rng: np.random.Generator, shift: float, most: int) -> int | None:
    for count in range(1, most + 1):
        test = test.update(NAMES, photos(rng, 1, shift))
        if test.is_over:
            return count
    return None


def test_it_watches_what_moved_most(rng: np.random.Generator) -> None:
    assert begun(rng, -3.0).statistic == "luma_mean"
    assert begun(rng, -3.0).side == -1
    assert begun(rng, 3.0).side == 1


def test_it_is_over_within_tens_of_inspections_after_the_drift_went(rng: np.random.Generator) -> None:
    delays = [updates_until_over(begun(rng, -3.0), rng, 0.0, 500) for _ in range(50)]
    assert None not in delays
    assert np.median([delay for delay in delays if delay is not None]) < 60


def test_a_drift_that_lasts_is_not_called_over(rng: np.random.Generator) -> None:
    # 20 × 1,000 inspections at a mean of at least 10,000 to a wrong end: two are to be expected at the worst bet.
    ends = [updates_until_over(begun(rng, -3.0), rng, -3.0, 1000) for _ in range(20)]
    assert ends == [None] * 20


def test_under_half_of_the_drift_its_bets_pay_nothing_on_average(rng: np.random.Generator) -> None:
    test = Recovery("luma_mean", 1, cut=0.0, normal=0.1, drifted=0.9)
    beyond, within = (test.update(NAMES, np.array([[0.0, value]])).evidence for value in (1.0, -1.0))
    half = (test.normal + test.drifted) / 2
    assert half * beyond + (1 - half) * within == 1.0  # from 0, the evidence after one update is the bet itself
    assert beyond < 1 < within


def test_it_ends_also_when_it_comes_after_a_long_drift(rng: np.random.Generator) -> None:
    test = begun(rng, -3.0)
    for _ in range(2000):
        test = test.update(NAMES, photos(rng, 1, -3.0))
    assert test.evidence < 100
    assert updates_until_over(test, rng, 0.0, 200) is not None


def test_photos_of_one_inspection_are_one_bet() -> None:
    test = Recovery("luma_mean", 1, cut=0.0, normal=0.1, drifted=0.9)
    one = test.update(NAMES, np.array([[0.0, -1.0]]))
    assert test.update(NAMES, np.array([[0.0, -1.0]] * 8)).evidence == one.evidence
    assert test.update(NAMES, np.array([[0.0, np.nan]])) == test


def test_it_goes_on_from_what_was_kept(rng: np.random.Generator) -> None:
    test = begun(rng, -2.0).update(NAMES, photos(rng, 3, 0.0))
    assert Recovery.from_document(test.as_document()) == test
    assert WRONGLY_ONCE_IN == 10_000
