"""The tables of monitoring: what is still to be looked at, where the detectors stand, incidents, photos to review.

They belong to the same database and migrations as :mod:`.tables`.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from dentwatch.records.tables import Moment, inspections, metadata

_Number = BigInteger().with_variant(Integer, "sqlite")

monitoring_feed = Table(
    "monitoring_feed",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("inspection_id", String(36), ForeignKey(inspections.c.id, ondelete="CASCADE"), nullable=False, unique=True),
    Column("update_number", BigInteger, nullable=True),  # none until monitoring has seen it
    Index(None, "update_number"),
)
"""Inspections in the order in which they were finished; those that monitoring has seen are forgotten after a while."""

monitoring_states = Table(
    "monitoring_states",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("updates", BigInteger, nullable=False),  # inspections that it has seen, ever
    Column("reference", JSON, nullable=True),  # which one the detectors compare with; none while they are not armed
    Column("detectors", LargeBinary, nullable=True),
    Column("figures", JSON, nullable=False),  # how things stand, for people
    Column("updated_at", Moment, nullable=False),
)
"""Where a follower of the feed stands; written in the transaction that marks what it has seen."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("until", Moment, nullable=False),
)
"""Work that one process does at a time: ``holder`` has it ``until`` then."""

incidents = Table(
    "incidents",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("state", String(16), nullable=False),  # open, acknowledged, resolved
    Column("level", String(16), nullable=False),  # noticed, drift, critical
    Column("cause", String(40), nullable=False),
    Column("slice", String(200), nullable=False),
    Column("model", String(200), nullable=True),
    Column("since", Moment, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("resolved_at", Moment, nullable=True),
    Column("summary", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("harm", JSON, nullable=True),  # none until it was estimated
    Column("recovery", JSON, nullable=True),  # where the test stands that says it is over
    Index(None, "state"),
)
"""One drift from first sign to resolution."""

incident_events = Table(
    "incident_events",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("incident_id", String(36), ForeignKey(incidents.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),  # "dentwatch" for what the system did
    Column("kind", String(20), nullable=False),  # opened, joined, harm, escalated, acknowledged, note, resolved
    Column("text", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Index(None, "incident_id"),
)
"""The timeline of incidents; only ever added to."""

review_items = Table(
    "review_items",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("inspection_id", String(36), ForeignKey(inspections.c.id, ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # of the photo
    Column("reason", String(20), nullable=False),  # random, uncertain, drifted, disputed
    Column("probability", Float, nullable=False),  # with which a photo like it is drawn, for whatever reason
    Column("state", String(16), nullable=False),  # open, reviewed
    Column("planned_at", Moment, nullable=False),
    Column("reviewed_at", Moment, nullable=True),
    Column("reviewer", String(200), nullable=True),
    Column("claimed_by", String(200), nullable=True),  # who has it on the screen, so that nobody else gets it,
    Column("claimed_until", Moment, nullable=True),  # until then
    UniqueConstraint("inspection_id", "position"),
    Index(None, "state"),
)
"""Photos for people to look at, with the probability that makes estimates from their verdicts unbiased."""
