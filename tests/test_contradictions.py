"""Two sets of annotations of one photo: the first stands until a person has decided, and the decision is kept."""

import json
from pathlib import Path

import pytest
from garage import Boxes, Garage, jpeg, picture
from serving.command import dentwatch

from dentwatch import settings
from dentwatch.data.contradictions import contradictions, decide
from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.errors import DatasetError
from dentwatch.records import audit
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore

FIRST: Boxes = [("scratch", [10.0, 20.0, 30.0, 5.0])]
SECOND: Boxes = [("dent", [100.0, 60.0, 40.0, 40.0])]
THIRD: Boxes = []


def ingest(tmp_path: Path, name: str, boxes: Boxes) -> None:
    garage = Garage(tmp_path / name).add("a.jpg", jpeg(picture(1)), boxes, vehicle_group="car")
    garage.add("b.jpg", jpeg(picture(2)), FIRST, vehicle_group="car")
    location = garage.write()
    Ingest(settings.load(), workers=1).run(with_source(open_source(location).photos(), location))


def row() -> PhotoRecord:
    version = DatasetStore(settings.load().dataset_store_url).get("latest")
    return next(record for record in version.photos() if record.name == "a.jpg")


def labels(record: PhotoRecord) -> list[str]:
    return [mark.label for mark in record.annotations]


@pytest.fixture
def contradicted(home: Path, tmp_path: Path) -> Path:
    for name, boxes in (("first", FIRST), ("second", SECOND), ("third", THIRD)):
        ingest(tmp_path, name, boxes)
    return home


def test_both_are_shown_and_the_first_stands(contradicted: Path) -> None:
    second, third = sorted(contradictions(settings.load()), key=lambda one: one.entry.source)
    assert labels(second.present) == labels(row()) == ["scratch"]
    assert [mark.label for mark in second.claimed] == ["dent"]
    assert third.claimed == ()
    assert second.id != third.id


def test_keeping_the_present_annotations_changes_no_version(contradicted: Path) -> None:
    before = row()
    second, third = sorted(contradictions(settings.load()), key=lambda one: one.entry.source)
    versions = DatasetStore(settings.load().dataset_store_url).versions()
    assert decide(settings.load(), second.id, take=False) == second
    assert row() == before
    assert DatasetStore(settings.load().dataset_store_url).versions() == versions
    assert [one.id for one in contradictions(settings.load())] == [third.id]


def test_taking_the_claimed_annotations_makes_a_version(contradicted: Path) -> None:
    before = row()
    second, third = sorted(contradictions(settings.load()), key=lambda one: one.entry.source)
    decide(settings.load(), second.id, take=True)
    assert labels(row()) == ["dent"]
    assert (row().split, row().vehicle, row().name) == (before.split, before.vehicle, before.name)
    [left] = contradictions(settings.load())
    assert left.id == third.id and labels(left.present) == ["dent"]


def test_what_was_decided_is_not_decided_again(contradicted: Path) -> None:
    chosen = contradictions(settings.load())[0]
    decide(settings.load(), chosen.id, take=True)
    with pytest.raises(DatasetError, match=chosen.id):
        decide(settings.load(), chosen.id, take=True)


def test_the_command_line_shows_and_decides_on_record(contradicted: Path) -> None:
    listed = json.loads(dentwatch("data", "contradictions", "list", "--json").stdout)["contradictions"]
    chosen = next(one for one in listed if one["claimed"]["source"] == "second")
    assert chosen["present"]["annotations"][0]["label"] == "scratch"
    assert chosen["claimed"]["annotations"][0]["label"] == "dent"
    taken = ("--take", "claimed", "--reason", "it is a dent", "--actor", "ada")
    done = dentwatch("data", "contradictions", "decide", chosen["id"], *taken)
    assert done.returncode == 0, done.stderr
    assert labels(row()) == ["dent"]
    with Database.of(settings.load()).reading() as connection:
        [entry] = audit.entries(connection, action="contradiction.decide")
    assert (entry.actor, entry.subject) == ("ada", row().photo_id)
    assert entry.details["reason"] == "it is a dent"
