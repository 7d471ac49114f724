"""An incident ends when the monitors are calm and the recall is back, and not before."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
from drifts import DARK, NOW, drifted
from rectangles import as_photo

from dentwatch import settings
from dentwatch.errors import LoopError
from dentwatch.loop import verification
from dentwatch.loop.measured_drift import drift_of
from dentwatch.loop.steps import Again, Bench, Done, Step
from dentwatch.monitoring import incidents, watch_state
from dentwatch.monitoring.incidents import Incident
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.records.photos import PhotoStore

HARM = {"lost": 40.0, "way": "under-exposure", "amount": 2.0, "share": 1.0, "text": "It costs 40 points."}
CHAMPION = "dentwatch/2"


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with closing(Database.of(settings.load())) as opened:
        yield opened


@pytest.fixture
def incident(database: Database) -> Incident:
    """A critical incident, and annotated test photos whose scratch the old model misses when they are dark."""
    store = PhotoStore(settings.load().photo_store_url)
    marks = (Annotation("scratch", Box.from_xyxy(*tiny_model.BOX)),)
    DatasetStore(settings.load().dataset_store_url).write(
        PhotoRecord(store.put(as_photo(_red(n))), f"{n}.png", f"car {n}", "test", 64, 64, True, marks)
        for n in range(12)
    )
    opened = drifted(database, "critical", DARK)
    with database.writing() as connection:
        return incidents.assess(connection, opened, HARM, "critical")


def _red(number: int) -> np.ndarray:
    return np.full((64, 64, 3), (200 + number, 20, 20), np.uint8)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, incident: Incident, tmp_path: Path) -> dict[str, ModelBundle]:
    """The champion that was made for the incident, and the one before; what the registry would give."""
    drift = drift_of(incident)
    old = tiny_model.write_bundle(tmp_path / "old", thresholds={"scratch": 0.7, "dent": 0.7})
    new = tiny_model.write_bundle(tmp_path / "new", thresholds={"scratch": 0.2, "dent": 0.7}, adapted_to=drift)
    found = {
        "dentwatch/1": ModelBundle.load(old.folder, "dentwatch/1"),
        CHAMPION: ModelBundle.load(new.folder, CHAMPION),
    }
    monkeypatch.setattr(verification, "resolve", lambda ref, _: found[ref or CHAMPION])
    return found


def verified(database: Database, incident: Incident, result: dict[str, Any] | None = None) -> Done | Again:
    loaded = settings.load()
    few = loaded.model_copy(update={"loop": loaded.loop.model_copy(update={"calm_inspections": 10})})
    step = Step(1, "verify/1", "verify", incident.id, {}, "running", 1, NOW, NOW, NOW, None, result, None)
    return verification.verify(Bench(few, database, lambda *_: None), step)


def watch(database: Database, updates: int, model: str = CHAMPION) -> None:
    with database.writing() as connection:
        watch_state.write(connection, WatchState(updates, reference={"model": model}))


def test_it_waits_until_the_monitors_are_calm_and_then_closes(
    database: Database, incident: Incident, models: dict[str, ModelBundle]
) -> None:
    watch(database, 100, model="dentwatch/1")
    not_armed = verified(database, incident)
    assert isinstance(not_armed, Again)
    assert not_armed.result["calm_inspections"] == 0

    watch(database, 100)
    armed = verified(database, incident, not_armed.result)
    assert isinstance(armed, Again)
    watch(database, 110)
    done = verified(database, incident, armed.result)
    assert isinstance(done, Done)
    assert done.result["recall"]["before"] == 1.0
    assert (done.result["recall"]["during"], done.result["recall"]["recovered"]) == (0.0, 1.0)
    with database.reading() as connection:
        closed = incidents.existing(connection, incident.id)
        last = incidents.timeline(connection, incident.id)[-1]
    assert (closed.state, last.kind) == ("resolved", "resolved")
    assert "100 % of what was lost: back." in last.text


def test_it_stays_open_while_another_incident_of_the_new_champion_is(
    database: Database, incident: Incident, models: dict[str, ModelBundle]
) -> None:
    watch(database, 100)
    first = verified(database, incident)
    drifted(database, "noticed", replace(DARK, cause="blur", channel="optics", model=CHAMPION))
    watch(database, 150)
    again = verified(database, incident, first.result)
    assert isinstance(again, Again)
    assert again.result["calm_inspections"] == 0


def test_it_stays_open_where_the_recall_is_not_back(
    database: Database, incident: Incident, models: dict[str, ModelBundle], tmp_path: Path
) -> None:
    poor = tiny_model.write_bundle(
        tmp_path / "poor", thresholds={"scratch": 0.7, "dent": 0.7}, adapted_to=drift_of(incident)
    )
    models[CHAMPION] = ModelBundle.load(poor.folder, CHAMPION)
    watch(database, 100)
    first = verified(database, incident)
    watch(database, 120)
    again = verified(database, incident, first.result)
    assert isinstance(again, Again)
    verified(database, incident, again.result)
    with database.reading() as connection:
        said = [event.text for event in incidents.timeline(connection, incident.id) if "stays open" in event.text]
        assert incidents.existing(connection, incident.id).state == "open"
    assert len(said) == 1


def test_a_champion_that_was_not_made_for_it_closes_nothing(
    database: Database, incident: Incident, models: dict[str, ModelBundle]
) -> None:
    models[CHAMPION] = models["dentwatch/1"]
    watch(database, 500)
    assert isinstance(verified(database, incident), Again)


def test_a_champion_that_carries_on_what_the_one_before_was_made_for_goes_on_with_it(
    database: Database, incident: Incident, models: dict[str, ModelBundle]
) -> None:
    watch(database, 100)
    first = verified(database, incident)
    assert isinstance(first, Again)
    models[CHAMPION] = ModelBundle.load(models[CHAMPION].folder, "dentwatch/3")  # trained with new photos meanwhile
    watch(database, 150, "dentwatch/3")
    again = verified(database, incident, first.result)
    assert isinstance(again, Again)
    assert (again.result["model"], again.result["calm_inspections"]) == ("dentwatch/3", 0)
    watch(database, 160, "dentwatch/3")
    done = verified(database, incident, again.result)
    assert isinstance(done, Done)
    assert done.result["closed"] is True


def test_one_that_a_person_resolved_is_left_alone(
    database: Database, incident: Incident, models: dict[str, ModelBundle]
) -> None:
    with database.writing() as connection:
        incidents.resolve(connection, incident.id, "ada", "The lamp was replaced.")
    done = verified(database, incident)
    assert isinstance(done, Done)
    assert done.result["closed"] is False


def test_a_drift_that_was_not_measured_cannot_be_retrained_for(database: Database) -> None:
    with pytest.raises(LoopError, match="was not measured"):
        drift_of(drifted(database, "noticed"))


def test_a_drift_is_what_its_harm_says(incident: Incident) -> None:
    assert drift_of(incident) == Adaptation(
        incident=incident.id, cause="dark", way="under-exposure", amount=2.0, share=1.0, slice="all"
    )
