"""Carries steps out: one by its key, as a Dagster run does, or all that are due, as ``dentwatch loop run`` does."""

import logging
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from types import TracebackType

from dentwatch.errors import DatabaseError, DentwatchError
from dentwatch.loop import journal, policy
from dentwatch.loop.steps import Again, Bench, Done, Kind, Step, Work
from dentwatch.loop.work import work_of
from dentwatch.records.database import Database
from dentwatch.settings import Settings

Report = Callable[[str, int, int], None]

_LOOK_SECONDS = 2.0  # between looks for steps that are due
_ASK_SECONDS = 10.0  # between looks for what else there is to do: a bucket is listed for it
_RENEWALS = 3  # of a claim while it lasts

_log = logging.getLogger(__name__)


def carry_out(
    settings: Settings,
    database: Database,
    key: str,
    report: Report,
    work: Callable[[Kind], Work] = work_of,
) -> Step:
    """Carry out the step ``key`` where it can be claimed; the step as it then stands.

    A step that another process has, that is not due or has ended is left as it is. One that fails is written down as
    failed and is tried again later. Raises :class:`~dentwatch.errors.LoopError` where there is none.
    """
    holder = _holder()
    with database.writing() as connection:
        journal.existing(connection, key)
        step = journal.claim(connection, holder, key)
    if step is not None:
        _attempt(settings, database, step, holder, report, work)
    with database.reading() as connection:
        return journal.existing(connection, key)


def run(
    settings: Settings,
    ending: threading.Event,
    report: Report,
    announce: Callable[[Step], None] = lambda _step: None,
    work: Callable[[Kind], Work] = work_of,
) -> None:
    """Ask for what is due and carry it out, one step at a time, until ``ending`` is set.

    ``announce`` is called with each step as it is claimed and as it then stands. While the database cannot be
    reached, it waits.
    """
    asked = -math.inf
    with closing(Database.of(settings)) as database:
        while not ending.is_set():
            try:
                if time.monotonic() - asked >= _ASK_SECONDS:
                    policy.ask_due(settings, database, datetime.now(UTC))
                    asked = time.monotonic()
                busy = _next(settings, database, report, announce, work)
            except DatabaseError as error:
                _log.warning("%s", error)
                busy = False
            if not busy:
                ending.wait(_LOOK_SECONDS)


def _next(
    settings: Settings,
    database: Database,
    report: Report,
    announce: Callable[[Step], None],
    work: Callable[[Kind], Work],
) -> bool:
    """Carry out the next step; False where none is due."""
    holder = _holder()
    with database.reading() as connection:
        if not journal.due(connection):
            return False
    with database.writing() as connection:
        step = journal.claim(connection, holder)
    if step is None:
        return False
    announce(step)
    _attempt(settings, database, step, holder, report, work)
    with database.reading() as connection:
        announce(journal.existing(connection, step.key))
    return True


def _attempt(
    settings: Settings,
    database: Database,
    step: Step,
    holder: str,
    report: Report,
    work: Callable[[Kind], Work],
) -> None:
    """Do the work of a claimed step, and write what became of it."""
    outcome: Done | Again | None = None
    error = ""
    with _Renewal(database, step.key, holder):
        try:
            outcome = work(step.kind)(Bench(settings, database, report), step)
        except DentwatchError as failure:
            error = str(failure)
        except Exception as failure:  # a fault of ours or of a library: the step is tried again, and others go on
            _log.exception("The step %s failed.", step.key)
            error = f"{type(failure).__name__}: {failure}"
    with database.writing() as connection:
        if outcome is None:
            kept = journal.fail(connection, step, holder, error)
        else:
            kept = journal.finish(connection, step, holder, outcome)
    if not kept:
        _log.warning("The step %s was cancelled or taken over; what came of it here does not count.", step.key)


class _Renewal(AbstractContextManager[None]):
    """Renews a claim from a thread while the work goes on."""

    def __init__(self, database: Database, key: str, holder: str) -> None:
        self._database, self._key, self._holder = database, key, holder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"renew {key}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(journal.LEASE.total_seconds() / _RENEWALS):
            try:
                with self._database.writing() as connection:
                    if not journal.renew(connection, self._key, self._holder):
                        return
            except DatabaseError as error:  # it may be back before the claim runs out
                _log.warning("%s", error)


def _holder() -> str:
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
