"""The tables of alerts: what is to be told, to whom it was, and what is not to be told for a while.

They belong to the same database and migrations as :mod:`.tables`. No URL of a receiver is kept: it holds secrets.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from dentwatch.records.tables import Moment, metadata

_Number = BigInteger().with_variant(Integer, "sqlite")

alerts = Table(
    "alerts",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False),
    Column("level", String(16), nullable=False),  # noticed, drift, critical
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("details", JSON, nullable=False),
    Column("enqueued_at", Moment, nullable=False),
    Column("addressed_at", Moment, nullable=True),  # none until there is a delivery for each of its receivers
    Column("repeats", Boolean, nullable=False),  # said again after a while, unless it is over by then
    Index(None, "key"),
    Index(None, "addressed_at"),
)
"""Messages in the order in which they are told; one key is one thing that they are about."""

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("alert", _Number, ForeignKey(alerts.c.number, ondelete="CASCADE"), nullable=False),
    Column("receiver", String(60), nullable=False),  # names a URL of the settings without telling it
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=True),  # none once delivered or given up
    Column("delivered_at", Moment, nullable=True),
    Column("reason", Text, nullable=True),  # why the last attempt failed, or why there are no more
    UniqueConstraint("alert", "receiver"),
    Index(None, "next_at"),
)
"""What became of an alert at each receiver."""

alert_silences = Table(
    "alert_silences",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False),  # or "all"
    Column("until", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Index(None, "until"),
)
"""Alerts of ``key`` wait ``until`` then; only ever added to, and ended early by a later ``until``."""
