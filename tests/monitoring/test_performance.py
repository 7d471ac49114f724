"""Estimates from verdicts are unbiased although doubtful photos are reviewed far more often than others."""

import uuid

import numpy as np
import pytest
from inspected import inspection, keep, statistics

from dentwatch.errors import MonitoringError
from dentwatch.monitoring import performance, review_plan
from dentwatch.monitoring.performance import ReviewedPhoto, estimate
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import opinions
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.opinions import Dispute, Verdict

SHARE = 0.05


def traffic(rng: np.random.Generator, count: int) -> list[tuple[Candidate, ReviewedPhoto]]:
    """Photos with one finding each: a fifth drifts, and there the model is wrong three times as often."""
    found = []
    for _ in range(count):
        drifted, uncertain = bool(rng.random() < 0.2), bool(rng.random() < 0.15)
        wrong = rng.random() < (0.6 if drifted else 0.2) + (0.15 if uncertain else 0.0)
        # Ids are random in production, too; here they come from the seed.
        name = str(uuid.UUID(bytes=rng.bytes(16), version=4))
        photo = ReviewedPhoto(name, 1.0, right=int(not wrong), wrong=int(wrong))
        found.append((Candidate(name, 0, uncertain, drifted), photo))
    return found


def drawn(photos: list[tuple[Candidate, ReviewedPhoto]]) -> list[tuple[str, float, ReviewedPhoto]]:
    plans = ((*review_plan.draw(candidate, SHARE), photo) for candidate, photo in photos)
    return [(reason, probability, photo) for reason, probability, photo in plans if reason is not None]


def test_the_weighted_estimate_is_unbiased_while_the_plan_is_not(rng: np.random.Generator) -> None:
    photos = traffic(rng, 40_000)
    truth = np.mean([photo.right for _, photo in photos])
    plain, weighted, covered = [], [], 0
    for part in range(40):  # forty weeks of a thousand photos
        week = drawn(photos[part * 1000 : (part + 1) * 1000])
        plain.append(np.mean([photo.right for _, _, photo in week]))
        reviewed = [ReviewedPhoto(p.inspection_id, 1 / probability, p.right, p.wrong) for _, probability, p in week]
        rate = estimate(reviewed, "right", ("right", "wrong"))
        assert rate is not None
        weighted.append(rate.value)
        covered += rate.low <= truth <= rate.high
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - truth) < 2.5 * error
    assert truth - np.mean(plain) > 8 * error  # what one would say without weights is far off
    assert covered >= 36  # of 40 intervals at 95 %


def test_the_draw_has_the_probability_that_it_says(rng: np.random.Generator) -> None:
    photos = traffic(rng, 20_000)
    for kind in ((False, False), (True, False), (False, True), (True, True)):
        alike = [one for one in photos if (one[0].uncertain, one[0].drifted) == kind]
        expected = review_plan.draw(alike[0][0], SHARE)[1]
        spread = np.sqrt(expected * (1 - expected) / len(alike))
        assert len(drawn(alike)) / len(alike) == pytest.approx(expected, abs=3 * spread)


def test_a_photo_is_drawn_or_not_however_often_it_is_looked_at(rng: np.random.Generator) -> None:
    for candidate, _ in traffic(rng, 100):
        assert review_plan.draw(candidate, SHARE) == review_plan.draw(candidate, SHARE)


def test_an_estimate_has_wilsons_interval_where_all_weights_are_alike() -> None:
    photos = [ReviewedPhoto(str(number), 1.0, right=int(number < 80), wrong=int(number >= 80)) for number in range(100)]
    rate = estimate(photos, "right", ("right", "wrong"))
    assert rate is not None
    assert rate.value == pytest.approx(0.8)
    assert (rate.low, rate.high) == pytest.approx((0.7112, 0.8666), abs=1e-4)  # Wilson, 80 of 100
    every = estimate([ReviewedPhoto(str(number), 1.0, right=1) for number in range(10)], "right", ("right", "wrong"))
    assert every is not None
    assert (every.low, every.high) == pytest.approx((0.7225, 1.0), abs=1e-4)  # Wilson, 10 of 10


