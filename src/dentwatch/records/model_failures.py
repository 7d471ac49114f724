"""What model versions failed at in production: photos that their network broke down on, and not loading at all."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, func, insert, select

from dentwatch.records.loop_tables import model_failures

What = Literal["photo", "load"]

_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Failures:
    """How many ``photos`` a model failed on, and why it could not be loaded; ``reason`` is that of the last failure."""

    photos: int = 0
    unloadable: str | None = None
    reason: str | None = None


def note(connection: Connection, model: str, what: What, reason: str, photos: int = 1) -> None:
    """Keep a failure of ``model``, as answers call it; within a writing transaction."""
    row = {"model": model, "what": what, "reason": reason[:_MOST_REASON], "photos": photos, "at": datetime.now(UTC)}
    connection.execute(insert(model_failures).values(row))


def of(connection: Connection, model: str, since: datetime, until: datetime | None = None) -> Failures:
    """The failures of ``model`` ``since`` then and before ``until``."""
    rows = model_failures.c
    asked = (rows.model == model) & (rows.at >= since)
    if until is not None:
        asked &= rows.at < until
    photos = connection.execute(select(func.sum(rows.photos)).where(asked, rows.what == "photo")).scalar()
    latest = select(rows.reason).where(asked).order_by(rows.number.desc()).limit(1)
    return Failures(
        int(photos or 0),
        connection.execute(latest.where(rows.what == "load")).scalar(),
        connection.execute(latest).scalar(),
    )
