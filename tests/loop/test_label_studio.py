"""Photos go to Label Studio with the model's boxes, and come back as reviews, each once."""

import asyncio
import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from batches import HEIGHT, WIDTH, photo
from label_studio_server import LEGACY_TOKEN, PERSONAL_TOKEN, PROJECT, Studio, label_studio
from pydantic import SecretStr

from dentwatch.errors import LoopError
from dentwatch.label_studio_settings import LabelStudioSettings
from dentwatch.loop.label_studio import send, take
from dentwatch.loop.verdict_annotations import Reviewed
from dentwatch.monitoring import review_claims, review_plan
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import audit, inspections
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.photos import PhotoStore
from dentwatch.settings import Settings

SCRATCH, DENT = Detection("scratch", 0.9, Box(10.25, 20.5, 60, 12)), Detection("dent", 0.8, Box(150, 90, 40, 36))
BY = "label-studio:grace@example.com"


@pytest.fixture
def studio() -> Iterator[Studio]:
    with label_studio() as running:
        yield running


@pytest.fixture
def settings(home: Path, studio: Studio) -> Settings:
    chosen = LabelStudioSettings(url=studio.address, token=SecretStr(PERSONAL_TOKEN), project=PROJECT)
    return Settings(home=home, label_studio=chosen)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database.of(settings)
    yield opened
    opened.close()


def planned(settings: Settings, database: Database, count: int = 1) -> None:
    """Photos to review with a scratch and a dent each, numbered from 1."""
    for number in range(count):
        photo_id = PhotoStore(settings.photo_store_url).put(photo(number))
        found = tuple(KeptDetection(one) for one in (SCRATCH, DENT))
        kept = KeptPhoto(photo_id, "a.png", width=WIDTH, height=HEIGHT, detections=found)
        inspection = KeptInspection(
            f"i-{number}", datetime.now(UTC), "done", (kept,), vehicle_id=f"V{number}", answer={}
        )
        with database.writing() as connection:
            inspections.keep(connection, inspection)
            review_plan.plan(connection, [Candidate(inspection.id, 0)], share=1.0)


def sent(settings: Settings, database: Database, limit: int = 10) -> list[int]:
    return asyncio.run(send(settings, database, limit, "ada")).photos


