"""What a person needs to review a photo: the photo, what the model found, and what others have said about it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, select

from dentwatch.monitoring.review_plan import ReviewItem
from dentwatch.records import opinions, tables
from dentwatch.records.annotations import Box


@dataclass(frozen=True, slots=True)
class Found:
    """A detection of the photo; ``box`` in pixels of the upright photo."""

    id: str
    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said: a verdict on a detection, a damage that was missed, or a dispute.

    ``detection`` and ``box`` say about what; a dispute about the whole inspection has neither. ``stands`` is False for
    a verdict that a newer one has replaced or taken back, and for a dispute that is decided.
    """

    who: str
    at: datetime
    kind: Literal["right", "wrong", "missed", "dispute"]
    detection: str | None = None
    label: str | None = None
    box: Box | None = None
    text: str | None = None
    stands: bool = True


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """A photo to review, whole: ``width`` and ``height`` are those of the upright photo in pixels."""

    item: ReviewItem
    name: str
    width: int
    height: int
    vehicle: str | None
    channel: str | None
    model: str | None
    inspected_at: datetime
    detections: tuple[Found, ...]
    statements: tuple[Statement, ...]


def task_of(connection: Connection, item: ReviewItem) -> ReviewTask | None:
    """What there is to see about a photo of the plan; None where there is no answer about it."""
    photos, inspections = tables.inspection_photos, tables.inspections
    row = connection.execute(
        select(photos, inspections.c.channel, inspections.c.model, inspections.c.created_at)
        .join(inspections, inspections.c.id == photos.c.inspection_id)
        .where(photos.c.inspection_id == item.inspection_id, photos.c.position == item.position)
    ).one_or_none()
    if row is None or row.width is None or row.height is None:
        return None
    found = _detections(connection, item)
    return ReviewTask(
        item,
        row.name,
        row.width,
        row.height,
        row.vehicle_id,
        row.channel,
        row.model,
        row.created_at,
        found,
        (*_verdicts(connection, item, found), *_disputes(connection, item, found)),
    )


def _detections(connection: Connection, item: ReviewItem) -> tuple[Found, ...]:
    rows = tables.detections
    query = select(rows).where(and_(rows.c.inspection_id == item.inspection_id, rows.c.position == item.position))
    return tuple(
        Found(row.id, row.label, row.score, _box(row)) for row in connection.execute(query.order_by(rows.c.number))
    )


def _verdicts(connection: Connection, item: ReviewItem, found: tuple[Found, ...]) -> list[Statement]:
    rows = tables.verdicts
    here = {one.id for one in found}
    query = select(rows).where(rows.c.inspection_id == item.inspection_id).order_by(rows.c.created_at, rows.c.id)
    said = [row for row in connection.execute(query) if row.detection_id in here or row.position == item.position]
    standing = {row.id for row in opinions.standing(said)}
    return [
        Statement(
            row.actor,
            row.created_at,
            row.verdict,
            row.detection_id,
            row.label,
            None if row.x is None else _box(row),
            row.comment,
            row.id in standing,
        )
        for row in said
    ]


def _disputes(connection: Connection, item: ReviewItem, found: tuple[Found, ...]) -> list[Statement]:
    rows = tables.disputes
    about = {None, *(one.id for one in found)}
    query = select(rows).where(rows.c.inspection_id == item.inspection_id).order_by(rows.c.created_at)
    return [
        Statement(row.actor, row.created_at, "dispute", row.detection_id, text=row.reason, stands=row.status == "open")
        for row in connection.execute(query)
        if row.detection_id in about
    ]


def _box(row: Row[Any]) -> Box:
    return Box(row.x, row.y, row.width, row.height)
