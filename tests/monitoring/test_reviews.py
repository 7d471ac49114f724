"""Photos to review: each for one person at a time, whole, once; and what follows from it."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from sqlalchemy import select

from dentwatch.errors import MonitoringError, UnfitReviewError
from dentwatch.loop.verdict_annotations import Reviewed
from dentwatch.monitoring import performance, review_claims, review_plan, review_tasks
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.monitoring.whole_reviews import WholeReview, hand_in
from dentwatch.records import audit, inspections, opinions, tables
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.opinions import Dispute, Verdict

SCRATCH, DENT = Detection("scratch", 0.9, Box(10, 20, 60, 12)), Detection("dent", 0.4, Box(150, 90, 40, 36))
ADA, BEN = "key:ada/1", "key:ben/1"
MOVED = ("dent", Box(152, 88, 44, 40))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of either kind."""
    url = f"sqlite:///{tmp_path / 'dentwatch.db'}"
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.new_database()
    opened = Database(url)
    yield opened
    opened.close()


def planned(database: Database, count: int = 1) -> list[KeptInspection]:
    """Inspections of one photo with a scratch and a dent each, all of them to be reviewed."""
    made = []
    for _ in range(count):
        found = tuple(KeptDetection(one) for one in (SCRATCH, DENT))
        photo = KeptPhoto("0" * 64, "a.jpg", width=320, height=240, detections=found)
        made.append(KeptInspection(str(uuid.uuid4()), datetime.now(UTC), "done", (photo,), answer={}))
    with database.writing() as connection:
        for one in made:
            inspections.keep(connection, one)
        review_plan.plan(connection, [Candidate(one.id, 0) for one in made], share=1.0)
    return made


def ids(inspection: KeptInspection) -> tuple[str, str]:
    scratch, dent = (one.id for one in inspection.photos[0].detections)
    return scratch, dent


