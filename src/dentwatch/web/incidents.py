"""``/incidents``: every drift from its first sign to its end, what it did, what was done, and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from dentwatch.loop import journal
from dentwatch.loop.steps import Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM, Event, Incident, State
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.web import drift_words, example_photos
from dentwatch.web.pages import PageQuery, page, show

_ON_A_PAGE = 30
_FULL = 6.0  # reference deviations that fill a meter

Reader = Annotated[Caller, Depends(require(Permission.SEE_MONITORING))]

_HAPPENED = {
    "opened": "Noticed",
    "joined": "Seen elsewhere, too",
    "revised": "Said more exactly",
    "harm": "Harm estimated",
    "escalated": "Escalated",
    "acknowledged": "Taken on",
    "note": "Note",
    "resolved": "Over",
}
_DECISIONS = {
    "retrain": "A model is to be trained anew.",
    "remedy": "Remedies without training are to be compared.",
}
_STEPS = {
    "investigate": "Looked into it",
    "remedy": "Tried a remedy",
    "retrain": "Trained a model",
    "gate": "Held the model against the champion",
    "roll-out": "Rolled the model out",
    "guard": "Watched over the new champion",
    "verify": "Checked that it helped",
}


class IncidentsQuery(PageQuery):
    """Which incidents the list shows."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    before: int | None = Field(None, ge=1, le=2**62)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; ``more`` are sentences of the same kind that followed at once."""

    at: datetime
    actor: str
    is_person: bool
    kind: str
    said: str
    text: str
    more: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Move:
    """A figure that moved: its medians in words, by how many reference ``deviations``, and how full a meter is."""

    name: str
    about: str
    before: str
    after: str
    deviations: float
    fill: float


@dataclass(frozen=True, slots=True)
class Sign:
    """What the detectors saw in one slice and channel: the figures that moved, the most first."""

    slice: str
    channel: str
    text: str
    moved: list[Move]
    share: float | None
    pace: str | None
    noticed_after: int | None
    calm: list[str]


@dataclass(frozen=True, slots=True)
class Deed:
    """A step that the loop took because of the incident; ``model`` is the number of the version that it is about."""

    kind: str
    said: str
    state: str
    text: str
    at: datetime
    model: str | None


def router(runtime: Runtime) -> APIRouter:
    """The pages over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/incidents")
    async def listed(request: Request, _caller: Reader, query: Annotated[IncidentsQuery, Query()]) -> Response:
        found = await runtime.intake.read(
            lambda connection: incidents.page(connection, state=query.state, before=query.before, limit=_ON_A_PAGE + 1)
        )
        view = {
            "incidents": [_in_list(one) for one in found[:_ON_A_PAGE]],
            "next": found[_ON_A_PAGE - 1].number if len(found) > _ON_A_PAGE else None,
            "query": query.model_dump(),
        }
        return show(request, "incidents.html", view)

    @page(routes, "/incidents/{incident_id}")
    async def one(request: Request, incident_id: str, _caller: Reader) -> Response:
        view = await runtime.intake.read(lambda connection: _view(connection, incident_id))
        view["tolerance"] = runtime.settings.monitoring.harm_tolerance
        return show(request, "incident.html", view)

    return routes


def _in_list(incident: Incident) -> dict[str, Any]:
    document = incident.as_document()
    shown = ("number", "id", "state", "level", "cause", "slice", "since", "resolved_at", "summary", "harm")
    return {**{name: document[name] for name in shown}, "place": drift_words.slice_(incident.slice)}


def _view(connection: Connection, incident_id: str) -> dict[str, Any]:
    incident = incidents.find(connection, incident_id)
    if incident is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-incident", f"There is no incident {incident_id}.")
    signs = [_sign(key, evidence) for key, evidence in incident.evidence.items()]
    steps = journal.steps(connection, incident=incident.id)
    return {
        "incident": incident.as_document(),
        "where": [drift_words.slice_(part) for part in incident.slices],
        "lead": signs[0],
        "others": signs[1:],
        "timeline": timeline(incidents.timeline(connection, incident.id)),
        "steps": [_deed(step) for step in reversed(steps)],
        "before": example_photos.before(connection, incident),
        "after": example_photos.during(connection, incident),
    }


def _sign(key: str, evidence: dict[str, Any]) -> Sign:
    part, _, channel = key.rpartition("/")
    return Sign(
        slice=drift_words.slice_(part),
        channel=drift_words.channel(channel),
        text=evidence.get("text", ""),
        moved=[_moved(one) for one in evidence.get("moved", ())],
        share=evidence.get("share"),
        pace=evidence.get("pace"),
        noticed_after=evidence.get("noticed_after"),
        calm=[drift_words.slice_(calm) for calm in evidence.get("calm", ())],
    )


def _moved(one: dict[str, Any]) -> Move:
    statistic, by = drift_words.statistic(one["statistic"]), float(one["deviations"])
    before, after = statistic.said(one["before"]), statistic.said(one["after"])
    return Move(statistic.name, statistic.about, before, after, by, min(1.0, abs(by) / _FULL))


def timeline(events: Sequence[Event]) -> list[Moment]:
    """The events, oldest first; several of one kind that the system wrote one after the other are one line."""
    found: list[Moment] = []
    for event in events:
        last = found[-1] if found else None
        grouped = event.kind in ("joined", "revised") and event.actor == SYSTEM
        if last is not None and grouped and last.kind == event.kind:
            last.more.append(event.text)
            continue
        said = _HAPPENED.get(event.kind, event.kind)
        found.append(Moment(event.at, event.actor, event.actor != SYSTEM, event.kind, said, event.text))
    return found


def _deed(step: Step) -> Deed:
    result = step.result or {}
    about = step.subject if step.kind in ("gate", "roll-out", "guard") else str(result.get("model") or "")
    return Deed(
        kind=step.kind,
        said=_STEPS.get(step.kind, step.kind),
        state=step.state,
        text=_DECISIONS.get(step.outcome(), step.outcome()),
        at=step.created_at,
        model=about if about.isdigit() else None,
    )
