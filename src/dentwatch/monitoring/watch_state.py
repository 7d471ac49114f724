"""Where the follower of the feed stands, as it is kept between batches and shown to people."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from dentwatch.records.monitoring_tables import monitoring_states

_NAME = "drift"


@dataclass(frozen=True, slots=True)
class WatchState:
    """After ``updates`` inspections, ever: the detectors' state, and which ``reference`` they compare with.

    ``watching`` are the slices of each unresolved incident, by its id. ``evidence`` is by slice and channel, as a share
    of the alarm's threshold. ``problem`` says why nothing is compared, for people; empty while all is well.
    """

    updates: int = 0
    reference: dict[str, Any] | None = None
    detectors: bytes | None = None
    watching: dict[str, list[str]] = field(default_factory=dict)
    evidence: dict[str, dict[str, float]] = field(default_factory=dict)
    problem: str = ""
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def read(connection: Connection) -> WatchState:
    """As it was kept; a fresh one where nothing was ever followed."""
    rows = monitoring_states
    row = connection.execute(select(rows).where(rows.c.name == _NAME)).one_or_none()
    if row is None:
        return WatchState()
    return WatchState(
        updates=row.updates,
        reference=row.reference,
        detectors=row.detectors,
        updated_at=row.updated_at,
        **row.figures,
    )


def write(connection: Connection, state: WatchState) -> None:
    """Keep it."""
    rows = monitoring_states
    values = {
        "updates": state.updates,
        "reference": state.reference,
        "detectors": state.detectors,
        "figures": {"watching": state.watching, "evidence": state.evidence, "problem": state.problem},
        "updated_at": state.updated_at,
    }
    changed = connection.execute(update(rows).where(rows.c.name == _NAME).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(rows).values(name=_NAME, **values))
