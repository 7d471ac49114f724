"""A model over a split: what is evaluated is what is served."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

from dentwatch.data.statistics import lighting
from dentwatch.errors import DatasetError, PhotoError
from dentwatch.records.annotations import PhotoRecord, Split
from dentwatch.records.calibration import CalibrationCurve
from dentwatch.records.datasets import DatasetVersion
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.serving.quality_gate import QualityGate
from dentwatch.training.evaluation.intervals import LEVEL, RESAMPLES
from dentwatch.training.evaluation.latency import machine, measure_latency
from dentwatch.training.evaluation.matching import PhotoOutcome, match
from dentwatch.training.evaluation.mistakes import verdict
from dentwatch.training.evaluation.operating import (
    LOWEST_THRESHOLD,
    ThresholdChoice,
    ThresholdRule,
    choose_thresholds,
)
from dentwatch.training.evaluation.result import (
    Bootstrap,
    DatasetFacts,
    EvaluationResult,
    Latency,
    ModelFacts,
    Threshold,
    outcome_of,
    photo_row,
)
from dentwatch.training.evaluation.summary import summarise

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many photos are done and how many there are."""


def predict(
    inspector: Inspector,
    records: Sequence[PhotoRecord],
    photos: PhotoStore,
    labels: Sequence[str],
    progress: Progress | None = None,
    gate: QualityGate | None = None,
) -> list[PhotoOutcome]:
    """All that the model says about ``labels`` in each photo, down to a score of 0.001.

    Photos that ``gate`` refuses are asked for again, and not judged. Raises :class:`PhotoError` when a photo is missing
    or cannot be decoded: figures over the rest would be about other photos than those the dataset version names.
    """
    outcomes = []
    for number, record in enumerate(records, start=1):
        data = photos.get(record.photo_id)
        decoded = inspector.decode(Photo(record.name, lambda data=data: data))  # type: ignore[misc]
        if isinstance(decoded, PhotoFailure):
            raise PhotoError(
                decoded.reason,
                f"The photo {record.name} ({record.photo_id[:12]}) of the dataset cannot be used: {decoded.error}",
                "Ingest its source again, so that a new dataset version is without it.",
            )
        light = lighting(decoded.statistics)
        if gate is not None and not gate.check(decoded.statistics).reliable:
            outcomes.append(PhotoOutcome(replace(record, annotations=()), (), light, asked_again=True))
        else:
            found, _ = inspector.predict(decoded, LOWEST_THRESHOLD)
            outcomes.append(PhotoOutcome(record, tuple(one for one in found if one.label in labels), light))
        if progress:
            progress("Looking at photos", number, len(records))
    return outcomes


def operating_thresholds(
    bundle: ModelBundle,
    dataset: DatasetVersion,
    photos: PhotoStore,
    *,
    rule: ThresholdRule | None = None,
    threads: int = 1,
    max_pixels: int = 100_000_000,
    progress: Progress | None = None,
) -> dict[str, ThresholdChoice]:
    """The operating threshold of each of the model's labels, chosen on the val split.

    Raises :class:`DatasetError` when val has no annotated photos.
    """
    inspector = Inspector(bundle, threads=threads, max_pixels=max_pixels)
    outcomes = predict(inspector, annotated_photos(dataset, "val"), photos, bundle.spec.labels, progress)
    return choose_thresholds(match(outcomes, bundle.spec.labels), rule)


def annotated_photos(dataset: DatasetVersion, split: Split) -> list[PhotoRecord]:
    """The annotated photos of a split; raises :class:`DatasetError` when there are none."""
    records = list(dataset.photos(split=split, annotated=True))
    if not records:
        raise DatasetError(
            f"The dataset version {dataset.id[:12]} has no annotated photos in its {split} split.",
            "See `dentwatch data show` for what each split holds, and ingest annotated photos or choose another split.",
        )
    return records


