"""The tables of the loop: its steps, each of which happens once, and how far new models were rolled out.

They belong to the same database and migrations as :mod:`.tables`.
"""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, String, Table, Text

from dentwatch.records.tables import Moment, metadata

loop_steps = Table(
    "loop_steps",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),  # what makes it happen once
    Column("kind", String(40), nullable=False),
    Column("subject", String(200), nullable=False),  # incident, batch, model version, day
    Column("cause", JSON, nullable=False),  # what asked for it
    Column("state", String(16), nullable=False),  # waiting, running, done, failed, cancelled
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("claimed_by", String(100), nullable=True),
    Column("claimed_until", Moment, nullable=True),
    Column("started_at", Moment, nullable=True),
    Column("finished_at", Moment, nullable=True),
    Column("result", JSON, nullable=True),  # of a step that comes again, what it has found so far
    Column("error", Text, nullable=True),
    Index(None, "state", "not_before"),
    Index(None, "subject"),
)
"""What is to be done, is being done and was done, each once."""

rollouts = Table(
    "rollouts",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("model", String(200), nullable=False, unique=True),  # as answers call it
    Column("stage", String(16), nullable=False),  # approval, shadow, canary, champion, rejected
    Column("share", Float, nullable=False),  # of vehicles that it answers as canary
    Column("began_at", Moment, nullable=False),
    Column("stage_since", Moment, nullable=False),
    Column("decision", String(16), nullable=True),  # approved, vetoed; none while no person has said anything
    Column("decided_by", String(200), nullable=True),
    Column("reason", Text, nullable=True),  # of the decision, or of the rejection
    Index(None, "stage"),
)
"""How far a challenger has come on its way to champion; serving follows it."""

model_failures = Table(
    "model_failures",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("model", String(200), nullable=False),  # as answers call it
    Column("what", String(16), nullable=False),  # photo, load
    Column("reason", Text, nullable=False),
    Column("photos", Integer, nullable=False),  # that it failed on
    Column("at", Moment, nullable=False),
    # No foreign key: an inspection is kept when it is answered, and a failure is kept before that.
    Column("inspection_id", String(36), nullable=True),
    Column("position", Integer, nullable=True),  # of the photo in it, where that is known
    Index(None, "model"),
    Index(None, "inspection_id"),
)
"""What model versions failed at while they served; the photos' own faults are not here."""
