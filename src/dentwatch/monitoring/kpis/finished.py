"""What finished inspections add to the sums: each once and for good, as a finished inspection never changes."""

from collections import Counter, defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, func, select

from dentwatch.monitoring.kpis import cells
from dentwatch.monitoring.kpis.cells import Cell, Place
from dentwatch.monitoring.kpis.histogram import Histogram
from dentwatch.records import tables


def count(connection: Connection, ids: Collection[str]) -> None:
    """Count the finished inspections ``ids``, their photos, detections and times."""
    rows = tables.inspections
    query = select(rows.c.id, rows.c.status, rows.c.created_at, rows.c.channel, rows.c.model, rows.c.damages)
    changes: Counter[Cell] = Counter()
    done: dict[str, Place] = {}
    for row in connection.execute(query.where(rows.c.id.in_(ids))):
        place = cells.place_of(row.created_at, row.channel, row.model)
        if row.status != "done":
            changes[Cell(place, "inspections_failed")] += 1
            continue
        done[row.id] = place
        changes[Cell(place, "inspections")] += 1
        changes[Cell(place, "inspections_damaged")] += bool(row.damages)
    _count_photos(connection, done, changes)
    _count_detections(connection, done, changes)
    cells.add(connection, changes)


def _count_photos(connection: Connection, done: dict[str, Place], changes: Counter[Cell]) -> None:
    """Photos and their times; ``inspection_ms`` is the sum of an inspection's photos that were answered."""
    rows = tables.inspection_photos
    query = select(rows.c.inspection_id, rows.c.error, rows.c.reliable, rows.c.decode_ms, rows.c.infer_ms)
    times: dict[tuple[Place, str], list[float]] = defaultdict(list)
    whole: dict[str, float] = {}
    for inspection_id, error, reliable, decode, infer in connection.execute(
        query.where(rows.c.inspection_id.in_(done))
    ):
        place = done[inspection_id]
        if error is not None:
            changes[Cell(place, "photos_failed")] += 1
            continue
        changes[Cell(place, "photos")] += 1
        changes[Cell(place, "photos_unreliable")] += reliable is False
        if decode is not None and infer is not None:
            for measure, time in (("decode_ms", decode), ("infer_ms", infer), ("photo_ms", decode + infer)):
                times[place, measure].append(time)
            changes[Cell(place, "busy_us")] += round(1000 * (decode + infer))
            whole[inspection_id] = whole.get(inspection_id, 0.0) + decode + infer
    for inspection_id, time in whole.items():
        times[done[inspection_id], "inspection_ms"].append(time)
    cells.add_times(connection, {key: Histogram.of(some) for key, some in times.items()})


def _count_detections(connection: Connection, done: dict[str, Place], changes: Counter[Cell]) -> None:
    rows = tables.detections
    query = select(rows.c.inspection_id, rows.c.label, func.count()).where(rows.c.inspection_id.in_(done))
    for inspection_id, label, number in connection.execute(query.group_by(rows.c.inspection_id, rows.c.label)):
        changes[Cell(done[inspection_id], "detections", label)] += number
