"""Follows finished inspections; what the detectors make of a batch of them is kept in one transaction.

A batch is looked at without any lock. Then one transaction renews the lease, marks the batch as seen, keeps the
detectors' state, and opens and ends incidents with their alerts. It comes about whole or not at all, and nothing in
memory outlives one that did not: so each inspection counts once, whenever the process is killed.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from dentwatch.errors import DriftStateError, MonitoringError
from dentwatch.monitoring import feed, incident_alerts, incidents, lease, review_plan, watch_state
from dentwatch.monitoring.feed import FedInspection
from dentwatch.monitoring.incidents import SYSTEM, WHOLE, Incident, Signal
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.recovery import Recovery
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.monitoring.signals import MOST_RECENT, Alarmed, Watched, signal_of
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records.database import Database

LEASE = "watcher"
LEASE_LENGTH = timedelta(seconds=30)
BATCH = 64

_log = logging.getLogger(__name__)


class LeaseLostError(MonitoringError):
    """Another process follows now."""


class _OvertakenError(MonitoringError):
    """What the batch was looked at with has changed meanwhile: it is looked at again."""


@dataclass(slots=True)
class _Work:
    """What became of a batch, before it is kept."""

    batch: Sequence[FedInspection]
    unresolved: Sequence[Incident]
    over: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    recoveries: dict[str, Recovery] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)


class Follower:
    """Follows the feed of ``database`` as ``holder`` of the lease; draws ``review_share`` of photos for review."""

    def __init__(self, database: Database, holder: str, review_share: float) -> None:
        self._database = database
        self._holder = holder
        self._review_share = review_share
        self._monitors: Monitors | None = None
        self._updates: int | None = None  # at which the detectors in memory stand; None: they have to be restored

    def follow(self, monitors: Monitors | None, problem: str = "", adapted_to: str | None = None) -> int:
        """Look at the next inspections with ``monitors`` (None: without comparing, because of ``problem``).

        ``adapted_to`` is the incident that the model was made for: it outlives the model before, until it is verified
        that it is over. Returns how many there were.

        Raises :class:`LeaseLostError` when another process follows by now.
        """
        with self._database.reading() as connection:
            state = watch_state.read(connection)
            batch = feed.unseen(connection, BATCH)
            unresolved = incidents.open_incidents(connection)
        self._restore(monitors, state)
        closed = set(state.watching) - {one.id for one in unresolved}
        key = None if monitors is None else monitors.key
        if not batch and not closed and (state.reference, state.problem) == (key, problem):
            return 0
        if monitors is not None:
            monitors.restart(part for one in closed for part in state.watching[one])
        try:
            work = self._look(batch, unresolved, monitors, state.updates, adapted_to)
            with self._database.writing() as connection:
                self._keep(connection, work, monitors, problem, state)
        except _OvertakenError as error:
            self._updates = None
            _log.info("%s", error)
            return 0
        except BaseException:
            self._updates = None
            raise
        self._updates = state.updates + len(batch)
        return len(batch)

    def _restore(self, monitors: Monitors | None, state: WatchState) -> None:
        """Bring the detectors to where the kept state is; anew where that was of another reference."""
        if monitors is self._monitors and self._updates == state.updates:
            return
        self._monitors, self._updates = monitors, state.updates
        if monitors is None:
            return
        monitors.begin()
        if state.detectors is not None and state.reference == monitors.key:
            try:
                monitors.restore(state.detectors)
            except DriftStateError as error:
                _log.warning("%s", error)

    def _look(
        self,
        batch: Sequence[FedInspection],
        unresolved: Sequence[Incident],
        monitors: Monitors | None,
        updates: int,
        adapted_to: str | None,
    ) -> _Work:
        work = _Work(batch, unresolved)
        work.candidates = [one for inspection in batch for one in _candidates(inspection, unresolved, monitors)]
        if monitors is None:
            return work
        _end_of_other_models(work, monitors.reference.model, adapted_to)
        recoveries = {
            one.id: (one, Recovery.from_document(one.recovery))
            for one in unresolved
            if one.recovery and one.model == monitors.reference.model
        }
        watched = []
        for inspection in batch:
            seen = monitors.watch(inspection)
            watched.append(seen)
            for incident, test in list(recoveries.values()):
                if inspection.is_in(incident.slice):
                    recoveries[incident.id] = incident, monitors.recover(test, seen)
                if recoveries[incident.id][1].is_over:
                    del recoveries[incident.id]
                    work.over[incident.id] = _recovered(incident), inspection.at
                    monitors.restart(incident.slices)
        work.recoveries = {name: test for name, (_, test) in recoveries.items()}
        work.signals = self._signals(work, watched, monitors, updates)
        return work

    def _signals(self, work: _Work, watched: Sequence[Watched], monitors: Monitors, updates: int) -> list[Signal]:
        """Of the alarms that stand, those that no incident knows yet, or not as they are now."""
        known = [one.evidence for one in work.unresolved if one.id not in work.over]
        news = [alarmed for alarmed in monitors.alarmed() if not _is_known(alarmed, known)]
        if not news:
            return []
        with self._database.reading() as connection:
            earlier = feed.seen_since(connection, updates - MOST_RECENT, MOST_RECENT)
        recent = [*(monitors.measure(one) for one in earlier), *watched]
        signals = [
            signal_of(alarmed, [one for one in recent if one.inspection.is_in(alarmed.slice)], monitors.reference)
            for alarmed in sorted(news, key=lambda one: (_place(one, known), -one.alarm.evidence))
        ]
        return [signal for signal in signals if signal is not None]

    def _keep(
        self, connection: Connection, work: _Work, monitors: Monitors | None, problem: str, state: WatchState
    ) -> None:
        if not lease.renew(connection, LEASE, self._holder, datetime.now(UTC), LEASE_LENGTH):
            raise LeaseLostError("Another process watches for drift by now.")
        if {one.id for one in incidents.open_incidents(connection)} != {one.id for one in work.unresolved}:
            raise _OvertakenError("An incident was resolved while a batch was looked at; it is looked at again.")
        if not feed.mark_seen(connection, work.batch, state.updates + 1):
            raise _OvertakenError("Inspections of a batch had been seen already; the feed is read again.")
        for incident_id, (why, at) in work.over.items():
            incident_alerts.tell(connection, incidents.resolve(connection, incident_id, SYSTEM, why, at))
        for incident in work.unresolved:
            if incident.id in work.recoveries:
                incidents.keep_recovery(connection, incident, work.recoveries[incident.id].as_document())
        for signal in work.signals:
            incident_alerts.tell(connection, incidents.open_or_update(connection, signal))
        review_plan.plan(connection, work.candidates, self._review_share)
        watching = {one.id: list(one.slices) for one in incidents.open_incidents(connection)}
        now = WatchState(state.updates + len(work.batch), watching=watching, problem=problem)
        if monitors is not None:
            before = state.evidence if state.reference == monitors.key else {}
            evidence = {**before, **monitors.evidence()}
            now = replace(now, reference=monitors.key, detectors=monitors.state(), evidence=evidence)
        watch_state.write(connection, now)


def _candidates(
    inspection: FedInspection, unresolved: Iterable[Incident], monitors: Monitors | None
) -> Iterable[Candidate]:
    drifted = any(inspection.is_in(incident.slice) for incident in unresolved)
    for photo in inspection.photos:
        uncertain = monitors is not None and monitors.is_unsure(photo)
        yield Candidate(inspection.id, photo.position, uncertain, drifted)


def _end_of_other_models(work: _Work, model: str, adapted_to: str | None) -> None:
    """Incidents of an earlier champion end: what still drifts from its successor's reference opens others."""
    now = datetime.now(UTC)
    for incident in work.unresolved:
        if incident.model != model and incident.id != adapted_to:
            work.over[incident.id] = f"The champion is {model} now, which is compared with photos of its own.", now


def _is_known(alarmed: Alarmed, known: Iterable[dict[str, dict[str, Any]]]) -> bool:
    evidence = next((one[alarmed.key] for one in known if alarmed.key in one), None)
    if evidence is None:
        return False
    is_final = evidence["settled"] or not alarmed.settled
    return bool(is_final and evidence["cause"] == alarmed.alarm.cause)


def _place(alarmed: Alarmed, known: Iterable[dict[str, dict[str, Any]]]) -> int:
    """In which order signals are told: what leads opens an incident, unless what it comes along with has opened it."""
    if alarmed.alarm.primary:
        return 1
    return 0 if any(alarmed.key in one for one in known) else 2


def _recovered(incident: Incident) -> str:
    where = "The photos" if incident.slice == WHOLE else f"The photos of {incident.slice}"
    return f"{where} are like the reference again: less than half of the drift can be left."
