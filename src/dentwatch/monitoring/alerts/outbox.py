"""What is to be told, kept in the transaction of what it tells about, and what became of it at each receiver.

One thing (:attr:`.alert.Alert.key`) is told once per level: again when it becomes worse, after
``monitoring.alert_repeat_hours`` while it lasts, and when it is over. A receiver gets the messages about one thing in
their order, and is told that it is over only where it was told that it is.

Whoever enqueues for one key does so one after the other; the process that watches holds a lease for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from dentwatch.monitoring.alerts import silences
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.records.alert_tables import alert_deliveries, alerts

_ALERT, _DELIVERY = alerts.c, alert_deliveries.c
_NEWEST = select(func.max(_ALERT.number)).group_by(_ALERT.key)
"""The last message about each thing."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an alert at one receiver; ``reason`` says why an attempt failed or why there are no more."""

    receiver: str
    attempts: int
    next_at: datetime | None
    delivered_at: datetime | None
    reason: str | None

    @property
    def state(self) -> str:
        """``delivered``, ``waiting`` or ``given up``."""
        if self.delivered_at is not None:
            return "delivered"
        return "given up" if self.next_at is None else "waiting"


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that was enqueued, and its deliveries; none where nobody was to be told."""

    number: int
    alert: Alert
    deliveries: tuple[Delivery, ...]


def enqueue(connection: Connection, alert: Alert) -> int | None:
    """Have ``alert`` told, in the caller's transaction; its number, or None where there is nothing new to tell.

    There is not while the same thing has been told at this level or a worse one, or when something is over that never
    was told.
    """
    last = _last(connection, alert.key)
    begins = (last is None or last.resolved) and not alert.resolved
    changes = last is not None and not last.resolved and (alert.resolved or alert.is_worse_than(last.level))
    return _insert(connection, alert) if begins or changes else None


def stop_repeating(connection: Connection, key: str) -> None:
    """Somebody has taken it on: it is not said again unless it becomes worse, and its end is told all the same."""
    connection.execute(update(alerts).where(_ALERT.key == key).values(repeats=False))


def address(connection: Connection, receivers: Sequence[str]) -> int:
    """Make a delivery of each new alert for each of the ``receivers`` (names); how many alerts there were."""
    new = select(alerts).where(_ALERT.addressed_at.is_(None)).order_by(_ALERT.number).with_for_update(skip_locked=True)
    rows = connection.execute(new).all()
    for row in rows:
        _address(connection, row, receivers)
    return len(rows)


def repeat(connection: Connection, hours: float) -> int:
    """Enqueue again what was last told ``hours`` ago and still lasts; how many alerts that are."""
    rows = connection.execute(select(alerts).where(_is_to_repeat(hours)).order_by(_ALERT.number)).all()
    for row in rows:
        _insert(connection, _alert(row))
    return len(rows)


def is_waiting(connection: Connection, hours: float) -> bool:
    """Whether there is something for :func:`address` or :func:`repeat` to do."""
    due = select(_ALERT.number).where(_ALERT.addressed_at.is_(None) | _is_to_repeat(hours)).limit(1)
    return connection.scalar(due) is not None


def page(connection: Connection, *, limit: int = 50, key: str | None = None) -> list[Told]:
    """The last ``limit`` alerts (of ``key``), newest first, with what became of them."""
    query = select(alerts).order_by(_ALERT.number.desc()).limit(limit)
    rows = connection.execute(query if key is None else query.where(_ALERT.key == key)).all()
    numbers = [row.number for row in rows]
    found: dict[int, list[Delivery]] = {number: [] for number in numbers}
    kept = select(alert_deliveries).where(_DELIVERY.alert.in_(numbers)).order_by(_DELIVERY.number)
    for one in connection.execute(kept):
        found[one.alert].append(Delivery(one.receiver, one.attempts, one.next_at, one.delivered_at, one.reason))
    return [Told(row.number, _alert(row), tuple(found[row.number])) for row in rows]


def count_waiting(connection: Connection) -> int:
    """Deliveries that are neither made nor given up, and alerts that nobody has addressed yet."""
    open_ones = select(func.count()).select_from(alert_deliveries).where(_DELIVERY.next_at.is_not(None))
    new = select(func.count()).select_from(alerts).where(_ALERT.addressed_at.is_(None))
    return (connection.scalar(open_ones) or 0) + (connection.scalar(new) or 0)


def _last(connection: Connection, key: str) -> Row[Any] | None:
    query = select(alerts).where(_ALERT.key == key).order_by(_ALERT.number.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _insert(connection: Connection, alert: Alert) -> int:
    values = {
        "key": alert.key,
        "level": alert.level,
        "title": " ".join(alert.title.split()),  # it becomes a header of a mail
        "text": alert.text,
        "resolved": alert.resolved,
        "at": alert.at,
        "details": alert.details,
        "enqueued_at": datetime.now(UTC),
        "repeats": True,
    }
    number: int = connection.execute(insert(alerts).values(values).returning(_ALERT.number)).scalar_one()
    return number


def _address(connection: Connection, row: Row[Any], receivers: Sequence[str]) -> None:
    now = datetime.now(UTC)
    if row.resolved and silences.is_silent(connection, row.key):
        _drop_unsaid(connection, row.key)
    busy = set() if row.resolved or _is_news(connection, row) else _waiting_for(connection, row.key)
    for receiver in receivers:
        if receiver not in busy:  # who has not heard of it yet needs no reminder
            values = {"alert": row.number, "receiver": receiver, "attempts": 0, "next_at": now}
            connection.execute(insert(alert_deliveries).values(values))
    connection.execute(update(alerts).where(_ALERT.number == row.number).values(addressed_at=now))


def _is_news(connection: Connection, row: Row[Any]) -> bool:
    """Whether the alert is no mere reminder of the one before."""
    earlier = select(alerts).where(_ALERT.key == row.key, _ALERT.number < row.number)
    before = connection.execute(earlier.order_by(_ALERT.number.desc()).limit(1)).one_or_none()
    return before is None or before.resolved or before.level != row.level


def _waiting_for(connection: Connection, key: str) -> set[str]:
    """Receivers that messages about ``key`` still wait for."""
    joined = alert_deliveries.join(alerts, _ALERT.number == _DELIVERY.alert)
    query = select(_DELIVERY.receiver).select_from(joined).where(_ALERT.key == key, _DELIVERY.next_at.is_not(None))
    return set(connection.scalars(query))


def _drop_unsaid(connection: Connection, key: str) -> None:
    """What nobody tried to tell because of a silence, and is over now, is not told any more."""
    of_key = select(_ALERT.number).where(_ALERT.key == key)
    unsaid = (_DELIVERY.alert.in_(of_key)) & _DELIVERY.next_at.is_not(None) & (_DELIVERY.attempts == 0)
    reason = "It was silenced, and over before the silence was."
    connection.execute(update(alert_deliveries).where(unsaid).values(next_at=None, reason=reason))


def _is_to_repeat(hours: float) -> ColumnElement[bool]:
    before = datetime.now(UTC) - timedelta(hours=hours)
    lasts = _ALERT.resolved.is_(False) & _ALERT.repeats.is_(True)
    return _ALERT.number.in_(_NEWEST) & lasts & (_ALERT.enqueued_at <= before)


def _alert(row: Row[Any]) -> Alert:
    return Alert(row.key, row.level, row.title, row.text, row.resolved, row.at, row.details)
