"""`dentwatch trace`: what something came of and what came of it, from a real database."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import tiny_model
from drifts import BLUR, NOW, drifted

from dentwatch.errors import LoopError
from dentwatch.loop import journal
from dentwatch.loop.steps import Ask, Done
from dentwatch.loop.trace import Link, trace
from dentwatch.records import inspections, model_failures
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.inspections import KeptInspection, KeptPhoto
from dentwatch.records.model_failures import FailedPhoto
from dentwatch.records.registry import Registry
from dentwatch.settings import Settings


def names(link: Link) -> set[str]:
    """Everything in the chain."""
    found = {link.name}
    for one in (*link.sources, *link.results):
        found |= names(one)
    return found


def test_an_incident_leads_to_the_steps_that_it_caused_and_no_others(home: Path, database: Database) -> None:
    incident, other = drifted(database, "critical"), drifted(database, "critical", BLUR)
    with database.writing() as connection:
        journal.ask(connection, Ask("retrain", incident.id, {"incident": incident.id}))
        journal.ask(connection, Ask("retrain", other.id, {"incident": other.id}))
        step = journal.claim(connection, "a", f"retrain/{incident.id}")
        assert step is not None
        journal.finish(connection, step, "a", Done({}, (Ask("gate", "7", {"incident": incident.id}),)))
    found = trace(Settings(home=home), database, incident.id)
    assert (found.kind, found.facts["summary"]) == ("incident", incident.summary)
    text = str(found.as_document())
    assert f"retrain/{incident.id}" in text
    assert "gate/7" in text
    assert f"retrain/{other.id}" not in text
    assert incident.id in names(found)


def test_a_dataset_version_names_the_batch_that_made_it(home: Path, database: Database) -> None:
    version = DatasetStore(Settings(home=home).dataset_store_url).write(
        [PhotoRecord("0" * 64, "a.jpg", "car", "train", 64, 64, True)]
    )
    with database.writing() as connection:
        journal.ask(connection, Ask("take-in", "march@1"))
        step = journal.claim(connection, "a")
        assert step is not None
        journal.finish(connection, step, "a", Done({"state": "taken", "text": "", "version": version.id}))
    found = trace(Settings(home=home), database, version.id)
    assert "take-in/march@1" in {link.name for link in found.sources}


def test_what_nothing_is_called_is_said(home: Path, database: Database) -> None:
    with pytest.raises(LoopError, match="Nothing is called 'nothing-like-it'"):
        trace(Settings(home=home), database, "nothing-like-it")


def test_a_model_names_what_it_failed_on_and_an_inspection_who_failed(
    home: Path, empty_tracking_database: Path, database: Database, tmp_path: Path
) -> None:
    home.mkdir()
    shutil.copy(empty_tracking_database, home)
    settings = Settings(home=home)
    model = Registry(settings).register(tiny_model.write_bundle(tmp_path / "model")).reference
    with database.writing() as connection:
        inspections.keep(connection, KeptInspection("inspection-1", NOW, "pending", (KeptPhoto("0" * 64, "a.jpg"),)))
    assert "failure" not in trace(settings, database, model).facts
    failed = FailedPhoto(model, "inspection-1", 0, "ModelError: it broke down.")
    with database.writing() as connection:
        model_failures.note_photo(connection, failed)
    facts = trace(settings, database, model).facts
    assert {name: facts[name] for name in ("failed_photos", "failure", "failed_on")} == {
        "failed_photos": 1,
        "failure": "ModelError: it broke down.",
        "failed_on": ["inspection-1"],
    }
    assert trace(settings, database, "inspection-1").facts["failures"] == [asdict(failed)]
