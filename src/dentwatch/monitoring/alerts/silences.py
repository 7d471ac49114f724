"""Silences: alerts of a key, or all, wait until one is over; what is over by then is not told at all."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, select

from dentwatch.monitoring.alerts.alert import ALL
from dentwatch.records.alert_tables import alert_silences

_SILENCE = alert_silences.c
_NEWEST = select(func.max(_SILENCE.number)).group_by(_SILENCE.key)
"""The word that counts for each key: a later one replaces an earlier one."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts of ``key`` (or :data:`.alert.ALL`) wait until ``until``; ``actor`` said so at ``made_at``, and why."""

    key: str
    until: datetime
    actor: str
    why: str
    made_at: datetime


def silence(connection: Connection, key: str, duration: timedelta, *, actor: str, why: str) -> Silence:
    """Hold the alerts of ``key`` back for ``duration`` from now; zero ends an earlier silence of that key."""
    now = datetime.now(UTC)
    made = Silence(key, now + duration, actor, why, now)
    values = {name: getattr(made, name) for name in Silence.__dataclass_fields__}
    connection.execute(insert(alert_silences).values(values))
    return made


def in_force(connection: Connection) -> list[Silence]:
    """The silences that last, those that end first in front."""
    query = select(alert_silences).where(_lasts()).order_by(_SILENCE.until, _SILENCE.number)
    return [Silence(row.key, row.until, row.actor, row.why, row.made_at) for row in connection.execute(query)]


def is_silent(connection: Connection, key: str) -> bool:
    """Whether alerts of ``key`` wait."""
    return connection.scalar(select(_SILENCE.number).where(_lasts(), _SILENCE.key.in_((key, ALL))).limit(1)) is not None


def silences(key: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition, for a query whose column ``key`` names what an alert is about, that it has to wait."""
    return select(_SILENCE.number).where(_lasts(), (_SILENCE.key == key) | (_SILENCE.key == ALL)).exists()


def _lasts() -> ColumnElement[bool]:
    return _SILENCE.number.in_(_NEWEST) & (_SILENCE.until > datetime.now(UTC))
