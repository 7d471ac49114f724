"""What people are told about a batch in quarantine, until somebody has decided."""

from sqlalchemy import Connection

from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.alerts.alert import Alert


def key_of(batch_id: str) -> str:
    """The key of all alerts about it, by which they can be silenced."""
    return f"batch/{batch_id}"


def tell(connection: Connection, batch_id: str, text: str, *, decided: bool = False) -> None:
    """Have it told that a batch waits for a decision, or that there is one; what was told is not told again."""
    title = f"Batch in quarantine: {batch_id}"
    alert = Alert(key_of(batch_id), "noticed", title, text, resolved=decided, details={"batch": batch_id})
    outbox.enqueue(connection, alert)
