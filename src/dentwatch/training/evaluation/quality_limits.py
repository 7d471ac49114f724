"""Quality limits for a model, from the recall that it loses in photos made worse.

Per reason, the looks at ordinary photos and at photos made worse in that way are pooled. Recall as a function of the
photo statistic is fitted by isotonic regression (pool adjacent violators: Barlow et al., "Statistical Inference under
Order Restrictions", 1972), which assumes only that a worse statistic never means more recall. The limit is where the
fit falls below a share of the ordinary recall; it is moved outwards where it would refuse too many ordinary photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import isotonic_regression

from dentwatch.data.degradation import DEGRADATIONS, Degradation, Kind
from dentwatch.data.statistics import STATISTICS_SIDE
from dentwatch.records.annotations import Split
from dentwatch.records.datasets import DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QualityLimit, QualityLimits, QualityReason, Retained
from dentwatch.serving.detector import Detector
from dentwatch.training.evaluation.degraded_recall import DegradedRecall, look_at
from dentwatch.training.evaluation.evaluator import Progress, annotated_photos
from dentwatch.training.evaluation.intervals import RESAMPLES, draw
from dentwatch.training.evaluation.matching import Flags, Floats

TOLERANCE = 0.75
"""Least share of the ordinary recall that a reliable photo retains. A quarter lost is nearly twice what the interval of
a model's recall on a few hundred photos leaves open, so it is a loss and not chance."""
MOST_REFUSED = 0.02
"""Most ordinary photos, as a share, that all limits together may refuse: each one is a seller asked to try again."""
MOST_PHOTOS = 300
"""How many photos are enough: each is looked at some sixty times, and limits move little with more."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which statistic speaks for a reason, on which side photos are bad, and what makes them so."""

    reason: QualityReason
    statistic: str
    bad: str
    kinds: tuple[Kind, ...]

    @property
    def sign(self) -> float:
        """What the statistic is multiplied by so that more is better."""
        return 1.0 if self.bad == "below" else -1.0


RULES: tuple[Rule, ...] = (
    Rule("too_dark", "luma_mean", "below", ("low_light",)),
    Rule("too_bright", "bright_clip", "above", ("over_exposure",)),
    Rule("blurred", "sharpness", "below", ("defocus", "motion")),
    Rule("too_small", "resolution", "below", ("downscale",)),
    Rule("empty", "relative_contrast", "below", ("veil",)),
    Rule("noisy", "noise", "above", ("noise",)),
)


