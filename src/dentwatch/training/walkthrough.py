"""The main job from beginning to end: photos in; dataset version, model and report out.

::

    dentwatch demo --no-story             # on photos that Dentwatch makes itself
    dentwatch demo my-photos --no-story   # on yours
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dentwatch.data.decoding import decode
from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.errors import DataError
from dentwatch.records.annotations import PhotoRecord, Split
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.tracking import git_commit
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.drawing import Drawings
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.settings import Settings
from dentwatch.training.evaluation.evaluator import annotated_photos, evaluate_bundle
from dentwatch.training.evaluation.ledger import Ledger
from dentwatch.training.evaluation.report import REPORT_NAME, write_report
from dentwatch.training.evaluation.run_history import training_curve
from dentwatch.training.packaging import Report
from dentwatch.training.run import resume, train
from dentwatch.training.run_folder import RunFolder, RunRecord
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.starting_weights import default_weights

_SEED = 1
_ANSWERED = 12


@dataclass(frozen=True, slots=True)
class Walkthrough:
    """What the job made; ``figures`` are those of the report on ``split``, ``answers`` photos with boxes drawn."""

    dataset: DatasetVersion
    model: str
    split: str
    figures: dict[str, float]
    answers: list[Path]
    report: Path


def walk(
    settings: Settings, photos: Path | None, minutes: float, count: int, report: Report, console: Console
) -> Walkthrough:
    """Do the whole job on ``photos``, or on ``count`` synthetic ones in a home of their own; finished parts are kept.

    Raises what its parts raise, among them :class:`DataError` when no annotated photo can be used.
    """
    if photos is None:
        settings = apart(settings)
    console.print("[bold]1  Photos and annotations become a dataset version[/]")
    source = photos or synthetic_photos(settings, count, report)
    dataset = ingest(settings, source, report, console)
    console.print("[bold]2  A detector is trained, exported, evaluated on val and registered[/]")
    folder, record = _train(settings, dataset, _run(photos is None, minutes), report, console)
    console.print("[bold]3  The exported model answers about photos it has never seen[/]")
    bundle = ModelBundle.load(folder.path / "model", f"{settings.tracking.model_name}/{record.model_version}")
    return _judge(settings, dataset, bundle, folder, record, report)


def apart(settings: Settings, name: str = "demo") -> Settings:
    """A home of their own within the home, so that synthetic photos never mix with real ones, wherever those are."""
    tracking = settings.tracking.model_copy(update={"uri": None, "artifacts": None})
    return settings.model_copy(
        update={
            "home": settings.home / name,
            "database_url": None,
            "photos_url": None,
            "datasets_url": None,
            "tracking": tracking,
        }
    )


def synthetic_photos(settings: Settings, count: int, report: Report, seed: int = _SEED) -> Path:
    """A folder of ``count`` annotated synthetic photos, made unless it is there."""
    out = settings.home / f"synthetic-{seed}-{count}"
    if not (out / "annotations.json").exists():
        generate(out, count, seed=seed, on_progress=lambda done, total: report("Making synthetic photos", done, total))
    return out


def ingest(settings: Settings, source: Path, report: Report, console: Console) -> DatasetVersion:
    """Make a dataset version of the photos in ``source``; raises :class:`DataError` where none can be used."""
    opened = open_source(str(source))
    total, done = opened.count() or 0, 0

    def count_photo() -> None:
        nonlocal done
        done += 1
        report(f"Examining photos ({opened.format})", done, max(done, total))

    outcome = Ingest(settings).run(with_source(opened.photos(), str(source)), on_photo=count_photo)
    if outcome.version is None:
        raise DataError(f"No photo of {source} can be used.", f"See why: `dentwatch data ingest {source}`.")
    info = outcome.version
    boxes = ", ".join(f"{number:,} {label}" for label, number in info.boxes_by_label.items())
    console.print(
        f"Dataset version {info.id[:12]}: {info.photos:,} photos of {info.vehicles:,} vehicles with {boxes}; "
        f"{outcome.waiting_set_aside:,} set aside.",
        highlight=False,
    )
    return DatasetStore(settings.dataset_store_url).get(info.id)


def _run(synthetic: bool, minutes: float) -> RunSettings:
    """What to train: the starter model knows synthetic photos; in minutes, ImageNet's eyes see real damage better."""
    if synthetic:
        return RunSettings(weights=default_weights("yolo", "nano"), epochs=300, minutes=minutes, validate_every=2)
    return RunSettings(
        detector="yolo-lite",
        weights=default_weights("yolo-lite", None),
        input_size=384,
        batch_size=8,
        epochs=300,
        minutes=minutes,
    )


def _train(
    settings: Settings, dataset: DatasetVersion, run: RunSettings, report: Report, console: Console
) -> tuple[RunFolder, RunRecord]:
    runs, name = settings.home / "runs", f"demo-{dataset.id[:12]}"
    record = RunFolder(runs / name).record()
    if record is None:
        record = train(settings, run, dataset.id, name=name, progress=report, console=console).record
    elif not record.model_version:
        record = resume(settings, name, progress=report, console=console).record
    else:
        console.print(f"Already done: model version {record.model_version}, in {runs / name}.", soft_wrap=True)
    return RunFolder(runs / name), record


def _judge(
    settings: Settings,
    dataset: DatasetVersion,
    bundle: ModelBundle,
    folder: RunFolder,
    record: RunRecord,
    report: Report,
) -> Walkthrough:
    store = PhotoStore(settings.photo_store_url)
    split: Split = "test" if any(True for _ in dataset.photos("test", annotated=True)) else "val"
    result = evaluate_bundle(
        bundle, dataset, store, split, labels=bundle.spec.labels, commit=git_commit(), progress=report
    )
    place = folder.path / f"report-{split}"
    page = write_report(result, place / REPORT_NAME, store, training_curve(record.tracking_run, settings))
    result.save(place)
    Ledger(settings.home).add(result, page)  # so that a later look at test knows of this one
    answers = _answer(settings, bundle, annotated_photos(dataset, split)[:_ANSWERED], folder.path / "answers")
    return Walkthrough(dataset, bundle.name, split, result.metrics(), answers, page)


def _answer(settings: Settings, bundle: ModelBundle, records: list[PhotoRecord], folder: Path) -> list[Path]:
    """Inspect photos as `dentwatch inspect --save` does."""
    store, drawings = PhotoStore(settings.photo_store_url), Drawings(folder)
    inspector = Inspector(bundle, threads=settings.serving.threads, max_pixels=settings.data.max_pixels)
    saved = []
    for record in records:
        data = store.get(record.photo_id)
        [answer] = inspector.inspect([Photo(record.name, lambda data=data: data)])  # type: ignore[misc]
        if not isinstance(answer, PhotoFailure):
            saved.append(
                drawings.save(record.name, decode(data, max_pixels=settings.data.max_pixels).rgb, answer.detections)
            )
    return saved
