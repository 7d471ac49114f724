"""Listings: cars offered for sale. How many of them have an inspection is what adoption means."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, update

from dentwatch.records import kpi_changes
from dentwatch.records.tables import listings


@dataclass(frozen=True, slots=True)
class Listing:
    """A car offered for sale from ``created_at`` to ``closed_at`` (None: still)."""

    id: str
    created_at: datetime
    vehicle_id: str | None = None
    channel: str | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """How many listings were new, and how many changed one that was known."""

    added: int
    updated: int


def register(connection: Connection, found: Sequence[Listing]) -> Registered:
    """Keep listings; one whose id is known is replaced."""
    added = 0
    for listing in found:
        values = asdict(listing)
        changed = connection.execute(update(listings).where(listings.c.id == listing.id).values(values))
        if changed.rowcount == 0:
            connection.execute(insert(listings).values(values))
            added += 1
    if found:
        kpi_changes.note(connection, "listing", *(listing.id for listing in found))
    return Registered(added, len(found) - added)
