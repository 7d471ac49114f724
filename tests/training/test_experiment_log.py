"""What a run leaves in MLflow and TensorBoard, and what it says about loggers that are not there."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_command import Finished

from dentwatch.errors import MissingExtraError, SettingsError
from dentwatch.records.tracking import open_client
from dentwatch.settings import Settings, TrackingSettings
from dentwatch.training.augmentation import IGNORE, LabelledPhoto
from dentwatch.training.experiment_log import contact_sheet, environment, loggers
from dentwatch.training.run_folder import RunRecord, now
from dentwatch.training.run_settings import RunSettings

pytestmark = pytest.mark.timeout(900)  # whole runs of the command line, on a machine that may be busy


def _run_of(finished: Finished, name: str) -> tuple[Any, Any]:
    client = open_client(finished.settings)
    return client, client.get_run(finished.record(name).tracking_run)


@pytest.mark.parametrize("name", ["first", "second"])
def test_mlflow_holds_parameters_tags_and_the_end_of_the_run(finished: Finished, name: str) -> None:
    _client, run = _run_of(finished, name)
    record = finished.record(name)
    assert run.info.run_name == name and run.info.status == "FINISHED"
    params, wanted = run.data.params, record.settings
    assert (
        params["epochs"] == str(wanted.epochs) and params["input_size"] == "64" and params["seed"] == str(wanted.seed)
    )
    assert params["augmentation.low_light"] == "0.25" and params["weights"] == "none"
    names = {field for field in RunSettings.model_fields if field != "augmentation"}
    assert names <= params.keys()
    assert run.data.tags["dentwatch.dataset_version"] == record.dataset_version
    assert run.data.tags["mlflow.source.git.commit"] == record.commit


@pytest.mark.parametrize(("name", "epochs"), [("first", 4), ("second", 2)])
def test_mlflow_holds_a_point_of_every_curve_for_every_epoch(finished: Finished, name: str, epochs: int) -> None:
    client, run = _run_of(finished, name)
    curves = ("train/loss", "train/box", "train/objectness", "train/class", "val/ap50", "schedule/rate")
    for curve in curves:
        points = client.get_metric_history(run.info.run_id, curve)
        assert len({point.step for point in points}) == epochs, curve
        assert all(np.isfinite(point.value) for point in points)


def test_mlflow_holds_the_environment_and_a_picture_of_what_is_learnt(finished: Finished) -> None:
    client, run = _run_of(finished, "first")
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert "environment.txt" in files
    assert [one.path for one in client.list_artifacts(run.info.run_id, "pictures")] == ["pictures/training-samples.jpg"]
    packages = environment().splitlines()
    assert any(line.startswith("torch==") for line in packages) and packages == sorted(packages, key=str.lower)
    assert not (Path.cwd() / "mlruns").exists()


@pytest.mark.parametrize("name", ["first", "second"])
def test_tensorboard_shows_the_same_curves_and_the_picture(finished: Finished, name: str) -> None:
    events = EventAccumulator(str(finished.home / "runs" / name / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "val/ap50", "schedule/rate"} <= set(tags["scalars"])
    assert "training-samples" in tags["images"]
    client, run = _run_of(finished, name)
    mlflow = [point.value for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(mlflow)


def _loggers(names: str, folder: Path) -> list[Any]:
    settings = Settings(home=folder, tracking=TrackingSettings(loggers=names))
    record = RunRecord(name="a", dataset_version="b", settings=RunSettings(), commit="", started_at=now())
    return list(loggers(settings, record, folder))


def test_a_logger_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="clearml") as caught:
        _loggers("clearml", tmp_path)
    assert "mlflow, tensorboard, wandb, comet, neptune" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("wandb", "wandb", "wandb"), ("comet", "comet_ml", "comet-ml"), ("neptune", "neptune", "neptune")],
)
def test_a_hosted_logger_without_its_package_says_what_to_install(
    name: str, module: str, package: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{package} is installed here")
    with pytest.raises(MissingExtraError, match=name) as caught:
        _loggers(f"tensorboard, {name}", tmp_path)
    assert f"pip install {package}" in (caught.value.hint or "")


def test_no_logger_at_all_is_a_choice(tmp_path: Path) -> None:
    assert _loggers("", tmp_path) == []
    assert len(_loggers("tensorboard", tmp_path)) == 1


def test_the_contact_sheet_draws_each_label_in_its_colour() -> None:
    def sample(label: int) -> LabelledPhoto:
        return LabelledPhoto(np.zeros((40, 40, 3), np.uint8), np.array([[5, 5, 30, 30]], np.float32), np.array([label]))

    sheet = contact_sheet([sample(0), sample(1), sample(IGNORE)], columns=2)
    assert sheet.shape == (80, 80, 3)
    colours = {tuple(sheet[5, 5]), tuple(sheet[5, 45]), tuple(sheet[45, 5])}
    assert len(colours) == 3 and (150, 150, 150) in colours
    assert (sheet[45:, 45:] == 255).all(), "an empty place stays white"
