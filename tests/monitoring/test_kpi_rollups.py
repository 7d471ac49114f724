"""The sums equal a count from scratch, whatever happens in whatever order, and whenever they are brought up to date."""

import math
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from postgres_server import PostgresServer
from sqlalchemy import select

from dentwatch.monitoring import review_plan
from dentwatch.monitoring.kpis import rollups, totals
from dentwatch.monitoring.kpis.histogram import PRECISION, Histogram
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import inspections, listings, opinions, tables
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.kpi_tables import kpi_cells, kpi_changes
from dentwatch.records.listings import Listing
from dentwatch.records.monitoring_tables import review_items
from dentwatch.records.opinions import Feedback, Verdict

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
BOX = Box(1.0, 2.0, 30.0, 40.0)
EVER = Scope(Period(date(2026, 1, 1), date(2027, 1, 1)))

Sums = Counter[tuple[str, str, str, str, str]]
"""By day, channel, model, measure and label."""


class History:
    """Things that happen to a database, drawn at random; ``step`` makes the next happen."""

    def __init__(self, database: Database, rng: np.random.Generator) -> None:
        self.database, self.rng = database, rng
        self.pending: list[KeptInspection] = []
        self.finished: list[KeptInspection] = []

    def step(self) -> None:
        happenings = (self.submit, self.submit, self.finish, self.rate, self.judge, self.judge, self.offer, self.review)
        happenings[self.rng.integers(len(happenings))]()

    def submit(self) -> None:
        made = self._inspection()
        if self.rng.random() < 0.5:
            waiting = replace(made, status="pending", photos=(KeptPhoto("0" * 64, "a.jpg"),), model=None, answer=None)
            self._write(lambda connection: inspections.keep(connection, waiting))
            self.pending.append(made)
        else:
            self._write(lambda connection: inspections.keep(connection, made))
            self.finished.append(made)

    def finish(self) -> None:
        if self.pending:
            made = self.pending.pop(self.rng.integers(len(self.pending)))
            self._write(lambda connection: inspections.complete(connection, made))
            self.finished.append(made)

    def rate(self) -> None:
        if known := [*self.pending, *self.finished]:
            rated = known[self.rng.integers(len(known))]
            given = Feedback(rated.id, "ada", int(self.rng.integers(1, 6)))
            self._write(lambda connection: opinions.add_feedback(connection, given))

    def judge(self) -> None:
        if not self.finished:
            return
        one = self.finished[self.rng.integers(len(self.finished))]
        found = [kept for photo in one.photos for kept in photo.detections]
        at = START + timedelta(seconds=int(self.rng.integers(100_000)))  # in no order: the latest counts
        if found and self.rng.random() < 0.8:
            kept = found[self.rng.integers(len(found))]
            kind = "right" if self.rng.random() < 0.6 else "wrong"
            given = Verdict(one.id, "ada", kind, kept.id, created_at=at)  # type: ignore[arg-type]
        else:
            position, label = int(self.rng.integers(3)), str(self.rng.choice(["scratch", "dent", "crack"]))
            given = Verdict(one.id, "ada", "missed", None, position, label, BOX, created_at=at)
        self._write(lambda connection: opinions.add_verdict(connection, given))

    def offer(self) -> None:
        number = int(self.rng.integers(12))
        made = Listing(
            f"L-{number}", self._moment(), self._choice(["V-1", "V-2", "V-3", None]), self._choice(["app", None])
        )
        self._write(lambda connection: listings.register(connection, [made]))

    def review(self) -> None:
        if not self.finished:
            return
        one = self.finished[self.rng.integers(len(self.finished))]
        verdicts = [
            Verdict(one.id, "eve", "right", kept.id) for kept in (one.photos[0].detections if one.photos else ())
        ]

        def change(connection: Any) -> None:
            items = review_items.c
            same = (items.inspection_id == one.id, items.position == 0)
            if connection.execute(select(items.number).where(*same)).first() is None:
                review_plan.plan(connection, [Candidate(one.id, 0)], 1.0)
            for verdict in verdicts:
                opinions.add_verdict(connection, verdict)
            review_plan.mark_reviewed(connection, connection.scalar(select(items.number).where(*same)), "eve")

        self._write(change)

    def _inspection(self) -> KeptInspection:
        photos = tuple(self._photo() for _ in range(self.rng.integers(1, 4)))
        missed = [{"label": label, "low": 100.0, "high": 300.0} for label in ("scratch", "dent")]
        lines = [
            {"label": "scratch", "expected": 120.5, "photos": [0]},
            {"label": "dent", "expected": 80.0, "photos": [0, 1]},
        ]
        effect = {"currency": "EUR", "expected": self._choice([200.5, None]), "lines": lines, "missed": missed}
        return KeptInspection(
            id=str(uuid.UUID(bytes=self.rng.bytes(16), version=4)),
            created_at=self._moment(),
            status=self._choice(["done", "done", "done", "failed"]),
            photos=photos,
            vehicle_id=self._choice(["V-1", "V-2", None]),
            listing_id=self._choice([*(f"L-{number}" for number in range(12)), None]),
            channel=self._choice(["app", "web", None]),
            model=self._choice(["m/1", "m/2"]),
            answer={"price_effect": self._choice([effect, None])},
        )

    def _photo(self) -> KeptPhoto:
        if self.rng.random() < 0.1:
            return KeptPhoto("0" * 64, "a.jpg", error="truncated")
        labels = self.rng.choice(["scratch", "dent"], self.rng.integers(0, 3))
        found = tuple(
            KeptDetection(Detection(str(label), 0.7, BOX), id=str(uuid.UUID(bytes=self.rng.bytes(16), version=4)))
            for label in labels
        )
        decode, infer = (float(self.rng.lognormal(4, 1)) for _ in range(2))
        return KeptPhoto(
            "0" * 64,
            "a.jpg",
            None,
            self._choice([True, False]),
            10,
            10,
            detections=found,
            decode_ms=decode,
            infer_ms=infer,
        )

    def _moment(self) -> datetime:
        return START + timedelta(hours=int(self.rng.integers(96)))

    def _choice(self, options: list[Any]) -> Any:
        return options[self.rng.integers(len(options))]

    def _write(self, change: Any) -> None:
        with self.database.writing() as connection:
            change(connection)


