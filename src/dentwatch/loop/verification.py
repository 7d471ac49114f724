"""The end of an incident: the monitors are calm about the new champion's photos, and the lost recall is back."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from dentwatch.loop import recovered_recall
from dentwatch.loop.steps import Again, Bench, Done, Step
from dentwatch.monitoring import incident_alerts, incidents, watch_state
from dentwatch.monitoring.incidents import SYSTEM, Incident
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.serving.models import STARTER, resolve

_SOON, _LATER = timedelta(seconds=5), timedelta(minutes=30)


def verify(bench: Bench, step: Step) -> Done | Again:
    """Resolve the incident ``step.subject`` once the champion that was made for it has shown that it is over.

    Recall is measured once per champion; calm is counted in inspections since its monitors were armed.
    """
    found: dict[str, Any] = step.result or {}
    with bench.database.reading() as connection:
        incident = incidents.existing(connection, step.subject)
    if incident.state == "resolved":
        return Done({**found, "closed": False, "why": "The incident was resolved by other means."})
    champion = resolve(None, bench.settings)
    drift = champion.spec.adapted_to
    if drift is None or drift.incident != incident.id:
        return Again(_LATER, {"why": f"{champion.name} serves, which was not made for this incident."})
    if found.get("model") != champion.name:
        found = {"model": champion.name, **_measured(bench, incident, champion, drift)}
    with bench.database.writing() as connection:
        found = {**found, **_calm(connection, champion.name, found)}
        if found["calm_inspections"] < bench.settings.loop.calm_inspections:
            return Again(_SOON, found)
        if not found["is_back"]:
            if "told" not in found:
                incidents.add_note(connection, incident.id, SYSTEM, f"{found['text']} It stays open.")
            return Again(_LATER, {**found, "told": True})
        why = f"{found['text']} {found['calm_inspections']} inspections with {champion.name} gave no alarm."
        resolved = incidents.resolve(connection, incident.id, SYSTEM, why)
        incident_alerts.tell(connection, resolved)
    return Done({**found, "closed": True})


def _measured(bench: Bench, incident: Incident, champion: ModelBundle, drift: Adaptation) -> dict[str, Any]:
    """The recall that came back, and whether that is enough."""
    recall = recovered_recall.measure(bench, resolve(incident.model or STARTER, bench.settings), champion, drift)
    enough = recall.is_back(bench.settings.monitoring.harm_tolerance)
    share = "" if recall.recovered is None else f", {100 * recall.recovered:.0f} % of what was lost"
    text = (
        f"Recall under the drift is {100 * recall.after:.1f} % with {champion.name} ({100 * recall.during:.1f} % with "
        f"{incident.model}, {100 * recall.before:.1f} % before it){share}: {'back' if enough else 'not back'}."
    )
    return {"recall": recall.as_document(), "is_back": enough, "text": text}


def _calm(connection: Connection, model: str, found: dict[str, Any]) -> dict[str, int]:
    """How many inspections the monitors of ``model`` have seen without an incident of it being open."""
    state = watch_state.read(connection)
    armed = state.reference is not None and state.reference["model"] == model and not state.problem
    alarmed = any(one.model == model for one in incidents.open_incidents(connection))
    since = found.get("calm_since")
    if not armed or alarmed or since is None:
        since = state.updates
    return {"calm_since": since, "calm_inspections": state.updates - since if armed else 0}
