"""The investigation of an incident: what its harm calls for, remedies or a retraining, and which photos to annotate."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dentwatch.loop import restraint
from dentwatch.loop.annotation_wishes import wish_for
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM, Incident

_LOOK_AGAIN = timedelta(minutes=10)


def investigate(bench: Bench, step: Step) -> Done | Again:
    """Decide what is done about the incident ``step.subject``, and put it on its timeline.

    Within the tolerance remedies are compared; beyond it a retraining begins, as soon as pause and budget allow.
    """
    database, now = bench.database, datetime.now(UTC)
    with database.writing() as connection:
        incident = incidents.existing(connection, step.subject)
        if incident.state == "resolved":
            return Done({"decision": "nothing", "why": "The incident was resolved meanwhile."})
        if incident.level != "critical":
            return Done(_decided("remedy", incident), (Ask("remedy", incident.id, {"incident": incident.id}),))
        other = restraint.under_way_for(connection, incident)
        if other is not None:
            why = f"The retraining for the incident {other.subject} is for this cause, too."
            incidents.add_note(connection, incident.id, SYSTEM, why)
            return Done({"decision": "join", "why": why, "step": other.key})
        why_not = restraint.held_back(connection, bench.settings.loop, now, incident)
        if why_not is not None:
            if (step.result or {}).get("why") != why_not:  # said once, not every ten minutes
                incidents.add_note(connection, incident.id, SYSTEM, f"A retraining is called for. {why_not}")
            return Again(_LOOK_AGAIN, {"decision": "wait", "why": why_not})
        wanted = wish_for(connection, incident)
        decided = {**_decided("retrain", incident), "photos_to_annotate": wanted}
        return Done(decided, (Ask("retrain", incident.id, {"incident": incident.id}),))


def _decided(decision: str, incident: Incident) -> dict[str, Any]:
    harm = incident.harm or {}
    return {"decision": decision, "cause": incident.cause, "slice": incident.slice, "lost": harm.get("lost")}
