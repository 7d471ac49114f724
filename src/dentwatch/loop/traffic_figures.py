"""What traffic says about a model: how many photos it answered, how fast, and how much of it was right."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from dentwatch.monitoring import performance
from dentwatch.monitoring.performance import Estimate
from dentwatch.records import model_failures, tables

FEWEST = 30
"""Photos with fewer of which nothing is concluded."""

_MOST = 5_000  # last photos whose times are looked at


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
    asked = (inspections.c.model == model) & (inspections.c.created_at >= since)
    if until is not None:
        asked &= inspections.c.created_at < until
    joined = photos.join(inspections, inspections.c.id == photos.c.inspection_id)
    rows = connection.execute(
        select(photos.c.infer_ms)
        .select_from(joined)
        .where(asked, photos.c.infer_ms.is_not(None))
        .order_by(inspections.c.number.desc())
        .limit(_MOST)
    ).all()
    groups = {one.group: one for one in performance.measure(connection, "model", since, until)}
    said = groups[model].rates["precision"] if model in groups else None
    times = [row.infer_ms for row in rows]
    p95 = float(np.percentile(times, 95)) if len(times) >= FEWEST else None
    return TrafficFigures(len(times), p95, said)


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
    rows = connection.execute(
        select(shadow.c.inspection_id, shadow.c.position, shadow.c.detections)
        .join(inspections, inspections.c.id == shadow.c.inspection_id)
        .where(shadow.c.model == model, inspections.c.created_at >= since)
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
    count = max(len(rows), 1)
    return len(rows), sum(len(row.detections) for row in rows) / count, answered_boxes / count