def from_scratch(database: Database) -> tuple[Sums, dict[str, list[float]]]:
    """The sums and times that the records say, counted row by row."""
    with database.reading() as connection:
        every = [inspections.find(connection, one) for one in connection.scalars(select(tables.inspections.c.id))]
        said = {one.id: opinions.of_inspection(connection, one.id) for one in every if one}
        offered = connection.execute(select(tables.listings)).all()
        reviewed = connection.execute(select(review_items).where(review_items.c.state == "reviewed")).all()
    sums: Sums = Counter()
    times: dict[str, list[float]] = {name: [] for name in ("decode_ms", "infer_ms", "photo_ms", "inspection_ms")}
    final = [one for one in every if one and one.status != "pending"]
    for one in final:
        place = (f"{one.created_at:%Y-%m-%d}", one.channel or "", one.model or "")
        feedback, verdicts, _ = said[one.id]
        for rating in feedback:
            sums[*place, "ratings", str(rating.rating)] += 1
        count_opinions(sums, place, one, verdicts, [row.position for row in reviewed if row.inspection_id == one.id])
        if one.status == "failed":
            sums[*place, "inspections_failed", ""] += 1
            continue
        sums[*place, "inspections", ""] += 1
        sums[*place, "inspections_damaged", ""] += one.damages > 0
        took = []
        for photo in one.photos:
            sums[*place, "photos_failed" if photo.error else "photos", ""] += 1
            sums[*place, "photos_unreliable", ""] += photo.reliable is False
            for kept in photo.detections:
                sums[*place, "detections", kept.detection.label] += 1
            if photo.decode_ms is not None and photo.infer_ms is not None:
                took.append(photo.decode_ms + photo.infer_ms)
                sums[*place, "busy_us", ""] += round(1000 * took[-1])
                times["decode_ms"].append(photo.decode_ms)
                times["infer_ms"].append(photo.infer_ms)
        times["photo_ms"] += took
        times["inspection_ms"] += [sum(took)] if took else []
    for row in offered:
        place = (f"{row.created_at:%Y-%m-%d}", row.channel or "", "")
        sums[*place, "listings", ""] += 1
        sums[*place, "listings_inspected", ""] += any(
            one.status == "done" and (one.listing_id == row.id or (row.vehicle_id and one.vehicle_id == row.vehicle_id))
            for one in final
        )
    return Counter({cell: value for cell, value in sums.items() if value}), times


