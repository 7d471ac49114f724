"""What a new champion brings back: recall before the drift, under it, and under it with the new model."""

from dataclasses import asdict, dataclass
from typing import Any

from dentwatch.loop.evaluations import evaluated, judging_photos
from dentwatch.loop.steps import Bench
from dentwatch.records.annotations import Split
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation, ModelBundle


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

    They are judged by the labels of the old one. Raises :class:`~dentwatch.errors.DatasetError` without annotated
    photos, and :class:`~dentwatch.errors.DataError` for a drift that cannot be re-made.
    """
    dataset, split = judging_photos(DatasetStore(bench.settings.dataset_store_url))

    def recall(bundle: ModelBundle, under: Adaptation | None) -> float:
        return evaluated(bench, bundle, dataset, split, under, old.spec.labels).figures["recall"].value or 0.0

    return RecoveredRecall(
        before=recall(old, None),
        during=recall(old, drift),
        after=recall(new, drift),
        normal=recall(new, None),
        split=split,
        photos=sum(1 for _ in dataset.photos(split, annotated=True)),
    )
