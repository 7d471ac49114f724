"""Inspections as they are kept: one transaction each, found again by id, filters and cursor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, and_, delete, exists, func, insert, select, update

from dentwatch.records import kpi_changes, tables
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.records.ids import new_id
from dentwatch.records.monitoring_tables import monitoring_feed

Status = Literal["pending", "done", "failed"]

# Made once: with its values written into it, every statement would be another.
_INSERT, _INSERT_PHOTO, _INSERT_DETECTION, _INSERT_FEED = map(
    insert, (tables.inspections, tables.inspection_photos, tables.detections, monitoring_feed)
)


@dataclass(frozen=True, slots=True)
class KeptDetection:
    """A detection with the id under which people can give a verdict on it, and its severity, where it has one."""

    detection: Detection
    severity: str | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class KeptPhoto:
    """A photo of an inspection: ``photo_id`` is where its bytes lie, ``name`` what the sender called it.

    ``error`` is the reason why there is no answer about it; then everything after it is empty. ``reliable`` is whether
    it passed the quality gate. ``width`` and ``height`` are those of the upright photo in pixels; the perceptual hashes
    are unsigned 64-bit numbers; ``embedding`` is that of :mod:`dentwatch.data.embedding`, packed.
    """

    photo_id: str
    name: str
    error: str | None = None
    reliable: bool | None = None
    width: int | None = None
    height: int | None = None
    perceptual_hash: int | None = None
    mirrored_hash: int | None = None
    statistics: dict[str, Any] | None = None
    embedding: bytes | None = None
    decode_ms: float | None = None
    infer_ms: float | None = None
    detections: tuple[KeptDetection, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptInspection:
    """An inspection: who asked about which vehicle, its photos, and ``answer``, the document that was sent.

    ``owner`` is the id of the API key that submitted it, ``options`` what it asked for besides. A pending inspection
    has photos without figures and no answer.
    """

    id: str
    created_at: datetime
    status: Status
    photos: tuple[KeptPhoto, ...] = ()
    owner: str | None = None
    vehicle_id: str | None = None
    listing_id: str | None = None
    channel: str | None = None
    captured_at: datetime | None = None
    model: str | None = None
    options: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None

    @property
    def damages(self) -> int:
        """Detections in all its photos."""
        return sum(len(photo.detections) for photo in self.photos)


@dataclass(frozen=True, slots=True)
class InspectionFilter:
    """Which inspections are meant; what is None does not matter. ``since`` ≤ created < ``until``."""

    owner: str | None = None
    vehicle_id: str | None = None
    listing_id: str | None = None
    channel: str | None = None
    status: Status | None = None
    label: str | None = None
    damaged: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of an inspection; ``number`` orders inspections as they were kept."""

    number: int
    id: str
    created_at: datetime
    status: Status
    vehicle_id: str | None
    listing_id: str | None
    channel: str | None
    model: str | None
    damages: int | None


def keep(connection: Connection, inspection: KeptInspection) -> None:
    """Add an inspection."""
    connection.execute(_INSERT, {"id": inspection.id, **_columns(inspection)})
    _keep_photos(connection, inspection)
    _feed(connection, inspection)


def complete(connection: Connection, inspection: KeptInspection) -> bool:
    """Replace a pending inspection by what was found; False, and nothing changes, where it is pending no longer."""
    changed = connection.execute(
        update(tables.inspections)
        .where(tables.inspections.c.id == inspection.id, tables.inspections.c.status == "pending")
        .values(**_columns(inspection))
    )
    if changed.rowcount == 0:
        return False
    connection.execute(
        delete(tables.inspection_photos).where(tables.inspection_photos.c.inspection_id == inspection.id)
    )
    _keep_photos(connection, inspection)
    _feed(connection, inspection)
    return True


def find(connection: Connection, inspection_id: str) -> KeptInspection | None:
    """The inspection with its photos and detections, or None."""
    inspections, photos, detections = tables.inspections, tables.inspection_photos, tables.detections
    row = connection.execute(select(inspections).where(inspections.c.id == inspection_id)).one_or_none()
    if row is None:
        return None
    found: dict[int, list[KeptDetection]] = {}
    for one in connection.execute(
        select(detections).where(detections.c.inspection_id == row.id).order_by(detections.c.number)
    ):
        found.setdefault(one.position, []).append(_detection(one))
    kept = connection.execute(select(photos).where(photos.c.inspection_id == row.id).order_by(photos.c.position)).all()
    return KeptInspection(
        id=row.id,
        created_at=row.created_at,
        status=row.status,
        photos=tuple(_photo(one, found.get(one.position, [])) for one in kept),
        owner=row.owner,
        vehicle_id=row.vehicle_id,
        listing_id=row.listing_id,
        channel=row.channel,
        captured_at=row.captured_at,
        model=row.model,
        options=row.options,
        answer=row.answer,
    )


