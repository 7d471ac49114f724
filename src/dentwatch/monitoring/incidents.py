"""Incidents: one drift from first sign to resolution, with its timeline, its evidence and what was done.

A :class:`Signal` is one alarm of the detectors, put into words. Signals of one cause, slice and time belong to one
incident (:func:`open_or_update`). Its level says how bad it is:

- ``noticed``: the photos or detections differ; the harm is not known (yet);
- ``drift``: the estimated harm is within ``monitoring.harm_tolerance``;
- ``critical``: it is beyond.

A level only ever rises. An incident ends when its recovery test says so (:mod:`.recovery`) or a person does. Everything
here happens within the caller's transaction, so that an incident, its alert and the detectors' state are kept together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from dentwatch.errors import IncidentError
from dentwatch.records import audit
from dentwatch.records import monitoring_tables as tables
from dentwatch.records.ids import new_id

State = Literal["open", "acknowledged", "resolved"]
Level = Literal["noticed", "drift", "critical"]
EventKind = Literal["opened", "joined", "revised", "harm", "escalated", "acknowledged", "note", "resolved"]

LEVELS: tuple[Level, ...] = ("noticed", "drift", "critical")
"""From bad to worse."""

WHOLE = "all"
"""The slice of everything."""

OUTPUTS = "detections"
"""The detectors' channel of what the model says: it follows from the photos, where these changed, too."""

SYSTEM = "dentwatch"
"""Who did what no person did."""

