"""Harm without labels: the recall that a drift costs, before anybody has looked at a drifted photo.

The labelled validation photos are made worse in the way of the diagnosed cause until their statistics match
production's, and the model looks at them as it would in serving. What it no longer finds there it will not find in
production either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import DecodedPhoto
from dentwatch.data.remakes import REMAKES, Remake, Way
from dentwatch.data.statistics import photo_statistics
from dentwatch.errors import MonitoringError, PhotoError
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.harm_matching import Match, match_amount
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Decoded, Inspector, Photo
from dentwatch.training.evaluation.intervals import RESAMPLES, draw, intervals
from dentwatch.training.evaluation.matching import MATCH_IOUS, PhotoOutcome, match

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

MOST_PHOTOS = 300
"""Annotated photos that are enough: the interval is then about as wide as the differences between cars."""


@dataclass(frozen=True, slots=True)
class RecallLoss:
    """Recall ``before`` and ``after``, in [0, 1], and what is ``lost``, in percentage points.

    ``low`` and ``high`` are the ends of the 95 % bootstrap interval of ``lost`` by vehicle, None with too few vehicles.
    The interval says what the choice of validation photos leaves open, not how well the cause could be re-made.
    """

    before: float
    after: float
    lost: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Harm:
    """The estimated harm of ``cause``, re-made by ``amount`` ``unit`` of ``way`` on a ``share`` of the photos.

    ``strict`` is at IoU 0.5, ``loose`` at 0.3; both at the operating thresholds. ``matched`` has, for each statistic
    that was matched, the median in production and in the re-made photos; ``misfit`` is how unlike they stay (root mean
    square, standard deviations). Measured on ``truths`` damages in ``photos`` photos.
    """

    cause: str
    way: str
    amount: float
    unit: str
    share: float
    strict: RecallLoss
    loose: RecallLoss
    matched: dict[str, tuple[float, float]]
    misfit: float
    photos: int
    truths: int

    def beyond(self, tolerance: float) -> bool:
        """Whether more recall is lost than ``tolerance`` percentage points (``monitoring.harm_tolerance``)."""
        return self.strict.lost > tolerance


class HarmEstimator:
    """Estimates harm to what ``inspector`` finds, judged by annotated photos (``records``).

    The first ``most_photos`` records count, which is a random choice where they come by photo id. What does not depend
    on production is measured once per cause, so that asking again costs one look at the photos. Raises
    :class:`MonitoringError` without annotated damages.
    """

    def __init__(
        self,
        inspector: Inspector,
        records: Sequence[PhotoRecord],
        store: PhotoStore,
        *,
        most_photos: int = MOST_PHOTOS,
        resamples: int = RESAMPLES,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self._inspector = inspector
        self._records = [record for record in records if record.annotated][:most_photos]
        self._store = store
        self._resamples = resamples
        self._seed = seed
        self._progress = progress
        self._ladders: dict[str, tuple[Floats, list[Floats]]] = {}
        self._before: list[PhotoOutcome] = []
        self._truths = sum(mark.label in HEADLINE_LABELS for one in self._records for mark in one.annotations)
        if not self._truths:
            raise MonitoringError(
                "Harm cannot be estimated: none of the validation photos has an annotated scratch or dent.",
                "Annotate validation photos and ingest them (`dentwatch data ingest`).",
            )

    def estimate(self, cause: str, production: Floats) -> Harm:
        """The harm that ``cause`` does.

        ``production`` ``(M, F)`` are the features (:data:`.features.FEATURE_NAMES`) of photos since the drift began, of
        the slice that drifted. Raises :class:`MonitoringError` for a cause that cannot be re-made and without
        production photos, and :class:`PhotoError` for a validation photo that cannot be used.
        """
        remake = _remake(cause)
        if not len(production):
            raise MonitoringError(
                f"The harm of {cause!r} cannot be estimated without photos of production.", "Wait for inspections."
            )
        if cause not in self._ladders:
            self._ladders[cause] = self._measured(remake)
        columns = [FEATURE_NAMES.index(name) for name in remake.statistics]
        found = match_amount(remake.ways, *self._ladders[cause], production[:, columns])
        losses = self._losses(self._looked(found), found.share)
        medians = np.nanmedian(production[:, columns], axis=0)
        return Harm(
            cause=cause,
            way=found.way.name,
            amount=found.amount,
            unit=found.way.unit,
            share=found.share,
            strict=losses[0.5],
            loose=losses[0.3],
            matched={
                name: (float(there), float(here))
                for name, there, here in zip(remake.statistics, medians, found.medians, strict=True)
            },
            misfit=found.misfit,
            photos=len(self._records),
            truths=self._truths,
        )

    def _measured(self, remake: Remake) -> tuple[Floats, list[Floats]]:
        """The cause's statistics of the photos as taken ``(N, S)``, and for each way at each amount ``(A, N, S)``."""
        clean: list[Floats] = []
        remade: list[list[list[Floats]]] = [[[] for _ in way.amounts] for way in remake.ways]
        for number, seen in self._seen("Matching production"):
            clean.append(_figures(seen.pixels, seen.pixels.rgb, remake))
            for steps, way in zip(remade, remake.ways, strict=True):
                for step, amount in zip(steps, way.amounts, strict=True):
                    step.append(_figures(seen.pixels, self._worse(number, seen, way, amount), remake))
        return np.stack(clean), [np.array(steps) for steps in remade]

    def _looked(self, found: Match) -> list[PhotoOutcome]:
        """What the model says about each re-made photo; what it says about them as taken is remembered."""
        if not self._before:
            self._before = [self._outcome(number, seen) for number, seen in self._seen("Looking at photos")]
        after = []
        for number, seen in self._seen("Looking at re-made photos"):
            rgb = self._worse(number, seen, found.way, found.amount)
            after.append(self._outcome(number, replace(seen, pixels=replace(seen.pixels, rgb=rgb))))
        return after

    def _worse(self, number: int, seen: Decoded, way: Way, amount: float) -> NDArray[np.uint8]:
        """A photo re-made; each has its own random numbers, the same for all amounts, so that only these differ."""
        return way.apply(seen.pixels.rgb, amount, np.random.default_rng([self._seed, number]))

    def _outcome(self, number: int, seen: Decoded) -> PhotoOutcome:
        return PhotoOutcome(self._records[number], tuple(self._inspector.predict(seen)[0]))

    def _seen(self, what: str) -> Iterator[tuple[int, Decoded]]:
        """The photos by their number, decoded as in serving, one at a time in memory."""
        for number, record in enumerate(self._records):
            data = self._store.get(record.photo_id)
            seen = self._inspector.decode(Photo(record.name, lambda data=data: data))  # type: ignore[misc]
            if isinstance(seen, PhotoFailure):
                raise PhotoError(
                    seen.reason,
                    f"The photo {record.name} ({record.photo_id[:12]}) of the dataset cannot be used: {seen.error}",
                    "Ingest its source again, so that a new dataset version is without it.",
                )
            yield number, seen
            if self._progress:
                self._progress(what, number + 1, len(self._records))

    def _losses(self, after: Sequence[PhotoOutcome], share: float) -> dict[float, RecallLoss]:
        """What is lost at each IoU where ``share`` of the photos are as in ``after``.

        The same vehicles are drawn for before and after, so only the drift makes a difference.
        """
        here, there = match(self._before, HEADLINE_LABELS), match(after, HEADLINE_LABELS)
        vehicles = len(here.vehicles)
        truths = np.bincount(here.truth_vehicle, minlength=vehicles).astype(np.float64)
        draws = draw(vehicles, self._resamples, self._seed)
        losses = {}
        for iou in MATCH_IOUS:
            counts = [
                np.bincount(table.vehicle[table.hit[iou] >= 0], minlength=vehicles).astype(np.float64)
                for table in (here, there)
            ]

            def figures(weights: Floats, counts: list[Floats] = counts) -> dict[str, float]:
                total = float(weights @ truths)
                old, all_drifted = (float(weights @ found) / total if total else float("nan") for found in counts)
                lost = share * (old - all_drifted)
                return {"before": old, "after": old - lost, "lost": 100 * lost}

            span = intervals(figures, draws).get("lost")
            losses[iou] = RecallLoss(
                **figures(np.ones(vehicles)), low=span.low if span else None, high=span.high if span else None
            )
        return losses


def estimate_harm(
    inspector: Inspector,
    records: Sequence[PhotoRecord],
    store: PhotoStore,
    cause: str,
    production: Floats,
    *,
    progress: Progress | None = None,
) -> Harm:
    """The harm of one cause, asked for once; see :class:`HarmEstimator` and its :meth:`~HarmEstimator.estimate`."""
    return HarmEstimator(inspector, records, store, progress=progress).estimate(cause, production)


def _remake(cause: str) -> Remake:
    if cause not in REMAKES:
        raise MonitoringError(
            f"The harm of {cause!r} cannot be estimated: photos like that cannot be made from others.",
            f"It can for {', '.join(REMAKES)}. Review drifted photos instead: verdicts give the true recall.",
        )
    return REMAKES[cause]


def _figures(pixels: DecodedPhoto, rgb: NDArray[np.uint8], remake: Remake) -> Floats:
    statistics = photo_statistics(rgb, (pixels.width, pixels.height))
    return np.array([getattr(statistics, name) for name in remake.statistics])
