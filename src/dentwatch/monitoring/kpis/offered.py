"""Listings with and without an inspection, counted on the day and in the channel of the listing.

A listing has an inspection as soon as a finished one names it, or its vehicle.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, delete, insert, or_, select

from dentwatch.monitoring.kpis import cells
from dentwatch.monitoring.kpis.cells import Cell, Place
from dentwatch.records import tables
from dentwatch.records.kpi_tables import kpi_listings


def count(connection: Connection, listings: Collection[str], finished: Collection[str]) -> None:
    """Count anew the listings of these ids, and those that the ``finished`` inspections are about."""
    offered, inspections = tables.listings, tables.inspections
    about = connection.execute(
        select(inspections.c.listing_id, inspections.c.vehicle_id).where(inspections.c.id.in_(finished))
    ).all()
    named = {*listings, *(row.listing_id for row in about if row.listing_id is not None)}
    vehicles = {row.vehicle_id for row in about if row.vehicle_id is not None}
    touched: list[ColumnElement[bool]] = [offered.c.id.in_(named)] if named else []
    touched += [offered.c.vehicle_id.in_(vehicles)] if vehicles else []
    if not touched:
        return
    found = connection.execute(select(offered).where(or_(*touched))).all()
    listed = _done(connection, inspections.c.listing_id, {row.id for row in found})
    driven = _done(connection, inspections.c.vehicle_id, {row.vehicle_id for row in found})
    inspected = {row.id for row in found if row.id in listed or row.vehicle_id in driven}
    changes = _taken_back(connection, [row.id for row in found])
    for row in found:
        _add(changes, cells.place_of(row.created_at, row.channel, None), row.id in inspected, 1)
    if found:
        connection.execute(
            insert(kpi_listings),
            [
                {
                    "listing_id": row.id,
                    "day": cells.place_of(row.created_at, None, None).day,
                    "channel": row.channel or "",
                    "inspected": row.id in inspected,
                }
                for row in found
            ],
        )
    cells.add(connection, changes)


def _done(connection: Connection, column: Column[Any], values: Collection[str | None]) -> set[str]:
    """Those of ``values`` that a finished inspection has in ``column``."""
    # With the status in the condition SQLite would take its index, and with that read every inspection.
    query = select(column, tables.inspections.c.status).where(column.in_([one for one in values if one is not None]))
    return {value for value, status in connection.execute(query.distinct()) if status == "done"}


def _taken_back(connection: Connection, ids: Collection[str]) -> Counter[Cell]:
    """What these listings have added so far, with the sign changed; they are forgotten."""
    changes: Counter[Cell] = Counter()
    same = kpi_listings.c.listing_id.in_(ids)
    for row in connection.execute(select(kpi_listings).where(same)):
        _add(changes, Place(row.day, row.channel, ""), row.inspected, -1)
    connection.execute(delete(kpi_listings).where(same))
    return changes


def _add(changes: Counter[Cell], place: Place, inspected: bool, number: int) -> None:
    changes[Cell(place, "listings")] += number
    changes[Cell(place, "listings_inspected")] += number * inspected