def boxes(database: Database) -> list[tuple[str, Box, str | None]]:
    everything = Reviewed(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    with database.reading() as connection:
        photos = everything.photos(connection, "memory://")
    return [(one.label, one.box, one.annotator) for found in photos for one in found.annotations or ()]


def predicted(studio: Studio, number: int = 1) -> list[dict[str, Any]]:
    """The boxes that the task came with, as an annotator's tool copies them."""
    found: list[dict[str, Any]] = copy.deepcopy(studio.tasks[number - 1]["predictions"][0]["result"])
    return found


def test_photos_go_with_the_models_boxes_and_nobody_else_gets_them(
    settings: Settings, database: Database, studio: Studio
) -> None:
    planned(settings, database, 3)
    assert sent(settings, database, 2) == [1, 2]
    assert "<RectangleLabels" in studio.interface  # the project was empty
    task = studio.tasks[0]
    assert task["data"]["image"] == "/data/upload/7/1.jpg"
    assert b"\xff\xd8\xff" in studio.uploads[0]
    value = task["predictions"][0]["result"][1]["value"]
    assert value["rectanglelabels"] == ["dent"]
    assert (value["x"], value["width"]) == (150 / WIDTH * 100, 40 / WIDTH * 100)
    with database.writing() as connection:
        mine = review_claims.claim_next(connection, "key:ada/")
        assert mine is not None
        assert mine.number == 3
        assert [one.action for one in audit.entries(connection)] == ["review.send"] * 2
    assert sent(settings, database) == []


def test_what_was_accepted_is_right_and_what_was_moved_or_drawn_becomes_an_annotation(
    settings: Settings, database: Database, studio: Studio
) -> None:
    planned(settings, database)
    sent(settings, database)
    result = predicted(studio)
    result[1]["value"]["x"] += 5
    result.append(copy.deepcopy(result[0]))
    result[2]["value"] |= {"x": 90, "y": 90, "width": 10.0000001, "height": 10, "rectanglelabels": ["crack"]}
    studio.annotate(1, result)
    taken = asyncio.run(take(settings, database))
    assert (taken.photos, taken.known, taken.refused) == ([1], 0, [])
    moved = Box(150 + WIDTH * 0.05, 90, 40, 36)
    corner = Box(WIDTH * 0.9, HEIGHT * 0.9, WIDTH * 0.1, HEIGHT * 0.1)
    found = {label: (box, by) for label, box, by in boxes(database)}
    assert found.keys() == {"scratch", "dent", "crack"}
    for label, due in (("scratch", SCRATCH.box), ("dent", moved), ("crack", corner)):
        assert found[label][0].xyxy == pytest.approx(due.xyxy, abs=0.01)
        assert found[label][1] == BY


def test_an_annotation_is_taken_once_and_again_when_it_was_changed(
    settings: Settings, database: Database, studio: Studio
) -> None:
    planned(settings, database)
    sent(settings, database)
    studio.annotate(1, predicted(studio))
    assert asyncio.run(take(settings, database)).photos == [1]
    assert asyncio.run(take(settings, database, only=1)).known == 1
    studio.annotate(1, [], day=2)
    changed = asyncio.run(take(settings, database, only=1))
    assert (changed.photos, changed.refused) == ([1], [])
    assert boxes(database) == []


def test_a_photo_that_was_skipped_there_is_free_for_others(
    settings: Settings, database: Database, studio: Studio
) -> None:
    planned(settings, database)
    sent(settings, database)
    studio.annotate(1, predicted(studio), was_cancelled=True)
    assert asyncio.run(take(settings, database)).photos == []
    with database.writing() as connection:
        assert review_claims.claim_next(connection, "key:ada/") is not None


def test_what_cannot_be_taken_is_said_and_the_rest_is_taken(
    settings: Settings, database: Database, studio: Studio
) -> None:
    planned(settings, database, 2)
    sent(settings, database)
    strange = predicted(studio)
    strange[0]["value"]["rectanglelabels"] = ["rust"]
    studio.annotate(1, strange)
    studio.annotate(2, predicted(studio, 2))
    studio.tasks.append({"id": 3, "project": PROJECT, "data": {"image": "theirs.jpg"}, "annotations": [{"result": []}]})
    taken = asyncio.run(take(settings, database))
    assert taken.photos == [2]
    [said] = taken.refused
    assert "Photo 1: The label 'rust' is none of scratch" in said


def test_a_photo_that_could_not_be_sent_waits_here(settings: Settings, database: Database, studio: Studio) -> None:
    planned(settings, database)
    studio.fails = "/import"
    with pytest.raises(LoopError, match="answered 500"):
        sent(settings, database)
    with database.writing() as connection:
        item = review_claims.claim_next(connection, "key:ada/")
        assert item is not None
        review_claims.release(connection, item.number, "key:ada/")
    studio.fails = ""
    assert sent(settings, database) == [1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token": SecretStr("a.wrong.one")}, "answered 401"),
        ({"token": SecretStr("wrong")}, "answered 401"),
        ({"project": 8}, "answered 404"),
        ({"url": "http://127.0.0.1:1"}, "cannot be asked"),
        ({"url": ""}, "No Label Studio project is set"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(
    settings: Settings, database: Database, changes: dict[str, Any], said: str
) -> None:
    wrong = settings.model_copy(update={"label_studio": settings.label_studio.model_copy(update=changes)})
    with pytest.raises(LoopError, match=said):
        asyncio.run(take(wrong, database) if "url" in changes else send(wrong, database, 1, "ada"))


def test_a_legacy_token_is_shown_as_it_is(settings: Settings, database: Database, studio: Studio) -> None:
    chosen = settings.label_studio.model_copy(update={"token": SecretStr(LEGACY_TOKEN)})
    planned(settings, database)
    assert sent(settings.model_copy(update={"label_studio": chosen}), database) == [1]


def test_an_interface_without_boxes_is_refused(settings: Settings, database: Database, studio: Studio) -> None:
    studio.interface = '<View><Text name="text" value="$text"/></View>'
    with pytest.raises(LoopError, match="no RectangleLabels on an Image"):
        sent(settings, database)
