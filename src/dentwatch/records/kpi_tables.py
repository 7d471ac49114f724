"""The tables behind the KPIs: what has changed, sums by day, channel and model version, and measured load.

They belong to the same database and migrations as :mod:`.tables`. "" stands for no channel, model version or label.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table

from dentwatch.records.tables import Moment, metadata

_Number = BigInteger().with_variant(Integer, "sqlite")

kpi_changes = Table(
    "kpi_changes",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("kind", String(10), nullable=False),  # finished, said, listing
    Column("subject", String(200), nullable=False),  # id of the inspection or listing
)
"""What the sums do not hold yet; a row is gone as soon as they do."""


def _cell() -> tuple[Column[str], ...]:
    return (
        Column("day", String(10), primary_key=True),  # 2026-11-25, UTC
        Column("channel", String(100), primary_key=True),
        Column("model", String(200), primary_key=True),
    )


kpi_cells = Table(
    "kpi_cells",
    metadata,
    *_cell(),
    Column("measure", String(40), primary_key=True),
    Column("label", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Sums and counts, all of them whole numbers: they stay exact however often something is taken back."""

kpi_histograms = Table(
    "kpi_histograms",
    metadata,
    *_cell(),
    Column("measure", String(40), primary_key=True),
    Column("buckets", LargeBinary, nullable=False),  # see dentwatch.monitoring.kpis.histogram
)
"""How long things took."""

kpi_opinions = Table(
    "kpi_opinions",
    metadata,
    Column("inspection_id", String(36), primary_key=True),
    Column("counted", JSON, nullable=False),  # measure, label and value of each cell
)
"""What the opinions about an inspection have added to its cells, so that it can be taken back when they change."""

kpi_listings = Table(
    "kpi_listings",
    metadata,
    Column("listing_id", String(200), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("channel", String(100), nullable=False),
    Column("inspected", Boolean, nullable=False),
)
"""As which a listing has been counted."""

load_samples = Table(
    "load_samples",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),  # the end of the interval
    Column("seconds", Float, nullable=False),  # that it lasts
    Column("photos", Integer, nullable=False),  # that were looked at in it; never 0
    Column("in_flight", Float, nullable=False),  # requests under way, on average
    Column("cpu_seconds", Float, nullable=False),  # of all worker processes
    Column("resident_bytes", BigInteger, nullable=False),  # of all worker processes
    Index(None, "at"),
)
"""What serving cost while it was at work, as measured by the operating system."""
