"""The reference is what production is compared with: the champion's validation photos, or traffic in good order."""

import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_model
from garage import picture

from dentwatch import settings
from dentwatch.data.decoding import decode
from dentwatch.data.embedding import EMBEDDING_SIZE, packed, photo_embedding
from dentwatch.data.statistics import photo_statistics
from dentwatch.errors import MonitoringError, PhotoError
from dentwatch.monitoring.embedding import FEWEST_PHOTOS
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.reference import Reference
from dentwatch.records import inspections
from dentwatch.records.annotations import Box, PhotoRecord, Split
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry

TRAIN, VAL = FEWEST_PHOTOS + 10, 12
SIZE = 160, 120


def png(seed: int) -> bytes:
    return bytes(cv2.imencode(".png", np.asarray(picture(seed, *SIZE))[..., ::-1])[1])


def column(reference: Reference, name: str) -> np.ndarray:
    return reference.features[:, FEATURE_NAMES.index(name)]


@pytest.fixture
def dataset(home: Path) -> DatasetVersion:
    """A dataset version of small photos, two a vehicle, in the home's stores."""
    current = settings.load()
    store = PhotoStore(current.photo_store_url)
    splits: list[Split] = ["train"] * TRAIN + ["val"] * VAL
    return DatasetStore(current.dataset_store_url).write(
        PhotoRecord(store.put(png(seed)), f"{seed}.png", f"car {seed // 2}", split, *SIZE, annotated=False)
        for seed, split in enumerate(splits)
    )


@pytest.fixture
def registry(home: Path, dataset: DatasetVersion, empty_tracking_database: Path, tmp_path: Path) -> Registry:
    """A registry of two versions trained on the dataset version; the first is champion."""
    shutil.copy(empty_tracking_database, home)
    registry = Registry(settings.load())
    for number, box in enumerate([(8.0, 16.0, 40.0, 48.0), (4.0, 4.0, 60.0, 30.0)], 1):
        folder = tmp_path / str(number)
        registry.register(
            tiny_model.write_bundle(folder, model=tiny_model.network(box), dataset_version=dataset.id), aliases=()
        )
    registry.promote(1, "the first", "test")
    return registry


def test_it_is_the_champions_validation_photos_as_serving_sees_them(registry: Registry) -> None:
    told: list[tuple[str, int, int]] = []
    reference = Reference.of_champion(settings.load(), lambda *progress: told.append(progress))
    assert (reference.model, reference.source) == ("dentwatch/1", "validation")
    assert reference.features.shape == (VAL, len(FEATURE_NAMES))
    photos = {f"car {seed // 2}" for seed in range(TRAIN, TRAIN + VAL)}
    assert set(reference.vehicles) == photos
    expected = sorted(
        photo_statistics(decode(png(seed), max_pixels=10**6).rgb).luma_mean for seed in range(TRAIN, TRAIN + VAL)
    )
    assert sorted(column(reference, "luma_mean")) == pytest.approx(expected)
    assert np.isfinite(column(reference, "embedding_distance")).all()
    assert told[-1][1:] == (VAL, VAL)


def test_it_is_measured_once_and_anew_after_a_promotion(registry: Registry, home: Path) -> None:
    first = Reference.of_champion(settings.load())
    for photo in (home / "photos").glob("*/*"):
        photo.rename(photo.with_suffix(".away"))  # whoever looks at photos again fails
    again = Reference.of_champion(settings.load())
    np.testing.assert_array_equal(again.features, first.features)
    registry.promote(2, "better", "test")
    with pytest.raises(PhotoError, match="not in the photo store"):
        Reference.of_champion(settings.load())
    for photo in (home / "photos").glob("*/*.away"):
        photo.rename(photo.with_suffix(""))
    assert Reference.of_champion(settings.load()).model == "dentwatch/2"


def test_a_damaged_file_is_made_again(registry: Registry, home: Path) -> None:
    first = Reference.of_champion(settings.load())
    [file] = (home / "references").iterdir()
    file.write_bytes(b"nothing")
    with pytest.raises(MonitoringError, match="cannot be read"):
        Reference.load(file)
    np.testing.assert_array_equal(Reference.of_champion(settings.load()).features, first.features)


