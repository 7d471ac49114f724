"""What a model still finds when photos get worse, step by step.

Each annotated photo is looked at as it was taken and after each step of
:data:`~dentwatch.data.degradation.DEGRADATIONS`, by the detector that serves, at its operating thresholds. Recall after
a step is held against that on the same photos as taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.degradation import DEGRADATIONS, Degradation, Kind, Photo
from dentwatch.data.statistics import STATISTICS_SIDE, PhotoStatistics, photo_statistics
from dentwatch.errors import DataError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import Retained
from dentwatch.serving.detector import Detector
from dentwatch.training.evaluation.evaluator import Progress
from dentwatch.training.evaluation.intervals import intervals
from dentwatch.training.evaluation.matching import MATCH_IOUS, Flags, Floats, Integers, PhotoOutcome, match


@dataclass(frozen=True, slots=True)
class Look:
    """One photo looked at once: ``kind`` None is the photo as taken; ``found`` counts damages by IoU."""

    photo: PhotoRecord
    kind: Kind | None
    amount: float
    statistics: PhotoStatistics
    truths: int
    found: dict[float, int]


def look_at(
    detector: Detector,
    records: Sequence[PhotoRecord],
    photos: PhotoStore,
    *,
    degradations: Sequence[Degradation] = DEGRADATIONS,
    seed: int = 0,
    max_pixels: int = 100_000_000,
    progress: Progress | None = None,
) -> list[Look]:
    """Look at each photo as taken and after each step; the same ``seed`` gives the same photos.

    Photos are decoded as in serving, at the reduced scale that the model needs, and made worse at that scale. Raises
    :class:`dentwatch.errors.PhotoError` for a photo that is missing or cannot be decoded.
    """
    side = max(detector.input_size, STATISTICS_SIDE)
    looks = []
    for number, record in enumerate(records):
        taken = decode(photos.get(record.photo_id), max_pixels=max_pixels, target_side=side)
        rng = np.random.default_rng([seed, number])
        for kind, amount, rgb in _steps(taken.rgb, degradations, rng):
            # A smaller photo has the resolution of its own pixels; all others keep that of the original.
            original = None if kind == "downscale" else (taken.width, taken.height)
            looks.append(_look(detector, record, kind, amount, rgb, photo_statistics(rgb, original)))
        if progress:
            progress("Looking at degraded photos", number + 1, len(records))
    return looks


def _steps(
    rgb: Photo, degradations: Sequence[Degradation], rng: np.random.Generator
) -> Iterator[tuple[Kind | None, float, Photo]]:
    yield None, 0.0, rgb
    for way in degradations:
        for amount in way.amounts:
            yield way.kind, amount, way.apply(rgb, amount, rng)


def _look(
    detector: Detector, record: PhotoRecord, kind: Kind | None, amount: float, rgb: Photo, statistics: PhotoStatistics
) -> Look:
    # The original's size is kept, so that boxes refer to it however small the photo has become.
    pixels = DecodedPhoto(rgb, record.width, record.height, max(rgb.shape[:2]) / max(record.width, record.height))
    [detections] = detector.detect([pixels])
    table = match([PhotoOutcome(record, tuple(detections))], HEADLINE_LABELS)
    found = {iou: int((hits >= 0).sum()) for iou, hits in table.hit.items()}
    return Look(record, kind, amount, statistics, table.truth_label.size, found)


class DegradedRecall:
    """The looks as columns, and what they say about recall; raises :class:`DataError` when nothing was found at all.

    ``L`` looks: ``vehicle`` indices, ``truths`` and ``found[iou]`` counts, ``taken`` marks photos as they were taken.
    """

    def __init__(self, looks: Sequence[Look], iou: float = 0.5) -> None:
        names = sorted({look.photo.vehicle for look in looks})
        place = {name: index for index, name in enumerate(names)}
        self.vehicles = len(names)
        self.iou = iou
        self.vehicle: Integers = np.array([place[look.photo.vehicle] for look in looks], dtype=np.int64)
        self.truths: Floats = np.array([look.truths for look in looks], dtype=np.float64)
        self.found = {step: np.array([look.found[step] for look in looks], dtype=np.float64) for step in MATCH_IOUS}
        self.taken: Flags = np.array([look.kind is None for look in looks], dtype=np.bool_)
        self._steps = [(look.kind, look.amount) for look in looks]
        self._statistics = [look.statistics for look in looks]
        if not self.found[iou][self.taken].sum():
            raise DataError(
                f"The model finds none of the {self.truths[self.taken].sum():.0f} damages in the "
                f"{self.taken.sum()} photos as they were taken, so there is no recall that bad photos could cost.",
                "Measure with a better model or with photos like those that it was trained on.",
            )

    def statistic(self, name: str) -> Floats:
        """A photo statistic of every look, ``(L,)``."""
        return np.array([getattr(statistics, name) for statistics in self._statistics], dtype=np.float64)

    def of_kind(self, *kinds: Kind) -> Flags:
        """The looks at photos that were made worse in these ways, ``(L,)``."""
        return np.array([kind in kinds for kind, _ in self._steps], dtype=np.bool_)

    def of_step(self, kind: Kind, amount: float) -> Flags:
        """The looks at photos after one step, ``(L,)``."""
        return np.array([step == (kind, amount) for step in self._steps], dtype=np.bool_)

    def recall(self, weights: Floats | None = None) -> float:
        """Recall on the photos as taken; ``weights`` ``(V,)`` say how often each vehicle counts."""
        return self._ratio(self.taken, self.iou, np.ones(self.vehicles) if weights is None else weights)

    def retained(self, looks: Flags, draws: Floats, iou: float | None = None) -> Retained:
        """Recall in ``looks`` ÷ recall on the photos as taken, with its interval from ``draws`` of vehicles."""
        at = self.iou if iou is None else iou

        def statistic(weights: Floats) -> dict[str, float]:
            ordinary = self._ratio(self.taken, at, weights)
            return {"retained": self._ratio(looks, at, weights) / ordinary if ordinary else float("nan")}

        value = statistic(np.ones(self.vehicles))["retained"]
        span = intervals(statistic, draws).get("retained")
        return Retained(
            value=None if np.isnan(value) else value,
            low=span.low if span else None,
            high=span.high if span else None,
            looks=int(looks.sum()),
        )

    def _ratio(self, looks: Flags, iou: float, weights: Floats) -> float:
        counted = weights[self.vehicle[looks]]
        truths = float(counted @ self.truths[looks])
        return float(counted @ self.found[iou][looks]) / truths if truths else float("nan")
