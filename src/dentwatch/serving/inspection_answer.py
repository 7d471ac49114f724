"""The document about an inspection: what is answered, kept, and shown again later."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.serving.answers import DetectionAnswer, PhotoFailure, Timing
from dentwatch.serving.photo_reuse import Reuse
from dentwatch.serving.quality_gate import Quality
from dentwatch.serving.severity import Severity
from dentwatch.serving.valuation import PriceEffect


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class InspectedDetection(DetectionAnswer):
    """One detection, under an id for verdicts and disputes."""

    id: str
    damage: int = Field(description="Number of the damage, from 1: several photos may show the same one.")
    severity: Severity


class InspectedPhoto(_Answer):
    """What the model says about one photo of an inspection."""

    photo: str = Field(description="The photo's name, as it was given.")
    photo_id: str = Field(description="SHA-256 of its bytes.")
    width: int = Field(description="Width of the upright photo, pixels.")
    height: int = Field(description="Height of the upright photo, pixels.")
    detections: tuple[InspectedDetection, ...] = Field(description="Best score first.")
    quality: Quality
    reuse: tuple[Reuse, ...] = Field((), description="Other vehicles' inspections that this photo was submitted to.")
    statistics: dict[str, Any] = Field(description="What the pixels say about light and sharpness.")
    timing_ms: Timing


class UnreadablePhoto(PhotoFailure):
    """A photo of an inspection about which there is no answer."""

    photo_id: str = Field(description="SHA-256 of its bytes.")


class Sight(_Answer):
    """Where a damage is seen."""

    photo: int = Field(description="The photo's place in the inspection, from 0.")
    detection: str = Field(description="The detection's id.")


class Damage(_Answer):
    """One damage, however many photos show it."""

    number: int
    label: str
    score: float = Field(description="The largest score of its detections.")
    severity: Severity = Field(description="As the photo shows it that leaves the fewest doubts.")
    seen: tuple[Sight, ...]


class Overlap(_Answer):
    """Between which photos it could be shown that they show the same part of the car."""

    shown: tuple[tuple[int, int], ...] = Field(description="Pairs of photos, by their places from 0.")
    not_shown: tuple[tuple[int, int], ...] = Field(
        description="Pairs that show damage of one label, where it could not: the same damage may be counted twice."
    )


class InspectionTiming(_Answer):
    """Milliseconds that an inspection took; several threads may look, so that the sums may exceed the total."""

    decode: float = Field(description="Sum over the photos.")
    infer: float = Field(description="Sum over the photos.")
    total: float = Field(description="From the request's last byte until the answer was being kept.")


class InspectionAnswer(_Answer):
    """An inspection of the photos of one vehicle."""

    id: str
    status: Literal["pending", "done", "failed"]
    created_at: datetime
    vehicle_id: str | None
    listing_id: str | None
    channel: str | None
    captured_at: datetime | None
    model: str | None = Field(None, description="The model version that answers; none while pending.")
    photos: tuple[InspectedPhoto | UnreadablePhoto, ...] = Field(
        (), description="One entry per photo, in the order of the request; empty while pending."
    )
    damages: tuple[Damage, ...] = Field((), description="Each damage once, where overlap of photos can be shown.")
    overlap: Overlap | None = None
    price_effect: PriceEffect | None = None
    error: str | None = Field(None, description="Why there is no answer, where the inspection failed.")
    timing_ms: InspectionTiming | None = None
