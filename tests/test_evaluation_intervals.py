"""Intervals by vehicle: they weigh as repetition would, and hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import LABELS, random_outcomes

from dentwatch.training.evaluation.figures import by_size, headline
from dentwatch.training.evaluation.intervals import Statistic, differences, draw, intervals
from dentwatch.training.evaluation.matching import Floats, PhotoOutcome, match
from dentwatch.training.evaluation.mistakes import verdict

HALF = {"scratch": 0.5, "dent": 0.5}


@pytest.mark.parametrize("statistic", [headline, by_size])
def test_weighing_a_vehicle_equals_repeating_it(statistic: type) -> None:
    outcomes = random_outcomes(11, digits=9)
    table = match(outcomes, LABELS)
    weights = np.array([0, 1, 3, 2, 1, 0, 1, 2], dtype=np.float64)[: len(table.vehicles)]
    repeated = [
        PhotoOutcome(replace(one.photo, vehicle=f"{one.photo.vehicle}/{copy}"), one.detections)
        for one in outcomes
        for copy in range(int(weights[table.vehicles.index(one.photo.vehicle)]))
    ]
    again = match(repeated, LABELS)
    assert statistic(table, HALF)(weights) == pytest.approx(
        statistic(again, HALF)(np.ones(len(again.vehicles))), abs=1e-9, nan_ok=True
    )


def test_the_same_seed_gives_the_same_intervals() -> None:
    table = match(random_outcomes(12), LABELS)
    statistic = headline(table, HALF)
    first, second = (intervals(statistic, draw(len(table.vehicles), 40, seed=3)) for _ in range(2))
    assert first == second
    value = statistic(np.ones(len(table.vehicles)))["ap50"]
    assert first["ap50"].low <= value <= first["ap50"].high
    assert first["ap50"].low < first["ap50"].high


def test_few_vehicles_have_no_interval() -> None:
    table = match(random_outcomes(13, photos=12, per_vehicle=3), LABELS)
    assert intervals(headline(table, HALF), draw(len(table.vehicles), 40)) == {}


def share(right: Floats, real: Floats) -> Statistic:
    return lambda weights: {"recall": float(weights @ right) / float(weights @ real)}


def test_intervals_hold_the_truth_as_often_as_promised_and_only_by_vehicle() -> None:
    """Vehicles differ in how visible their damage is; the true recall is 0.6.

    Of 100 sets of 60 vehicles with 6 damages each, at least 90 intervals hold it. Drawing single damages, as if those
    of one vehicle were independent, would hold it far less often.
    """
    random = np.random.default_rng(21)
    by_vehicle = by_damage = 0
    for repeat in range(100):
        visible = random.beta(1.2, 0.8, size=60)
        found = (random.random((60, 6)) < visible[:, None]).astype(np.float64)
        grouped = intervals(share(found.sum(axis=1), np.full(60, 6.0)), draw(60, 300, repeat))["recall"]
        single = intervals(share(found.ravel(), np.ones(360)), draw(360, 300, repeat))["recall"]
        by_vehicle += grouped.low <= 0.6 <= grouped.high
        by_damage += single.low <= 0.6 <= single.high
    assert by_vehicle >= 90
    assert by_damage < 85


def test_a_difference_between_equal_models_is_nothing_and_between_unequal_ones_is_sure() -> None:
    outcomes = random_outcomes(14, photos=60, per_vehicle=2)
    thresholds = {"scratch": 0.2, "dent": 0.2}
    better = []
    for one in outcomes:
        judged = verdict(one, LABELS, thresholds)
        sound = [box for box, wrong in zip(judged.kept, judged.wrong, strict=True) if wrong != "nothing"]
        better.append(PhotoOutcome(one.photo, tuple(sound)))
    first, second = (headline(match(some, LABELS), thresholds) for some in (outcomes, better))
    weights = draw(30, 60)
    same = differences(first, first, weights)["precision"]
    assert (same.value, same.interval.low, same.interval.high) == (0.0, 0.0, 0.0)
    changed = differences(first, second, weights)
    assert changed["precision"].interval.low > 0
    assert changed["precision"].share_better == 1.0
    assert changed["false_per_photo"].interval.high < 0
