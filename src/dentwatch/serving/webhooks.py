"""Webhooks: when an inspection is done, its answer is sent to where the client asked, signed, until it has arrived.

A request follows the Standard Webhooks specification, version 1.0 (https://www.standardwebhooks.com): ``webhook-id``
stays the same however often it is sent, ``webhook-timestamp`` is the second of sending, and ``webhook-signature`` holds
``v1,`` and the Base64 of HMAC-SHA256 over ``id.timestamp.body``, for each key. Redirects are not followed; any status
from 200 to 299 means that it has arrived. A receiver may see the same id twice: when its answer got lost on the way.

What is due stands in the table ``webhook_deliveries``, so that a service that was killed goes on where it was. Taking a
delivery moves its next attempt to the end of a lease and counts the attempt, in one transaction; only whoever counted
last may write what became of it.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.metadata import version

import aiohttp
from sqlalchemy import Connection, func, insert, select, update

from dentwatch.errors import DatabaseError
from dentwatch.records.database import Database
from dentwatch.records.ids import new_id
from dentwatch.records.tables import inspections, webhook_deliveries
from dentwatch.serving import metrics
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.webhook_targets import checked_connector, parse_target
from dentwatch.settings import Settings

_log = logging.getLogger(__name__)

_TABLE = webhook_deliveries.c
_WITH_INSPECTION = webhook_deliveries.join(inspections, inspections.c.id == _TABLE.inspection_id)
_IS_OPEN = _TABLE.next_at.is_not(None) & (inspections.c.status != "pending")
"""Neither made nor given up, and there is something to send."""

_THREADS = 4
"""Deliveries of one process under way at a time: a receiver that is slow to answer does not hold up the others."""

_LOOK_SECONDS = 5.0
"""Another process may have enqueued, or been killed: the table is looked at this often at least."""

_MOST_RESPONSE = 16 * 1024
"""Bytes of a response that are read, so that the receiver can finish; they are not kept."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How often a delivery is tried. All times in seconds.

    The wait after attempt ``n`` is ``first · factor ** (n - 1)``, at most ``longest``, less up to half of it by chance,
    so that receivers that come back are not met by everything at once. With the defaults the last of ten attempts is
    made 11 to 22 hours after the first. ``timeout`` is for an attempt as a whole; ``lease`` must be well above it.
    """

    attempts: int = 10
    first: float = 10.0
    factor: float = 4.0
    longest: float = 6 * 3600.0
    timeout: float = 15.0
    lease: float = 120.0

    def wait(self, attempt: int) -> float:
        """Seconds from the failure of the ``attempt``-th attempt (from 1) to the next."""
        return min(self.first * self.factor ** (attempt - 1), self.longest) * random.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A delivery that this process has taken; ``attempt`` (from 1) says which of those who took it this is."""

    id: str
    inspection_id: str
    url: str
    attempt: int


class _UndeliveredError(Exception):
    """An attempt failed; the message goes to the table. ``final``: the receiver wants no more."""

    def __init__(self, message: str, final: bool = False) -> None:
        self.final = final
        super().__init__(message)


def enqueue(connection: Connection, inspection_id: str, url: str) -> str:
    """Have the answer of an inspection sent to ``url`` once it is no longer pending; returns the delivery's id.

    It belongs to the caller's transaction, so that an inspection and its webhook are kept together or not at all. The
    inspection must be there already. Check ``url`` with :func:`check_target` before, outside the transaction.
    """
    delivery_id = new_id()
    row = {"id": delivery_id, "inspection_id": inspection_id, "url": url, "attempts": 0, "next_at": _now()}
    connection.execute(insert(webhook_deliveries).values(row))
    return delivery_id


