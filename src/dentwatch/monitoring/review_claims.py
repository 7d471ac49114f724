"""Who has which photo to review on the screen, so that two people never get the same one.

A claim lasts ten minutes and is renewed while the photo is looked at; one that has run out was of somebody who left.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, case, func, or_, select, update

from dentwatch.errors import MonitoringError
from dentwatch.monitoring import review_plan
from dentwatch.monitoring.review_plan import ReviewItem
from dentwatch.records.monitoring_tables import review_items

LASTS = timedelta(minutes=10)
"""How long a claim lasts unless it is renewed."""


def claim_next(
    connection: Connection, claimant: str, besides: Collection[int] = (), now: datetime | None = None
) -> ReviewItem | None:
    """Claim the photo that matters most of those that nobody else has; None where there is none.

    What ``claimant`` has already comes first, as after a reload; photos whose number is in ``besides`` are left out.
    To be called within a writing transaction.
    """
    now = now or datetime.now(UTC)
    rows = review_items
    has_it = and_(rows.c.claimed_by == claimant, rows.c.claimed_until >= now)
    free = or_(rows.c.claimed_until.is_(None), rows.c.claimed_until < now, rows.c.claimed_by == claimant)
    query = (
        select(rows.c.number)
        .where(rows.c.state == "open", free, rows.c.number.not_in(besides))
        .order_by(case((has_it, 0), else_=1), review_plan.importance(), rows.c.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    number = connection.scalar(query)
    return None if number is None else _claim(connection, number, claimant, now)


def claim(
    connection: Connection, number: int, claimant: str, now: datetime | None = None, lasts: timedelta = LASTS
) -> ReviewItem:
    """Claim this photo, or renew the claim on it.

    Raises :class:`MonitoringError` where there is no such photo, it is reviewed, or somebody else has it.
    """
    now = now or datetime.now(UTC)
    item = review_plan.locked(connection, number)
    if item.state == "reviewed":
        raise MonitoringError(f"{item.reviewer} has reviewed this photo.", "Take the next one.")
    refuse_others(connection, number, claimant, now)
    return _claim(connection, number, claimant, now, lasts)


def release(connection: Connection, number: int, claimant: str) -> None:
    """Let others have the photo; nothing happens where ``claimant`` does not have it."""
    own = and_(review_items.c.number == number, review_items.c.claimed_by == claimant)
    connection.execute(update(review_items).where(own).values(claimed_by=None, claimed_until=None))


def refuse_others(connection: Connection, number: int, claimant: str, now: datetime) -> None:
    """Raise :class:`MonitoringError` while somebody else than ``claimant`` has the photo."""
    holder = holders(connection, [number], now).get(number)
    if holder is not None and holder != claimant:
        raise MonitoringError(f"{person(holder)} has this photo on the screen.", "Take the next one.")


def holders(connection: Connection, numbers: Collection[int], now: datetime) -> dict[int, str]:
    """Who has which of these photos."""
    rows = review_items
    query = select(rows.c.number, rows.c.claimed_by).where(
        rows.c.number.in_(numbers), rows.c.state == "open", rows.c.claimed_until >= now
    )
    return {row.number: row.claimed_by for row in connection.execute(query)}


def held_by(connection: Connection, claimant: str) -> set[int]:
    """The numbers of the open photos that ``claimant`` has."""
    rows = review_items
    query = select(rows.c.number).where(
        rows.c.state == "open", rows.c.claimed_by == claimant, rows.c.claimed_until >= datetime.now(UTC)
    )
    return set(connection.execute(query).scalars())


def person(claimant: str) -> str:
    """Whose screen it is: a claimant is ``actor/screen``, since one person may have several."""
    return claimant.rpartition("/")[0] or claimant


def reviewed_since(connection: Connection, reviewer: str, since: datetime) -> int:
    """How many photos somebody has reviewed since then."""
    rows = review_items
    query = select(func.count()).where(
        rows.c.state == "reviewed", rows.c.reviewer == reviewer, rows.c.reviewed_at >= since
    )
    return connection.execute(query).scalar_one()


def _claim(connection: Connection, number: int, claimant: str, now: datetime, lasts: timedelta = LASTS) -> ReviewItem:
    claimed = update(review_items).where(review_items.c.number == number)
    connection.execute(claimed.values(claimed_by=claimant, claimed_until=now + lasts))
    return review_plan.locked(connection, number)
