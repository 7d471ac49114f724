"""From photos that were looked at to the inspection: what is answered, and what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto
from dentwatch.serving import metrics
from dentwatch.serving.answers import DetectionAnswer, PhotoFailure
from dentwatch.serving.inspection_answer import (
    Damage,
    InspectedDetection,
    InspectedPhoto,
    InspectionAnswer,
    InspectionTiming,
    Overlap,
    Sight,
    UnreadablePhoto,
)
from dentwatch.serving.photo_reuse import Reuse
from dentwatch.serving.quality_gate import Quality, QualityGate
from dentwatch.serving.same_damage import DamageGroup, DamageGroups, DamageView, group_damages
from dentwatch.serving.seen_photo import SeenPhoto
from dentwatch.serving.service import Examined
from dentwatch.serving.severity import Severity, clearest, severities
from dentwatch.serving.stages import stage
from dentwatch.serving.valuation import Sighting, Valuation

_OPTIONS = ("min_score", "vehicle_class", "device", "region", "traceparent")  # what is kept as JSON


@dataclass(frozen=True, slots=True)
class Request:
    """What an inspection was asked for with, besides its photos; ``owner`` is the id of the key that asked.

    ``traceparent`` is the trace (W3C, "Trace Context") that goes on when it is answered later.
    """

    id: str
    created_at: datetime
    owner: str | None = None
    vehicle_id: str | None = None
    listing_id: str | None = None
    channel: str | None = None
    device: str | None = None
    region: str | None = None
    captured_at: datetime | None = None
    min_score: float | None = None
    vehicle_class: str | None = None
    traceparent: str | None = None

    def kept(self, photos: Sequence[KeptPhoto]) -> KeptInspection:
        """The inspection while it waits for its answer."""
        return KeptInspection(
            id=self.id,
            created_at=self.created_at,
            status="pending",
            photos=tuple(photos),
            owner=self.owner,
            vehicle_id=self.vehicle_id,
            listing_id=self.listing_id,
            channel=self.channel,
            captured_at=self.captured_at,
            options={name: getattr(self, name) for name in _OPTIONS},
        )

    @classmethod
    def of(cls, pending: KeptInspection) -> "Request":
        """What a pending inspection was asked for with."""
        return cls(
            id=pending.id,
            created_at=pending.created_at,
            owner=pending.owner,
            vehicle_id=pending.vehicle_id,
            listing_id=pending.listing_id,
            channel=pending.channel,
            captured_at=pending.captured_at,
            **(pending.options or {}),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo of an inspection: its id, and what came of looking at it."""

    photo_id: str
    name: str
    examined: Examined | PhotoFailure


class Assembly:
    """Puts inspections together for one model: its quality ``gate``, and the price table with what is known of it."""

    def __init__(self, model: str, gate: QualityGate, valuation: Valuation) -> None:
        self._model = model
        self.gate = gate
        self._valuation = valuation

    def put_together(
        self, request: Request, photos: Sequence[Seen], reuse: Mapping[str, Sequence[Reuse]], milliseconds: float
    ) -> KeptInspection:
        """The finished inspection of ``photos``, with its answer.

        ``reuse`` says by photo id where else a photo was submitted; ``milliseconds`` have passed since the request was
        read. Raises :class:`~dentwatch.errors.DataError` for a vehicle class that the price table does not have.
        """
        judged = [self._judged(seen) for seen in photos]
        groups = group_damages([one.as_seen() for one in judged])
        numbers = {view: number for number, group in enumerate(groups.groups, 1) for view in group.views}
        failed = sum(not one.quality.reliable for one in judged)
        effect = self._valuation.effect(
            [sightings for group in groups.groups if (sightings := self._priced(group, judged))],
            photos=len(judged),
            unreliable=failed,
            vehicle_class=request.vehicle_class,
        )
        timings = [seen.examined.answer.timing_ms for seen in photos if isinstance(seen.examined, Examined)]
        answer = InspectionAnswer(
            id=request.id,
            status="done",
            created_at=request.created_at,
            vehicle_id=request.vehicle_id,
            listing_id=request.listing_id,
            channel=request.channel,
            captured_at=request.captured_at,
            model=self._model,
            photos=tuple(one.answer(index, numbers, reuse) for index, one in enumerate(judged)),
            damages=tuple(_damage(number, group, judged) for number, group in enumerate(groups.groups, 1)),
            overlap=_overlap(groups),
            price_effect=effect,
            timing_ms=InspectionTiming(
                decode=round(sum(timing.decode for timing in timings), 3),
                infer=round(sum(timing.infer for timing in timings), 3),
                total=round(milliseconds, 3),
            ),
        )
        kept = request.kept([one.record() for one in judged])
        return replace(kept, status="done", model=self._model, answer=answer.model_dump(mode="json"))

    def _priced(self, group: DamageGroup, judged: Sequence["_Judged"]) -> list[Sighting]:
        """The sightings of a damage that count for the price: those that reach the model's own threshold.

        What a lower ``min_score`` lets through is shown, but nobody would call it found.
        """
        least = self._valuation.model.thresholds.get(group.label, 1.0)
        found = [judged[view.photo].sighting(view) for view in group.views]
        return [one for one in found if one.detection.score >= least]

    def _judged(self, seen: Seen) -> "_Judged":
        examined = seen.examined
        if isinstance(examined, PhotoFailure):
            metrics.photo_seen("failed", [examined.reason])
            return _Judged(seen, Quality(reliable=False))
        size = examined.answer.width, examined.answer.height
        found = severities(examined.detections, size, self._valuation.table)
        kept = tuple(
            KeptDetection(detection, severity.level)
            for detection, severity in zip(examined.detections, found, strict=True)
        )
        return _Judged(seen, self._quality(examined), kept, found)

    def _quality(self, examined: Examined) -> Quality:
        with stage("gate") as span:
            quality = self.gate.check(examined.statistics)
            faults = [fault.reason for fault in quality.reasons]
            span.set_attributes({"dentwatch.photo.reliable": quality.reliable, "dentwatch.photo.faults": faults})
        metrics.photo_seen("answered" if quality.reliable else "unreliable", faults)
        return quality


