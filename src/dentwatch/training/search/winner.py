"""The winner of a search, trained on everything but the frozen test set.

Operating thresholds and calibration have to be measured on photos that the network has not learnt from. So a part of
val, by vehicle, stays val, and the rest of it goes to train: in a dataset version of its own, which does not become the
latest. Test photos are the same in both.
"""

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console

from dentwatch.errors import TrainingError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.settings import Settings
from dentwatch.training.cross_validation import split_by_vehicle
from dentwatch.training.packaging import Report
from dentwatch.training.run import train
from dentwatch.training.run_folder import RunFolder
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.search.study import Search
from dentwatch.training.search.trial import settings_of

_PARTS = 3  # of val, one of which stays


def train_winner(
    settings: Settings,
    found: Search,
    *,
    epochs: int | None = None,
    minutes: float | None = None,
    progress: Report | None = None,
    console: Console | None = None,
    crown_first: bool = True,
) -> str:
    """Train the best of a search for longer and register it as challenger; its version number.

    ``epochs`` (default: those of the trials) and ``minutes`` are the most. Called again after it was cut off it goes
    on, and after it was finished it changes nothing. Raises :class:`TrainingError` when no trial was finished.
    """
    run = settings_of(found.best.params, found.settings)
    changes = {"epochs": epochs or run.epochs, "minutes": minutes, "quality_photos": RunSettings().quality_photos}
    run = run.model_copy(update=changes)
    name = f"{found.name}-winner"
    try:
        _, record = RunFolder.existing(settings.home / "runs", name)
    except TrainingError:
        record = None
    if record is not None and record.model_version:
        return record.model_version
    store = DatasetStore(settings.dataset_store_url)
    version = with_more_to_learn_from(store, store.get(found.dataset))
    result = train(settings, run, version.id, name=name, progress=progress, console=console, crown_first=crown_first)
    return str(result.model.number)


def with_more_to_learn_from(store: DatasetStore, version: DatasetVersion) -> DatasetVersion:
    """The version with two thirds of its val vehicles in train; the same call gives the same version.

    Where val has too few vehicles to be divided, it is the version itself.
    """
    val = list(version.photos("val", annotated=True))
    if len({record.vehicle for record in val}) < _PARTS:
        return version
    kept = {record.vehicle for record in split_by_vehicle(val, _PARTS)[0]}

    def rows() -> Iterator[PhotoRecord]:
        for record in version.photos():
            moves = record.split == "val" and record.vehicle not in kept
            yield replace(record, split="train") if moves else record

    return store.write(rows(), parent=version.id, latest=False)
