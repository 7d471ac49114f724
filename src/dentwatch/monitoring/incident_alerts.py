"""What people are told about an incident: when it opens, when it gets worse, when it is over."""

from sqlalchemy import Connection

from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.monitoring.incidents import WHOLE, Incident


def key_of(incident: Incident) -> str:
    """The key of all alerts about it, by which they can be silenced."""
    return f"incident/{incident.id}"


def tell(connection: Connection, incident: Incident) -> None:
    """Have the incident told as it stands now, in the caller's transaction; what was told already is not told again."""
    resolved = incident.state == "resolved"
    harm = (incident.harm or {}).get("text", "")
    at = incident.resolved_at if resolved and incident.resolved_at else incident.updated_at
    outbox.enqueue(
        connection,
        Alert(
            key=key_of(incident),
            level=incident.level,
            title=title_of(incident),
            text=" ".join(part for part in (incident.summary, harm) if part),
            resolved=resolved,
            at=at,
            details={name: incident.as_document()[name] for name in ("id", "cause", "slice", "model", "since")},
        ),
    )


def title_of(incident: Incident) -> str:
    """It in a few words."""
    return f"Drift: {incident.cause}" + ("" if incident.slice == WHOLE else f" in {incident.slice}")
