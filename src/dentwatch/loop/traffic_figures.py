"""What traffic says about a model: how many photos it answered, how fast, and how much of it was right."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select

from dentwatch.monitoring import performance
from dentwatch.monitoring.performance import Estimate
from dentwatch.records import model_failures, tables

FEWEST = 30
"""Photos with fewer of which nothing is concluded."""

_MOST = 5_000  # last photos whose times and boxes are looked at


@dataclass(frozen=True, slots=True)
class TrafficFigures:
    """Of ``photos`` photos of a model: the 95th percentile of its time (ms, None with few).

    ``precision`` is that of verdicts, None without any.
    """

    photos: int
    p95_ms: float | None
    precision: Estimate | None


def answered(connection: Connection, model: str, since: datetime, until: datetime | None = None) -> TrafficFigures:
    """The photos that ``model`` answered ``since`` then and before ``until``."""
    photos, inspections = tables.inspection_photos, tables.inspections
    latest = _answered(select(photos.c.infer_ms), model, since, until).order_by(inspections.c.number.desc())
    groups = {one.group: one for one in performance.measure(connection, "model", since, until)}
    said = groups[model].rates["precision"] if model in groups else None
    times = connection.execute(latest.limit(_MOST)).scalars().all()
    p95 = float(np.percentile(times, 95)) if len(times) >= FEWEST else None
    return TrafficFigures(count(connection, model, since, until), p95, said)


def count(connection: Connection, model: str, since: datetime, until: datetime | None = None) -> int:
    """How many photos ``model`` answered ``since`` then and before ``until``."""
    photos = tables.inspection_photos.c
    return connection.scalar(_answered(select(func.count(photos.infer_ms)), model, since, until)) or 0


def _answered(query: Select[Any], model: str, since: datetime, until: datetime | None) -> Select[Any]:
    """``query`` of the photos that ``model`` answered."""
    photos, inspections = tables.inspection_photos, tables.inspections
    asked = (inspections.c.model == model) & (inspections.c.created_at >= since)
    if until is not None:
        asked &= inspections.c.created_at < until
    joined = photos.join(inspections, inspections.c.id == photos.c.inspection_id)
    return query.select_from(joined).where(asked, photos.c.infer_ms.is_not(None))


def failures(
    connection: Connection, model: str, before: str, since: datetime, of_before: tuple[datetime, datetime | None]
) -> dict[str, Any]:
    """What ``model`` failed at since then, and how many photos the one ``before`` failed on in its time; as JSON."""
    found, known = model_failures.of(connection, model, since), model_failures.of(connection, before, *of_before)
    return {
        "failed": found.photos,
        "failed_before": known.photos,
        "unloadable": found.unloadable,
        "failure": found.reason,
    }


def shadowed(connection: Connection, model: str, since: datetime) -> tuple[int, float, float]:
    """Photos that ``model`` saw in the shadow since then; boxes per photo that it marked, and that were answered."""
    shadow, inspections, detections = tables.shadow_answers, tables.inspections, tables.detections
    joined = shadow.join(inspections, inspections.c.id == shadow.c.inspection_id)
    asked = (shadow.c.model == model) & (inspections.c.created_at >= since)
    photos = connection.scalar(select(func.count()).select_from(joined).where(asked)) or 0
    rows = connection.execute(
        select(shadow.c.inspection_id, shadow.c.position, shadow.c.detections)
        .select_from(joined)
        .where(asked)
        .order_by(inspections.c.number.desc())
        .limit(_MOST)
    ).all()
    seen = {(row.inspection_id, row.position) for row in rows}
    answers = connection.execute(
        select(detections.c.inspection_id, detections.c.position).where(
            detections.c.inspection_id.in_(select(shadow.c.inspection_id).where(shadow.c.model == model))
        )
    )
    answered_boxes = sum((row.inspection_id, row.position) in seen for row in answers)
    looked_at = max(len(rows), 1)
    return photos, sum(len(row.detections) for row in rows) / looked_at, answered_boxes / looked_at