def sign(keys: list[bytes], delivery_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of a body sent at ``timestamp`` (Unix seconds): one signature per key."""
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp, body)
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class Deliveries:
    """Sends what is due, in threads of its own; any number of processes may do so on one database.

    ``load_answer`` gives the body to send for an inspection's id; what it raises counts as a failed attempt. Without a
    ``serving.webhook_secret`` nothing is sent, and what is due waits for one.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        load_answer: Callable[[str], bytes],
        schedule: RetrySchedule | None = None,
    ) -> None:
        self._database = database
        self._serving = settings.serving
        self._load_answer = load_answer
        self._schedule = schedule or RetrySchedule()
        self._tls = ssl.create_default_context()
        self._changed = threading.Condition()
        self._wakes = 0
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"webhooks-{n}", daemon=True) for n in range(_THREADS)]

    def start(self) -> None:
        """Begin to send, first of all what an earlier process left."""
        if not self._serving.webhook_keys:
            return
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look at once for what is due: call it when an inspection with a webhook is done and committed."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Finish the attempts under way and end the threads; what is still due stays in the table."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self) -> None:
        while not self._closed:
            seen = self._wakes
            try:
                pause = self._seconds_until_due()
                if pause <= 0 and (delivery := self._take()):
                    self._attempt(delivery)
                    continue
            except DatabaseError as error:
                # What was under way is tried again after its lease.
                _log.warning("Webhooks wait for the database: %s", error)
                pause = _LOOK_SECONDS
            # Due but not taken means that another thread was quicker: then look again in a moment.
            self._pause(max(pause, 0.05), seen)

    def _pause(self, seconds: float, seen: int) -> None:
        """Wait, unless somebody called :meth:`wake` since the table was looked at, or does so now."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._wakes != seen, seconds)

    def _seconds_until_due(self) -> float:
        """Seconds until the next delivery is due, at most :data:`_LOOK_SECONDS`; takes no write lock."""
        with self._database.reading() as connection:
            due = connection.scalar(select(func.min(_TABLE.next_at)).select_from(_WITH_INSPECTION).where(_IS_OPEN))
        return _LOOK_SECONDS if due is None else min((due - _now()).total_seconds(), _LOOK_SECONDS)

    def _take(self) -> _Delivery | None:
        """Take the delivery that has been due for longest; None when there is none that nobody else has."""
        due = (
            select(_TABLE.id, _TABLE.inspection_id, _TABLE.url, _TABLE.attempts)
            .select_from(_WITH_INSPECTION)
            .where(_IS_OPEN, _TABLE.next_at <= _now())
            .order_by(_TABLE.next_at)
            .limit(1)
            # On PostgreSQL rows that another process is just taking are passed over; SQLite has one writer at a time.
            .with_for_update(of=webhook_deliveries, skip_locked=True)
        )
        with self._database.writing() as connection:
            row = connection.execute(due).one_or_none()
            if row is None:
                return None
            delivery = _Delivery(row.id, row.inspection_id, row.url, row.attempts + 1)
            lease = _now() + timedelta(seconds=self._schedule.lease)
            change = update(webhook_deliveries).where(_TABLE.id == row.id)
            connection.execute(change.values(attempts=delivery.attempt, next_at=lease))
        return delivery

    def _attempt(self, delivery: _Delivery) -> None:
        try:
            # The last of the attempts was under way when its process was killed.
            if delivery.attempt > self._schedule.attempts:
                raise _UndeliveredError("The service ended during the last attempt.", final=True)
            self._send(delivery)
        except _UndeliveredError as error:
            gives_up = error.final or delivery.attempt >= self._schedule.attempts
            metrics.WEBHOOKS.labels("given_up" if gives_up else "put_off").inc()
            wait = timedelta(seconds=self._schedule.wait(delivery.attempt))
            self._settle(delivery, next_at=None if gives_up else _now() + wait, last_error=str(error))
            outcome = "given up" if gives_up else f"tried again in {wait.total_seconds():.0f} s"
            _log.warning(
                "Webhook %s of inspection %s, attempt %d: %s It is %s.",
                *(delivery.id, delivery.inspection_id, delivery.attempt, error, outcome),
            )
        else:
            metrics.WEBHOOKS.labels("delivered").inc()
            self._settle(delivery, next_at=None, delivered_at=_now(), last_error=None)

    def _settle(self, delivery: _Delivery, **outcome: datetime | str | None) -> None:
        """Write what became of an attempt, unless its lease ended and another has taken the delivery since."""
        mine = (_TABLE.id == delivery.id) & (_TABLE.attempts == delivery.attempt)
        with self._database.writing() as connection:
            connection.execute(update(webhook_deliveries).where(mine).values(**outcome))

    def _send(self, delivery: _Delivery) -> None:
        """One attempt; raises :class:`_UndeliveredError`."""
        try:
            body = self._load_answer(delivery.inspection_id)
        except Exception as error:  # not ours: whatever it is, this delivery waits and the others go on
            raise _UndeliveredError(f"The answer cannot be loaded: {error}.") from error
        try:
            status = asyncio.run(self._post(delivery, body))
        except RefusedError as error:  # the settings have changed since it was accepted
            raise _UndeliveredError(str(error.detail)) from error
        except TimeoutError as error:
            raise _UndeliveredError(f"No answer within {self._schedule.timeout:g} s.") from error
        except Exception as error:  # no receiver may end this thread, whatever it answers
            raise _UndeliveredError(f"The receiver cannot be reached: {error or type(error).__name__}.") from error
        if status == HTTPStatus.GONE:
            raise _UndeliveredError("The receiver answered 410: it wants no more.", final=True)
        if not 200 <= status < 300:
            raise _UndeliveredError(f"The receiver answered {status}.")

    async def _post(self, delivery: _Delivery, body: bytes) -> int:
        """Send ``body``; returns the status of the response. The timeout is for everything, from name to last byte."""
        target = parse_target(delivery.url, self._serving)
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Dentwatch/{version('dentwatch')}",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._serving.webhook_keys, delivery.id, timestamp, body),
        }
        async with (
            aiohttp.ClientSession(
                connector=checked_connector(self._serving, self._tls),
                timeout=aiohttp.ClientTimeout(total=self._schedule.timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.post(target, data=body, headers=headers, allow_redirects=False) as response,
        ):
            await response.content.read(_MOST_RESPONSE)  # what has come of it, without waiting for an end
            return response.status


def _now() -> datetime:
    return datetime.now(UTC)
