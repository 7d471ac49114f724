"""Delivers alerts, in a thread of the process that watches, never of one that answers requests.

What is due stands in the table ``alert_deliveries``, so that a process that was killed goes on where it was: taking a
delivery moves its next attempt to the end of a lease and counts the attempt, in one transaction; only whoever counted
last writes what became of it. A message may arrive twice, when its process was killed before it had written that.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select, update

from dentwatch.errors import AlertError, DatabaseError
from dentwatch.monitoring import metrics
from dentwatch.monitoring.alerts import outbox, receivers
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.monitoring.alerts.receivers import Receiver
from dentwatch.monitoring.alerts.silences import silences
from dentwatch.records.alert_tables import alert_deliveries, alerts
from dentwatch.records.database import Database
from dentwatch.serving.webhooks import RetrySchedule
from dentwatch.settings import Settings

SCHEDULE = RetrySchedule(attempts=20, first=30.0, factor=3.0, longest=6 * 3600.0, lease=600.0)
"""How often a delivery is tried: the last attempt is made 1.7 to 3.4 days after the first."""

NEVER_TOLD = "That it began did not arrive here, so its end is not told."
NOT_SET = "The settings name this receiver no more."
ENDED = "The service ended during the last attempt."

_LOOK_SECONDS = 5.0
"""Another process may have enqueued, or a silence may have ended: the tables are looked at this often at least."""

_log = logging.getLogger(__name__)

_DELIVERY = alert_deliveries.c
_WITH_ALERT = alert_deliveries.join(alerts, alerts.c.number == _DELIVERY.alert)
_earlier, _earlier_alerts = alert_deliveries.alias(), alerts.alias()
_EARLIER = _earlier.join(_earlier_alerts, _earlier_alerts.c.number == _earlier.c.alert)
_IS_ABOUT_THE_SAME = (
    (_earlier_alerts.c.key == alerts.c.key)
    & (_earlier.c.receiver == _DELIVERY.receiver)
    & (_earlier_alerts.c.number < alerts.c.number)
)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A delivery that this process has taken; ``attempt`` (from 1) says which of those who took it this is."""

    number: int
    receiver: str
    attempt: int
    alert: Alert
    is_wanted: bool


