"""What models say about annotated photos, as taken or as a drift makes them; kept, so that none is asked twice.

Gate, verification, retraining and the night's work judge by the same evaluations. They lie in ``evaluations/loop`` of
the home and are made again when model, photos or drift differ.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.errors import DataError, DatasetError
from dentwatch.loop.steps import Bench
from dentwatch.records.annotations import Split
from dentwatch.records.model_bundle import Adaptation, ModelBundle, ModelSpec
from dentwatch.records.photos import PhotoStore

if TYPE_CHECKING:
    from dentwatch.records.datasets import DatasetStore, DatasetVersion  # with pyarrow, which pages do without
    from dentwatch.training.evaluation.result import EvaluationResult


def evaluated(
    bench: Bench,
    bundle: ModelBundle,
    dataset: "DatasetVersion",
    split: Split,
    drift: Adaptation | None = None,
    labels: tuple[str, ...] | None = None,
    *,
    rules: bool = True,
) -> "EvaluationResult":
    """What a model says about the photos of ``split``, from a file where it has said so before.

    ``labels`` are those that are judged; default: its own. Where stricter photo rules are its answer to a drift, the
    drifted photos that they ask for again are not judged; without ``rules`` they are.
    """
    from dentwatch.serving.quality_gate import QualityGate
    from dentwatch.training.evaluation.evaluator import evaluate_bundle
    from dentwatch.training.evaluation.result import RESULT_NAME, EvaluationResult

    labels = bundle.spec.labels if labels is None else labels
    asks = drift is not None and bundle.spec.asks_again
    folder = folder_of(bench.settings.home, bundle.name, bundle.spec, labels, dataset.id, split, drift)
    if asks and not rules:
        folder = folder.with_name(f"{folder.name}-every")
    try:
        return EvaluationResult.load(folder / RESULT_NAME)
    except DataError:  # not there, or cut off while it was written
        pass
    result = evaluate_bundle(
        bundle,
        dataset,
        photos_of(bench, drift),
        split,
        labels=labels,
        latency=False,
        max_pixels=bench.settings.data.max_pixels,
        progress=bench.report,
        gate=QualityGate.of(bundle) if asks and rules else None,
    )
    result.save(folder)
    return result


def folder_of(
    home: Path,
    name: str,
    spec: ModelSpec,
    labels: tuple[str, ...],
    dataset_version: str,
    split: Split,
    drift: Adaptation | None = None,
) -> Path:
    """Where what the model ``name`` says about the photos of ``split`` is kept, once it was asked."""
    asked = f"{name} {spec.model_dump_json()} {labels} {dataset_version} {split} "
    asked += "" if drift is None else drift.model_dump_json()
    return place_of(home) / hashlib.sha256(asked.encode()).hexdigest()[:24]


def judging_photos(store: "DatasetStore") -> "tuple[DatasetVersion, Split]":
    """The newest dataset version and the split to judge by: the frozen test set, or val where that is empty."""
    dataset = store.get("latest")
    splits: tuple[Split, ...] = ("test", "val")
    for split in splits:
        if next(dataset.photos(split, annotated=True), None) is not None:
            return dataset, split
    raise DatasetError(
        f"The dataset version {dataset.id[:12]} has no annotated photo in test or val.", "Ingest annotated photos."
    )


def photos_of(bench: Bench, drift: Adaptation | None) -> PhotoStore:
    """The photos as taken, or as the drift makes them."""
    url = bench.settings.photo_store_url
    return PhotoStore(url) if drift is None else RemadePhotos(url, drift, bench.settings.data.max_pixels)


def place_of(home: Path) -> Path:
    """Where the evaluations lie."""
    return home.absolute() / "evaluations" / "loop"
