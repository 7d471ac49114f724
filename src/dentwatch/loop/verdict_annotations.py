"""Photos that people have reviewed to the end, as a batch of annotated photos.

Of each detection the newest verdict counts: a right one becomes an annotation, a wrong one does not; so does what was
said to be missed, unless somebody took that back. A photo with nothing left on it was looked at and shows no damage.
The annotator is who gave the verdict.

The batch ``review/<moment>`` holds what was reviewed up to that moment and after that of the batch before. It is due
once ``loop.new_photos`` photos wait, or the first of them has waited a day: a dataset version a photo helps nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.data.stored_photo import StoredPhoto
from dentwatch.records import opinions, tables
from dentwatch.records.annotations import Box
from dentwatch.records.loop_tables import loop_steps
from dentwatch.records.monitoring_tables import review_items
from dentwatch.settings import Settings

PREFIX = "review/"
"""What the ids of these batches begin with."""

SOURCE = "review"
"""The source that a dataset version names for them."""

_LONGEST_WAIT = timedelta(days=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The photos that were reviewed after ``since`` and up to ``until``."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, connection: Connection, batch_id: str) -> "Reviewed":
        """What the batch of that id holds."""
        until = _until(batch_id)
        return cls(_asked_up_to(connection, before=until), until)

    def photos(self, connection: Connection, photos_url: str) -> list[IncomingPhoto]:
        """The photos with what people said about them, in the order in which they were reviewed."""
        return [
            _photo(connection, row, photos_url) for row in connection.execute(_reviewed(self.since, self.until)).all()
        ]


def pending(connection: Connection, settings: Settings, now: datetime) -> list[str]:
    """The id of the batch of reviewed photos that is due now, if there is one."""
    settled = now - timedelta(seconds=settings.loop.settle_seconds)
    found = connection.execute(_reviewed(_asked_up_to(connection), settled)).all()
    if not found:
        return []
    first, last = found[0].reviewed_at, found[-1].reviewed_at
    if len(found) < settings.loop.new_photos and first > now - _LONGEST_WAIT:
        return []
    return [f"{PREFIX}{last.isoformat()}"]


def _reviewed(since: datetime, until: datetime) -> Select[Any]:
    photos, inspections = tables.inspection_photos, tables.inspections
    same_photo = and_(
        photos.c.inspection_id == review_items.c.inspection_id, photos.c.position == review_items.c.position
    )
    return (
        select(
            photos.c.inspection_id,
            photos.c.position,
            photos.c.photo_id,
            photos.c.name,
            photos.c.width,
            photos.c.height,
            photos.c.vehicle_id,
            inspections.c.vehicle_id.label("vehicle_of_inspection"),
            review_items.c.reviewed_at,
        )
        .join(photos, same_photo)
        .join(inspections, inspections.c.id == photos.c.inspection_id)
        .where(
            review_items.c.state == "reviewed",
            review_items.c.reviewed_at > since,
            review_items.c.reviewed_at <= until,
            photos.c.error.is_(None),
        )
        .order_by(review_items.c.reviewed_at, review_items.c.number)
    )


def _photo(connection: Connection, row: Row[Any], photos_url: str) -> IncomingPhoto:
    return IncomingPhoto(
        name=f"{row.inspection_id}/{row.position}-{row.name}",
        read=StoredPhoto(photos_url, row.photo_id, adds=False),
        annotations=tuple(_annotations(connection, row.inspection_id, row.position)),
        width=row.width,
        height=row.height,
        vehicle=row.vehicle_id or row.vehicle_of_inspection,
        source=SOURCE,
    )


def _annotations(connection: Connection, inspection_id: str, position: int) -> Iterator[IncomingAnnotation]:
    verdicts, detections = tables.verdicts, tables.detections
    found = {
        row.id: row
        for row in connection.execute(
            select(detections).where(detections.c.inspection_id == inspection_id, detections.c.position == position)
        )
    }
    said = select(verdicts).where(
        verdicts.c.inspection_id == inspection_id,
        or_(verdicts.c.detection_id.in_(found), verdicts.c.position == position),
    )
    for verdict in opinions.standing(connection.execute(said.order_by(verdicts.c.created_at, verdicts.c.id))):
        if verdict.verdict != "wrong":
            row = found.get(verdict.detection_id, verdict)  # a missed damage has a box of its own
            yield IncomingAnnotation(row.label, Box(row.x, row.y, row.width, row.height), verdict.actor)


def _asked_up_to(connection: Connection, before: datetime | None = None) -> datetime:
    """Up to when reviewed photos are in batches that were asked for (earlier than the one that ends at ``before``)."""
    query = select(loop_steps.c.subject).where(
        loop_steps.c.kind == "take-in", loop_steps.c.subject.startswith(PREFIX, autoescape=True)
    )
    ends = [_until(subject) for subject in connection.execute(query).scalars()]
    return max((end for end in ends if before is None or end < before), default=_BEGINNING)


def _until(batch_id: str) -> datetime:
    return datetime.fromisoformat(batch_id.removeprefix(PREFIX))
