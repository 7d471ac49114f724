"""A lease in the database: of several processes that would do the same work, one does.

The holder renews it within every transaction of its work (:func:`renew`). One that was away for longer than the lease
lasts, paused or cut off, finds at its next renewal that another has it, and its transaction does not come about.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from dentwatch.records.monitoring_tables import leases


def take(connection: Connection, name: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Have the work ``name`` for ``length``, where nobody else has it; within a writing transaction."""
    row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one_or_none()
    if row is None:
        connection.execute(insert(leases).values(name=name, holder=holder, until=now + length))
        return True
    if row.holder != holder and row.until > now:
        return False
    connection.execute(update(leases).where(leases.c.name == name).values(holder=holder, until=now + length))
    return True


def renew(connection: Connection, name: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Have it for ``length`` from now; False where somebody else has it by now."""
    changed = connection.execute(
        update(leases).where(leases.c.name == name, leases.c.holder == holder).values(until=now + length)
    )
    return changed.rowcount == 1


def let_go(connection: Connection, name: str, holder: str) -> None:
    """Leave it to others at once."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def holder_of(connection: Connection, name: str, now: datetime) -> str | None:
    """Who has it; None where nobody does."""
    row = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
    return row.holder if row is not None and row.until > now else None
