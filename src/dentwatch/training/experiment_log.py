"""Where a run's figures and pictures go: MLflow and TensorBoard, and by setting W&B, Comet or Neptune."""

from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from numpy.typing import NDArray

from dentwatch.errors import MissingExtraError, SettingsError
from dentwatch.records import tracking
from dentwatch.settings import Settings
from dentwatch.training.augmentation import IGNORE, LabelledPhoto
from dentwatch.training.run_folder import RunRecord

_HOSTED = {
    "wandb": ("WandbLogger", "wandb"),
    "comet": ("CometLogger", "comet-ml"),
    "neptune": ("NeptuneLogger", "neptune"),
}
_COLOURS = ((220, 60, 50), (60, 170, 90), (60, 110, 220), (200, 140, 30))
_IGNORE_COLOUR = (150, 150, 150)


def start_tracking(settings: Settings, record: RunRecord, parent: str = "") -> str:
    """The id of the MLflow run of ``record``; a new one with parameters, tags and environment unless it has one.

    ``parent`` is the MLflow run that a new one is nested in.
    """
    client = tracking.open_client(settings)
    if record.tracking_run:
        client.update_run(record.tracking_run, status="RUNNING")
        return record.tracking_run
    experiment = tracking.ensure_experiment(settings, client)
    tags = {
        "dentwatch.dataset_version": record.dataset_version,
        "mlflow.source.git.commit": record.commit,
        "mlflow.note.content": f"{record.settings.detector} on dataset version {record.dataset_version[:12]}",
    }
    if parent:
        tags["mlflow.parentRunId"] = parent
    run_id = str(client.create_run(experiment, run_name=record.name, tags=tags).info.run_id)
    for name, value in _flat(record.settings.model_dump(mode="json")).items():
        client.log_param(run_id, name, value)
    client.log_text(run_id, environment(), "environment.txt")
    return run_id


def log_figures(settings: Settings, run_id: str, figures: dict[str, float]) -> None:
    """Keep figures with the MLflow run."""
    client = tracking.open_client(settings)
    for name, value in figures.items():
        client.log_metric(run_id, name, value)


def end_tracking(settings: Settings, run_id: str, status: str) -> None:
    """Close the MLflow run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
    tracking.open_client(settings).set_terminated(run_id, status)


def loggers(settings: Settings, record: RunRecord, folder: Path) -> list[Logger]:
    """The loggers that the settings name.

    Raises :class:`SettingsError` for a name that is none, :class:`MissingExtraError` for one that is not installed.
    """
    found: list[Logger] = []
    for name in filter(None, (part.strip() for part in settings.tracking.loggers.split(","))):
        if name == "mlflow":
            found.append(MLFlowLogger(tracking_uri=settings.tracking_uri, run_id=record.tracking_run))
        elif name == "tensorboard":
            found.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        else:
            found.append(_hosted(name, record, folder))
    return found


def _hosted(name: str, record: RunRecord, folder: Path) -> Logger:
    if name not in _HOSTED:
        raise SettingsError(
            f"There is no logger named {name!r} (DENTWATCH_TRACKING__LOGGERS).",
            f"Choose from mlflow, tensorboard, {', '.join(_HOSTED)}.",
        )
    from lightning.pytorch import loggers as available

    kind, package = _HOSTED[name]
    if not hasattr(available, kind):  # Lightning drops loggers now and then: 2.6 has none for Neptune
        raise MissingExtraError(
            f"The logger {name} needs a Lightning that has {kind}; the one that is installed no longer does.",
            f"Choose another logger, or run `pip install {package}` with an older Lightning.",
        )
    place = {"save_dir": str(folder)} if name == "wandb" else {}
    try:
        logger: Logger = getattr(available, kind)(name=record.name, **place)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"The logger {name} needs a package.", f"Run `pip install {package}`.") from error
    logger.log_hyperparams(_flat(record.settings.model_dump(mode="json")))
    return logger


def environment() -> str:
    """Every installed package and its version, one a line."""
    packages = {f"{item.metadata['Name']}=={item.version}" for item in distributions() if item.metadata["Name"]}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"


def log_picture(
    settings: Settings, record: RunRecord, found: list[Logger], picture: NDArray[np.uint8], name: str
) -> None:
    """Keep a picture, uint8 ``(H, W, 3)`` RGB, with the run."""
    tracking.open_client(settings).log_image(record.tracking_run, picture, f"pictures/{name}.jpg")
    for logger in found:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, picture, dataformats="HWC")


def contact_sheet(samples: list[LabelledPhoto], columns: int = 4) -> NDArray[np.uint8]:
    """Samples of one size side by side, their boxes drawn in a colour per label; ignore regions are grey."""
    drawn = []
    for sample in samples:
        picture = sample.rgb.copy()
        for (left, top, right, bottom), label in zip(sample.boxes.round().astype(int), sample.labels, strict=True):
            colour = _IGNORE_COLOUR if label == IGNORE else _COLOURS[int(label) % len(_COLOURS)]
            cv2.rectangle(picture, (int(left), int(top)), (int(right), int(bottom)), colour, 2)
        drawn.append(picture)
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % columns)
    rows = [np.hstack(drawn[start : start + columns]) for start in range(0, len(drawn), columns)]
    return np.vstack(rows)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
