"""The false-alarm promise of the drift detector, on streams in which nothing changes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from dentwatch.errors import UnarmedError
from dentwatch.monitoring.drift.bets import cause_bets, statistic_bets
from dentwatch.monitoring.drift.causes import density_edges, shipped_directions
from dentwatch.monitoring.drift.deflator import Worth, mean_bound
from dentwatch.monitoring.drift.detector import DriftDetector
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.ranks import ReferenceRanks
from dentwatch.monitoring.drift.recursion import MOST, Recursion, compiled_pay, pay
from dentwatch.monitoring.features import FEATURE_NAMES


def photos(rng: np.random.Generator, vehicles: int, each: int = 2) -> NDArray[np.float64]:
    """Photos ``(vehicles, each, F)`` of which half of every figure's variance is the vehicle's."""
    shared = rng.normal(size=(vehicles, 1, len(FEATURE_NAMES)))
    own = rng.normal(size=(vehicles, each, len(FEATURE_NAMES)))
    return np.asarray((shared + own) / np.sqrt(2))


def odds(rng: np.random.Generator, vehicles: int = 200, each: int = 2) -> Odds:
    drawn = photos(rng, vehicles, each)
    owners = [f"vehicle {number}" for number in range(vehicles) for _ in range(each)]
    return Odds(drawn.reshape(-1, len(FEATURE_NAMES)), owners, FEATURE_NAMES)


def test_a_bet_pays_one_on_average_when_every_rank_is_equally_likely():
    reference = np.random.default_rng(0).normal(size=(400, 2))
    ranks = ReferenceRanks(reference)
    edges = np.concatenate([[[-9.0, -9.0]], np.sort(reference, axis=0), [[9.0, 9.0]]])
    one_in_each_bin = ranks.places((edges[1:] + edges[:-1]) / 2)
    directions = shipped_directions()[:2]
    densities = np.array([direction.density for direction in directions])
    for table in (statistic_bets(ranks, Worth(200)), cause_bets(ranks, density_edges(), densities, Worth(200))):
        assert table.pays[one_in_each_bin].mean(axis=0) == pytest.approx(1.0, abs=1e-9)


def test_the_bound_of_a_mean_holds_in_all_but_one_sample_of_a_thousand():
    rng = np.random.default_rng(1)
    samples = np.minimum(np.exp(2 * ndtri(rng.random((200, 1500))) - 2), 30.0)
    large = np.minimum(np.exp(2 * ndtri(rng.random(1_000_000)) - 2), 30.0)
    bounds = mean_bound(samples, np.full(1500, 30.0), 200, confidence=0.999)
    assert (bounds < large.mean()).mean() <= 0.001
    assert np.median(bounds) < 3 * large.mean()  # and is of use


def test_the_money_of_uniform_ranks_rarely_reaches_what_it_promises_not_to():
    rng = np.random.default_rng(2)
    one_in, updates, streams = 200.0, 100, 400
    # Payments with mean 1, as bets on uniform ranks have them.
    pay = np.minimum(np.exp(ndtri((np.arange(1000) + 0.5) / 1000) - 0.5), 30.0)
    pay /= pay.mean()
    reached = 0
    for _ in range(streams):
        recursion = Recursion(np.ones((1, 1)))
        reached += any(recursion.update(pay[rng.integers(1000, size=1)])[0] >= one_in for _ in range(updates))
    # P(reached within n) <= n / one_in, and four standard errors.
    assert reached / streams <= updates / one_in + 4 * np.sqrt(0.25 / streams)


def test_clean_vehicles_raise_no_alarm_although_their_photos_are_alike():
    rng = np.random.default_rng(3)
    detector = DriftDetector(None, one_in=1_000_000, odds=odds(rng))
    assert not any(detector.update(seen).alarms for seen in photos(rng, 3000, 3))


def test_every_bet_loses_on_average_on_vehicles_that_the_reference_has_not_seen():
    rng = np.random.default_rng(4)
    bets = odds(rng)
    paid = np.mean([bets.of(seen)[0] for seen in photos(rng, 2000)], axis=0)
    assert paid.max() < 1


@pytest.mark.parametrize(("vehicles", "each"), [(149, 2), (129, 3)])
def test_a_reference_too_small_to_keep_the_promise_is_refused(vehicles: int, each: int):
    with pytest.raises(UnarmedError, match=f"{vehicles * each} photos of {vehicles} vehicles") as refused:
        odds(np.random.default_rng(5), vehicles, each)
    assert refused.value.hint


def test_a_reference_without_figures_is_refused():
    owners = [str(number) for number in range(400)]
    with pytest.raises(UnarmedError, match="None of the"):
        Odds(np.full((400, len(FEATURE_NAMES)), np.nan), owners, FEATURE_NAMES)


def test_detector_outputs_alone_are_watched_where_no_statistics_are_known():
    rng = np.random.default_rng(8)
    features = np.full((400, len(FEATURE_NAMES)), np.nan)
    features[:, FEATURE_NAMES.index("top_score")] = rng.random(400)
    bets = Odds(features, [str(number) for number in range(400)], FEATURE_NAMES)
    assert bets.statistics == ("top_score",)
    assert bets.layout.channels == ("detections",)
    with pytest.raises(ValueError, match="at least one photo"):
        DriftDetector(None, odds=bets).update(features[:0])


def test_the_smallest_reference_that_is_enough_is_taken():
    assert odds(np.random.default_rng(6), 150, 2).statistics == FEATURE_NAMES


def test_a_larger_reference_wins_more_from_the_same_drift():
    rng = np.random.default_rng(7)
    dark = photos(rng, 300)
    dark[:, :, FEATURE_NAMES.index("luma_mean")] -= 1.5
    delays = []
    for vehicles in (150, 1500):
        detector = DriftDetector(None, odds=odds(rng, vehicles))
        delays.append(next(number for number, seen in enumerate(dark) if detector.update(seen).alarms))
    assert delays[1] < delays[0]


def test_the_compiled_update_is_that_of_numpy_to_the_last_bit():
    assert compiled_pay is not None, "recursion.c was not built: is there a C compiler?"
    rng = np.random.default_rng(7)
    trends = rng.choice((-0.3, 0.5), 203)  # some are quiet, some win up to the cut-off
    by_numpy, compiled = ((np.zeros((2, 203)), np.zeros(203, np.int64)) for _ in range(2))
    for update in range(1, 400):
        e_values = np.exp(rng.normal(trends, 1.0))
        pay(*by_numpy, e_values, update, MOST)
        compiled_pay(*compiled, e_values, update, MOST)
        for one, other in zip(by_numpy, compiled, strict=True):
            np.testing.assert_array_equal(one, other)
    assert by_numpy[0].max() == MOST
    assert by_numpy[1].min() < 200 < by_numpy[1].max()


@pytest.mark.parametrize(
    ("money", "quiet"),
    [
        (np.zeros((2, 5)), np.zeros(4, np.int64)),
        (np.zeros((2, 4)), np.zeros(5, np.int64)),
        (np.zeros((2, 8))[:, ::2], np.zeros(4, np.int64)),
        (np.zeros((2, 4)), np.frombuffer(bytes(32), np.int64)),
    ],
    ids=["money too long", "quiet too long", "money with gaps", "quiet not writable"],
)
def test_the_compiled_update_refuses_arrays_that_it_would_overrun(money, quiet):
    assert compiled_pay is not None
    with pytest.raises(ValueError):
        compiled_pay(money, quiet, np.ones(4), 1, MOST)