class AlertSender:
    """Delivers what is due to the receivers of ``settings`` once :meth:`start` was called.

    Raises :class:`~dentwatch.errors.SettingsError` for a URL that nobody understands.
    """

    def __init__(self, database: Database, settings: Settings, schedule: RetrySchedule = SCHEDULE) -> None:
        receivers.check(settings)
        self._database = database
        self._receivers = {receiver.name: receiver for receiver in receivers.of(settings)}
        self._repeat_hours = settings.monitoring.alert_repeat_hours
        self._schedule = schedule
        self._changed = threading.Condition()
        self._wakes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to deliver, first of all what an earlier process left."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once for what is due: call it when an alert was enqueued and committed."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Finish the attempt under way and end the thread; what is still due stays in the table."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            seen = self._wakes
            try:
                pause = self._work()
            except DatabaseError as error:  # what was under way is tried again after its lease
                _log.warning("Alerts wait for the database: %s", error)
                pause = _LOOK_SECONDS
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._closed or self._wakes != seen, pause)  # type: ignore[misc]

    def _work(self) -> float:
        """Deliver all that is due; seconds until there may be more."""
        self._address()
        while not self._closed and self._next_due() <= datetime.now(UTC):
            if (delivery := self._take()) is None:  # another process was quicker
                break
            self._attempt(delivery)
        with self._database.reading() as connection:
            metrics.ALERTS_WAITING.set(outbox.count_waiting(connection))
        return min(max(0.05, (self._next_due() - datetime.now(UTC)).total_seconds()), _LOOK_SECONDS)

    def _address(self) -> None:
        with self._database.reading() as connection:  # so that no write lock is taken while there is nothing to do
            if not outbox.is_waiting(connection, self._repeat_hours):
                return
        with self._database.writing() as connection:
            outbox.repeat(connection, self._repeat_hours)
            outbox.address(connection, list(self._receivers))

    def _next_due(self) -> datetime:
        with self._database.reading() as connection:
            due = connection.scalar(select(func.min(_DELIVERY.next_at)).select_from(_WITH_ALERT).where(_is_next()))
        return due or datetime.now(UTC) + timedelta(seconds=_LOOK_SECONDS)

    def _take(self) -> _Delivery | None:
        """Take the delivery that has been due for longest; None when there is none that nobody else has."""
        due = (
            select(alerts, _DELIVERY.number.label("delivery"), _DELIVERY.receiver, _DELIVERY.attempts)
            .select_from(_WITH_ALERT)
            .where(_is_next(), _DELIVERY.next_at <= datetime.now(UTC))
            .order_by(_DELIVERY.next_at, _DELIVERY.number)
            .limit(1)
            # On PostgreSQL rows that another process is just taking are passed over; SQLite has one writer at a time.
            .with_for_update(of=alert_deliveries, skip_locked=True)
        )
        with self._database.writing() as connection:
            row = connection.execute(due).one_or_none()
            if row is None:
                return None
            alert = Alert(row.key, row.level, row.title, row.text, row.resolved, row.at, row.details)
            is_wanted = not alert.resolved or _was_told(connection, row.number, row.key, row.receiver)
            lease = datetime.now(UTC) + timedelta(seconds=self._schedule.lease)
            change = update(alert_deliveries).where(_DELIVERY.number == row.delivery)
            connection.execute(change.values(attempts=row.attempts + 1, next_at=lease))
        return _Delivery(row.delivery, row.receiver, row.attempts + 1, alert, is_wanted)

    def _attempt(self, delivery: _Delivery) -> None:
        receiver = self._receivers.get(delivery.receiver)
        if not delivery.is_wanted:
            self._settle(delivery, next_at=None, reason=NEVER_TOLD)
        elif receiver is None:
            self._fail(delivery, NOT_SET, final=True)
        elif delivery.attempt > self._schedule.attempts:
            self._fail(delivery, ENDED, final=True)
        else:
            self._tell(delivery, receiver)

    def _tell(self, delivery: _Delivery, receiver: Receiver) -> None:
        try:
            receiver.tell(delivery.alert)
        except AlertError as error:
            self._fail(delivery, error.message, final=delivery.attempt >= self._schedule.attempts)
        else:
            metrics.ALERT_ATTEMPTS.labels("delivered").inc()
            self._settle(delivery, next_at=None, delivered_at=datetime.now(UTC), reason=None)

    def _fail(self, delivery: _Delivery, reason: str, *, final: bool) -> None:
        metrics.ALERT_ATTEMPTS.labels("given_up" if final else "put_off").inc()
        wait = timedelta(seconds=self._schedule.wait(delivery.attempt))
        self._settle(delivery, next_at=None if final else datetime.now(UTC) + wait, reason=reason)
        outcome = "given up" if final else f"tried again in {wait.total_seconds():.0f} s"
        about = (delivery.alert.key, delivery.receiver, delivery.attempt)
        _log.warning("Alert %s to %s, attempt %d: %s It is %s.", *about, reason, outcome)

    def _settle(self, delivery: _Delivery, **outcome: datetime | str | None) -> None:
        """Write what became of an attempt, unless its lease ended and another has taken the delivery since."""
        mine = (_DELIVERY.number == delivery.number) & (_DELIVERY.attempts == delivery.attempt)
        with self._database.writing() as connection:
            connection.execute(update(alert_deliveries).where(mine).values(**outcome))


def _is_next() -> ColumnElement[bool]:
    """Open, not silenced, and everything that was to be told about the same before is settled."""
    before = select(_earlier.c.number).select_from(_EARLIER).where(_IS_ABOUT_THE_SAME, _earlier.c.next_at.is_not(None))
    return _DELIVERY.next_at.is_not(None) & ~before.exists() & ~silences(alerts.c.key)


def _was_told(connection: Connection, number: int, key: str, receiver: str) -> bool:
    """Whether the last message about ``key`` before alert ``number`` that reached ``receiver`` said that it lasts."""
    about = (_earlier_alerts.c.key == key) & (_earlier.c.receiver == receiver) & (_earlier_alerts.c.number < number)
    query = select(_earlier_alerts.c.resolved).select_from(_EARLIER).where(about, _earlier.c.delivered_at.is_not(None))
    return connection.scalar(query.order_by(_earlier_alerts.c.number.desc()).limit(1)) is False
