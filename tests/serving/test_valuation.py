"""The price effect is an interval that carries what is not known."""

import itertools
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from price_cases import model, sighting, table

from dentwatch.errors import DataError
from dentwatch.serving.cost_sum import CostSum, UncertainCost
from dentwatch.serving.price_table import SEVERITIES
from dentwatch.serving.valuation import PriceEffect, Sighting, Valuation


def effect(*groups: list[Sighting], **given: Any) -> PriceEffect:
    fields = {"photos": 3, **given}
    return Valuation(fields.pop("table", table()), fields.pop("model", model())).effect(groups, **fields)


def figures(of: PriceEffect) -> tuple[float, float, float]:
    assert of.low is not None and of.expected is not None and of.high is not None
    return of.low, of.expected, of.high


# The sum


def test_fixed_costs_of_one_amount_have_the_poisson_binomial_distribution() -> None:
    """Checked against all 2⁶ outcomes."""
    chances = [0.1, 0.35, 0.5, 0.62, 0.8, 0.97]
    costs = CostSum([UncertainCost(chance, 8, 8) for chance in chances], 1.0)
    share = [0.0] * 7
    for outcome in itertools.product((0, 1), repeat=6):
        weight = 1.0
        for real, chance in zip(outcome, chances, strict=True):
            weight *= chance if real else 1 - chance
        share[sum(outcome)] += weight
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        due = next(count for count in range(7) if sum(share[: count + 1]) >= level)
        assert costs.quantile(level) == 8 * due
    assert costs.mean == pytest.approx(8 * sum(chances))


def test_quantiles_are_those_of_a_long_seeded_simulation() -> None:
    costs = [UncertainCost(0.3, 100, 300), UncertainCost(0.8, 50, 90), UncertainCost(0.55, 400, 1000)]
    exact, draw = CostSum(costs, 0.25), random.Random(7)
    sums = sorted(
        sum(draw.uniform(one.low, one.high) for one in costs if draw.random() < one.probability) for _ in range(40_000)
    )
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert exact.quantile(level) == pytest.approx(sums[int(level * len(sums))], abs=15)
    assert exact.mean_below(500) == pytest.approx(sum(min(one, 500) for one in sums) / len(sums), abs=4)


def test_thousands_of_damages_take_a_moment() -> None:
    """A request may ask for every box that the network has: 40 photos with 100 each."""
    start = time.process_time()
    costs = CostSum([UncertainCost(0.01, 100 + number % 7, 900) for number in range(4000)], 0.25)
    assert time.process_time() - start < 3
    assert costs.quantile(0.5) == pytest.approx(costs.mean, rel=0.05)


# The price effect


def test_one_certain_damage_costs_what_the_table_says() -> None:
    low, expected, high = figures(effect([sighting(1.0, "moderate")]))
    assert expected == 192
    assert (low, high) == (pytest.approx(128 + 12.8, abs=0.5), pytest.approx(256 - 12.8, abs=0.5))
    dear = effect([sighting(1.0, "moderate")], vehicle_class="dear")
    assert dear.expected == 384
    assert dear.vehicle_class == "dear"


def test_a_damage_in_several_photos_counts_once_with_its_surest_sighting() -> None:
    group = [sighting(0.4, "severe", size=0.4, position=2), sighting(0.7, "minor", size=0.05, position=0)]
    [line] = effect(group).lines
    assert (line.probability, line.severity.level, line.photos) == (0.7, "minor", (0, 2))
    assert effect(group, group).expected == 2 * line.expected


def test_what_a_photo_leaves_open_widens_the_costs() -> None:
    sure, unsure = (effect([sighting(0.9, "minor", at_most=most)]).lines[0] for most in ("minor", "severe"))
    assert (sure.low, sure.high) == (64, 128)
    assert (unsure.low, unsure.high) == (64, 1024)


def test_photos_that_are_not_reliable_are_not_priced() -> None:
    seen_well, seen_badly = sighting(0.9, position=0), sighting(0.95, "severe", position=1, reliable=False)
    mixed = effect([seen_well, seen_badly], [seen_badly], unreliable=1)
    assert [(line.probability, line.severity.level) for line in mixed.lines] == [(0.9, "moderate")]
    assert not mixed.reliable
    assert "1 of 3 photos could not be judged" in mixed.note


def test_where_no_photo_could_be_judged_there_is_no_figure_at_all() -> None:
    nothing = effect([sighting(reliable=False)], photos=2, unreliable=2)
    assert (nothing.low, nothing.expected, nothing.high) == (None, None, None)
    assert not nothing.reliable
    assert "nothing is said about the price" in nothing.note


def test_nothing_detected_is_zero_and_says_what_may_have_been_missed() -> None:
    metrics = {"val/false_negative_rate_scratch": 0.6, "test/false_negative_rate_scratch": 0.7}
    clean = effect(model=model(metrics=metrics))
    assert figures(clean) == (0, 0, 0)
    assert clean.reliable
    assert "no proof that there is none" in clean.note
    [missed] = clean.missed  # nothing is known of dents, so nothing is said of them
    assert (missed.label, missed.share, missed.split, missed.low, missed.high) == ("scratch", 0.7, "test", 64, 1024)


def test_a_calibrated_model_is_believed_as_far_as_it_was_measured() -> None:
    calibrated = model(calibration={"scratch": ((0.2, 0.1), (0.6, 0.5), (0.9, 0.7))})
    scratch = effect([sighting(0.4)], model=calibrated)
    assert scratch.calibrated
    assert scratch.lines[0].probability == pytest.approx(0.3)
    dent = effect([sighting(0.4, label="dent")], [sighting(0.99)], model=calibrated)
    assert not dent.calibrated
    assert {(line.label, line.probability, line.calibrated) for line in dent.lines} == {
        ("dent", 0.4, False),
        ("scratch", 0.7, True),
    }