def boxes(database: Database) -> list[tuple[str, Box, str | None]]:
    """The annotations that the reviewed photos give."""
    everything = Reviewed(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    with database.reading() as connection:
        photos = everything.photos(connection, "memory://")
    found = [(one.label, one.box, one.annotator) for photo in photos for one in photo.annotations or ()]
    return sorted(found, key=lambda one: one[0])


def test_reviewers_who_ask_at_the_same_time_never_get_the_same_photo(database: Database) -> None:
    planned(database, 24)
    gate, taken = threading.Barrier(4), []

    def take(name: str) -> None:
        gate.wait()
        for _ in range(6):
            with database.writing() as connection:
                besides = [number for who, number in list(taken) if who == name]
                item = review_claims.claim_next(connection, name, besides)
            assert item is not None
            taken.append((name, item.number))

    threads = [threading.Thread(target=take, args=(f"key:{number}/",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for _, number in taken}) == len(taken) == 24
    with database.writing() as connection:
        assert review_claims.claim_next(connection, "key:late/") is None


def test_a_claim_ends_when_it_is_released_or_has_run_out(database: Database) -> None:
    planned(database)
    now = datetime.now(UTC)
    with database.writing() as connection:
        item = review_claims.claim_next(connection, ADA, now=now)
        assert item is not None
        assert review_claims.claim_next(connection, BEN, now=now) is None
        assert review_claims.claim_next(connection, ADA, now=now) == item  # as after a reload
        with pytest.raises(MonitoringError, match="key:ada has this photo"):
            review_claims.claim(connection, item.number, BEN, now)
        renewed = now + timedelta(minutes=9)
        review_claims.claim(connection, item.number, ADA, renewed)
        assert review_claims.claim_next(connection, BEN, now=now + timedelta(minutes=11)) is None
        review_claims.release(connection, item.number, BEN)  # is not theirs
        assert review_claims.claim_next(connection, BEN, now=renewed) is None
        assert review_claims.claim_next(connection, BEN, now=renewed + timedelta(minutes=11)) is not None
        review_claims.release(connection, item.number, BEN)
        assert review_claims.claim_next(connection, ADA, now=renewed) is not None


def test_what_matters_most_comes_first(database: Database) -> None:
    _, doubted = planned(database, 2)
    with database.writing() as connection:
        opinions.add_dispute(connection, Dispute(doubted.id, "key:seller", "that is dirt"))
        review_plan.plan_disputed(connection)
        first = review_claims.claim_next(connection, ADA)
        assert first is not None
        second = review_claims.claim_next(connection, ADA, [first.number])
    assert first.inspection_id == doubted.id
    assert second is not None
    assert (first.reason, second.reason) == ("disputed", "random")


def test_a_moved_box_becomes_the_annotation_and_the_old_one_does_not(database: Database) -> None:
    [inspection] = planned(database)
    scratch, dent = ids(inspection)
    review = WholeReview({scratch: "right", dent: "wrong"}, frozenset([MOVED]))
    with database.writing() as connection:
        item = hand_in(connection, 1, review, "key:ada", ADA)
        again = hand_in(connection, 1, review, "key:ada", ADA)  # the answer was lost on its way
        [entry] = [one for one in audit.entries(connection) if one.action == "review.done"]
        assert review_claims.reviewed_since(connection, "key:ada", datetime.now(UTC) - timedelta(days=1)) == 1
    assert again == item
    assert entry.details == {"position": 0, "right": 1, "wrong": 1, "missed": 1}
    assert boxes(database) == [(*MOVED, "key:ada"), ("scratch", SCRATCH.box, "key:ada")]


def test_who_reviewed_a_photo_can_correct_it_and_nobody_else_can(database: Database) -> None:
    [inspection] = planned(database)
    scratch, dent = ids(inspection)
    with database.writing() as connection:
        hand_in(connection, 1, WholeReview({scratch: "wrong", dent: "wrong"}, frozenset([MOVED])), "key:ada", ADA)
        with pytest.raises(MonitoringError, match="key:ada has reviewed this photo meanwhile"):
            hand_in(connection, 1, WholeReview({scratch: "right", dent: "right"}), "key:ben", BEN)
        hand_in(connection, 1, WholeReview({scratch: "right", dent: "wrong"}), "key:ada", ADA)
        [measured] = performance.measure(connection)
    assert boxes(database) == [("scratch", SCRATCH.box, "key:ada")]  # what was drawn first was taken back
    recall, precision = measured.rates["recall"], measured.rates["precision"]
    assert recall is not None
    assert precision is not None
    assert (recall.value, precision.value) == (1.0, 0.5)


def test_what_others_said_is_shown_and_settled_by_the_review(database: Database) -> None:
    [inspection] = planned(database)
    scratch, dent = ids(inspection)
    drawn = Box(100, 100, 50, 50)
    with database.writing() as connection:
        opinions.add_verdict(connection, Verdict(inspection.id, "key:eve", "wrong", scratch, comment="mud"))
        opinions.add_verdict(connection, Verdict(inspection.id, "key:eve", "missed", None, 0, "crack", drawn))
        for about, reason in ((dent, "no dent"), (scratch, "no scratch"), (None, "all of it")):
            opinions.add_dispute(connection, Dispute(inspection.id, "key:seller", reason, about))
        review_plan.plan_disputed(connection)
        item = review_claims.claim_next(connection, ADA)
        assert item is not None
        task = review_tasks.task_of(connection, item)
        assert task is not None
        hand_in(connection, item.number, WholeReview({scratch: "right", dent: "wrong"}), "key:ada", ADA)
        settled = connection.execute(select(tables.disputes.c.reason, tables.disputes.c.status)).all()
    said = [(one.who, one.kind, one.detection, one.stands) for one in task.statements]
    assert said[:2] == [("key:eve", "wrong", scratch, True), ("key:eve", "missed", None, True)]
    assert [one[1] for one in said[2:]] == ["dispute"] * 3
    assert dict(tuple(row) for row in settled) == {"no dent": "upheld", "no scratch": "rejected", "all of it": "upheld"}
    assert boxes(database) == [("scratch", SCRATCH.box, "key:ada")]  # the crack was taken back


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scratch, dent: WholeReview({scratch: "right"}), "1 of the photo's detections have no verdict"),
        (lambda scratch, dent: WholeReview({scratch: "right", dent: "right", "x": "right"}), "no detection x"),
        (
            lambda scratch, dent: WholeReview(
                {scratch: "right", dent: "right"}, frozenset([("dent", Box(300, 10, 30, 5))])
            ),
            "outside the photo, which has 320 × 240",
        ),
    ],
)
def test_a_review_that_does_not_fit_the_photo_changes_nothing(database: Database, change, said: str) -> None:  # type: ignore[no-untyped-def]
    [inspection] = planned(database)
    with database.writing() as connection:
        with pytest.raises(UnfitReviewError, match=said):
            hand_in(connection, 1, change(*ids(inspection)), "key:ada", ADA)
        assert connection.execute(select(tables.verdicts)).all() == []
        assert len(review_plan.open_items(connection)) == 1
