"""Group commit: changes that arrive while one commit is under way share the next, so that one sync serves many."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection

from dentwatch.errors import DatabaseError
from dentwatch.records.database import Database
from dentwatch.serving import metrics

_MOST = 64  # changes in one commit: bounds how long the first of them waits

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class Ledger:
    """Writes to ``database`` from one thread, in the order of :meth:`write`.

    A change is a function of the connection. Its future is done when the change is on the disk; it carries what the
    function returned, or what it raised, in which case nothing of that change stays and the others are not touched. A
    future that is cancelled before its turn comes takes its change with it; later it is too late.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting: deque[tuple[Callable[[Connection], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(self, change: Callable[[Connection], Result]) -> "Future[Result]":
        """Hand in a change; raises :class:`RuntimeError` once the ledger is closed."""
        future: Future[Result] = Future()
        with self._changed:
            if self._closing:
                raise RuntimeError("The ledger is closed.")
            self._waiting.append((change, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Write what was handed in, then end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            self._commit(batch)

    def _next(self) -> list[tuple[Callable[[Connection], Any], Future[Any]]]:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            return [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]

    def _commit(self, batch: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> None:
        # From here on none of them can be cancelled; those whose sender has given up before are left out.
        batch = [(change, future) for change, future in batch if future.set_running_or_notify_cancel()]
        metrics.COMMIT_CHANGES.observe(len(batch))
        if len(batch) == 1:
            self._commit_one(*batch[0])
            return
        outcomes: list[Callable[[], None]] = []
        try:
            with self.database.writing() as connection:
                for change, future in batch:
                    outcomes.append(self._apply(connection, change, future))
        except Exception as error:  # the database is gone or full: nobody's change is kept
            _log.error("%d changes could not be kept: %s", len(batch), error)
            for _, future in batch:
                future.set_exception(error)
            return
        for tell in outcomes:
            tell()

    def _commit_one(self, change: Callable[[Connection], Any], future: "Future[Any]") -> None:
        """Commit a change that came alone: there is nothing that it could take with it, and no savepoint is needed."""
        try:
            with self.database.writing() as connection:
                result = change(connection)
        except Exception as error:
            if isinstance(error, DatabaseError):
                _log.error("A change could not be kept: %s", error)
            future.set_exception(error)
        else:
            future.set_result(result)

    def _apply(
        self, connection: Connection, change: Callable[[Connection], Any], future: "Future[Any]"
    ) -> Callable[[], None]:
        """Apply one change by itself; returns what tells its sender once the commit is through."""
        try:
            with self.database.explained(), connection.begin_nested():
                result = change(connection)
        except Exception as error:  # the sender's own: it goes back to them
            failure = error
            return lambda: future.set_exception(failure)
        return lambda: future.set_result(result)
