"""The finished inspections that monitoring follows, in the order in which they were finished.

Serving adds an inspection to the feed in the transaction that finishes it (``records.inspections``), so that one that
waited for its answer comes when it has it. A follower marks what it has seen in the transaction that keeps what it made
of it. There is no position to remember that a transaction that commits late could slip behind: whatever is in the feed
without a mark is still to be seen. So none is missed and none counts twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from dentwatch.monitoring.drift.slices import OTHER
from dentwatch.monitoring.incidents import WHOLE
from dentwatch.records import tables
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.records.monitoring_tables import monitoring_feed

REMEMBERED = 5_000
"""How many of the last inspections stay in the feed, so that an incident can show the photos since its onset."""


@dataclass(frozen=True, slots=True)
class FedPhoto:
    """A photo that was answered; ``position`` is its place in the inspection, ``size`` its width and height.

    ``embedding`` is that of :mod:`dentwatch.data.embedding`, packed; None where none was kept.
    """

    position: int
    photo_id: str
    size: tuple[int, int]
    statistics: Mapping[str, Any]
    embedding: bytes | None
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class FedInspection:
    """A finished inspection; ``number`` is its place in the feed, ``update`` its count among those that were seen.

    ``photos`` are those that were answered.
    """

    number: int
    update: int | None
    id: str
    created_at: datetime
    captured_at: datetime | None
    channel: str | None
    vehicle_id: str | None
    model: str | None
    options: Mapping[str, Any]
    photos: tuple[FedPhoto, ...]

    @property
    def at(self) -> datetime:
        """When its photos were taken, or submitted where that is not known."""
        return self.captured_at or self.created_at

    @property
    def dimensions(self) -> dict[str, str]:
        """What it can be told by: channel, device, region, where they are known, and the hour of day (UTC)."""
        known = {"channel": self.channel, "device": self.options.get("device"), "region": self.options.get("region")}
        return {**{name: value for name, value in known.items() if value}, "hour": f"{self.at.astimezone(UTC):%H}"}

    def is_in(self, part: str) -> bool:
        """Whether it belongs to a slice, ``channel=app`` or :data:`~.incidents.WHOLE`.

        A slice that many rare values share cannot be told by its name: everything counts as belonging to it.
        """
        name, _, value = part.partition("=")
        return part == WHOLE or value == OTHER or self.dimensions.get(name) == value


def unseen(connection: Connection, most: int) -> list[FedInspection]:
    """The next inspections to be seen, the first to be finished first."""
    rows = monitoring_feed
    return _inspections(
        connection, select(rows).where(rows.c.update_number.is_(None)).order_by(rows.c.number).limit(most)
    )


def count_unseen(connection: Connection) -> int:
    """How many wait to be seen."""
    rows = monitoring_feed
    return connection.scalar(select(func.count()).select_from(rows).where(rows.c.update_number.is_(None))) or 0


def seen_since(connection: Connection, update_number: int, most: int) -> list[FedInspection]:
    """The last ``most`` inspections that were seen as number ``update_number`` or later, oldest first."""
    rows = monitoring_feed
    query = select(rows).where(rows.c.update_number >= update_number).order_by(rows.c.update_number.desc())
    return _inspections(connection, query.limit(most))


def mark_seen(connection: Connection, seen: Sequence[FedInspection], first_update: int) -> bool:
    """Number them from ``first_update`` on, and forget what lies too far back.

    False where one of them had been seen already: then nothing that was made of them may be kept.
    """
    rows = monitoring_feed
    for count, inspection in enumerate(seen):
        marking = update(rows).where(rows.c.number == inspection.number, rows.c.update_number.is_(None))
        if connection.execute(marking.values(update_number=first_update + count)).rowcount != 1:
            return False
    last = first_update + len(seen) - 1
    connection.execute(delete(rows).where(rows.c.update_number <= last - REMEMBERED))
    return True


def _inspections(connection: Connection, query: Any) -> list[FedInspection]:
    fed = query.subquery()
    inspections = tables.inspections
    columns = [
        inspections.c[name] for name in ("id", "created_at", "captured_at", "channel", "vehicle_id", "model", "options")
    ]
    rows = connection.execute(
        select(fed.c.number, fed.c.update_number, *columns).join(inspections, inspections.c.id == fed.c.inspection_id)
    ).all()
    photos = _photos(connection, [row.id for row in rows])
    found = [
        FedInspection(
            number=row.number,
            update=row.update_number,
            id=row.id,
            created_at=row.created_at,
            captured_at=row.captured_at,
            channel=row.channel,
            vehicle_id=row.vehicle_id,
            model=row.model,
            options=row.options or {},
            photos=tuple(photos.get(row.id, ())),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.update or 0, one.number))


def _photos(connection: Connection, ids: Sequence[str]) -> dict[str, list[FedPhoto]]:
    photos, detections = tables.inspection_photos, tables.detections
    boxes: dict[tuple[str, int], list[Detection]] = {}
    for row in connection.execute(
        select(detections).where(detections.c.inspection_id.in_(ids)).order_by(detections.c.number)
    ):
        box = Box(row.x, row.y, row.width, row.height)
        boxes.setdefault((row.inspection_id, row.position), []).append(Detection(row.label, row.score, box))
    found: dict[str, list[FedPhoto]] = {}
    for row in connection.execute(
        select(photos).where(photos.c.inspection_id.in_(ids), photos.c.error.is_(None)).order_by(photos.c.position)
    ):
        if row.statistics is None:  # it was kept by a version that did not measure it
            continue
        said = tuple(boxes.get((row.inspection_id, row.position), ()))
        size = row.width, row.height
        photo = FedPhoto(row.position, row.photo_id, size, row.statistics, row.embedding, said)
        found.setdefault(row.inspection_id, []).append(photo)
    return found
