"""Photos that show a drift: some of before it began, to be held against those that its evidence names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from dentwatch.monitoring.drift.slices import OTHER
from dentwatch.monitoring.incidents import WHOLE, Incident
from dentwatch.records import tables

_SHOWN = 6
_LOOKED_AT = 300  # inspections before the drift, among which those of its slice are sought


@dataclass(frozen=True, slots=True)
class ExamplePhoto:
    """The photo at ``position`` of an inspection."""

    inspection_id: str
    position: int


def during(connection: Connection, incident: Incident) -> list[ExamplePhoto]:
    """Photos that the evidence names and that are still kept, those of the leading signal first."""
    named = [
        ExamplePhoto(photo["inspection_id"], photo["position"])
        for signal in incident.evidence.values()
        for photo in signal.get("photos", ())
    ]
    wanted = list(dict.fromkeys(named))[:_SHOWN]
    rows = tables.inspection_photos
    ids = [one.inspection_id for one in wanted]
    kept = connection.execute(select(rows.c.inspection_id, rows.c.position).where(rows.c.inspection_id.in_(ids))).all()
    return [one for one in wanted if (one.inspection_id, one.position) in {tuple(row) for row in kept}]


def before(connection: Connection, incident: Incident) -> list[ExamplePhoto]:
    """The first photo that was answered of each of the last inspections of its slice before it began."""
    rows, photos = tables.inspections, tables.inspection_photos
    last = (
        select(rows.c.id, rows.c.created_at, rows.c.channel, rows.c.options)
        .where(rows.c.created_at < incident.since)
        .order_by(rows.c.created_at.desc())
        .limit(_LOOKED_AT)
    )
    ids = [row.id for row in connection.execute(last) if _is_in(incident.slice, row._mapping)]
    query = select(photos.c.inspection_id, photos.c.position).where(
        photos.c.inspection_id.in_(ids[: 2 * _SHOWN]), photos.c.error.is_(None)
    )
    first: dict[str, int] = {}
    for row in connection.execute(query.order_by(photos.c.position)):
        first.setdefault(row.inspection_id, row.position)
    return _in_order(ids, first)


def _in_order(ids: Sequence[str], first: Mapping[str, int]) -> list[ExamplePhoto]:
    return [ExamplePhoto(one, first[one]) for one in ids if one in first][:_SHOWN]


def _is_in(part: str, row: Mapping[Any, Any]) -> bool:
    """Whether an inspection belongs to a slice that is told by what it came with; hours and the rest hold everything.

    The same hour of another day would lie too far back, and looks no different.
    """
    dimension, _, value = part.partition("=")
    if part == WHOLE or value == OTHER or dimension not in ("channel", "device", "region"):
        return True
    return bool((row["channel"] if dimension == "channel" else (row["options"] or {}).get(dimension)) == value)
