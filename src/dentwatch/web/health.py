"""``/health``: do the photos look as they should, and is the service well?"""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from dentwatch.loop import journal
from dentwatch.monitoring import feed, incidents, watch_state
from dentwatch.monitoring.incidents import WHOLE, Incident
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records import inspections
from dentwatch.serving import vital_signs
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web import course, drift_words
from dentwatch.web.pages import page, show
from dentwatch.web.reference_bands import Band, bands

_RISING = 0.01  # of the alarm's threshold
_DECADES = 6  # of a meter, the last of which ends at the alarm

Reader = Annotated[Caller, Depends(require(Permission.SEE_MONITORING))]
Standing = Literal["calm", "rising", "alarm"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """How near a channel of the detectors is to an alarm: ``share`` of its threshold, 1 or more is an alarm.

    Evidence is multiplied with each inspection, so ``fill``, the part of a meter in [0, 1], grows with its logarithm.
    """

    channel: str
    name: str
    about: str
    share: float
    standing: Standing
    fill: float

    @classmethod
    def of(cls, channel: str, share: float) -> "Evidence":
        """The evidence in a channel."""
        standing: Standing = "alarm" if share >= 1 else "rising" if share >= _RISING else "calm"
        fill = 0.0 if share <= 0 else min(1.0, max(0.0, 1 + math.log10(share) / _DECADES))
        name, about = drift_words.CHANNELS.get(channel, (drift_words.channel(channel), ""))
        return cls(channel, name, about, share, standing, fill)

    @property
    def said(self) -> str:
        """It in words."""
        return {"alarm": "drifts", "calm": "calm"}.get(self.standing, f"{self.share:.0%} of an alarm")


@dataclass(frozen=True, slots=True)
class WatchedSlice:
    """A slice of the traffic, the evidence in each channel, and the open incident that it belongs to, if any."""

    key: str
    name: str
    channels: tuple[Evidence, ...]
    incident: str | None

    @property
    def strongest(self) -> Evidence:
        """The evidence that is nearest to an alarm, or furthest beyond."""
        return max(self.channels, key=lambda one: one.share)


def router(runtime: Runtime) -> APIRouter:
    """The page over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/health")
    async def health(request: Request, _caller: Reader) -> Response:
        parts = {**await vital_signs.parts(runtime), "registry": runtime.models.problem or vital_signs.OK}
        state, view, seen, unresolved = await runtime.intake.read(_look)
        usual = await runtime.intake.in_thread(bands, runtime.settings.home, state.reference)
        free = await runtime.intake.in_thread(shutil.disk_usage, runtime.settings.home.absolute())
        slices = watched_slices(state)
        view |= {
            "drifting": [one for one in slices if one.strongest.standing == "alarm"],
            "calm": [one for one in slices if one.strongest.standing != "alarm"],
            "statistics": _statistics(seen, usual, unresolved),
            "enabled": runtime.settings.monitoring.enabled,
            "parts": parts,
            "room": {"free": free.free, "least": runtime.settings.serving.min_free_bytes},
        }
        return show(request, "health.html", view)

    return routes


def watched_slices(state: WatchState) -> list[WatchedSlice]:
    """Every slice that the detectors follow: those that drift first, the whole before its parts, then by evidence."""
    of_slice = {part: incident for incident, parts in state.watching.items() for part in parts}
    found = [
        WatchedSlice(key, drift_words.slice_(key), _evidence(channels), of_slice.get(key))
        for key, channels in state.evidence.items()
        if channels
    ]
    return sorted(found, key=lambda one: (one.strongest.share < 1, one.key != WHOLE, -one.strongest.share, one.name))


def _evidence(shares: Mapping[str, float]) -> tuple[Evidence, ...]:
    order = list(drift_words.CHANNELS)
    known = sorted(shares, key=lambda name: order.index(name) if name in order else len(order))
    return tuple(Evidence.of(name, shares[name]) for name in known)


def _look(connection: Connection) -> tuple[WatchState, dict[str, Any], list[course.Seen], list[Incident]]:
    state = watch_state.read(connection)
    unresolved = list(incidents.open_incidents(connection))
    view = {
        "watching": {
            "updates": state.updates,
            "behind": feed.count_unseen(connection),
            "reference": state.reference,
            "problem": state.problem,
            "updated_at": state.updated_at if state.updates or state.reference else None,
        },
        "incidents": [one.as_document() for one in unresolved],
        "queue": {
            "pending": inspections.count_pending(connection),
            "oldest": inspections.oldest_pending(connection),
        },
        "steps": journal.count(connection),
    }
    return state, view, course.recent(connection), unresolved


def _statistics(seen: list[course.Seen], usual: dict[str, Band], unresolved: list[Incident]) -> dict[str, Any]:
    since: datetime | None = min((one.since for one in unresolved), default=None)
    return {
        "inspections": len(seen),
        "each": course.group_size(len(seen)),
        "from": seen[0].at if seen else None,
        "until": seen[-1].at if seen else None,
        "has_reference": bool(usual),
        "courses": course.courses(seen, usual, since),
    }
