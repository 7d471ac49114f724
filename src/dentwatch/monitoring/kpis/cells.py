"""The cells that sums are kept in: a measure, on a day, of a channel, a model version and, for some, a label."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from dentwatch.monitoring.kpis.histogram import Histogram
from dentwatch.records.kpi_tables import kpi_cells, kpi_histograms
from dentwatch.records.upsert import upsert

ADOPTION = ("listings", "listings_inspected")
"""Measures that have no model version."""


class Place(NamedTuple):
    """The day (UTC, ISO 8601), channel and model version; "" where there is none."""

    day: str
    channel: str
    model: str


class Cell(NamedTuple):
    """A measure at a place; ``label`` is "" where it does not matter."""

    place: Place
    measure: str
    label: str = ""


def place_of(created_at: datetime, channel: str | None, model: str | None) -> Place:
    """Where something of an inspection or a listing counts: on the day on which that was submitted."""
    return Place(created_at.astimezone(UTC).date().isoformat(), channel or "", model or "")


def add(connection: Connection, changes: Mapping[Cell, int]) -> None:
    """Add to cells; those that are 0 then are removed."""
    rows = [
        {**cell.place._asdict(), "measure": cell.measure, "label": cell.label, "value": change}
        for cell, change in sorted(changes.items())
        if change
    ]
    if not rows:
        return
    adding = upsert(connection, kpi_cells)
    together = {"value": kpi_cells.c.value + adding.excluded.value}
    connection.execute(adding.on_conflict_do_update(index_elements=list(kpi_cells.primary_key), set_=together), rows)
    connection.execute(
        delete(kpi_cells).where(kpi_cells.c.value == 0, kpi_cells.c.day.in_({one["day"] for one in rows}))
    )


def add_times(connection: Connection, times: Mapping[tuple[Place, str], Histogram]) -> None:
    """Add to the histograms of a place and measure; within a transaction that nobody else adds beside."""
    if not times:
        return
    columns = kpi_histograms.c
    days = {place.day for place, _ in times}
    for row in connection.execute(select(kpi_histograms).where(columns.day.in_(days))):
        if (histogram := times.get((Place(row.day, row.channel, row.model), row.measure))) is not None:
            histogram.add_packed(row.buckets)
    rows = [
        {**place._asdict(), "measure": measure, "buckets": histogram.packed()}
        for (place, measure), histogram in times.items()
    ]
    adding = upsert(connection, kpi_histograms)
    instead = {"buckets": adding.excluded.buckets}
    key = list(kpi_histograms.primary_key)
    connection.execute(adding.on_conflict_do_update(index_elements=key, set_=instead), rows)
