"""The process that watches: follows finished inspections, estimates the harm of incidents, sends alerts.

`dentwatch serve` starts one beside its workers, `dentwatch monitor run` is one. Of several on one database, the holder
of a lease works; the others wait to take over. It is made to stay out of serving's way: at a low priority, in batches,
and resting after each for as long as it took.
"""

import logging
import multiprocessing
import os
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess

from dentwatch.ending import ends_with_signals
from dentwatch.errors import DentwatchError
from dentwatch.monitoring import feed, incident_alerts, incidents, lease, metrics, review_plan, watch_state
from dentwatch.monitoring.alerts.sender import AlertSender
from dentwatch.monitoring.arming import Arming
from dentwatch.monitoring.follower import BATCH, LEASE, LEASE_LENGTH, Follower, LeaseLostError
from dentwatch.monitoring.harm_estimation import HarmEstimation
from dentwatch.monitoring.kpis.keeper import KpiKeeper
from dentwatch.monitoring.kpis.load import LoadSampler
from dentwatch.records.database import Database
from dentwatch.settings import Settings

_NICENESS = 10
_LONGEST_REST = 2.0  # seconds after a batch

_log = logging.getLogger(__name__)


class Watcher:
    """Watches ``database`` with the model that ``ref`` names (None: the champion)."""

    def __init__(self, settings: Settings, database: Database, ref: str | None = None) -> None:
        self._settings = settings
        self._database = database
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._arming = Arming(settings, database, ref)
        self._follower = Follower(database, self._holder, settings.monitoring.review_share)
        self._harm = HarmEstimation(settings, database)
        self._sender = AlertSender(database, settings)
        self._holds = self._sends = False

    def run(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set."""
        try:
            while not stop.is_set():
                started = time.monotonic()
                seen = self._tried()
                took = time.monotonic() - started
                stop.wait(min(took, _LONGEST_REST) if seen == BATCH else self._settings.monitoring.look_seconds)
        finally:
            self._harm.close()
            self._sender.close()
            if self._holds:
                with suppress(DentwatchError), self._database.writing() as connection:
                    lease.let_go(connection, LEASE, self._holder)

    def step(self) -> int:
        """Do what there is to do now; returns how many inspections were seen.

        Raises :class:`~dentwatch.errors.DentwatchError` when the database cannot be used.
        """
        if not self._hold():
            return 0
        self._arming.look()
        try:
            seen = self._follower.follow(self._arming.monitors, self._arming.problem, self._arming.adapted_to)
        except LeaseLostError as error:
            _log.info("%s", error)
            self._lose()
            return 0
        self._plan_disputed()
        self._judge_harm()
        self._measure()
        self._sender.wake()
        return seen

    def _tried(self) -> int:
        try:
            return self.step()
        except DentwatchError as error:
            _log.warning("Monitoring waits: %s", error)
        except Exception:  # a fault of ours must not end the watching for good
            _log.exception("Monitoring could not look at a batch, and tries again.")
        return 0

    def _hold(self) -> bool:
        """Have the lease; where it is new, what another process left is taken up."""
        with self._database.reading() as connection:
            holder = lease.holder_of(connection, LEASE, datetime.now(UTC))
        if holder != self._holder:
            if holder is not None:
                self._lose()
                return False
            with self._database.writing() as connection:
                self._holds = lease.take(connection, LEASE, self._holder, datetime.now(UTC), LEASE_LENGTH)
        elif self._is_half_over():
            with self._database.writing() as connection:
                self._holds = lease.renew(connection, LEASE, self._holder, datetime.now(UTC), LEASE_LENGTH)
        if self._holds and not self._sends:
            self._sender.start()
            self._sends = True
        return self._holds

    def _lose(self) -> None:
        """Another process watches: what this one told of how things stand is no longer so."""
        if self._holds:
            metrics.no_longer_watching()
        self._holds = False

    def _is_half_over(self) -> bool:
        with self._database.reading() as connection:
            return lease.holder_of(connection, LEASE, datetime.now(UTC) + LEASE_LENGTH / 2) is None

    def _plan_disputed(self) -> None:
        with self._database.reading() as connection:
            if not review_plan.has_new_disputes(connection):
                return
        with self._database.writing() as connection:
            review_plan.plan_disputed(connection)

    def _judge_harm(self) -> None:
        """Take up an estimate that is there, and begin the next."""
        if (estimate := self._harm.finished()) is not None:
            judged, harm, level = estimate
            with self._database.writing() as connection:
                now = incidents.find(connection, judged.id)
                if now is not None and now.state != "resolved":
                    incident_alerts.tell(connection, incidents.assess(connection, now, harm, level))
        monitors, bundle = self._arming.monitors, self._arming.bundle
        if monitors is None or bundle is None or not self._harm.is_idle:
            return
        with self._database.reading() as connection:
            waiting = [one for one in incidents.open_incidents(connection) if one.harm is None and one.is_settled]
        if waiting:
            self._harm.begin(waiting[-1], bundle, monitors)

    def _measure(self) -> None:
        """Set the gauges."""
        with self._database.reading() as connection:
            unresolved = incidents.open_incidents(connection)
            state = watch_state.read(connection)
            metrics.BEHIND.set(feed.count_unseen(connection))
        lost = [one.harm["lost"] for one in unresolved if one.harm and one.harm["lost"] is not None]
        counts: Counter[str] = Counter(one.level for one in unresolved)
        metrics.incidents_open(counts, max(lost, default=None), self._settings.monitoring.harm_tolerance)
        metrics.DRIFT_ARMED.set(state.reference is not None)
        metrics.evidence_seen(
            {(channel, part): share for part, by in state.evidence.items() for channel, share in by.items()}
        )


def watch(settings: Settings, ref: str | None = None, announce: Callable[[], None] = lambda: None) -> None:
    """What the process does: watch until SIGTERM or SIGINT, or until the process that started it is gone.

    ``announce`` is called once it listens to these. The process ends with this; it does not return.
    """
    stop = threading.Event()
    ends_with_signals(stop)
    announce()
    with suppress(OSError):
        os.nice(_NICENESS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_stop_with, args=(parent, stop), daemon=True).start()
    sampler = None if parent is None or parent.pid is None else LoadSampler(parent.pid, besides=os.getpid())
    with closing(Database.of(settings)) as database, KpiKeeper(settings, database, sampler):
        Watcher(settings, database, ref).run(stop)
    # A harm estimate in its thread would hold up the end for minutes; nothing of it is lost, it is made again.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)


def _stop_with(parent: BaseProcess, stop: threading.Event) -> None:
    parent.join()
    stop.set()