class Step(BaseModel):
    """What one step of degradation costs, and what the limits say about photos like that."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    unit: str
    amount: float
    retained: Retained = Field(description="At the IoU of the limits.")
    retained_loose: Retained = Field(description="At IoU 0.3.")
    unreliable: float = Field(description="Share of the photos that the limits mark unreliable.")
    reasons: dict[QualityReason, float] = Field(description="Share of the photos per reason.")


class QualityMeasurement(BaseModel):
    """The limits and the steps that they come from."""

    model_config = ConfigDict(frozen=True)

    limits: QualityLimits
    steps: tuple[Step, ...]


def measure_quality_limits(
    bundle: ModelBundle,
    dataset: DatasetVersion,
    photos: PhotoStore,
    split: Split = "val",
    *,
    most_photos: int = MOST_PHOTOS,
    tolerance: float = TOLERANCE,
    most_refused: float = MOST_REFUSED,
    degradations: Sequence[Degradation] = DEGRADATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    threads: int = 1,
    max_pixels: int = 100_000_000,
    progress: Progress | None = None,
) -> QualityMeasurement:
    """Measure the quality limits of ``bundle`` on the annotated photos of a split, at IoU 0.5.

    The first ``most_photos`` by photo id are taken, which is a random choice because ids are hashes. Raises
    :class:`dentwatch.errors.DatasetError` for a split without annotated photos, :class:`dentwatch.errors.PhotoError`
    for a photo that cannot be used, :class:`dentwatch.errors.ModelError` for a model that cannot be loaded, and
    :class:`dentwatch.errors.DataError` when the model finds nothing in the photos as they are.
    """
    records = annotated_photos(dataset, split)[:most_photos]
    looks = look_at(
        Detector(bundle, threads),
        records,
        photos,
        degradations=degradations,
        seed=seed,
        max_pixels=max_pixels,
        progress=progress,
    )
    recall = DegradedRecall(looks)
    draws = draw(recall.vehicles, resamples, seed)
    limits = choose_limits(recall, draws, tolerance, most_refused)
    document = QualityLimits(
        model=bundle.name,
        dataset_version=dataset.id,
        split=split,
        statistics_side=STATISTICS_SIDE,
        photos=len(records),
        vehicles=recall.vehicles,
        truths=int(recall.truths[recall.taken].sum()),
        recall=recall.recall(),
        iou=recall.iou,
        tolerance=tolerance,
        most_refused=most_refused,
        false_refusals=float(_refused(recall, limits)[recall.taken].mean()),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dentwatch_version=version("dentwatch"),
        limits=limits,
    )
    return QualityMeasurement(limits=document, steps=_steps(recall, limits, degradations, draws))


def choose_limits(
    recall: DegradedRecall, draws: Floats, tolerance: float = TOLERANCE, most_refused: float = MOST_REFUSED
) -> tuple[QualityLimit, ...]:
    """The limit of each of :data:`RULES`; a reason that never costs more than ``tolerance`` allows has none.

    ``draws`` ``(R, V)`` are resamples of the vehicles for the intervals; each limit may refuse an equal part of
    ``most_refused``, so that all together keep to it.
    """
    made = (_limit(recall, rule, draws, tolerance, most_refused / len(RULES)) for rule in RULES)
    return tuple(limit for limit in made if limit)


def _limit(
    recall: DegradedRecall, rule: Rule, draws: Floats, tolerance: float, most_refused: float
) -> QualityLimit | None:
    pool = recall.taken | recall.of_kind(*rule.kinds)
    values = rule.sign * recall.statistic(rule.statistic)
    lost = _crossing(recall, pool, values, tolerance, np.ones(recall.vehicles))
    if lost is None:
        return None
    ordinary = np.sort(values[recall.taken])
    allowed = float(ordinary[int(most_refused * ordinary.size)])
    chosen = min(lost, allowed)
    resampled = [_crossing(recall, pool, values, tolerance, weights) for weights in draws]
    ends = rule.sign * np.percentile([min(one, allowed) for one in resampled if one is not None], [2.5, 97.5])
    beyond = values < chosen
    return QualityLimit(
        reason=rule.reason,
        statistic=rule.statistic,
        side="below" if rule.bad == "below" else "above",
        limit=rule.sign * chosen,
        low=float(ends.min()),
        high=float(ends.max()),
        set_by="recall" if lost <= allowed else "false_refusals",
        beyond=recall.retained(pool & beyond, draws),
        within=recall.retained(pool & ~beyond, draws),
        false_refusals=float(beyond[recall.taken].mean()),
    )


def _crossing(recall: DegradedRecall, pool: Flags, values: Floats, tolerance: float, weights: Floats) -> float | None:
    """The least value from which on the fitted recall is at least ``tolerance`` × ordinary; None if it always is.

    Half-way to the value below it, which is the last where too much is lost.
    """
    counted = weights[recall.vehicle] * recall.truths
    used = pool & (counted > 0)
    # Looks with equal statistics are one point: their order must not matter to the fit.
    levels, place = np.unique(values[used], return_inverse=True)
    truths = np.bincount(place, counted[used])
    found = np.bincount(place, (weights[recall.vehicle] * recall.found[recall.iou])[used])
    fitted = isotonic_regression(found / truths, weights=truths).x
    poor = np.flatnonzero(fitted < tolerance * recall.recall(weights))
    if poor.size == 0:
        return None
    last = int(poor[-1])
    return float(levels[last : last + 2].mean())


def _refused(recall: DegradedRecall, limits: Sequence[QualityLimit]) -> Flags:
    refused = np.zeros(recall.taken.size, dtype=np.bool_)
    for limit in limits:
        refused |= _beyond(recall, limit)
    return refused


def _beyond(recall: DegradedRecall, limit: QualityLimit) -> Flags:
    return np.array([limit.is_beyond(float(value)) for value in recall.statistic(limit.statistic)], dtype=np.bool_)


def _steps(
    recall: DegradedRecall, limits: Sequence[QualityLimit], degradations: Sequence[Degradation], draws: Floats
) -> tuple[Step, ...]:
    refused = _refused(recall, limits)
    by_reason = {limit.reason: _beyond(recall, limit) for limit in limits}
    steps = []
    for way in degradations:
        for amount in way.amounts:
            looks = recall.of_step(way.kind, amount)
            steps.append(
                Step(
                    kind=way.kind,
                    unit=way.unit,
                    amount=amount,
                    retained=recall.retained(looks, draws),
                    retained_loose=recall.retained(looks, draws, 0.3),
                    unreliable=float(refused[looks].mean()),
                    reasons={reason: float(flags[looks].mean()) for reason, flags in by_reason.items()},
                )
            )
    return tuple(steps)
