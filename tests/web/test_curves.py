"""A model's page shows what it gains and loses with its thresholds, where the loop has measured that."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_model
from house import House
from PIL import Image

from dentwatch.loop.evaluations import evaluated
from dentwatch.loop.steps import Bench
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIDE = 64
RIGHT, ELSEWHERE = Box(8, 16, 32, 32), Box(50, 50, 10, 10)  # the tiny model always says the first


def _photos(store: PhotoStore) -> list[PhotoRecord]:
    """Two red photos: in the brighter one the scratch is where the model says, in the other it is not."""
    records = []
    for number, (red, box) in enumerate(((250, RIGHT), (200, ELSEWHERE))):
        written = io.BytesIO()
        Image.new("RGB", (SIDE, SIDE), (red, 0, 0)).save(written, "PNG")
        photo_id = store.put(written.getvalue())
        marks = (Annotation("scratch", box),)
        records.append(PhotoRecord(photo_id, f"{number}.png", f"car {number}", "test", SIDE, SIDE, True, marks))
    return records


@pytest.fixture(scope="module")
def bench(house: House) -> Bench:
    return Bench(house.settings, house.database, lambda what, done, total: None)


@pytest.fixture(scope="module", autouse=True)
def bundle(house: House, empty_tracking_database: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A registered version, and a dataset version on which it was not measured yet."""
    shutil.copy(empty_tracking_database, house.settings.home)
    DatasetStore(house.settings.dataset_store_url).write(_photos(PhotoStore(house.settings.photo_store_url)))
    registry = Registry(house.settings)
    registry.register(tiny_model.write_bundle(tmp_path_factory.mktemp("registered") / "tiny"))
    return registry.bundle(1)


def _curves(house: House) -> Any:
    return house.service.client.get("/models/1.json", headers=house.headers("viewer")).json()["curves"]


def test_a_model_that_was_not_measured_has_none_and_one_that_was_says_on_what(
    house: House, bench: Bench, bundle: ModelBundle
) -> None:
    assert _curves(house) is None
    dataset = DatasetStore(house.settings.dataset_store_url).get("latest")
    evaluated(bench, bundle, dataset, "test")
    found = _curves(house)
    assert (found["dataset_version"], found["split"], found["photos"]) == (dataset.id, "test", 2)
    scratch = next(line for line in found["lines"] if line["label"] == "scratch")
    assert list(zip(scratch["recall"], scratch["precision"], strict=True)) == [(0.5, 1.0), (0.5, 0.5)]
    assert found["beside"] is None  # the starter was not measured on them


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_the_curves_are_drawn_by_label(
    house: House, bench: Bench, bundle: ModelBundle, visit: Callable[..., "Page"], phone: bool
) -> None:
    evaluated(bench, bundle, DatasetStore(house.settings.dataset_store_url).get("latest"), "test")
    page = visit("/models/1", role="viewer", phone=phone)
    chart = page.get_by_role("img", name="Precision against recall, by label")
    assert chart.is_visible()
    assert page.locator(".curves .legend li").all_inner_texts() == ["all damage", *bundle.spec.labels]
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen
