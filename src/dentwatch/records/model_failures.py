"""What model versions failed at in production: photos that their network broke down on, and not loading at all."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, select

from dentwatch.records.loop_tables import model_failures

_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Failures:
    """How many ``photos`` a model failed on, and why it could not be loaded; ``reason`` is that of the last failure."""

    photos: int = 0
    unloadable: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FailedPhoto:
    """A photo of an inspection that ``model`` failed on; ``position`` None: one or more of the inspection's."""

    model: str
    inspection_id: str
    position: int | None
    reason: str


def note_photo(connection: Connection, failed: FailedPhoto) -> None:
    """Keep that a model failed on a photo; told again, as when an inspection is tried again, it counts once."""
    rows = model_failures.c
    same = (rows.model == failed.model) & (rows.inspection_id == failed.inspection_id)
    connection.execute(delete(model_failures).where(same, rows.position.is_not_distinct_from(failed.position)))
    where = {"inspection_id": failed.inspection_id, "position": failed.position}
    connection.execute(insert(model_failures).values(**_row(failed.model, "photo", failed.reason), **where, photos=1))


def note_unloadable(connection: Connection, model: str, reason: str) -> None:
    """Keep that ``model``, as answers call it, could not be loaded."""
    connection.execute(insert(model_failures).values(**_row(model, "load", reason), photos=0))


def of(connection: Connection, model: str, since: datetime | None = None, until: datetime | None = None) -> Failures:
    """The failures of ``model`` ``since`` then and before ``until``."""
    rows = model_failures.c
    asked = rows.model == model
    if since is not None:
        asked &= rows.at >= since
    if until is not None:
        asked &= rows.at < until
    photos = connection.execute(select(func.sum(rows.photos)).where(asked, rows.what == "photo")).scalar()
    latest = select(rows.reason).where(asked).order_by(rows.number.desc()).limit(1)
    return Failures(
        int(photos or 0),
        connection.execute(latest.where(rows.what == "load")).scalar(),
        connection.execute(latest).scalar(),
    )


def of_inspection(connection: Connection, inspection_id: str) -> list[FailedPhoto]:
    """Which models failed on photos of an inspection, as they did."""
    rows = model_failures.c
    query = select(model_failures).where(rows.inspection_id == inspection_id).order_by(rows.number)
    return [FailedPhoto(row.model, row.inspection_id, row.position, row.reason) for row in connection.execute(query)]


def inspections_of(connection: Connection, model: str, most: int) -> list[str]:
    """The last inspections that ``model`` failed on, newest first."""
    rows = model_failures.c
    query = (
        select(rows.inspection_id)
        .where(rows.model == model, rows.inspection_id.is_not(None))
        .group_by(rows.inspection_id)
        .order_by(func.max(rows.number).desc())
        .limit(most)
    )
    return [str(row.inspection_id) for row in connection.execute(query)]


def _row(model: str, what: str, reason: str) -> dict[str, object]:
    return {"model": model, "what": what, "reason": reason[:_MOST_REASON], "at": datetime.now(UTC)}
