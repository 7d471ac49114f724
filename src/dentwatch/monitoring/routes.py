"""``/v1/incidents``, ``/v1/monitoring/drift`` and ``/v1/reviews``: monitoring over HTTP.

Serving knows nothing of monitoring: whoever puts the service together hands :func:`router` to
:func:`dentwatch.serving.api.create_app`.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from dentwatch.errors import IncidentError
from dentwatch.monitoring import feed, incident_alerts, incidents, review_routes, watch_state
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.incidents import Incident, Level, State
from dentwatch.records import audit
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_INCIDENT = "/v1/incidents/{incident_id}"

Seer = Annotated[Caller, Depends(require(Permission.SEE_MONITORING))]
Handler = Annotated[Caller, Depends(require(Permission.HANDLE_INCIDENTS))]


class NoteInput(BaseModel):
    """What somebody found out or did."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: str = Field(min_length=1, max_length=2000)


class IncidentAnswer(BaseModel):
    """An incident as it stands."""

    id: str
    state: State
    level: Level
    cause: str
    slice: str = Field(description="`all`, or as in `channel=app`.")
    slices: list[str] = Field(description="Every slice in which it was noticed.")
    model: str | None
    since: datetime
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    summary: str = Field(description="It in one sentence.")
    evidence: dict[str, Any] = Field(description="By slice and channel of the detectors: what moved, photos, …")
    harm: dict[str, Any] | None = Field(description="The recall it costs, once estimated.")


class EventAnswer(BaseModel):
    """One line of a timeline."""

    at: datetime
    actor: str = Field(description="`dentwatch` for what no person did.")
    kind: incidents.EventKind
    text: str
    details: dict[str, Any]


class IncidentWithTimeline(IncidentAnswer):
    """An incident and everything that happened to it, oldest first."""

    timeline: list[EventAnswer]


class IncidentPage(BaseModel):
    """Some incidents, newest first."""

    incidents: list[IncidentAnswer]
    next: int | None = Field(description="The `before` of the page after this; none on the last one.")


class DriftAnswer(BaseModel):
    """How things stand."""

    updates: int = Field(description="Inspections seen so far.")
    behind: int = Field(description="Finished inspections that are still to be seen.")
    updated_at: datetime | None
    reference: dict[str, Any] | None = Field(description="What production is compared with; none while it is not.")
    problem: str = Field(description="Why it is not compared; empty while it is.")
    evidence: dict[str, dict[str, float]] = Field(description="By slice and channel; 1 is an alarm.")


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(
        HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY
    )
    routes = APIRouter(tags=["monitoring"], responses={**REFUSALS, **faults})
    _add_incidents(routes, runtime)
    _add_changes(routes, runtime)
    review_routes.add(routes, runtime)
    return routes


def _add_incidents(routes: APIRouter, runtime: Runtime) -> None:
    @routes.get("/v1/incidents", summary="List incidents")
    async def page(
        _caller: Seer,
        state: State | None = None,
        before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> IncidentPage:
        """Newest first."""
        found = await runtime.intake.read(
            lambda connection: incidents.page(connection, state=state, before=before, limit=limit)
        )
        last = found[-1].number if len(found) == limit else None
        return IncidentPage(incidents=[_answer(one) for one in found], next=last)

    @routes.get(_INCIDENT, summary="Show an incident with its timeline")
    async def one(incident_id: str, _caller: Seer) -> IncidentWithTimeline:
        """What happened, what shows it, and who did what."""

        def read(connection: Connection) -> IncidentWithTimeline:
            incident = _existing(connection, incident_id)
            said = incidents.timeline(connection, incident.id)
            events = [EventAnswer.model_validate(event, from_attributes=True) for event in said]
            return IncidentWithTimeline(**_answer(incident).model_dump(), timeline=events)

        return await runtime.intake.read(read)

    @routes.get("/v1/monitoring/drift", summary="Show how far production has drifted")
    async def drift(_caller: Seer) -> DriftAnswer:
        """The evidence in every slice and channel."""

        def read(connection: Connection) -> DriftAnswer:
            state = watch_state.read(connection)
            return DriftAnswer(
                updates=state.updates,
                behind=feed.count_unseen(connection),
                updated_at=state.updated_at if state.updates or state.reference else None,
                reference=state.reference,
                problem=state.problem,
                evidence=state.evidence,
            )

        return await runtime.intake.read(read)


def _add_changes(routes: APIRouter, runtime: Runtime) -> None:
    async def changed(incident_id: str, caller: Caller, action: str, change: Callable[[Connection], Incident]) -> Any:
        def write(connection: Connection) -> Incident:
            _existing(connection, incident_id)
            try:
                incident = change(connection)
            except IncidentError as error:
                raise RefusedError(HTTPStatus.CONFLICT, "incident-resolved", error.message) from error
            audit.append(connection, caller.actor, f"incident.{action}", incident.id, {})
            return incident

        return _answer(await runtime.intake.write(write))

    @routes.post(_INCIDENT + "/notes", summary="Put a note on an incident's timeline")
    async def note(incident_id: str, given: NoteInput, caller: Handler) -> IncidentAnswer:
        """What was found out or done; also when it is resolved."""
        return await changed(  # type: ignore[no-any-return]
            incident_id,
            caller,
            "note",
            lambda connection: incidents.add_note(connection, incident_id, caller.actor, given.text),
        )

    @routes.post(_INCIDENT + "/acknowledge", summary="Take an incident on")
    async def acknowledge(incident_id: str, given: NoteInput, caller: Handler) -> IncidentAnswer:
        """Its alerts are not repeated from then on; worse ones and its end are told."""

        def change(connection: Connection) -> Incident:
            incident = incidents.acknowledge(connection, incident_id, caller.actor, given.text)
            outbox.stop_repeating(connection, incident_alerts.key_of(incident))
            return incident

        return await changed(incident_id, caller, "acknowledge", change)  # type: ignore[no-any-return]

    @routes.post(_INCIDENT + "/resolve", summary="Say that an incident is over")
    async def resolve(incident_id: str, given: NoteInput, caller: Handler) -> IncidentAnswer:
        """The detectors of its slices start anew: what still drifts opens another."""

        def change(connection: Connection) -> Incident:
            incident = incidents.resolve(connection, incident_id, caller.actor, given.text)
            incident_alerts.tell(connection, incident)
            return incident

        return await changed(incident_id, caller, "resolve", change)  # type: ignore[no-any-return]


def _existing(connection: Connection, incident_id: str) -> Incident:
    incident = incidents.find(connection, incident_id)
    if incident is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-incident", f"There is no incident {incident_id}.")
    return incident


def _answer(incident: Incident) -> IncidentAnswer:
    return IncidentAnswer.model_validate(incident, from_attributes=True)
