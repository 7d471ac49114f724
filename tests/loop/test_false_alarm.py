"""An alarm over photos that are as they were costs an alert and a look at remedies, never a retraining."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from drifts import DARK, drifted
from rectangles import as_photo

from dentwatch import settings
from dentwatch.data.statistics import photo_statistics
from dentwatch.loop import journal, policy, remedies, worker
from dentwatch.monitoring import incidents
from dentwatch.monitoring.features import photo_features
from dentwatch.monitoring.harm import Harm, estimate_harm
from dentwatch.monitoring.harm_estimation import _document
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection import Inspector

SIZE = (64, 64)


def picture(number: int) -> np.ndarray:
    return np.full((*SIZE, 3), (200 + number, 60, 60), np.uint8)


@pytest.fixture
def champion(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelBundle:
    """A model that finds the scratches of the val photos; it serves."""
    store = PhotoStore(settings.load().photo_store_url)
    marks = (Annotation("scratch", Box.from_xyxy(*tiny_model.BOX)),)
    DatasetStore(settings.load().dataset_store_url).write(
        PhotoRecord(store.put(as_photo(picture(n))), f"{n}.png", f"car {n}", "val", *SIZE, True, marks)
        for n in range(12)
    )
    bundle = tiny_model.write_bundle(tmp_path / "champion", thresholds={"scratch": 0.6, "dent": 0.95})
    monkeypatch.setattr(remedies, "resolve", lambda _ref, _settings: bundle)
    return bundle


def harm_of_ordinary_photos(champion: ModelBundle) -> Harm:
    """What the estimate says of photos like those that the champion was validated on."""
    store = DatasetStore(settings.load().dataset_store_url)
    shown = [photo_features(asdict(photo_statistics(picture(n), SIZE)), [], None, SIZE, None) for n in range(30)]
    photos = PhotoStore(settings.load().photo_store_url)
    inspector = Inspector(champion, threads=1, max_pixels=settings.load().data.max_pixels)
    return estimate_harm(inspector, list(store.get("latest").photos("val")), photos, "dark", np.stack(shown))


def test_no_harm_no_retraining(champion: ModelBundle) -> None:
    loaded = settings.load()
    database = Database.of(loaded)
    incident = drifted(database, "noticed", DARK)
    assert policy.for_incidents(database) == [], "an alarm alone starts nothing"

    harm = harm_of_ordinary_photos(champion)
    assert not harm.beyond(loaded.monitoring.harm_tolerance)
    with database.writing() as connection:
        incidents.assess(connection, incident, _document(harm, loaded.monitoring.harm_tolerance), "drift")
    keys = policy.ask(loaded, database, policy.for_incidents(database))
    while keys:
        for key in keys:
            assert worker.carry_out(loaded, database, key, lambda *_: None).state == "done"
        with database.reading() as connection:
            keys = [step.key for step in journal.due(connection)]
    with database.reading() as connection:
        told = [event.text for event in incidents.timeline(connection, incident.id)]
        assert [step.kind for step in journal.steps(connection)] == ["remedy", "investigate"]
    assert told[-1].startswith("Nothing helps")
    database.close()