TOGETHER = timedelta(hours=1)
"""Signals whose beginnings lie this close may be one incident although their cause or slice differs."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One alarm in words: what ``cause`` in which ``slice`` (``channel=app``, or :data:`WHOLE`) since when.

    ``channel`` is the detectors' (light, optics …). ``evidence`` are JSON values: the statistics that moved, the photos
    that show it, the slices that stayed calm. ``primary`` is False for a change that comes along with a stronger one.
    ``recovery`` is where the test begins that will say that it is over.
    """

    cause: str
    channel: str
    slice: str
    since: datetime
    at: datetime
    summary: str
    model: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    recovery: dict[str, Any] | None = None
    primary: bool = True

    @property
    def key(self) -> str:
        """What tells it from the other signals of its incident."""
        return f"{self.slice}/{self.channel}"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's timeline; ``actor`` is :data:`SYSTEM` for what no person did."""

    at: datetime
    actor: str
    kind: EventKind
    text: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it stands; ``evidence`` is that of each signal by :attr:`Signal.key`, the leading one's first."""

    number: int
    id: str
    state: State
    level: Level
    cause: str
    slice: str
    model: str | None
    since: datetime
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    summary: str
    evidence: dict[str, dict[str, Any]]
    harm: dict[str, Any] | None
    recovery: dict[str, Any] | None

    @property
    def leading(self) -> str:
        """The key of the signal whose cause and slice are the incident's."""
        return next(iter(self.evidence))

    @property
    def is_settled(self) -> bool:
        """Whether its cause will not be judged anew, nor give way to a stronger one that came a little later."""
        lead = self.evidence[self.leading]
        gives_way = not lead["primary"] and any(one["primary"] for one in self.evidence.values())
        return bool(lead.get("settled", True)) and not gives_way

    @property
    def slices(self) -> tuple[str, ...]:
        """Every slice that one of its signals came from."""
        return tuple(dict.fromkeys(key.rpartition("/")[0] for key in self.evidence))

    def as_document(self) -> dict[str, Any]:
        """The incident as a JSON document."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "recovery"}
        moments = ("since", "opened_at", "updated_at", "resolved_at")
        return {**document, **{name: _text(document[name]) for name in moments}, "slices": list(self.slices)}


def open_or_update(connection: Connection, signal: Signal) -> Incident:
    """The incident that ``signal`` belongs to, opened where there is none; as it stands with the signal in it.

    A signal belongs to the newest unresolved incident of its model that has its cause in its slice (or one of the two
    is the whole), or that began within :data:`TOGETHER` of it and shares its cause or its slice, where the whole counts
    as every slice.
    """
    for incident in open_incidents(connection):
        if _belongs(signal, incident):
            return _join(connection, incident, signal)
    return _open(connection, signal)


def assess(connection: Connection, incident: Incident, harm: dict[str, Any], level: Level) -> Incident:
    """Keep an estimate of the harm (JSON values) and the level that follows from it; a level never falls."""
    said = harm.get("text", "The harm was estimated.")
    _add(connection, incident.id, SYSTEM, "harm", said, harm)
    risen = LEVELS.index(level) > LEVELS.index(incident.level)
    if risen:
        _add(connection, incident.id, SYSTEM, "escalated", f"From {incident.level} to {level}.", {"level": level})
        audit.append(connection, SYSTEM, "incident.escalated", incident.id, {"level": level, "lost": harm.get("lost")})
    return _change(connection, incident, harm=harm, level=level if risen else incident.level)


def acknowledge(connection: Connection, incident_id: str, actor: str, note: str = "") -> Incident:
    """A person has taken it on. Raises :class:`IncidentError` where it does not exist or is resolved."""
    incident = _unresolved(connection, incident_id)
    _add(connection, incident.id, actor, "acknowledged", note, {})
    return _change(connection, incident, state="acknowledged")


def add_note(connection: Connection, incident_id: str, actor: str, note: str) -> Incident:
    """Put what somebody found out or did on the timeline, also of a resolved incident.

    Raises :class:`IncidentError` where there is none.
    """
    incident = existing(connection, incident_id)
    _add(connection, incident.id, actor, "note", note, {})
    return incident


def note_once(connection: Connection, incident_id: str, actor: str, note: str) -> None:
    """As :func:`add_note`, unless the timeline says so already: for whoever may come twice to tell the same."""
    if all(event.text != note for event in timeline(connection, incident_id)):
        add_note(connection, incident_id, actor, note)


def resolve(connection: Connection, incident_id: str, actor: str, why: str, at: datetime | None = None) -> Incident:
    """It is over. Raises :class:`IncidentError` where it does not exist or is resolved already."""
    incident = _unresolved(connection, incident_id)
    at = at or _now()
    _add(connection, incident.id, actor, "resolved", why, {}, at)
    if actor == SYSTEM:  # what a person does is audited where it comes in, with who asked
        audit.append(connection, SYSTEM, "incident.resolved", incident.id, {"why": why})
    return _change(connection, incident, state="resolved", resolved_at=at, recovery=None)


def keep_recovery(connection: Connection, incident: Incident, recovery: dict[str, Any]) -> None:
    """Keep where the recovery test stands."""
    rows = tables.incidents
    connection.execute(update(rows).where(rows.c.id == incident.id).values(recovery=recovery))


def find(connection: Connection, incident_id: str) -> Incident | None:
    """The incident with that id, or the only one whose id begins so (8 letters or more); None where there is none."""
    rows = tables.incidents
    if len(incident_id) < 8 or not set(incident_id) <= set("0123456789abcdef-"):
        return None
    found = connection.execute(select(rows).where(rows.c.id.startswith(incident_id)).limit(2)).all()
    return _incident(found[0]) if len(found) == 1 else None


def existing(connection: Connection, incident_id: str) -> Incident:
    """As :func:`find`; raises :class:`IncidentError` where there is none."""
    incident = find(connection, incident_id)
    if incident is None:
        raise IncidentError(
            f"There is no incident {incident_id}.", "`dentwatch monitor incidents` lists them with their ids."
        )
    return incident


def page(
    connection: Connection, *, state: State | None = None, before: int | None = None, limit: int = 50
) -> Sequence[Incident]:
    """Up to ``limit`` incidents, newest first, that were opened before number ``before``."""
    rows = tables.incidents
    query = select(rows).order_by(rows.c.number.desc()).limit(limit)
    if state is not None:
        query = query.where(rows.c.state == state)
    if before is not None:
        query = query.where(rows.c.number < before)
    return [_incident(row) for row in connection.execute(query)]


def open_incidents(connection: Connection) -> Sequence[Incident]:
    """Those that are not resolved, newest first."""
    rows = tables.incidents
    query = select(rows).where(rows.c.state.in_(("open", "acknowledged"))).order_by(rows.c.number.desc())
    return [_incident(row) for row in connection.execute(query)]


def timeline(connection: Connection, incident_id: str) -> Sequence[Event]:
    """Everything that happened to an incident, oldest first."""
    rows = tables.incident_events
    query = select(rows).where(rows.c.incident_id == incident_id).order_by(rows.c.number)
    return [Event(row.at, row.actor, row.kind, row.text, row.details) for row in connection.execute(query)]


def _belongs(signal: Signal, incident: Incident) -> bool:
    if signal.model != incident.model:
        return False
    if signal.key in incident.evidence:
        return True
    same_slice = signal.slice in incident.slices or WHOLE in (signal.slice, *incident.slices)
    same_cause = signal.cause in {one["cause"] for one in incident.evidence.values()}
    together = abs(signal.since - incident.since) <= TOGETHER
    return (same_cause and same_slice) or (together and (same_cause or same_slice))


def _open(connection: Connection, signal: Signal) -> Incident:
    incident_id = new_id()
    connection.execute(
        insert(tables.incidents).values(
            id=incident_id,
            state="open",
            level="noticed",
            cause=signal.cause,
            slice=signal.slice,
            model=signal.model,
            since=signal.since,
            opened_at=signal.at,
            updated_at=signal.at,
            summary=signal.summary,
            evidence={signal.key: _evidence(signal)},
            recovery=signal.recovery,
        )
    )
    _add(connection, incident_id, SYSTEM, "opened", signal.summary, signal.evidence, signal.at)
    details = {"cause": signal.cause, "slice": signal.slice, "model": signal.model}
    audit.append(connection, SYSTEM, "incident.opened", incident_id, details)
    return existing(connection, incident_id)


def _join(connection: Connection, incident: Incident, signal: Signal) -> Incident:
    """The incident with another signal in it, or with what is said anew of one that it has already."""
    known, now = incident.evidence.get(signal.key), _evidence(signal)
    if known == now:
        return incident
    changes: dict[str, Any] = {
        "evidence": {**incident.evidence, signal.key: now},
        "since": min(incident.since, signal.since) if known is None else incident.since,
        "updated_at": signal.at,
    }
    leads = signal.primary and (signal.key == incident.leading or _says_more(signal, incident))
    if leads:
        changes |= {"slice": signal.slice, "cause": signal.cause, "summary": signal.summary, "since": signal.since}
        changes |= {"recovery": signal.recovery, "evidence": {signal.key: now, **_without(incident, signal.key)}}
    if known is None or known["cause"] != signal.cause:
        kind: EventKind = "joined" if known is None else "revised"
        _add(connection, incident.id, SYSTEM, kind, signal.summary, signal.evidence, signal.at)
    return _change(connection, incident, **changes)


def _says_more(signal: Signal, incident: Incident) -> bool:
    """Whether the signal names the drift better.

    One slice does, while others like it stayed calm, instead of the whole; a change of the photos does, instead of what
    the model says about them; a primary change does, instead of one that was noticed first and comes along with it.
    """
    if not incident.evidence[incident.leading]["primary"]:
        return True
    narrower = incident.slice == WHOLE and signal.slice != WHOLE and bool(signal.evidence.get("calm"))
    earlier = incident.leading.endswith(f"/{OUTPUTS}") and signal.channel != OUTPUTS
    return (narrower and signal.cause == incident.cause) or (earlier and (narrower or signal.slice == incident.slice))


def _without(incident: Incident, key: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in incident.evidence.items() if name != key}


def _evidence(signal: Signal) -> dict[str, Any]:
    return {"cause": signal.cause, "primary": signal.primary, **signal.evidence}


def _change(connection: Connection, incident: Incident, **values: Any) -> Incident:
    rows = tables.incidents
    connection.execute(update(rows).where(rows.c.id == incident.id).values({"updated_at": _now(), **values}))
    return existing(connection, incident.id)


def _add(
    connection: Connection,
    incident_id: str,
    actor: str,
    kind: EventKind,
    text: str,
    details: dict[str, Any],
    at: datetime | None = None,
) -> None:
    connection.execute(
        insert(tables.incident_events).values(
            incident_id=incident_id, at=at or _now(), actor=actor, kind=kind, text=text, details=details
        )
    )


def _unresolved(connection: Connection, incident_id: str) -> Incident:
    incident = existing(connection, incident_id)
    if incident.state == "resolved":
        raise IncidentError(
            f"The incident {incident.id} was resolved at {_text(incident.resolved_at)}.",
            "Add a note to it; what drifts again opens another.",
        )
    return incident


def _incident(row: Row[Any]) -> Incident:
    return Incident(**{name: getattr(row, name) for name in Incident.__dataclass_fields__})


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _now() -> datetime:
    return datetime.now(UTC)