def count_opinions(
    sums: Sums, place: tuple[str, str, str], one: KeptInspection, verdicts: list[Verdict], reviewed: list[int]
) -> None:
    found = {
        kept.id: (position, kept.detection.label)
        for position, photo in enumerate(one.photos)
        for kept in photo.detections
    }
    last: dict[str, str] = {}
    for verdict in sorted(verdicts, key=lambda verdict: (verdict.created_at, verdict.id)):
        if verdict.detection_id:
            last[verdict.detection_id] = verdict.verdict
    # All are drawn in one box, and who says again that it was missed counts once.
    missed = {(verdict.position, verdict.label) for verdict in verdicts if verdict.verdict == "missed"}
    for detection, kind in last.items():
        sums[*place, kind, found[detection][1]] += 1
    for _, label in missed:
        sums[*place, "missed", label or ""] += 1
    for position in reviewed:
        is_flagged = any(there == position for there, _ in found.values())
        confirmed = any(found[detection][0] == position for detection, kind in last.items() if kind == "right")
        is_damaged = confirmed or any(there == position for there, _ in missed)
        sums[*place, "reviews", ""] += 1
        sums[*place, "photos_right", ""] += is_flagged == is_damaged
    effect = (one.answer or {}).get("price_effect")
    if not verdicts or not effect or effect["expected"] is None or any(label == "crack" for _, label in missed):
        return
    error = -200.0 * len(missed)
    for label, expected, photos in (("scratch", 120.5, {0}), ("dent", 80.0, {0, 1})):
        sightings = [detection for detection, (position, of) in found.items() if of == label and position in photos]
        if sightings and all(last.get(detection) == "wrong" for detection in sightings):
            error += expected
    cents = round(100 * abs(error))
    for measure, value in (("price_error", cents), ("price_error_squared", cents**2), ("price_errors", 1)):
        sums[*place, measure, "EUR"] += value


def kept(database: Database) -> Sums:
    with database.reading() as connection:
        return Counter({tuple(row[:5]): row.value for row in connection.execute(select(kpi_cells))})


@pytest.mark.parametrize("seed", range(4))
def test_the_sums_equal_a_count_from_scratch_whenever_they_are_brought_up_to_date(
    database: Database, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    history = History(database, rng)
    for _ in range(80):
        history.step()
        if rng.random() < 0.15:
            rollups.catch_up(database, most=int(rng.integers(1, 20)))
        if rng.random() < 0.04:
            rollups.catch_up(database)
            assert kept(database) == from_scratch(database)[0]
    rollups.catch_up(database)
    sums, times = from_scratch(database)
    assert kept(database) == sums
    with database.reading() as connection:
        found = totals.read(connection, EVER)["all"]
    for measure, values in times.items():
        assert found.times[measure].count == len(values)
        for level in (0.5, 0.95, 0.99):
            exact = sorted(values)[max(0, math.ceil(level * len(values)) - 1)]
            assert found.times[measure].quantile(level) == pytest.approx(exact, rel=PRECISION * 1.0001)


def test_nothing_is_left_to_count_and_counting_again_changes_nothing(database: Database) -> None:
    history = History(database, np.random.default_rng(9))
    for _ in range(40):
        history.step()
    assert rollups.catch_up(database) > 0
    before = kept(database)
    assert rollups.catch_up(database) == 0
    assert kept(database) == before


def test_what_was_said_about_an_inspection_that_waits_counts_once_it_is_finished(database: Database) -> None:
    history = History(database, np.random.default_rng(1))
    made = replace(history._inspection(), status="done")
    with database.writing() as connection:
        inspections.keep(connection, replace(made, status="pending", photos=(), model=None))
        opinions.add_feedback(connection, Feedback(made.id, "ada", 4))
    assert rollups.catch_up(database) == 0
    with database.writing() as connection:
        inspections.complete(connection, made)
    assert rollups.catch_up(database) == 2
    assert kept(database) == from_scratch(database)[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """A database of each kind."""
    if request.param == "sqlite":
        yield database
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with closing(Database(postgres.new_database())) as opened:
        yield opened


def test_several_that_count_at_the_same_time_count_everything_once(shared: Database) -> None:
    database = shared
    history = History(database, np.random.default_rng(5))
    for _ in range(90):
        history.step()
    counted: list[int] = []

    def work() -> None:
        with closing(Database(database.url)) as own:
            while changes := rollups.catch_up(own, most=3):
                counted.append(changes)

    with database.reading() as connection:
        expected = rollups.behind(connection)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted) == expected
    assert kept(database) == from_scratch(database)[0]
    with database.reading() as connection:
        assert rollups.behind(connection) == 0
        waiting = {row.subject for row in connection.execute(select(kpi_changes))}
    assert waiting <= {one.id for one in history.pending}


def test_a_quantile_is_off_by_a_hundredth_at_most_and_packing_loses_nothing() -> None:
    rng = np.random.default_rng(3)
    times = np.concatenate([rng.lognormal(2, 1.5, 5000), [0.001, 1e7]])
    whole = Histogram.of(times[:2000])
    whole.add(Histogram.unpacked(Histogram.of(times[2000:]).packed()))
    assert whole.count == times.size
    ordered = np.sort(times)
    for level in (0.001, 0.1, 0.5, 0.9, 0.99, 1.0):
        exact = ordered[max(0, math.ceil(level * times.size) - 1)]
        assert whole.quantile(level) == pytest.approx(exact, rel=PRECISION * 1.0001)
