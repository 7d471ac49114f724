"""What is due: which steps follow from how things stand. Asking twice for the same changes nothing.

Only an incident whose harm was estimated starts anything, and only a critical one a retraining: an alarm alone costs
nothing but the telling.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select

from dentwatch.loop import inbox, journal
from dentwatch.loop.steps import Ask
from dentwatch.monitoring import incidents
from dentwatch.records import tables
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.settings import Settings


def ask_due(settings: Settings, database: Database, now: datetime) -> list[str]:
    """Ask for every step that is due at ``now`` (UTC); the keys of those that had not been asked for before."""
    wishes = [*for_incidents(database), *for_photos(settings, database), *for_the_day(settings, database, now)]
    return ask(settings, database, wishes)


def ask(settings: Settings, database: Database, wishes: Sequence[Ask]) -> list[str]:
    """Ask for some steps, unless the loop is switched off; the keys of those that had not been asked for before."""
    if not settings.loop.enabled:
        return []
    with database.reading() as connection:
        new = [wish for wish in wishes if journal.find(connection, wish.run_key) is None]
    if not new:
        return []
    with database.writing() as connection:
        return [wish.run_key for wish in new if journal.ask(connection, wish)]


def search_over_latest(settings: Settings) -> Ask:
    """A search over the newest dataset version; raises :class:`~dentwatch.errors.DatasetError` where there is none."""
    latest = DatasetStore(settings.dataset_store_url).get("latest").id
    return Ask("search", f"dataset/{latest}", {"dataset": latest})


def for_incidents(database: Database) -> list[Ask]:
    """An investigation of each unresolved incident, and another when it has become critical."""
    with database.reading() as connection:
        unresolved = incidents.open_incidents(connection)
    return [
        Ask("investigate", one.id, {"incident": one.id}, f"investigate/{one.id}/{one.level}")
        for one in unresolved
        if one.level != "noticed" and one.is_settled
    ]


def for_photos(settings: Settings, database: Database) -> list[Ask]:
    """The taking in of each batch of annotated photos that has arrived whole."""
    return [Ask("take-in", batch) for batch in inbox.pending_batches(settings, database)]


def for_the_day(settings: Settings, database: Database, now: datetime) -> list[Ask]:
    """The nightly work, once the hour has come; a service that was not there before it has nothing to look back on."""
    hour = datetime.combine(now.date(), time(settings.loop.nightly_hour), UTC)
    begun = hour if now >= hour else hour - timedelta(days=1)
    with database.reading() as connection:
        first = connection.scalar(select(func.min(tables.inspections.c.created_at)))
    return [Ask("nightly", f"{begun:%Y-%m-%d}")] if first is not None and first < begun else []
