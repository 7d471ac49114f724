"""What people said about inspections, counted with the inspection.

Opinions change: the latest verdict on a detection counts. So what the opinions about one inspection add up to is
remembered with it; when something new is said, that is taken back and what they add up to now is added.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dentwatch.monitoring.kpis import cells, price_error
from dentwatch.monitoring.kpis.cells import Cell
from dentwatch.monitoring.kpis.price_error import Verdict
from dentwatch.records import opinions, tables
from dentwatch.records.kpi_tables import kpi_opinions
from dentwatch.records.monitoring_tables import review_items

Counted = Counter[tuple[str, str]]
"""By measure and label."""


def count(connection: Connection, ids: Collection[str]) -> None:
    """Count anew what was said about the finished inspections ``ids``."""
    if not ids:
        return
    now = _counted(connection, ids)
    same = kpi_opinions.c.inspection_id.in_(ids)
    before = {row.inspection_id: row.counted for row in connection.execute(select(kpi_opinions).where(same))}
    connection.execute(delete(kpi_opinions).where(same))
    rows = tables.inspections
    query = select(rows.c.id, rows.c.created_at, rows.c.channel, rows.c.model).where(rows.c.id.in_(ids))
    changes: Counter[Cell] = Counter()
    kept: list[dict[str, Any]] = []
    for row in connection.execute(query):
        place = cells.place_of(row.created_at, row.channel, row.model)
        for measure, label, value in before.get(row.id, []):
            changes[Cell(place, measure, label)] -= value
        for (measure, label), value in now[row.id].items():
            changes[Cell(place, measure, label)] += value
        values = [[measure, label, value] for (measure, label), value in now[row.id].items() if value]
        kept.append({"inspection_id": row.id, "counted": values})
    connection.execute(insert(kpi_opinions), kept)
    cells.add(connection, changes)


def _counted(connection: Connection, ids: Collection[str]) -> dict[str, Counted]:
    found: dict[str, Counted] = defaultdict(Counter)
    rows = tables.feedback
    for one in connection.execute(select(rows.c.inspection_id, rows.c.rating).where(rows.c.inspection_id.in_(ids))):
        found[one.inspection_id]["ratings", str(one.rating)] += 1
    judged: dict[str, list[Verdict]] = defaultdict(list)
    verdicts = _verdicts(connection, ids)
    for verdict in verdicts:
        judged[verdict.inspection_id].append(verdict)
        found[verdict.inspection_id][verdict.verdict, verdict.detected or verdict.label or ""] += 1
    _count_reviewed(connection, ids, verdicts, found)
    for inspection_id, counted in price_error.of_inspections(connection, judged).items():
        found[inspection_id] += counted
    return found


def _verdicts(connection: Connection, ids: Collection[str]) -> list[Verdict]:
    """The verdicts that count: every missed damage, and the latest on each detection."""
    verdicts, detections = tables.verdicts, tables.detections
    query = (
        select(verdicts, detections.c.label.label("detected"), detections.c.position.label("place"))
        .outerjoin(detections, detections.c.id == verdicts.c.detection_id)
        .where(verdicts.c.inspection_id.in_(ids))
        .order_by(verdicts.c.created_at, verdicts.c.id)
    )
    return opinions.standing(connection.execute(query))


def _count_reviewed(
    connection: Connection, ids: Collection[str], verdicts: list[Verdict], found: dict[str, Counted]
) -> None:
    """Photos that were reviewed as a whole, and in how many of them "damaged or not" was right."""
    rows = tables.detections
    said = select(rows.c.inspection_id, rows.c.position).where(rows.c.inspection_id.in_(ids))
    flagged = {(row.inspection_id, row.position) for row in connection.execute(said)}
    damaged = {
        (row.inspection_id, row.position if row.place is None else row.place)
        for row in verdicts
        if row.verdict != "wrong"
    }
    reviewed = (review_items.c.inspection_id.in_(ids), review_items.c.state == "reviewed")
    for row in connection.execute(select(review_items.c.inspection_id, review_items.c.position).where(*reviewed)):
        photo = (row.inspection_id, row.position)
        found[row.inspection_id]["reviews", ""] += 1
        found[row.inspection_id]["photos_right", ""] += (photo in flagged) == (photo in damaged)
