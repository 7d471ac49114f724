"""Incidents for the tests of the loop, as monitoring would open them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import Incident, Level, Signal
from dentwatch.records.database import Database

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)

DARK = Signal(
    cause="dark",
    channel="light",
    slice="all",
    since=NOW,
    at=NOW,
    summary="Photos have been about 1.6 stops darker.",
    model="dentwatch/1",
    evidence={"calm": []},
)

BLUR = replace(DARK, cause="blur", channel="optics", since=NOW + timedelta(days=9), at=NOW + timedelta(days=9))
"""So much later that it is an incident of its own."""


def drifted(database: Database, level: Level, signal: Signal = DARK) -> Incident:
    """A settled incident; its harm has been estimated unless its level is ``noticed``."""
    with database.writing() as connection:
        incident = incidents.open_or_update(connection, signal)
        return incident if level == "noticed" else incidents.assess(connection, incident, {"lost": 12.0}, level)
