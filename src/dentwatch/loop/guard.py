"""The guard over a new champion: where errors, verdicts or times turn surely worse, the one before serves again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from dentwatch.errors import ModelError
from dentwatch.loop import traffic_figures
from dentwatch.loop.rollout import SLACK_LATER, failing, less_precise, side_by_side, slower
from dentwatch.loop.steps import Again, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.records import rollouts
from dentwatch.records.registry import Registry

_LOOK = timedelta(minutes=1)
_LOOK_BACK = timedelta(days=30)  # at the traffic of the champion before


def guard(bench: Bench, step: Step) -> Done | Again:
    """Watch the champion ``step.subject`` for ``loop.guard_hours``; ``step.cause["before"]`` names the one before."""
    registry, now = Registry(bench.settings), datetime.now(UTC)
    version = registry.get(step.subject)
    if not version.is_champion:
        return Done({"model": step.subject, "text": f"{version.reference} is no longer the champion."})
    before = step.cause.get("before")
    with bench.database.reading() as connection:
        since = rollouts.existing(connection, version.reference).stage_since
        found = _held(connection, version.reference, before, since) if before else {}
    why = failing(found) or slower(found, bench.settings.loop, SLACK_LATER) or less_precise(found)
    if why is None:
        if now - since < timedelta(hours=bench.settings.loop.guard_hours):
            return Again(_LOOK, {**found, "text": f"{version.reference} does as well as {before or 'expected'}."})
        return Done({**found, "text": f"{version.reference} did as well as {before or 'expected'}."})
    text = f"{version.reference} does worse than {before}, which serves again. {why}"
    with bench.database.writing() as connection:  # told first: killed after it, this is done once more
        _tell(connection, step, version.reference, text, now)
    try:
        registry.rollback(why, SYSTEM)
    except ModelError as error:  # the starter model served before: no registered champion to go back to
        return Done({**found, "text": f"{text} It does not: {error.message}", "rolled_back": False})
    return Done({**found, "text": text, "rolled_back": True})


def _tell(connection: Connection, step: Step, model: str, text: str, now: datetime) -> None:
    if (incident := step.cause.get("incident")) is not None:
        incidents.note_once(connection, incident, SYSTEM, text)
    details = {"model": model, "before": step.cause.get("before")}
    alert = Alert(f"guard/{model}", "critical", "A new champion does worse", text, False, now, details)
    outbox.enqueue(connection, alert)


def _held(connection: Connection, model: str, before: str, since: datetime) -> dict[str, Any]:
    """Both models' figures, each over the time in which it served."""
    new = traffic_figures.answered(connection, model, since)
    old = traffic_figures.answered(connection, before, since - _LOOK_BACK, since)
    failed = traffic_figures.failures(connection, model, before, since, (since - _LOOK_BACK, since))
    return {**side_by_side(new, old), **failed}
