"""Keeps the sums up to date: counts what has changed since, exactly once, whoever else does the same.

What has changed is noted in the transaction that changes it (:mod:`dentwatch.records.kpi_changes`). A batch of it is
counted and forgotten in one transaction; one process does that at a time, and others wait. Changes of an inspection
that waits for its answer wait with it.
"""

from sqlalchemy import Connection, and_, delete, func, or_, select

from dentwatch.monitoring.kpis import finished, offered, said
from dentwatch.records import tables
from dentwatch.records.database import Database
from dentwatch.records.kpi_tables import kpi_changes

BATCH = 2_000
"""Changes that are counted in one transaction, so that it is short."""

_LOCK = 0x64656E746B7069  # "dentkpi": an advisory lock of PostgreSQL is a number that nobody else takes


def catch_up(database: Database, most: int | None = None) -> int:
    """Count what has changed, ``most`` changes or all; returns how many there were.

    Raises :class:`~dentwatch.errors.DatabaseError` when the database cannot be used; what was counted stays counted.
    """
    counted = 0
    while most is None or counted < most:
        with database.reading() as connection:  # where there is nothing to do, nobody is kept waiting
            if (
                connection.execute(select(kpi_changes.c.number).select_from(_waiting).where(_ready).limit(1)).first()
                is None
            ):
                break
        with database.writing() as connection:
            batch = _count_batch(connection, BATCH if most is None else min(BATCH, most - counted))
        counted += batch
        if batch == 0:
            break
    return counted


def behind(connection: Connection) -> int:
    """How many changes the sums do not hold yet, except those of inspections that wait for their answer."""
    query = select(func.count()).select_from(_waiting).where(_ready)
    return connection.scalar(query) or 0


_about = and_(kpi_changes.c.kind != "listing", tables.inspections.c.id == kpi_changes.c.subject)
_waiting = kpi_changes.outerjoin(tables.inspections, _about)
_ready = or_(kpi_changes.c.kind == "listing", tables.inspections.c.status != "pending")


def _count_batch(connection: Connection, most: int) -> int:
    if connection.dialect.name != "sqlite":  # where a transaction that writes is alone anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    changes = connection.execute(
        select(kpi_changes).select_from(_waiting).where(_ready).order_by(kpi_changes.c.number).limit(most)
    ).all()
    if changes:
        subjects = {
            kind: {row.subject for row in changes if row.kind == kind} for kind in ("finished", "said", "listing")
        }
        finished.count(connection, subjects["finished"])
        said.count(connection, subjects["said"])
        offered.count(connection, subjects["listing"], subjects["finished"])
        connection.execute(delete(kpi_changes).where(kpi_changes.c.number.in_([row.number for row in changes])))
    return len(changes)
