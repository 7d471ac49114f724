"""What a condition report is made from: plain values, so that it can be rendered anew from a stored inspection."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CostRange:
    """What one damage costs if it is real, lowest and highest, in the currency of the report's price; both ≥ 0."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ReportPrice:
    """By how much the damage lowers the price; amounts are ≥ 0 and in ``currency`` (ISO 4217).

    The effect lies between ``low`` and ``high`` with the probability ``level``; ``expected`` is its mean. Without an
    interval (no photo could be judged) ``low`` and ``high`` are None. ``table`` names the price table and its version,
    ``note`` is what must be said about the figures. ``digits`` are shown after the point.
    """

    currency: str
    low: float | None
    high: float | None
    table: str
    expected: float | None = None
    level: float = 0.8
    digits: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ReportDamage:
    """One detection; its box in pixels of the upright photo.

    Detections of several photos with the same ``group`` show the same damage of the car: it has one number in the
    report and counts once. ``severity`` is a word, ``severity_note`` why it is not sure or what it rests on.
    """

    label: str
    score: float
    x: float
    y: float
    width: float
    height: float
    severity: str | None = None
    severity_note: str | None = None
    cost: CostRange | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class ReportPhoto:
    """A photo of the inspection; ``photo_id`` is the SHA-256 of its bytes, ``read`` gives them.

    ``width`` and ``height`` are those of the upright photo, in pixels. ``warnings`` are sentences that say why an
    answer about it cannot be relied on; empty for a reliable one. ``error`` is why there is no answer about it, and
    then the photo is not read. ``read`` may raise :class:`dentwatch.errors.DataError`: the report then says that the
    photo cannot be shown.
    """

    name: str
    photo_id: str
    read: Callable[[], bytes]
    width: int = 0
    height: int = 0
    damages: tuple[ReportDamage, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured share in [0, 1] with its 95 % interval, where one was computed; ``name`` is as a reader knows it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the model is right: its figures, and what they were measured on (``372 photos of 93 cars``)."""

    measured_on: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class ReportInput:
    """An inspection as a buyer should see it; moments are aware, and shown in UTC.

    ``model`` names the model version, ``dentwatch_version`` the version that answered. ``price`` is None where nothing
    is priced, ``accuracy`` where nothing is known.
    """

    inspection_id: str
    created_at: datetime
    model: str
    dentwatch_version: str
    photos: tuple[ReportPhoto, ...]
    vehicle_id: str | None = None
    listing_id: str | None = None
    captured_at: datetime | None = None
    price: ReportPrice | None = None
    accuracy: Accuracy | None = None
