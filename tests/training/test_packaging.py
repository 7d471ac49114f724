"""What packaging writes into a model besides the network."""

from pathlib import Path

import pytest
from evaluation_cases import random_outcomes, stored
from serving.rectangles import rectangle_graph, write_bundle
from test_quality_limits import write_photos
from tiny_cars import labelled_photos

from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QualityLimits
from dentwatch.settings import Settings
from dentwatch.training import packaging
from dentwatch.training.detectors import create
from dentwatch.training.evaluation import evaluator
from dentwatch.training.evaluation.calibration import calibrate
from dentwatch.training.evaluation.matching import PhotoOutcome, match
from dentwatch.training.fitting import Fitted
from dentwatch.training.photo_batches import PlainPhotos
from dentwatch.training.run_folder import RunRecord
from dentwatch.training.run_settings import RunSettings

SIDE = 64


def test_the_model_carries_the_calibration_of_its_detections_on_val(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detections are given, because a network that finds enough to be calibrated takes minutes to train."""
    settings = Settings(home=home)
    outcomes, _ = stored(random_outcomes(5, photos=90), Path(settings.photo_store_url))
    given = {outcome.photo.photo_id: outcome for outcome in outcomes}
    dataset = DatasetStore(settings.dataset_store_url).write([outcome.photo for outcome in outcomes])

    def predict(_: object, records: list[PhotoRecord], *__: object) -> list[PhotoOutcome]:
        return [given[record.photo_id] for record in records]

    monkeypatch.setattr(evaluator, "predict", predict)
    plain = PlainPhotos(labelled_photos(tmp_path / "photos", 4), SIDE)
    network = create("yolo", "nano", HEADLINE_LABELS, SIDE).eval()
    run = RunSettings(detector="yolo", size="nano", input_size=SIDE, quality_photos=0)
    record = RunRecord(name="given", dataset_version=dataset.id, settings=run, commit="", started_at="2026-11-23")
    bundle, result = packaging.package(
        Fitted(network, 0, {}, 1, 0.1), record, dataset, plain, tmp_path, settings, command="the test"
    )
    curves = ModelBundle.load(tmp_path / "model").spec.calibration
    assert curves.keys() == set(HEADLINE_LABELS)
    assert curves == bundle.spec.calibration == calibrate(match(result.outcomes(), HEADLINE_LABELS))
    assert 0 < bundle.spec.metrics["val/score_calibration_error"] < 1


def test_the_model_carries_quality_limits_measured_on_some_photos_of_val(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    dataset = DatasetStore(settings.dataset_store_url).write(write_photos(PhotoStore(settings.photo_store_url), 4))
    bundle = write_bundle(tmp_path / "model", rectangle_graph())

    def limits(photos: int) -> QualityLimits | None:
        run = RunSettings(quality_photos=photos)
        record = RunRecord(name="given", dataset_version=dataset.id, settings=run, commit="", started_at="2026-11-23")
        packaging.add_quality_limits(bundle, record, dataset, settings, None)
        return ModelBundle.load(bundle.folder).quality_limits

    measured = limits(3)
    assert measured is not None
    assert (measured.photos, measured.dataset_version, measured.split) == (3, dataset.id, "val")
    assert "too_dark" in {limit.reason for limit in measured.limits}
    assert limits(0) is None


def test_a_model_that_finds_nothing_gets_no_quality_limits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(home=tmp_path / "home")
    dataset = DatasetStore(settings.dataset_store_url).write(write_photos(PhotoStore(settings.photo_store_url), 2))
    blind = write_bundle(tmp_path / "model", rectangle_graph(), thresholds={})
    record = RunRecord(
        name="given", dataset_version=dataset.id, settings=RunSettings(), commit="", started_at="2026-11-23"
    )
    packaging.add_quality_limits(blind, record, dataset, settings, None)
    assert blind.quality_limits is None
    assert "The model finds none" in caplog.text
