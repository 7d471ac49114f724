"""What a new champion brings back: recall before the drift, under it, and under it with the new model."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.errors import DatasetError
from dentwatch.loop.steps import Bench
from dentwatch.records.annotations import Split
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.records.photos import PhotoStore

if TYPE_CHECKING:
    from dentwatch.training.evaluation.matching import MatchTable


@dataclass(frozen=True, slots=True)
class RecoveredRecall:
    """Recall, in [0, 1], on the annotated photos of ``split`` at each model's own operating thresholds, IoU 0.5.

    ``before``: the model that was drifted from, photos as taken; ``during``: the same model, photos as the drift makes
    them; ``after``: the new model on those; ``normal``: the new model on photos as taken.
    """

    before: float
    during: float
    after: float
    normal: float
    split: Split
    photos: int

    @property
    def recovered(self) -> float | None:
        """The share of the lost recall that came back; None where none was lost."""
        lost = self.before - self.during
        return (self.after - self.during) / lost if lost > 0 else None

    def is_back(self, tolerance: float) -> bool:
        """Whether the new model finds as much under the drift as the old one without it, but for so many points."""
        return 100 * (self.before - self.after) <= tolerance

    def as_document(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {**asdict(self), "recovered": self.recovered}


def measure(bench: Bench, old: ModelBundle, new: ModelBundle, drift: Adaptation) -> RecoveredRecall:
    """Let both models look at the frozen test photos (val where there are none), as taken and as the drift makes them.

    Raises :class:`~dentwatch.errors.DatasetError` without annotated photos, and
    :class:`~dentwatch.errors.DataError` for a drift that cannot be re-made.
    """
    settings = bench.settings
    dataset, split = judging_photos(DatasetStore(settings.dataset_store_url))
    taken = PhotoStore(settings.photo_store_url)
    drifted = RemadePhotos(settings.photo_store_url, drift, settings.data.max_pixels)

    def recall(bundle: ModelBundle, photos: PhotoStore) -> float:
        return operating_rates(bench, bundle, dataset, split, photos)[0]

    return RecoveredRecall(
        before=recall(old, taken),
        during=recall(old, drifted),
        after=recall(new, drifted),
        normal=recall(new, taken),
        split=split,
        photos=sum(1 for _ in dataset.photos(split, annotated=True)),
    )


def judging_photos(store: DatasetStore) -> tuple[DatasetVersion, Split]:
    """The newest dataset version and the split to judge by: the frozen test set, or val where that is empty."""
    dataset = store.get("latest")
    for split in ("test", "val"):
        if next(dataset.photos(split, annotated=True), None) is not None:
            return dataset, split
    raise DatasetError(
        f"The dataset version {dataset.id[:12]} has no annotated photo in test or val.", "Ingest annotated photos."
    )


def operating_rates(
    bench: Bench, bundle: ModelBundle, dataset: DatasetVersion, split: Split, photos: PhotoStore
) -> tuple[float, float]:
    """Recall and precision at the model's operating thresholds, IoU 0.5; precision is 0 where it marks nothing."""
    table = _matched(bench, bundle, dataset, split, photos)
    found = table.select(table.kept(bundle.spec.thresholds)).hit[0.5] >= 0
    return float(found.sum()) / max(len(table.truth_photo), 1), float(found.sum()) / max(len(found), 1)


def recall_by_label(
    bench: Bench, bundle: ModelBundle, dataset: DatasetVersion, split: Split, photos: PhotoStore
) -> dict[str, float]:
    """Recall of each label at the model's operating thresholds, IoU 0.5; none for a label without damages."""
    table = _matched(bench, bundle, dataset, split, photos)
    kept = table.select(table.kept(bundle.spec.thresholds))
    counts = {
        label: (int((kept.hit[0.5][kept.label == index] >= 0).sum()), int((table.truth_label == index).sum()))
        for index, label in enumerate(table.labels)
    }
    return {label: found / truths for label, (found, truths) in counts.items() if truths}


def _matched(
    bench: Bench, bundle: ModelBundle, dataset: DatasetVersion, split: Split, photos: PhotoStore
) -> "MatchTable":
    from dentwatch.serving.inspection import Inspector
    from dentwatch.training.evaluation.evaluator import annotated_photos, predict
    from dentwatch.training.evaluation.matching import match

    inspector = Inspector(bundle, threads=1, max_pixels=bench.settings.data.max_pixels)
    return match(
        predict(inspector, annotated_photos(dataset, split), photos, bundle.spec.labels, bench.report),
        bundle.spec.labels,
    )
