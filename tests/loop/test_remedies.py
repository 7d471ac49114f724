"""Remedies compete by measurement, and the best one wins only where it truly helps."""

from pathlib import Path

import numpy as np
import pytest
import tiny_model
from rectangles import as_photo

from dentwatch import settings
from dentwatch.loop import remedies
from dentwatch.loop.remedies import Tried, best_enhancement
from dentwatch.loop.steps import Bench
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.records.photos import PhotoStore

DARK = Adaptation(incident="1", cause="dark", way="under-exposure", amount=3.0, slice="all")
NOTHING = Tried("nothing", 0.2, 0.5)


def won(*others: Tried) -> str | None:
    winner = remedies._winner([NOTHING, *others], gain=1, loss=5)
    return None if winner is None else winner.name


def test_the_most_recall_wins() -> None:
    assert won(Tried("gamma", 0.25, 0.5), Tried("exposure", 0.3, 0.48), Tried("clahe", 0.28, 0.6)) == "exposure"


@pytest.mark.parametrize("poor", [Tried("hardly better", 0.205, 0.6), Tried("often wrong", 0.4, 0.4)])
def test_one_that_gains_too_little_or_costs_too_much_does_not(poor: Tried) -> None:
    assert won(poor) is None
    assert "Nothing helps" in remedies._said([NOTHING, poor], None)


@pytest.fixture
def champion(home: Path, tmp_path: Path) -> ModelBundle:
    """A model that sees no scratch in the dark, and val photos with scratches."""
    store = PhotoStore(settings.load().photo_store_url)
    marks = (Annotation("scratch", Box.from_xyxy(*tiny_model.BOX)),)
    dataset = DatasetStore(settings.load().dataset_store_url).write(
        PhotoRecord(
            store.put(as_photo(np.full((64, 64, 3), (210 + n, 60, 60), np.uint8))),
            f"{n}.png",
            f"car {n}",
            "val",
            64,
            64,
            True,
            marks,
        )
        for n in range(12)
    )
    return tiny_model.write_bundle(
        tmp_path / "champion", thresholds={"scratch": 0.6, "dent": 0.95}, dataset_version=dataset.id
    )


def bench() -> Bench:
    loaded = settings.load()
    return Bench(loaded, Database.of(loaded), lambda *_: None)


def test_brightening_wins_where_darkness_is_all_that_is_wrong(champion: ModelBundle) -> None:
    how, said = best_enhancement(bench(), champion, DARK)
    assert how is not None
    assert how.below < 114  # photos as taken stay as they are
    assert "is the best: recall on drifted photos 100.0 % instead of 0.0 %." in said


def test_for_a_cause_without_remedies_nothing_is_tried(champion: ModelBundle) -> None:
    blur = DARK.model_copy(update={"cause": "blur", "way": "defocus", "amount": 2.0})
    assert best_enhancement(bench(), champion, blur) == (
        None,
        "No remedy is known for this cause but retraining and better photos.",
    )
