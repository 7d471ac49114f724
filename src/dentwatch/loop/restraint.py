"""What keeps the loop from thrashing: one retraining at a time for a cause, a pause after it, a budget for the day."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from dentwatch.loop import journal
from dentwatch.loop.steps import Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import Incident
from dentwatch.settings import LoopSettings

_DAY = timedelta(days=1)


def under_way_for(connection: Connection, incident: Incident) -> Step | None:
    """A retraining for the same cause in the same slice that waits or is under way, for another incident."""
    return next(
        (
            step
            for state in ("waiting", "running")
            for step in journal.steps(connection, kind="retrain", state=state)
            if step.subject != incident.id and _is_alike(connection, step, incident)
        ),
        None,
    )


def held_back(connection: Connection, limits: LoopSettings, now: datetime, incident: Incident | None) -> str | None:
    """Why no retraining may begin now, for people; None where one may.

    Retrainings that failed count for the day's budget, but not for the pause.
    """
    recent = [step for step in journal.steps(connection, kind="retrain", since=now - _DAY) if step.state != "cancelled"]
    if len(recent) >= limits.retrains_per_day:
        return f"{len(recent)} retrainings within a day are all that DENTWATCH_LOOP__RETRAINS_PER_DAY allows."
    if incident is None:
        return None
    pause = timedelta(hours=limits.retrain_cooldown_hours)
    for step in journal.steps(connection, kind="retrain", state="done"):
        if step.finished_at is not None and step.finished_at > now - pause and _is_alike(connection, step, incident):
            until = (step.finished_at + pause).isoformat(timespec="minutes")
            return f"The last retraining for this cause is too recent; the next may begin at {until}."
    return None


def held_back_for_photos(connection: Connection, limits: LoopSettings, now: datetime) -> str | None:
    """As :func:`held_back`, for a retraining on new photos: one at a time, with a pause between."""
    pause = timedelta(hours=limits.retrain_cooldown_hours)
    for earlier in journal.steps(connection, kind="retrain"):
        is_past = earlier.finished_at is not None and earlier.finished_at <= now - pause
        if "batch" in earlier.cause and earlier.state != "cancelled" and not is_past:
            return f"The retraining {earlier.key} on new photos was asked for already, or is too recent."
    return held_back(connection, limits, now, None)


def _is_alike(connection: Connection, step: Step, incident: Incident) -> bool:
    other = incidents.find(connection, step.subject)
    return other is not None and (other.cause, other.slice) == (incident.cause, incident.slice)