def page(
    connection: Connection, wanted: InspectionFilter, *, before: int | None = None, limit: int = 50
) -> Sequence[Summary]:
    """Up to ``limit`` inspections, newest first, that were kept before number ``before``."""
    inspections = tables.inspections
    query = select(
        *(inspections.c[name] for name in Summary.__dataclass_fields__),
    ).order_by(inspections.c.number.desc())
    if before is not None:
        query = query.where(inspections.c.number < before)
    return [Summary(*row) for row in connection.execute(_filtered(query, wanted).limit(limit))]


def claim(connection: Connection, now: datetime, until: datetime) -> tuple[KeptInspection, int] | None:
    """The oldest pending inspection that nobody is at, claimed ``until`` then, and how often it was claimed so far.

    None where there is none. A claim that has run out was somebody's who died over it.
    """
    rows = tables.inspections
    free = rows.c.claimed_until.is_(None) | (rows.c.claimed_until < now)
    oldest = connection.execute(
        select(rows.c.id, rows.c.attempts)
        .where(rows.c.status == "pending", free)
        .order_by(rows.c.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if oldest is None:
        return None
    claimed = update(rows).where(rows.c.id == oldest.id)
    connection.execute(claimed.values(claimed_until=until, attempts=oldest.attempts + 1))
    found = find(connection, oldest.id)
    return None if found is None else (found, oldest.attempts + 1)


def count_pending(connection: Connection) -> int:
    """How many inspections wait for their answer."""
    rows = tables.inspections
    return connection.scalar(select(func.count()).select_from(rows).where(rows.c.status == "pending")) or 0


def oldest_pending(connection: Connection) -> datetime | None:
    """When the inspection was accepted that waits longest for its answer; None where none waits."""
    rows = tables.inspections
    query = select(rows.c.created_at).where(rows.c.status == "pending").order_by(rows.c.created_at).limit(1)
    oldest: datetime | None = connection.scalar(query)
    return oldest


def hold(connection: Connection, inspection_id: str, until: datetime | None) -> None:
    """Keep a claim longer; until None lets go of it, so that others can take it at once."""
    rows = tables.inspections
    connection.execute(update(rows).where(rows.c.id == inspection_id).values(claimed_until=until))


def _filtered(query: Select[Any], wanted: InspectionFilter) -> Select[Any]:
    inspections, detections = tables.inspections, tables.detections
    for name in ("owner", "vehicle_id", "listing_id", "channel", "status"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(inspections.c[name] == value)
    if wanted.damaged is not None:
        query = query.where(inspections.c.damages > 0 if wanted.damaged else inspections.c.damages == 0)
    if wanted.label is not None:
        seen = and_(detections.c.inspection_id == inspections.c.id, detections.c.label == wanted.label)
        query = query.where(exists().where(seen))
    if wanted.since is not None:
        query = query.where(inspections.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(inspections.c.created_at < wanted.until)
    return query


def _columns(inspection: KeptInspection) -> dict[str, Any]:
    return {
        "created_at": inspection.created_at,
        "status": inspection.status,
        "owner": inspection.owner,
        "vehicle_id": inspection.vehicle_id,
        "listing_id": inspection.listing_id,
        "channel": inspection.channel,
        "captured_at": inspection.captured_at,
        "model": inspection.model,
        "damages": inspection.damages if inspection.status == "done" else None,
        "options": inspection.options,
        "answer": inspection.answer,
    }


_OF_PHOTO = tuple(name for name in KeptPhoto.__dataclass_fields__ if name != "detections")


def _keep_photos(connection: Connection, inspection: KeptInspection) -> None:
    photos = [
        {
            "inspection_id": inspection.id,
            "position": position,
            "vehicle_id": inspection.vehicle_id,
            **{name: getattr(photo, name) for name in _OF_PHOTO},
        }
        for position, photo in enumerate(inspection.photos)
    ]
    if photos:
        connection.execute(_INSERT_PHOTO, photos)
    if detections := list(_detection_rows(inspection)):
        connection.execute(_INSERT_DETECTION, detections)


def _feed(connection: Connection, inspection: KeptInspection) -> None:
    """Hand a finished inspection to monitoring, in the transaction that finishes it: once, and none is missed."""
    if inspection.status != "pending":
        kpi_changes.note(connection, "finished", inspection.id)
    if inspection.status == "done":
        connection.execute(_INSERT_FEED, {"inspection_id": inspection.id})


def _detection_rows(inspection: KeptInspection) -> Iterable[dict[str, Any]]:
    for position, photo in enumerate(inspection.photos):
        for number, kept in enumerate(photo.detections):
            box = kept.detection.box
            yield {
                "id": kept.id,
                "inspection_id": inspection.id,
                "position": position,
                "number": number,
                "label": kept.detection.label,
                "score": kept.detection.score,
                "x": box.x,
                "y": box.y,
                "width": box.width,
                "height": box.height,
                "severity": kept.severity,
            }


def _photo(row: Row[Any], detections: Sequence[KeptDetection]) -> KeptPhoto:
    return KeptPhoto(**{name: getattr(row, name) for name in _OF_PHOTO}, detections=tuple(detections))


def _detection(row: Row[Any]) -> KeptDetection:
    box = Box(row.x, row.y, row.width, row.height)
    return KeptDetection(Detection(row.label, row.score, box), row.severity, row.id)