def test_the_limit_of_the_table_holds_for_the_sum() -> None:
    many = [[sighting(0.9, "severe")] for _ in range(5)]
    free, limited = effect(*many), effect(*many, table=table(cap=1000))
    assert limited.capped and not free.capped
    assert limited.high == 1000
    assert 900 < figures(limited)[1] < 1000 < figures(free)[1]
    assert limited.lines == free.lines


def test_amounts_have_the_digits_of_their_currency() -> None:
    yen = effect([sighting(0.333)], table=table(currency="JPY"))
    assert all(amount == int(amount) for amount in figures(yen))
    assert effect([sighting(0.333)]).expected == 63.94


def test_the_answer_names_its_table() -> None:
    assert effect().table == table().version
    with pytest.raises(DataError, match="no vehicle class 'tank'"):
        effect(vehicle_class="tank")


def test_the_interval_narrows_as_a_damage_becomes_certain() -> None:
    """The same mean of 192 for a moderate scratch: the wider its range, the wider the interval."""
    ranges = ([192, 192], [160, 224], [128, 256])
    widths = []
    for costs in ranges:
        prices = table().model_dump(mode="json")
        prices["labels"]["scratch"]["moderate"] = costs
        low, expected, high = figures(effect([sighting(1.0)], table=table(**prices)))
        assert expected == 192
        widths.append(high - low)
    assert widths[0] == 0
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(("chance", "doubtful"), [(0.0, False), (0.05, False), (0.3, True), (0.6, True), (1.0, False)])
def test_a_damage_that_may_or_may_not_be_real_opens_the_interval(chance: float, doubtful: bool) -> None:
    low, expected, high = figures(effect([sighting(chance, "severe")]))
    assert (low == 0 and high > 512) == doubtful
    assert low <= expected <= high


# What holds for all of them

damages = some.builds(
    sighting,
    some.floats(0, 1),
    some.sampled_from(SEVERITIES),
    label=some.sampled_from(("scratch", "dent", "other")),
    position=some.integers(0, 2),
)
groups = some.lists(some.lists(damages, min_size=1, max_size=3), max_size=6)
caps = some.one_of(some.none(), some.floats(1, 5000))


@settings(max_examples=60, deadline=None)
@given(groups, caps, some.randoms(use_true_random=False))
def test_order_makes_no_difference(found: list[list[Sighting]], cap: float | None, shuffler: random.Random) -> None:
    mixed = [shuffler.sample(group, len(group)) for group in found]
    shuffler.shuffle(mixed)
    assert effect(*mixed, table=table(cap=cap)) == effect(*found, table=table(cap=cap))


@settings(max_examples=60, deadline=None)
@given(groups, caps)
def test_figures_are_ordered_and_within_what_is_possible(found: list[list[Sighting]], cap: float | None) -> None:
    priced = effect(*found, table=table(cap=cap))
    low, expected, high = figures(priced)
    most = min(sum(line.high for line in priced.lines), cap or float("inf"))
    assert 0 <= low <= expected <= high <= most + 0.005
    assert all(line.low * line.probability - 0.01 <= line.expected <= line.high for line in priced.lines)


def never_lower(before: PriceEffect, after: PriceEffect) -> bool:
    """No figure of ``after`` is lower, but for what a wider grid may cost (see CostSum)."""
    before_cell, after_cell = (
        CostSum([UncertainCost(1, x.low, x.high) for x in e.lines], 0.25).cell for e in (before, after)
    )
    slack = 2 * after_cell if after_cell > before_cell else 0.0
    return all(less <= greater + slack for less, greater in zip(figures(before), figures(after), strict=True))


@settings(max_examples=60, deadline=None)
@given(groups, some.lists(damages, min_size=1, max_size=3), caps)
def test_one_more_damage_never_lowers_the_price_effect(
    found: list[list[Sighting]], more: list[Sighting], cap: float | None
) -> None:
    before, after = (effect(*some_of, table=table(cap=cap)) for some_of in (found, [*found, more]))
    assert never_lower(before, after)


@settings(max_examples=60, deadline=None)
@given(groups, some.floats(0, 1), some.floats(0, 1), some.sampled_from(SEVERITIES))
def test_a_surer_or_worse_damage_never_lowers_the_price_effect(
    found: list[list[Sighting]], one: float, other: float, level: Any
) -> None:
    less, more = sorted((one, other))
    unsure, surer = (effect(*found, [sighting(chance, level)]) for chance in (less, more))
    worse = effect(*found, [sighting(more, "severe")])
    assert never_lower(unsure, surer)
    assert never_lower(surer, worse)


def test_a_wider_grid_lowers_a_figure_by_less_than_anybody_quotes() -> None:
    """A fourth severe scratch, on top of many others, makes the cells twice as wide."""
    costs = [UncertainCost(1.0, 512, 1024)] * 3 + [UncertainCost(1.0, 64, 128)] * 8
    before, after = CostSum(costs, 0.25), CostSum([*costs, UncertainCost(0.0, 512, 1024)], 0.25)
    assert after.cell == 2 * before.cell
    for level in (0.1, 0.5, 0.9):
        assert abs(after.quantile(level) - before.quantile(level)) <= 2 * after.cell
