"""Photos of one vehicle are judged in pairs: sooner, and as rarely wrong."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.monitoring.drift.detector import DriftDetector
from dentwatch.monitoring.drift.odds import LEAST_VEHICLES, Odds
from dentwatch.monitoring.drift.pairs import MOST_IN_ALL_PAIRS, pair_means, reference_pairs
from dentwatch.monitoring.features import FEATURE_NAMES


def photos(rng: np.random.Generator, vehicles: int, each: int) -> NDArray[np.float64]:
    """Photos ``(vehicles, each, F)`` of which half of every figure's variance is the vehicle's."""
    shared = rng.normal(size=(vehicles, 1, len(FEATURE_NAMES)))
    return np.asarray((shared + rng.normal(size=(vehicles, each, len(FEATURE_NAMES)))) / np.sqrt(2))


def odds(rng: np.random.Generator, *sizes: int) -> Odds:
    """The bets against a reference of vehicles with so many photos each."""
    rows = [photos(rng, 1, size)[0] for size in sizes]
    owners = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    return Odds(np.concatenate(rows), owners, FEATURE_NAMES)


def test_up_to_four_photos_form_all_their_pairs_and_more_are_in_two_each():
    assert pair_means(np.array([[1.0], [3.0], [7.0]])).ravel().tolist() == [2.0, 4.0, 5.0]
    many = np.eye(MOST_IN_ALL_PAIRS + 3)
    pairs = pair_means(many)
    assert pairs.sum(axis=0).tolist() == [1.0] * len(many)
    assert sorted(np.count_nonzero(pairs, axis=1)) == [2] * len(many)


def test_a_figure_that_one_photo_lacks_is_the_others():
    lacking = np.array([[np.nan, 1.0, np.nan], [2.0, 3.0, np.nan]])
    assert pair_means(lacking) == pytest.approx(np.array([[2.0, 2.0, np.nan]]), nan_ok=True)


def test_the_reference_pairs_only_photos_of_one_vehicle():
    rows = np.array([[10.0], [20.0], [12.0], [30.0], [22.0]])
    means, whose = reference_pairs(rows, np.array([0, 1, 0, 2, 1]))
    assert (means.ravel().tolist(), whose.tolist()) == ([11.0, 21.0], [0, 1])


def test_a_pair_tells_sooner_than_its_photos_one_by_one():
    rng = np.random.default_rng(1)
    in_pairs = odds(rng, *[2] * 400)
    singly = odds(rng, *[1] * 400)
    darker = photos(rng, 200, 2) - 1.0 * (np.array(FEATURE_NAMES) == "luma_mean")
    delays = []
    for bets in (in_pairs, singly):
        detector = DriftDetector(None, odds=bets)
        delays.append(next(number for number, seen in enumerate(darker) if detector.update(seen).alarms))
    assert delays[0] < delays[1]


@pytest.mark.parametrize("each", [1, 2, 3, 7])
def test_every_bet_loses_on_average_on_clean_vehicles_with_any_number_of_photos(each):
    rng = np.random.default_rng(2)
    bets = odds(rng, *[1, 2, 3, 4, 5, 8] * 50)
    paid = np.mean([bets.of(seen)[0] for seen in photos(rng, 2000, each)], axis=0)
    assert paid.max() < 1


def test_the_same_photo_sent_twice_is_one_photo():
    rng = np.random.default_rng(3)
    bets = odds(rng, *[2] * 200)
    one, other = photos(rng, 1, 2)[0]
    once, mean = bets.of(np.stack([one, other]))
    twice, same = bets.of(np.stack([one, other, one, one]))
    assert (twice.tolist(), same.tolist()) == (once.tolist(), pytest.approx(mean.tolist()))
    assert bets.of(np.stack([one, one]))[0].tolist() == bets.of(one[None])[0].tolist()


def test_with_too_few_pairs_in_the_reference_photos_are_judged_one_by_one():
    rng = np.random.default_rng(4)
    bets = odds(rng, *[4] * (LEAST_VEHICLES - 1), 1)
    seen = photos(rng, 1, 3)[0]
    singly = np.mean([bets.of(photo[None])[0] for photo in seen], axis=0)
    assert bets.of(seen)[0] == pytest.approx(singly)