def test_photos_of_one_inspection_count_for_less(rng: np.random.Generator) -> None:
    apart = [ReviewedPhoto(str(number), 1.0, right=number // 5 % 2, wrong=1 - number // 5 % 2) for number in range(100)]
    together = [ReviewedPhoto(str(int(p.inspection_id) // 5), 1.0, p.right, p.wrong) for p in apart]
    alone, clustered = (estimate(photos, "right", ("right", "wrong")) for photos in (apart, together))
    assert alone is not None
    assert clustered is not None
    assert clustered.value == alone.value
    assert clustered.high - clustered.low > 1.9 * (alone.high - alone.low)  # five alike are worth one: √5


def test_nothing_judged_is_no_estimate() -> None:
    assert estimate([ReviewedPhoto("a", 50.0)], "right", ("right", "missed")) is None


def test_verdicts_become_rates_once_the_whole_photo_is_reviewed(database: Database, rng: np.random.Generator) -> None:
    kept = inspection([statistics(rng)], scores=(0.9, 0.6), channel="app")
    keep(database, kept)
    first, second = (one.id for one in kept.photos[0].detections)
    with database.writing() as connection:
        review_plan.plan(connection, [Candidate(kept.id, 0)], share=1.0)
        [item] = review_plan.open_items(connection)
        opinions.add_verdict(connection, Verdict(kept.id, "ada", "wrong", detection_id=first))
        with pytest.raises(MonitoringError, match="1 of the photo's detections have no verdict"):
            review_plan.mark_reviewed(connection, item.number, "ada")
        assert performance.measure(connection) == []
        opinions.add_verdict(connection, Verdict(kept.id, "bo", "right", detection_id=first))  # the latest counts
        opinions.add_verdict(connection, Verdict(kept.id, "ada", "wrong", detection_id=second))
        missed = Verdict(kept.id, "ada", "missed", position=0, label="dent", box=Box(1.0, 2.0, 3.0, 4.0))
        opinions.add_verdict(connection, missed)
        assert review_plan.mark_reviewed(connection, item.number, "ada").state == "reviewed"
        assert review_plan.open_items(connection) == []
        [of_app] = performance.measure(connection, by="channel")
    assert (of_app.group, of_app.photos) == ("app", 1)
    values = {name: rate.value if rate else None for name, rate in of_app.rates.items()}
    assert values == {
        "precision": 0.5,
        "recall": 0.5,
        "false_positive_rate": 0.5,
        "false_negative_rate": 0.5,
        "accuracy": pytest.approx(1 / 3),
    }


def test_reviewing_the_doubtful_ones_first_does_not_tilt_the_estimate(
    database: Database, rng: np.random.Generator
) -> None:
    photos = [inspection([statistics(rng)], scores=(0.9,), minute=number) for number in range(40)]
    keep(database, *photos)
    disputed = photos[:10]  # all wrong; the other thirty are right
    with database.writing() as connection:
        review_plan.plan(connection, [Candidate(one.id, 0) for one in photos], share=1.0)
        for one in disputed:
            detection = one.photos[0].detections[0].id
            opinions.add_dispute(connection, Dispute(one.id, "shop", "that is dirt", detection_id=detection))
        assert review_plan.plan_disputed(connection) == 10
        assert review_plan.plan_disputed(connection) == 0
        assert review_plan.count_open(connection) == {"disputed": 10, "random": 30}
        wrong = {one.id for one in disputed}
        for item in review_plan.open_items(connection)[:16]:  # the disputed ones come first
            kept = next(one for one in photos if one.id == item.inspection_id)
            verdict = "wrong" if kept.id in wrong else "right"
            detection = kept.photos[0].detections[0].id
            opinions.add_verdict(connection, Verdict(kept.id, "ada", verdict, detection_id=detection))  # type: ignore[arg-type]
            review_plan.mark_reviewed(connection, item.number, "ada")
        [all_of_them] = performance.measure(connection)
    precision = all_of_them.rates["precision"]
    assert precision is not None
    assert precision.value == pytest.approx(0.75)
    assert precision.sample == 16


def test_every_photo_of_a_disputed_inspection_is_reviewed(database: Database, rng: np.random.Generator) -> None:
    kept = inspection([statistics(rng), statistics(rng)])
    keep(database, kept)
    with database.writing() as connection:
        opinions.add_dispute(connection, Dispute(kept.id, "shop", "all of it is wrong"))
        assert review_plan.plan_disputed(connection) == 2
        assert [(one.position, one.probability) for one in review_plan.open_items(connection)] == [(0, 1.0), (1, 1.0)]