def evaluate_bundle(
    bundle: ModelBundle,
    dataset: DatasetVersion,
    photos: PhotoStore,
    split: Split = "val",
    *,
    labels: Sequence[str] = HEADLINE_LABELS,
    thresholds: dict[str, ThresholdChoice] | None = None,
    rule: ThresholdRule | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    threads: int = 1,
    max_pixels: int = 100_000_000,
    latency: bool = True,
    commit: str = "",
    progress: Progress | None = None,
    gate: QualityGate | None = None,
) -> EvaluationResult:
    """Evaluate a model version on the annotated photos of a split, but for those that ``gate`` asks for again.

    ``thresholds`` replace the model's own operating thresholds; with a ``rule`` they are chosen on these very photos,
    which is what val is for. ``threads`` run the network; ``commit`` is the git commit of the evaluating code.
    Raises :class:`DatasetError` for a split without annotated photos, :class:`PhotoError` for a photo that cannot be
    used and :class:`ModelError` for a model that cannot be loaded.
    """
    records = annotated_photos(dataset, split)
    inspector = Inspector(bundle, threads=threads, max_pixels=max_pixels)
    outcomes = predict(inspector, records, photos, labels, progress, gate)
    if rule is not None:
        thresholds = choose_thresholds(match(outcomes, labels), rule)
    timed = None
    if latency:
        report = (lambda done, total: progress("Timing answers", done, total)) if progress else None
        timed = measure_latency(inspector, records, photos, threads, report)
    return judge(
        outcomes,
        ModelFacts(
            name=bundle.name,
            fingerprint=bundle.fingerprint,
            input_size=bundle.spec.preprocessing.input_size,
            **bundle.spec.model_dump(
                include={"detector", "size", "labels", "created_at", "dataset_version", "run_id", "commit", "rights"}
            ),
        ),
        dataset.id,
        split,
        labels=labels,
        thresholds=_thresholds(bundle, labels, thresholds),
        bootstrap=Bootstrap(resamples=resamples, seed=seed, level=LEVEL),
        calibration=bundle.spec.calibration,
        commit=commit,
        latency=timed,
    )


def _thresholds(
    bundle: ModelBundle, labels: Sequence[str], chosen: dict[str, ThresholdChoice] | None
) -> dict[str, Threshold]:
    if chosen is None:
        own = bundle.spec.thresholds
        return {label: Threshold(score=own[label], origin="the model's own") for label in labels if label in own}
    return {
        label: Threshold(
            score=one.threshold, origin=f"{one.rule} on val" + (f": {one.fallback}" if one.fallback else "")
        )
        for label, one in chosen.items()
        if label in labels
    }


def judge(
    outcomes: Sequence[PhotoOutcome],
    model: ModelFacts,
    dataset_version: str,
    split: Split,
    *,
    labels: Sequence[str],
    thresholds: dict[str, Threshold],
    bootstrap: Bootstrap,
    calibration: Mapping[str, CalibrationCurve] | None = None,
    commit: str = "",
    latency: Latency | None = None,
) -> EvaluationResult:
    """The evaluation result of what a model said about photos.

    Boxes and scores are judged as the document holds them (rounded), so that reading it back gives the same figures.
    """
    rows = [photo_row(outcome) for outcome in outcomes]
    judged = [outcome_of(row, split) for row in rows]
    scores = {label: threshold.score for label, threshold in thresholds.items()}
    verdicts = [verdict(outcome, labels, scores) for outcome in judged]
    return EvaluationResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dentwatch_version=version("dentwatch"),
        commit=commit,
        machine=machine(),
        model=model,
        dataset=DatasetFacts(
            version=dataset_version,
            split=split,
            photos=len(judged),
            vehicles=len({outcome.photo.vehicle for outcome in judged}),
            truths=dict(Counter(mark.label for outcome in judged for mark in outcome.photo.annotations)),
        ),
        labels=tuple(labels),
        thresholds=thresholds,
        bootstrap=bootstrap,
        latency=latency,
        photos=rows,
        **summarise(judged, verdicts, labels, scores, bootstrap, calibration or {}),
    )
