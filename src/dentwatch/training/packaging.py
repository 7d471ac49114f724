"""From a fitted network to a model version: exported, proven, given thresholds, evaluated, described, registered."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save_file

from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.errors import DataError
from dentwatch.records import consents
from dentwatch.records.datasets import DatasetVersion
from dentwatch.records.model_bundle import (
    CARD_NAME,
    NOT_STATED,
    ONNX_NAME,
    WEIGHTS_NAME,
    ModelBundle,
    ModelSpec,
    Preprocessing,
    Rights,
)
from dentwatch.records.model_card import Figure, write_card
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QUALITY_NAME
from dentwatch.serving.inspection import Inspector
from dentwatch.settings import Settings
from dentwatch.training.evaluation.calibration import calibrate
from dentwatch.training.evaluation.drift_thresholds import choose_thresholds_for_drift
from dentwatch.training.evaluation.evaluator import annotated_photos, evaluate_bundle, predict
from dentwatch.training.evaluation.matching import match
from dentwatch.training.evaluation.operating import ThresholdChoice, ThresholdRule
from dentwatch.training.evaluation.quality_limits import measure_quality_limits
from dentwatch.training.evaluation.report import REPORT_NAME, TrainingCurve, write_report
from dentwatch.training.evaluation.result import EvaluationResult
from dentwatch.training.export import export_onnx
from dentwatch.training.fitting import Fitted
from dentwatch.training.photo_batches import PlainPhotos
from dentwatch.training.run_folder import RunRecord
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.starting_weights import calibration_photos

Report = Callable[[str, int, int], None]
_log = logging.getLogger(__name__)

_CARD_FIGURES = (
    "ap50",
    "ap50_scratch",
    "ap50_dent",
    "ap30",
    "precision",
    "recall",
    "accuracy",
    "false_positive_rate",
    "false_negative_rate",
    "photo_accuracy",
)


def package(
    fitted: Fitted,
    record: RunRecord,
    dataset: DatasetVersion,
    val: PlainPhotos,
    folder: Path,
    settings: Settings,
    *,
    command: str,
    curve: TrainingCurve | None = None,
    progress: Report | None = None,
) -> tuple[ModelBundle, EvaluationResult]:
    """Write the model of ``record`` to ``folder / "model"`` and its report on val to ``folder / "report"``.

    ``val`` are the photos on which file and network are compared. Raises
    :class:`~dentwatch.errors.ExportError` when the two differ.
    """
    network, model = fitted.network.cpu(), folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    parity = export_onnx(network, model / ONNX_NAME, calibration_photos(val).numpy())
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, model / WEIGHTS_NAME)
    photos = PhotoStore(settings.photo_store_url)
    ModelBundle.write_spec(model, _spec(fitted, record, dataset, parity))
    bundle = ModelBundle.load(model, record.name)
    chosen = _for_drift(bundle, dataset, record.settings, settings, progress)
    result = evaluate_bundle(
        bundle,
        dataset,
        photos,
        "val",
        labels=bundle.spec.labels,
        thresholds=chosen,
        rule=ThresholdRule() if chosen is None else None,
        threads=settings.serving.threads,
        max_pixels=settings.data.max_pixels,
        commit=record.commit,
        progress=progress,
    )
    metrics = bundle.spec.metrics | {f"val/{name}": value for name, value in result.metrics().items()}
    calibration = calibrate(match(result.outcomes(), result.labels))
    spec = bundle.spec.model_copy(update={"thresholds": result.scores, "calibration": calibration, "metrics": metrics})
    bundle = ModelBundle.write_spec(model, spec)
    add_quality_limits(ModelBundle.load(model, record.name), record, dataset, settings, progress)
    card = write_card(spec, evaluation={"val": card_figures(result)}, data=dataset.info, command=command)
    (model / CARD_NAME).write_text(card, encoding="utf-8")
    report = folder / "report"
    report.mkdir(exist_ok=True)
    write_report(result, report / REPORT_NAME, photos, curve)
    result.save(report)
    return bundle, result


def _for_drift(
    bundle: ModelBundle, dataset: DatasetVersion, run: RunSettings, settings: Settings, progress: Report | None
) -> dict[str, ThresholdChoice] | None:
    """Thresholds chosen on val photos as they were taken and as the drift would make them; None without a drift."""
    if run.adapt_to is None:
        return None
    inspector = Inspector(bundle, threads=settings.serving.threads, max_pixels=settings.data.max_pixels)
    drifted = RemadePhotos(settings.photo_store_url, run.adapt_to, settings.data.max_pixels)
    records, labels = annotated_photos(dataset, "val"), bundle.spec.labels
    before, after = (
        predict(inspector, records, photos, labels, progress)
        for photos in (PhotoStore(settings.photo_store_url), drifted)
    )
    return choose_thresholds_for_drift(before, after, labels, run.least_recall or {})


def add_quality_limits(
    bundle: ModelBundle, record: RunRecord, dataset: DatasetVersion, settings: Settings, progress: Report | None
) -> None:
    """Measure the model's quality limits into its folder.

    A model that finds nothing has none; the gate then judges by those that ship with the package.
    """
    (bundle.folder / QUALITY_NAME).unlink(missing_ok=True)  # of a run that was cut off
    if not record.settings.quality_photos:
        return
    try:
        measured = measure_quality_limits(
            bundle,
            dataset,
            PhotoStore(settings.photo_store_url),
            most_photos=record.settings.quality_photos,
            seed=record.settings.seed,
            threads=settings.serving.threads,
            max_pixels=settings.data.max_pixels,
            progress=progress,
        )
    except DataError as error:
        _log.warning("The model gets no quality limits of its own: %s", error.message)
        return
    measured.limits.save(bundle.folder / QUALITY_NAME)


def card_figures(result: EvaluationResult) -> dict[str, Figure]:
    """The figures that a model card shows."""
    found = {name: result.figures[name] for name in _CARD_FIGURES if name in result.figures}
    return {name: Figure(one.value, one.low, one.high) for name, one in found.items() if one.value is not None}


def _spec(fitted: Fitted, record: RunRecord, dataset: DatasetVersion, parity: dict[str, float]) -> ModelSpec:
    network = fitted.network
    return ModelSpec(
        detector=network.name,
        size=network.size,
        members=record.settings.members,
        labels=network.labels,
        preprocessing=Preprocessing(
            input_size=network.input_size,
            stride=network.stride if network.any_shape else 0,
            enhancement=record.settings.enhancement,
        ),
        thresholds=dict.fromkeys(network.labels, 0.5),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dentwatch_version=version("dentwatch"),
        dataset_version=dataset.id,
        run_id=record.tracking_run,
        commit=record.commit,
        rights=_rights(record, dataset),
        consents=consents.carried(dataset.info.consents),
        metrics={"train/minutes": round(fitted.minutes, 2), "train/epochs": float(fitted.epochs)},
        parity=parity,
        adapted_to=record.settings.adapt_to,
    )


def _rights(record: RunRecord, dataset: DatasetVersion) -> tuple[Rights, ...]:
    """Licences of the photos, of the weights that the network started from, and of what it learnt from besides."""
    licences = [licence or NOT_STATED for licence in dataset.info.licences] or [NOT_STATED]
    sources = ", ".join(sorted(dataset.info.sources))
    photos = [Rights(name="photos and annotations", licence=licence, source=sources) for licence in licences]
    return (*photos, *(found for found in (record.starting_weights, record.teacher) if found is not None))
