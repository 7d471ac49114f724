"""The gate as a step: what it leaves where a challenger has no answer to give."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from drifts import NOW, drifted
from rectangles import as_photo

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.loop.gating import gate
from dentwatch.loop.steps import Bench, Step
from dentwatch.monitoring import incidents
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QUALITY_NAME, QualityLimit, QualityLimits, Retained
from dentwatch.records.registry import Registry
from dentwatch.serving.quality_gate import DEFAULT_LIMITS


@pytest.fixture
def bench(home: Path) -> Iterator[Bench]:
    loaded = settings.load()
    with closing(Database.of(loaded)) as database:
        patient = loaded.loop.model_copy(update={"latency_ratio": 50.0})  # times of tiny networks are noise
        yield Bench(loaded.model_copy(update={"loop": patient}), database, lambda *_: None)


@pytest.fixture
def registry(home: Path, empty_tracking_database: Path) -> Registry:
    """A registry, and annotated test photos that are bright."""
    home.mkdir(exist_ok=True)
    shutil.copy(empty_tracking_database, home)
    store, marks = PhotoStore(settings.load().photo_store_url), (Annotation("scratch", Box.from_xyxy(*tiny_model.BOX)),)
    DatasetStore(settings.load().dataset_store_url).write(
        PhotoRecord(
            store.put(as_photo(np.full((64, 64, 3), (200 + n, 20, 20), np.uint8))),
            f"{n}.png",
            f"car {n}",
            "test",
            64,
            64,
            True,
            marks,
        )
        for n in range(12)
    )
    return Registry(settings.load())


def step(incident: str) -> Step:
    cause = {"incident": incident}
    return Step(4, "gate/2", "gate", "2", cause, "running", 1, NOW, NOW, NOW, None, None, None)


@pytest.mark.parametrize("fault", ["breaks down", "says NaN"])
def test_a_challenger_that_fails_on_test_photos_is_dismissed(
    bench: Bench, registry: Registry, tmp_path: Path, fault: tiny_model.Fault
) -> None:
    registry.register(tiny_model.write_bundle(tmp_path / "1"))
    registry.promote(1, "the first", "test")
    broken = tiny_model.write_bundle(tmp_path / "2", model=tiny_model.network(fault=fault))
    assert registry.register(broken).aliases == ("challenger",)
    incident = drifted(bench.database, "critical")
    done = gate(bench, step(incident.id))
    assert done.result["passed"] is False
    assert (
        "did not pass the gate against dentwatch/1. It fails on the photos that it is judged by:" in done.result["text"]
    )
    assert [ask.kind for ask in done.then] == ["remedy"]
    assert registry.get(2).aliases == ()
    with bench.database.reading() as connection:
        assert incidents.timeline(connection, incident.id)[-1].text == done.result["text"]


def test_that_the_champion_fails_is_not_held_against_the_challenger(
    bench: Bench, registry: Registry, tmp_path: Path
) -> None:
    registry.register(tiny_model.write_bundle(tmp_path / "1", model=tiny_model.network(fault="breaks down")))
    registry.promote(1, "the first", "test")
    registry.register(tiny_model.write_bundle(tmp_path / "2"))
    with pytest.raises(ModelError, match="failed on a batch"):
        gate(bench, step("none"))
    assert registry.get(2).aliases == ("challenger",)


DARK = Adaptation(incident="i", cause="dark", way="under-exposure", amount=4.0, share=0.5, slice="all")
_ASKED_AGAIN = QualityLimit(
    reason="too_dark",
    statistic="luma_mean",
    side="below",
    limit=40.0,
    set_by="drift",
    beyond=Retained(value=None, looks=0),
    within=Retained(value=None, looks=0),
    false_refusals=0.0,
)


@pytest.mark.parametrize(("thresholds", "passes"), [((0.3, 0.4), True), ((0.99, 0.4), False)], ids=["as well", "worse"])
def test_where_the_champion_asks_for_drifted_photos_again_a_network_without_its_rules_is_held_against_its_network(
    bench: Bench, registry: Registry, tmp_path: Path, thresholds: tuple[float, float], passes: bool
) -> None:
    champion = tiny_model.write_bundle(tmp_path / "1", adapted_to=DARK.model_copy(update={"asked_again": 0.4}))
    shipped = QualityLimits.load(DEFAULT_LIMITS)
    shipped.model_copy(update={"limits": (_ASKED_AGAIN,)}).save(champion.folder / QUALITY_NAME)
    registry.register(champion)
    registry.promote(1, "its photo rules help", "test")
    carried = dict(zip(("scratch", "dent"), thresholds, strict=True))
    registry.register(tiny_model.write_bundle(tmp_path / "2", adapted_to=DARK, thresholds=carried))
    done = gate(bench, replace(step(""), cause={"batch": "march"}))
    assert done.result["passed"] is passes, done.result["text"]
    before = done.result["figures"]["drifted"]["champion"]["recall"]
    assert 0 < before < 1, "of all drifted photos, also of those that it would ask for again"