@dataclass(frozen=True, slots=True)
class _Judged:
    """A photo with the gate's word on it and its detections under their ids; what cannot be read is not reliable."""

    seen: Seen
    quality: Quality
    detections: tuple[KeptDetection, ...] = ()
    severities: tuple[Severity, ...] = ()

    def as_seen(self) -> SeenPhoto:
        """The photo for comparison with others; an unreliable one is not compared."""
        examined = self.seen.examined
        if isinstance(examined, PhotoFailure):
            return SeenPhoto(None, 1, 1, ())
        features = examined.features if self.quality.reliable else None
        return SeenPhoto(features, examined.answer.width, examined.answer.height, examined.detections)

    def sighting(self, view: DamageView) -> Sighting:
        """One of its detections, to be priced."""
        return Sighting(
            detection=self.detections[view.number].detection,
            severity=self.severities[view.number],
            position=view.photo,
            reliable=self.quality.reliable,
        )

    def answer(
        self, position: int, numbers: Mapping[DamageView, int], reuse: Mapping[str, Sequence[Reuse]]
    ) -> InspectedPhoto | UnreadablePhoto:
        """What is answered about it; ``numbers`` are those of the damages."""
        examined = self.seen.examined
        if isinstance(examined, PhotoFailure):
            return UnreadablePhoto(photo_id=self.seen.photo_id, **examined.model_dump())
        return InspectedPhoto(
            photo=self.seen.name,
            photo_id=self.seen.photo_id,
            width=examined.answer.width,
            height=examined.answer.height,
            detections=tuple(
                InspectedDetection(
                    id=kept.id,
                    damage=numbers[DamageView(position, number)],
                    severity=severity,
                    **DetectionAnswer.of(kept.detection).model_dump(),
                )
                for number, (kept, severity) in enumerate(zip(self.detections, self.severities, strict=True))
            ),
            quality=self.quality,
            reuse=tuple(reuse.get(self.seen.photo_id, ())),
            statistics=examined.answer.statistics,
            timing_ms=examined.answer.timing_ms,
        )

    def record(self) -> KeptPhoto:
        """What is kept of it."""
        examined = self.seen.examined
        if isinstance(examined, PhotoFailure):
            return KeptPhoto(self.seen.photo_id, self.seen.name, error=examined.reason)
        perceptual, mirrored = examined.hashes
        return KeptPhoto(
            photo_id=self.seen.photo_id,
            name=self.seen.name,
            reliable=self.quality.reliable,
            width=examined.answer.width,
            height=examined.answer.height,
            perceptual_hash=perceptual,
            mirrored_hash=mirrored,
            statistics=asdict(examined.statistics),
            embedding=examined.embedding,
            decode_ms=examined.answer.timing_ms.decode,
            infer_ms=examined.answer.timing_ms.infer,
            detections=self.detections,
        )


def _damage(number: int, group: DamageGroup, judged: Sequence[_Judged]) -> Damage:
    found = [(view, judged[view.photo].detections[view.number]) for view in group.views]
    return Damage(
        number=number,
        label=group.label,
        score=round(max(kept.detection.score for _, kept in found), 6),
        severity=clearest([judged[view.photo].severities[view.number] for view in group.views]),
        seen=tuple(Sight(photo=view.photo, detection=kept.id) for view, kept in found),
    )


def _overlap(groups: DamageGroups) -> Overlap:
    return Overlap(shown=groups.overlapping, not_shown=groups.unproven)
