"""An incident gets its level from the recall it costs, estimated on the champion's photos."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from inspected import START, inspection, keep, reference
from receiver import until
from rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle

from dentwatch import settings
from dentwatch.data.degradation import over_exposure
from dentwatch.data.statistics import photo_statistics
from dentwatch.monitoring import feed, incidents, watch_state
from dentwatch.monitoring.harm_estimation import Estimate, HarmEstimation
from dentwatch.monitoring.incidents import Signal
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore

PHOTOS = 36
SCRATCH = Box(40, 30, 90, 60)


def scratched(seed: int) -> np.ndarray:
    """A photo with a scratch that the model sees while it is brighter than 128."""
    rng = np.random.default_rng(seed)
    rgb = rectangles_rgb(256, 192, ("scratch", 40, 30, 90, 60), level=int(rng.integers(140, 256)))
    ground = (rgb == 90).all(axis=-1)
    rgb[ground] = rng.integers(60, 121, (int(ground.sum()), 1), np.uint8)
    return rgb


@pytest.fixture
def bundle(home: Path, tmp_path: Path) -> ModelBundle:
    """A model, and in the home the annotated photos that it was validated on."""
    loaded = settings.load()
    store = PhotoStore(loaded.photo_store_url)
    marks = (Annotation("scratch", SCRATCH),)
    dataset = DatasetStore(loaded.dataset_store_url).write(
        PhotoRecord(
            store.put(as_photo(scratched(seed))), f"{seed}.png", f"car {seed // 3}", "val", 256, 192, True, marks
        )
        for seed in range(PHOTOS)
    )
    thresholds = {"scratch": 0.1, "dent": 0.1}
    return write_bundle(tmp_path / "model", rectangle_graph(), thresholds=thresholds, dataset_version=dataset.id)


@pytest.fixture
def kept(home: Path) -> Iterator[Database]:
    with closing(Database.of(settings.load())) as database:
        yield database


def estimated(database: Database, bundle: ModelBundle, stops: float) -> Estimate:
    """What is said of an incident of photos with so much less light."""
    rng = np.random.default_rng(3)
    dark = [over_exposure(scratched(1000 + seed), -stops, rng) for seed in range(60)]
    keep(database, *(inspection([asdict(photo_statistics(rgb))], minute=1) for rgb in dark))
    with database.writing() as connection:
        assert feed.mark_seen(connection, feed.unseen(connection, 100), 1)
        watch_state.write(connection, WatchState(60))
        opened = incidents.open_or_update(connection, Signal("dark", "light", "all", START, START, "Dark."))
    estimation = HarmEstimation(settings.load(), database)
    estimation.begin(opened, bundle, Monitors(reference(np.random.default_rng(1)), 1_000_000))
    assert not estimation.is_idle
    found: list[Estimate] = []
    until(lambda: found or [found.append(one) for one in [estimation.finished()] if one], 120)
    assert estimation.is_idle
    estimation.close()
    return found[0]


@pytest.mark.parametrize(("stops", "level"), [(0.05, "drift"), (1.25, "critical")])
def test_the_level_follows_from_the_estimated_loss(
    kept: Database, bundle: ModelBundle, stops: float, level: str
) -> None:
    incident, harm, said = estimated(kept, bundle, stops)
    assert said == level
    assert (harm["lost"] > 5) == (level == "critical")
    side = "beyond" if level == "critical" else "within"
    assert harm["text"].startswith(f"It costs an estimated {harm['lost']:.1f} points of recall")
    assert harm["text"].endswith(f"{side} the 5 tolerated.")
    with kept.writing() as connection:
        assert incidents.assess(connection, incident, harm, said).level == level


def elsewhere(folder: Path) -> ModelBundle:
    """A model that was validated on photos that are not at hand, as the starter was."""
    thresholds = {"scratch": 0.1, "dent": 0.1}
    return write_bundle(folder, rectangle_graph(), thresholds=thresholds, dataset_version="0" * 64)


def test_a_model_from_elsewhere_is_held_against_the_newest_photos(
    kept: Database, bundle: ModelBundle, tmp_path: Path
) -> None:
    _, harm, level = estimated(kept, elsewhere(tmp_path / "other"), 1.25)
    assert (level, harm["photos"]) == ("critical", PHOTOS)


def test_without_annotated_photos_the_harm_stays_unknown(kept: Database, tmp_path: Path) -> None:
    _, harm, level = estimated(kept, elsewhere(tmp_path / "other"), 1.25)
    assert level == "noticed"
    assert harm["lost"] is None
    assert "review drifted ones" in harm["text"]
