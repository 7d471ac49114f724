"""One training run, from a dataset version to a registered challenger.

::

    dentwatch train --dataset latest --detector yolo --size nano --epochs 60
"""

import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.loggers import Logger
from rich.console import Console

from dentwatch.errors import DataError, TrainingError
from dentwatch.records import consents
from dentwatch.records.annotations import PhotoRecord, Split
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_versions import ModelVersion
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry
from dentwatch.records.tracking import git_commit
from dentwatch.settings import Settings
from dentwatch.training import experiment_log, teacher
from dentwatch.training.augmentation import Augmenter, LabelledPhoto
from dentwatch.training.detectors import check, create
from dentwatch.training.evaluation.report import REPORT_NAME
from dentwatch.training.evaluation.result import RESULT_NAME, EvaluationResult
from dentwatch.training.evaluation.run_history import training_curve
from dentwatch.training.fitting import LAST, Fitted, fit, together
from dentwatch.training.packaging import Report, package
from dentwatch.training.photo_batches import LabelledPhotos, Place, PlainPhotos, TrainingPhotos
from dentwatch.training.photo_cache import open_cache
from dentwatch.training.progress import RunProgress
from dentwatch.training.run_folder import RunFolder, RunRecord, now
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.starting_weights import start_from

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made: its model version, the evaluation on val, the report, and how the fit went."""

    record: RunRecord
    model: ModelVersion
    result: EvaluationResult
    report: Path
    fitted: Fitted
    promoted: bool


def train(
    settings: Settings,
    run: RunSettings,
    dataset: str = "latest",
    *,
    name: str | None = None,
    progress: Report | None = None,
    console: Console | None = None,
    crown_first: bool = True,
) -> RunResult:
    """Train on a dataset version and register the model as challenger; the first model becomes champion.

    Without ``crown_first`` it does not: the starter model goes on until somebody promotes another. A run of the same
    name and settings that was cut off goes on where it was. Raises :class:`~dentwatch.errors.TrainingError` (as
    :class:`~dentwatch.errors.RunHeldError` while another process is at work on it) and
    :class:`~dentwatch.errors.DatasetError`.
    """
    check(run.detector, run.size, run.labels, run.input_size, run.members)  # before minutes go into photos
    run = teacher.named(run, settings)
    version = DatasetStore(settings.dataset_store_url).get(dataset)
    asked = RunRecord(
        name="",
        dataset_version=version.id,
        settings=run,
        commit=git_commit(),
        started_at=now(),
    )
    folder, _ = RunFolder.open(settings.home / "runs", name, asked)
    with folder.held():
        # Asked once more: until now another process may have begun a run of this name, or finished it.
        _, record = RunFolder.open(settings.home / "runs", folder.path.name, asked)
        return _Run(settings, folder, record, version, progress, console, crown_first).finish()


def resume(
    settings: Settings,
    name: str,
    *,
    progress: Report | None = None,
    console: Console | None = None,
    crown_first: bool = True,
) -> RunResult:
    """Go on with a run that was cut off.

    Raises :class:`TrainingError` when there is none or it is finished, and as :func:`train` does.
    """
    folder, record = RunFolder.existing(settings.home / "runs", name)
    with folder.held():
        record = folder.record() or record
        if record.model_version:
            raise TrainingError(
                f"The run {name} is finished: it made model version {record.model_version}.",
                "Start another with `dentwatch train`.",
            )
        version = DatasetStore(settings.dataset_store_url).get(record.dataset_version)
        return _Run(settings, folder, record, version, progress, console, crown_first).finish()


def labelled(
    settings: Settings,
    version: DatasetVersion,
    split: Split,
    run: RunSettings,
    progress: Report | None = None,
    records: list[PhotoRecord] | None = None,
) -> LabelledPhotos:
    """The annotated photos of a split (or just ``records``), decoded into the cache.

    Raises :class:`TrainingError` when there is none, or none shows a damage that is to be learnt.
    """
    chosen = list(version.photos(split, annotated=True)) if records is None else records
    known = sum(annotation.label in run.labels for record in chosen for annotation in record.annotations)
    if not known:
        raise TrainingError(
            f"The {split} split of dataset version {version.id[:12]} has {len(chosen)} annotated photos and no "
            f"{' or '.join(run.labels)} among them.",
            "See `dentwatch data show`; ingest more annotated photos, or name other --labels.",
        )
    cache = open_cache(
        chosen,
        PhotoStore(settings.photo_store_url),
        settings.home / "cache",
        max(run.cache_side, run.input_size),
        max_pixels=settings.data.max_pixels,
        workers=settings.data.workers,
        on_progress=(lambda done, total: progress(f"Decoding {split} photos", done, total)) if progress else None,
    )
    return LabelledPhotos(chosen, cache, run.labels, run.ignore_labels)


class _Run:
    """A run that has a folder."""

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        record: RunRecord,
        dataset: DatasetVersion,
        progress: Report | None,
        console: Console | None,
        crown_first: bool,
    ) -> None:
        self.crown_first = crown_first
        self.settings, self.folder, self.record, self.dataset = settings, folder, record, dataset
        self.progress = progress
        self.console = console

    def finish(self) -> RunResult:
        """Fit, package, register."""
        run = self.record.settings
        self.teacher = teacher.load(run, self.settings)
        train_photos = labelled(self.settings, self.dataset, "train", run, self.progress)
        val_photos = labelled(self.settings, self.dataset, "val", run, self.progress)
        self._start()
        try:
            fitted = self._fit(train_photos, val_photos)
            bundle, result = self._packaged() or package(
                fitted,
                self.record,
                self.dataset,
                PlainPhotos(val_photos, run.input_size),
                self.folder.path,
                self.settings,
                command=self._command(),
                curve=training_curve(self.record.tracking_run, self.settings),
                progress=self.progress,
            )
            registry = Registry(self.settings)
            if (known := registry.of_run(self.record.tracking_run)) is not None:
                bundle = registry.bundle(known.number)  # a run that was killed after that registers no second version
            model = registry.register(bundle, self.record.tracking_run)
            promoted = self.crown_first and registry.champion() is None and self._may_serve(bundle)
            if promoted:
                registry.promote(model.number, "the first model", "dentwatch train")
        except BaseException as error:
            killed = isinstance(error, KeyboardInterrupt)
            experiment_log.end_tracking(self.settings, self.record.tracking_run, "KILLED" if killed else "FAILED")
            raise
        experiment_log.end_tracking(self.settings, self.record.tracking_run, "FINISHED")
        self._keep(model_version=str(model.number))
        return RunResult(self.record, model, result, self.folder.path / "report" / REPORT_NAME, fitted, promoted)

    def _may_serve(self, bundle: ModelBundle) -> bool:
        """Whether it may become champion without a gate: where rights are required, its photos state theirs."""
        missing = consents.unstated(bundle.spec) if self.settings.data.require_rights else None
        if missing:
            _log.warning("The first model is not made champion (DENTWATCH_DATA__REQUIRE_RIGHTS): %s", missing)
        return missing is None

    def _packaged(self) -> tuple[ModelBundle, EvaluationResult] | None:
        """What this run packaged before it was killed: the same files are the same model version.

        The evaluation is written last.
        """
        try:
            result = EvaluationResult.load(self.folder.path / "report" / RESULT_NAME)
        except DataError:
            return None
        return ModelBundle.load(self.folder.path / "model", self.record.name), result

    def _start(self) -> None:
        self.folder.save(self.record)
        self._keep(
            teacher=self.teacher.rights if self.teacher else None,
            tracking_run=experiment_log.start_tracking(self.settings, self.record),
        )

    def _keep(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        self.folder.save(self.record)

    def _fit(self, train_photos: LabelledPhotos, val_photos: LabelledPhotos) -> Fitted:
        run = self.record.settings
        found = experiment_log.loggers(self.settings, self.record, self.folder.path)
        sheet = experiment_log.contact_sheet(_samples(train_photos, run))
        experiment_log.log_picture(self.settings, self.record, found, sheet, "training-samples")
        if run.members == 1:
            return self._fit_member(0, run, self.folder.path, train_photos, val_photos, found)
        fits = []
        for member in range(run.members):
            (self.console or Console(stderr=True)).print(f"Network {member + 1} of {run.members}", style="bold")
            minutes = None if run.minutes is None else run.minutes / run.members
            own = run.model_copy(update={"seed": run.seed + member, "minutes": minutes})
            place = self.folder.path / f"member-{member + 1}"
            # The curves of a run are those of its first network.
            fits.append(self._fit_member(member, own, place, train_photos, val_photos, [] if member else found))
        return together(fits)

    def _fit_member(
        self,
        member: int,
        run: RunSettings,
        place: Path,
        train_photos: LabelledPhotos,
        val_photos: LabelledPhotos,
        loggers: Sequence[Logger],
    ) -> Fitted:
        pl.seed_everything(run.seed, verbose=False)
        network = create(run.detector, run.size, run.labels, run.input_size)
        if not (place / LAST).exists():
            photos = PlainPhotos(train_photos, run.input_size)
            self._keep(starting_weights=start_from(network, run.weights, self.settings, photos, member))
        return fit(
            network,
            run,
            train_photos,
            val_photos,
            place,
            teacher=self.teacher,
            loggers=loggers,
            callbacks=[RunProgress(self.console)],
        )

    def _command(self) -> str:
        program = Path(sys.argv[0]).name
        return shlex.join([program, *sys.argv[1:]]) if program == "dentwatch" else "dentwatch.training.run.train"


def _samples(photos: LabelledPhotos, run: RunSettings) -> list[LabelledPhoto]:
    """Some training samples as the network sees them."""
    samples = TrainingPhotos(
        photos, Augmenter(run.augmentation, run.input_size, run.adapt_to, run.enhancement), run.seed
    )
    places = np.unique(np.linspace(0, len(photos) - 1, 12).astype(int))
    return [samples[Place(0, int(place), mosaic=index % 2 == 0)][0] for index, place in enumerate(places)]
