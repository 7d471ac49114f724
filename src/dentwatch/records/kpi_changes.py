"""Changes that the sums behind the KPIs have to learn of.

A change is noted in the transaction that makes it and forgotten in the one that counts it. So none is missed and none
counts twice, and there is no position that a transaction which commits late could slip behind.
"""

from typing import Literal

from sqlalchemy import Connection, insert

from dentwatch.records.kpi_tables import kpi_changes

Change = Literal["finished", "said", "listing"]
"""An inspection was finished (once each), something was said about one, a listing was registered or changed."""

_INSERT = insert(kpi_changes)


def note(connection: Connection, kind: Change, *subjects: str) -> None:
    """Note a change of each of ``subjects``: ids of inspections or listings."""
    connection.execute(_INSERT, [{"kind": kind, "subject": subject} for subject in subjects])
