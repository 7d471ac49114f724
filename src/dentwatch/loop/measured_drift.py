"""The drift of an incident as the estimate of its harm measured it: what can be re-made on photos."""

from dentwatch.errors import LoopError
from dentwatch.monitoring.incidents import Incident
from dentwatch.records.model_bundle import Adaptation


def drift_of(incident: Incident) -> Adaptation:
    """The drift of an incident as it can be re-made on photos; raises :class:`LoopError` where it was not measured."""
    harm = incident.harm or {}
    if harm.get("way") is None:
        raise LoopError(
            f"How strong the drift of the incident {incident.id} is was not measured: {harm.get('text', 'not yet')}",
            "Annotate photos that drifted and ingest them; they are retrained on as they are.",
        )
    return Adaptation(
        incident=incident.id,
        cause=incident.cause,
        way=harm["way"],
        amount=harm["amount"],
        share=harm["share"],
        slice=incident.slice,
    )
