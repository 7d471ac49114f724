"""What inspectors said about photos becomes annotations."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from batches import HEIGHT, WIDTH, bench_of, carried_out, photo, pixels, settings_of

from dentwatch.loop import journal
from dentwatch.loop.inbox import pending_batches
from dentwatch.loop.steps import Ask, Bench
from dentwatch.monitoring import review_plan
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import inspections, opinions
from dentwatch.records.annotations import Box, PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.opinions import Verdict
from dentwatch.records.photos import PhotoStore


@pytest.fixture
def bench(home: Path) -> Iterator[Bench]:
    made = bench_of(settings_of(home, new_photos=2))
    yield made
    made.database.close()


def inspected(bench: Bench, number: int) -> KeptInspection:
    """An inspection of photo ``number`` with two detections: a scratch at the left, a dent at the right."""
    photo_id = PhotoStore(bench.settings.photo_store_url).put(photo(number))
    found = [Detection("scratch", 0.9, Box(10, 20, 60, 12)), Detection("dent", 0.8, Box(150, 90, 40, 36))]
    kept = KeptPhoto(
        photo_id,
        f"{number}.png",
        width=WIDTH,
        height=HEIGHT,
        detections=tuple(KeptDetection(one) for one in found),
    )
    inspection = KeptInspection(f"i-{number}", datetime.now(UTC), "done", (kept,), vehicle_id=f"V{number}")
    with bench.database.writing() as connection:
        inspections.keep(connection, inspection)
    return inspection


def reviewed(bench: Bench, inspection: KeptInspection, *verdicts: Verdict) -> None:
    """The photo with these verdicts, reviewed to the end by grace."""
    with bench.database.writing() as connection:
        for verdict in verdicts:
            opinions.add_verdict(connection, verdict)
        review_plan.plan(connection, [Candidate(inspection.id, 0)], share=1.0)
        [item] = [one for one in review_plan.open_items(connection) if one.inspection_id == inspection.id]
        review_plan.mark_reviewed(connection, item.number, "grace")


def said(inspection: KeptInspection, place: int, verdict: str, minutes: int = 0, actor: str = "grace") -> Verdict:
    at = datetime(2026, 11, 1, 12, minutes, tzinfo=UTC)
    detection = inspection.photos[0].detections[place].id
    return Verdict(inspection.id, actor, verdict, detection, created_at=at)  # type: ignore[arg-type]


def rows(bench: Bench) -> dict[str, PhotoRecord]:
    version = DatasetStore(bench.settings.dataset_store_url).get("latest")
    return {record.vehicle: record for record in version.photos()}


def take_all(bench: Bench) -> list[str]:
    now = datetime.now(UTC) + timedelta(seconds=1)
    batches = pending_batches(bench.settings, bench.database, now)
    for batch in batches:
        result = carried_out(bench, Ask("take-in", batch)).result
        assert result is not None and result["state"] == "taken"
    return batches


def test_right_and_missed_are_annotations_and_wrong_is_not(bench: Bench) -> None:
    first, second = inspected(bench, 1), inspected(bench, 2)
    missed = Verdict(first.id, "alan", "missed", position=0, label="dent", box=Box(5, 100, 30, 30))
    reviewed(bench, first, said(first, 0, "right"), said(first, 1, "wrong"), missed)
    reviewed(bench, second, said(second, 0, "wrong"), said(second, 1, "wrong"))
    [batch] = take_all(bench)
    assert batch.startswith(f"review/{datetime.now(UTC):%Y-}")
    one, other = rows(bench)["V1"], rows(bench)["V2"]
    marks = {(mark.label, mark.box, mark.annotator) for mark in one.annotations}
    assert marks == {("scratch", Box(10, 20, 60, 12), "grace"), ("dent", Box(5, 100, 30, 30), "alan")}
    assert other.annotated and other.annotations == ()
    assert {one.source, other.source} == {"review"}


def test_the_newest_verdict_on_a_detection_counts(bench: Bench) -> None:
    first, second = inspected(bench, 1), inspected(bench, 2)
    reviewed(
        bench,
        first,
        said(first, 0, "wrong", minutes=1, actor="alan"),
        said(first, 0, "right", minutes=2, actor="grace"),
        said(first, 1, "right", minutes=1),
        said(first, 1, "wrong", minutes=3),
    )
    reviewed(bench, second, said(second, 0, "right"), said(second, 1, "right"))
    take_all(bench)
    assert [(mark.label, mark.annotator) for mark in rows(bench)["V1"].annotations] == [("scratch", "grace")]


def test_photos_that_are_not_reviewed_to_the_end_wait(bench: Bench) -> None:
    for number in (1, 2, 3):
        inspection = inspected(bench, number)
        with bench.database.writing() as connection:
            opinions.add_verdict(connection, said(inspection, 0, "right"))
            review_plan.plan(connection, [Candidate(inspection.id, 0)], share=1.0)
    assert take_all(bench) == []


def test_a_few_photos_wait_for_others_but_not_for_ever(bench: Bench) -> None:
    inspection = inspected(bench, 1)
    reviewed(bench, inspection, said(inspection, 0, "right"), said(inspection, 1, "right"))
    now = datetime.now(UTC)
    assert pending_batches(bench.settings, bench.database, now + timedelta(minutes=5)) == []
    assert len(pending_batches(bench.settings, bench.database, now + timedelta(days=1, minutes=5))) == 1


def test_each_reviewed_photo_is_in_one_batch(bench: Bench) -> None:
    def review(*numbers: int) -> None:
        for number in numbers:
            inspection = inspected(bench, number)
            reviewed(bench, inspection, said(inspection, 0, "right"), said(inspection, 1, "right"))

    review(1, 2)
    now = datetime.now(UTC) + timedelta(seconds=1)
    [first] = pending_batches(bench.settings, bench.database, now)
    with bench.database.writing() as connection:
        journal.ask(connection, Ask("take-in", first))
    review(3, 4, 5)
    [second] = take_all(bench)
    assert rows(bench).keys() == {"V3", "V4", "V5"}
    carried_out(bench, Ask("take-in", first))
    assert rows(bench).keys() == {"V1", "V2", "V3", "V4", "V5"}
    assert first < second
    assert take_all(bench) == []


def test_the_pixels_of_these_photos_differ() -> None:
    """Or they would be one photo, and the tests above would show nothing."""
    assert len({pixels(number)[0].tobytes() for number in range(1, 6)}) == 5