def test_the_starter_model_has_no_validation_photos_at_hand(home: Path) -> None:
    with pytest.raises(MonitoringError, match="warm up on production traffic"):
        Reference.of_champion(settings.load())


def test_saving_keeps_everything(registry: Registry, tmp_path: Path) -> None:
    reference = Reference.of_champion(settings.load())
    reference.save(tmp_path / "kept" / "reference.npz")
    loaded = Reference.load(tmp_path / "kept" / "reference.npz")
    assert replace(loaded, features=reference.features, space=None) == replace(reference, space=None)
    np.testing.assert_array_equal(loaded.features, reference.features)
    assert reference.space is not None
    assert loaded.space is not None
    probe = np.ones(EMBEDDING_SIZE)
    assert loaded.space.figures(probe) == reference.space.figures(probe)


# Warmed up on traffic


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return tiny_model.write_bundle(tmp_path_factory.mktemp("models") / "tiny")


def inspected(seed: int, model: str, *, vehicle: str | None = None, min_score: float | None = None) -> KeptInspection:
    """An inspection of one photo, with a scratch (threshold 0.3) that counts and a dent (0.4) that does not."""
    rgb = np.asarray(picture(seed, *SIZE))
    said = [Detection("scratch", 0.9, Box(1, 2, 3, 4)), Detection("dent", 0.35, Box(5, 6, 7, 8))]
    photo = KeptPhoto(
        f"{seed:064x}",
        "a.png",
        reliable=True,
        width=SIZE[0],
        height=SIZE[1],
        statistics=asdict(photo_statistics(rgb)),
        embedding=packed(photo_embedding(rgb)),
        detections=tuple(KeptDetection(one) for one in said),
    )
    return KeptInspection(
        f"inspection {seed}",
        datetime(2026, 11, 1, tzinfo=UTC).replace(minute=seed % 60, hour=seed // 60),
        "done",
        (photo, KeptPhoto("f" * 64, "b.png", error="unreadable")),
        vehicle_id=vehicle,
        model=model,
        options={"min_score": min_score},
        answer={},
    )


def test_traffic_counts_as_serving_kept_it(database: Database, bundle: ModelBundle) -> None:
    with database.writing() as connection:
        for seed in range(6):
            inspections.keep(
                connection, inspected(seed, bundle.name, vehicle=None if seed == 5 else f"car {seed // 2}")
            )
        inspections.keep(connection, inspected(6, "another/1"))
        inspections.keep(connection, inspected(7, bundle.name, min_score=0.01))
    reference = Reference.of_traffic(database, bundle)
    assert reference.source == "traffic"
    assert reference.vehicles == ("car 0", "car 0", "car 1", "car 1", "car 2", "inspection 5")
    assert column(reference, "boxes").tolist() == [1] * 6
    assert column(reference, "top_score").tolist() == [0.9] * 6
    assert reference.space is None
    since = datetime(2026, 11, 1, 0, 2, tzinfo=UTC)
    assert Reference.of_traffic(database, bundle, since=since, photos=3).vehicles == ("car 1", "car 1", "car 2")


def test_the_embedding_space_is_made_of_other_vehicles_than_the_reference(
    database: Database, bundle: ModelBundle
) -> None:
    count = 5 * FEWEST_PHOTOS
    with database.writing() as connection:
        for seed in range(count):
            inspections.keep(connection, inspected(seed, bundle.name, vehicle=f"car {seed // 2}"))
    reference = Reference.of_traffic(database, bundle)
    assert reference.space is not None
    assert len(reference.space.neighbours) + len(reference.features) == count
    distances = column(reference, "embedding_distance")
    fresh = [
        reference.space.figures(photo_embedding(np.asarray(picture(seed, *SIZE))))[0]
        for seed in range(count, count + 200)
    ]
    assert np.mean(fresh) == pytest.approx(distances.mean(), rel=0.05)


def test_without_traffic_there_is_no_reference(database: Database, bundle: ModelBundle) -> None:
    with pytest.raises(MonitoringError, match="has answered no photo yet"):
        Reference.of_traffic(database, bundle)
