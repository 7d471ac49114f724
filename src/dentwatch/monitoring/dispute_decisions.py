"""What a review decides about disputes: what a person has judged is open no more."""

from sqlalchemy import Connection, select, update

from dentwatch.records import opinions, tables
from dentwatch.records.monitoring_tables import review_items


def decide(connection: Connection, inspection_id: str) -> dict[str, int]:
    """Close the inspection's open disputes that reviews have answered; returns how many were upheld and rejected.

    One about a detection is upheld where the verdict is that it is wrong, once its photo is reviewed. One about the
    whole inspection is upheld where anything in it was wrong or missed, once no photo of it waits to be reviewed.
    """
    disputes = tables.disputes
    open_ones = connection.execute(
        select(disputes).where(disputes.c.inspection_id == inspection_id, disputes.c.status == "open")
    ).all()
    counted = {"upheld": 0, "rejected": 0}
    if not open_ones:
        return counted
    verdicts = tables.verdicts
    said = select(verdicts).where(verdicts.c.inspection_id == inspection_id)
    standing = opinions.standing(connection.execute(said.order_by(verdicts.c.created_at, verdicts.c.id)))
    judged = {row.detection_id: row.verdict for row in standing}
    waiting = _waiting(connection, inspection_id)
    places = _places(connection, inspection_id)
    for one in open_ones:
        if one.detection_id is None:
            is_answered = not waiting
            is_upheld = any(row.verdict != "right" for row in standing)
        else:
            is_answered = one.detection_id in judged and places[one.detection_id] not in waiting
            is_upheld = judged.get(one.detection_id) == "wrong"
        if is_answered:
            status = "upheld" if is_upheld else "rejected"
            connection.execute(update(disputes).where(disputes.c.id == one.id).values(status=status))
            counted[status] += 1
    return counted


def _waiting(connection: Connection, inspection_id: str) -> set[int]:
    """The positions of the inspection's photos that wait to be reviewed."""
    rows = review_items
    query = select(rows.c.position).where(rows.c.inspection_id == inspection_id, rows.c.state == "open")
    return set(connection.execute(query).scalars())


def _places(connection: Connection, inspection_id: str) -> dict[str, int]:
    rows = tables.detections
    query = select(rows.c.id, rows.c.position).where(rows.c.inspection_id == inspection_id)
    return {row.id: row.position for row in connection.execute(query)}
