"""Cross-validation by vehicle: how much a figure owes to which cars happened to be in val."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, stdev

import lightning.pytorch as pl
from rich.console import Console

from dentwatch.errors import TrainingError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.tracking import git_commit
from dentwatch.settings import Settings
from dentwatch.training import experiment_log
from dentwatch.training.detectors import create
from dentwatch.training.fitting import LAST, fit
from dentwatch.training.packaging import Report
from dentwatch.training.photo_batches import PlainPhotos
from dentwatch.training.progress import RunProgress
from dentwatch.training.run import labelled
from dentwatch.training.run_folder import RunFolder, RunRecord, now
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.starting_weights import start_from

OnFold = Callable[[int, list[dict[str, float]]], None]
"""Called with a fold's number, from 0, and the figures of all folds so far."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The figures of each fold, and their mean and sample standard deviation, by name."""

    folds: list[dict[str, float]]
    tracking_run: str

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the folds that have the figure."""
        return {name: fmean(values) for name, values in self._by_name().items()}

    @property
    def spread(self) -> dict[str, float]:
        """Sample standard deviation over the folds; 0 for a figure that a single fold has."""
        return {name: stdev(values) if len(values) > 1 else 0.0 for name, values in self._by_name().items()}

    def _by_name(self) -> dict[str, list[float]]:
        names = sorted({name for fold in self.folds for name in fold})
        return {name: [fold[name] for fold in self.folds if name in fold] for name in names}


def split_by_vehicle(records: list[PhotoRecord], folds: int) -> list[list[PhotoRecord]]:
    """``records`` in ``folds`` parts of about as many damages each; a vehicle's photos stay together.

    The vehicle with the most damages goes first, always into the part with the fewest so far. Raises
    :class:`TrainingError` when there are fewer vehicles than parts.
    """
    weight: Counter[str] = Counter()
    for record in records:
        weight[record.vehicle] += 1 + len(record.annotations)
    if folds < 2 or len(weight) < folds:
        raise TrainingError(
            f"{folds} folds cannot be made of {len(weight)} vehicles.", "Ask for at least 2, at most one per vehicle."
        )
    load = [0] * folds
    place: dict[str, int] = {}
    for vehicle in sorted(weight, key=lambda one: (-weight[one], one)):
        place[vehicle] = load.index(min(load))
        load[place[vehicle]] += weight[vehicle]
    return [[record for record in records if place[record.vehicle] == fold] for fold in range(folds)]


def cross_validate(
    settings: Settings,
    run: RunSettings,
    folds: int,
    dataset: str = "latest",
    *,
    name: str | None = None,
    progress: Report | None = None,
    console: Console | None = None,
    on_fold: OnFold = lambda _fold, _figures: None,
    parent: str = "",
) -> CrossValidation:
    """Train ``folds`` times on the train and val photos without a part of the vehicles, and judge each on that part.

    Each fold is judged once, at its end, so that no fold chooses its own best epoch. Test photos are not touched. A
    call that was cut off goes on with the fold it was in. ``on_fold`` is called after each fold and may raise to end
    it all; ``parent`` is the MLflow run that this one belongs to. Raises :class:`~dentwatch.errors.RunHeldError` while
    another process is at work on it, :class:`TrainingError` for a run of several networks or with a teacher.
    """
    if run.teacher is not None:
        raise TrainingError(
            "Cross-validation judges on photos that a network has not seen, and its `teacher` may have learnt them.",
            "Leave `teacher` out for it.",
        )
    if run.members > 1:
        raise TrainingError(
            "Cross-validation judges single networks, and `members` asks for several.", "Leave `members` at 1 for it."
        )
    version = DatasetStore(settings.dataset_store_url).get(dataset)
    records = [*version.photos("train", annotated=True), *version.photos("val", annotated=True)]
    parts = split_by_vehicle(records, folds)
    run = run.model_copy(update={"validate_every": run.epochs, "patience": 0})
    record = RunRecord(name="", dataset_version=version.id, settings=run, commit=git_commit(), started_at=now())
    folder, _ = RunFolder.open(settings.home / "runs", name, record)
    with folder.held():
        _, record = RunFolder.open(settings.home / "runs", folder.path.name, record)
        folder.save(record)
        record = record.model_copy(update={"tracking_run": experiment_log.start_tracking(settings, record, parent)})
        folder.save(record)
        figures = _folds(settings, version, folder, record, parts, progress, console, on_fold)
    result = CrossValidation(figures, record.tracking_run)
    experiment_log.log_figures(settings, record.tracking_run, _named(result))
    experiment_log.end_tracking(settings, record.tracking_run, "FINISHED")
    return result


def _folds(
    settings: Settings,
    version: DatasetVersion,
    folder: RunFolder,
    record: RunRecord,
    parts: list[list[PhotoRecord]],
    progress: Report | None,
    console: Console | None,
    on_fold: OnFold,
) -> list[dict[str, float]]:
    """The figures of each fold, trained where it was not before."""
    run, figures = record.settings, list[dict[str, float]]()
    for fold, held_out in enumerate(parts):
        (console or Console(stderr=True)).print(f"Fold {fold + 1} of {len(parts)}", style="bold")
        rest = [one for other, part in enumerate(parts) if other != fold for one in part]
        train_photos = labelled(settings, version, "train", run, progress, sorted(rest, key=lambda one: one.photo_id))
        val_photos = labelled(settings, version, "val", run, progress, held_out)
        place = folder.path / f"fold-{fold}"
        pl.seed_everything(run.seed + fold, verbose=False)
        network = create(run.detector, run.size, run.labels, run.input_size)
        if not (place / LAST).exists():
            start_from(network, run.weights, settings, PlainPhotos(train_photos, run.input_size))
        figures.append(fit(network, run, train_photos, val_photos, place, callbacks=[RunProgress(console)]).figures)
        try:
            on_fold(fold, figures)
        except BaseException:
            experiment_log.end_tracking(settings, record.tracking_run, "KILLED")
            raise
    return figures


def _named(result: CrossValidation) -> dict[str, float]:
    named = {f"cv/{name}/mean": value for name, value in result.mean.items()}
    named |= {f"cv/{name}/spread": value for name, value in result.spread.items()}
    return named | {
        f"cv/{name}/fold-{index}": value for index, fold in enumerate(result.folds) for name, value in fold.items()
    }
