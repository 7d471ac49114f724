"""``/``: is everything all right? And if not, what is to be done?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection, func, select
from starlette.responses import RedirectResponse, Response

from dentwatch.loop import journal
from dentwatch.monitoring import feed, incidents, review_plan, watch_state
from dentwatch.monitoring.incidents import Incident
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records import inspections, rollouts, tables
from dentwatch.records.inspections import InspectionFilter
from dentwatch.serving import vital_signs
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import page, show

_DAY = timedelta(days=1)
_BEHIND = 1000  # inspections that monitoring may be behind before somebody should look

Level = Literal["good", "watch", "bad"]


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that a person should know about: how bad it is, what it is, and where to see it."""

    level: Level
    title: str
    text: str
    link: str


Seer = Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))]


def router(runtime: Runtime) -> APIRouter:
    """The page over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/")
    async def overview(request: Request, caller: Seer) -> Response:
        """Sellers have nothing to watch over: their own inspections are their overview."""
        if not caller.may(Permission.SEE_MONITORING):
            return RedirectResponse("/inspections", HTTPStatus.SEE_OTHER)
        parts = {**await vital_signs.parts(runtime), "registry": runtime.models.problem or vital_signs.OK}
        view = await runtime.intake.read(_look)
        matters = sorted(
            [*_of_parts(parts), *view.pop("matters")], key=lambda one: ("bad", "watch", "good").index(one.level)
        )
        champion = runtime.models.champion
        return show(
            request,
            "overview.html",
            {
                "level": matters[0].level if matters else "good",
                "matters": matters,
                "parts": parts,
                "model": {"name": champion.model, "engine": champion.engine},
                **view,
            },
        )

    return routes


def _look(connection: Connection) -> dict[str, Any]:
    now = datetime.now(UTC)
    state = watch_state.read(connection)
    unresolved = list(incidents.open_incidents(connection))
    steps = journal.count(connection)
    behind = feed.count_unseen(connection)
    under_way = rollouts.under_way(connection)
    return {
        "matters": [
            *map(_of_incident, unresolved),
            *_of_watching(state, behind),
            *_of_steps(steps.get("failed", 0)),
            *(
                Matter("watch", f"{one.model} waits for your word", "A person has to approve it.", "/models")
                for one in under_way
                if one.stage == "approval"
            ),
        ],
        "incidents": unresolved,
        "inspections": _inspections(connection, now),
        "latest": inspections.page(connection, InspectionFilter(), limit=6),
        "reviews": review_plan.count_open(connection),
        "rollouts": under_way,
        "steps": steps,
        "monitoring": {"updates": state.updates, "behind": behind, "reference": state.reference},
    }


def _inspections(connection: Connection, now: datetime) -> dict[str, int]:
    """How many there were in the last 24 hours and in those before, and how many wait for their answer."""
    rows = tables.inspections

    def between(since: datetime, until: datetime) -> int:
        query = select(func.count()).where(rows.c.created_at >= since, rows.c.created_at < until)
        return connection.execute(query).scalar_one()

    return {
        "today": between(now - _DAY, now),
        "before": between(now - 2 * _DAY, now - _DAY),
        "pending": inspections.count_pending(connection),
    }


def _of_incident(incident: Incident) -> Matter:
    bad: Level = "bad" if incident.level == "critical" else "watch"
    return Matter(
        bad,
        f"{incident.level.capitalize()}: {incident.cause.replace('_', ' ')}",
        incident.summary,
        f"/incidents/{incident.id}",
    )


def _of_watching(state: WatchState, behind: int) -> list[Matter]:
    found = []
    if state.problem:  # also while it warms up, which is no fault
        level: Level = "watch" if state.reference is not None else "good"
        found.append(Matter(level, "Drift is not watched for yet", state.problem, "/health"))
    if behind > _BEHIND:
        found.append(Matter("watch", "Monitoring is behind", f"{behind} inspections are still to be seen.", "/health"))
    return found


def _of_steps(failed: int) -> list[Matter]:
    if not failed:
        return []
    said = "One step of the loop has failed" if failed == 1 else f"{failed} steps of the loop have failed"
    return [
        Matter("watch", said, "`dentwatch loop status` says which, and `dentwatch loop retry` tries again.", "/models")
    ]


def _of_parts(parts: dict[str, str]) -> list[Matter]:
    return [
        Matter("watch" if name == "registry" else "bad", f"The {name} is not well", said, "/health")
        for name, said in parts.items()
        if said != vital_signs.OK
    ]
