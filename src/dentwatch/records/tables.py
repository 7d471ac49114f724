"""The tables of the database: what happens while Dentwatch serves. Photos themselves lie in the photo store.

Alembic's migrations (``records/migrations``) make and change them; a test holds that both say the same.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A point in time; aware, kept in UTC (SQLite knows no time zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002, D102
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002, D102
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Hash64(TypeDecorator[int]):
    """An unsigned number of 64 bits, kept as the signed number with the same bits: databases have no other."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:  # noqa: ARG002, D102
        return value if value is None or value < 1 << 63 else value - (1 << 64)

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:  # noqa: ARG002, D102
        return value if value is None or value >= 0 else value + (1 << 64)


def _inspection() -> Column[str]:
    return Column("inspection_id", String(36), ForeignKey("inspections.id", ondelete="CASCADE"), nullable=False)


inspections = Table(
    "inspections",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("status", String(16), nullable=False),  # pending, done, failed
    Column("owner", String(36), nullable=True),  # the API key that submitted it; none where the service runs open
    Column("vehicle_id", String(200), nullable=True),
    Column("listing_id", String(200), nullable=True),
    Column("channel", String(100), nullable=True),
    Column("captured_at", Moment, nullable=True),
    Column("model", String(200), nullable=True),
    Column("damages", Integer, nullable=True),
    Column("options", JSON, nullable=True),  # what was asked for besides
    Column("answer", JSON, nullable=True),  # the document as it was answered
    Column("attempts", Integer, nullable=False, server_default="0"),  # to answer it while it is pending
    Column("claimed_until", Moment, nullable=True),  # the worker process that is at it has until then
    Index(None, "created_at"),
    Index(None, "vehicle_id"),
    Index(None, "listing_id"),
    Index(None, "owner"),
    Index(None, "status"),
)
"""One row an inspection; ``number`` orders them as they were kept."""

inspection_photos = Table(
    "inspection_photos",
    metadata,
    _inspection(),
    Column("position", Integer, nullable=False),  # from 0, in the order of the request
    Column("photo_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("vehicle_id", String(200), nullable=True),
    Column("error", String(40), nullable=True),  # the reason why there is no answer about it
    Column("reliable", Boolean, nullable=True),  # whether it passed the quality gate
    Column("width", Integer, nullable=True),
    Column("height", Integer, nullable=True),
    Column("perceptual_hash", Hash64, nullable=True),
    Column("mirrored_hash", Hash64, nullable=True),
    Column("statistics", JSON, nullable=True),
    Column("embedding", LargeBinary, nullable=True),  # half precision, see dentwatch.data.embedding
    Column("decode_ms", Float, nullable=True),
    Column("infer_ms", Float, nullable=True),
    UniqueConstraint("inspection_id", "position"),
    Index(None, "photo_id"),
    Index(None, "vehicle_id"),
)
"""The photos of an inspection and what was measured on them."""

detections = Table(
    "detections",
    metadata,
    Column("id", String(36), primary_key=True),
    _inspection(),
    Column("position", Integer, nullable=False),  # of the photo
    Column("number", Integer, nullable=False),  # from 0 within the photo, best score first
    Column("label", String(40), nullable=False),
    Column("score", Float, nullable=False),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("severity", String(20), nullable=True),
    UniqueConstraint("inspection_id", "position", "number"),
)
"""What the model said; boxes in pixels of the upright photo."""

shadow_answers = Table(
    "shadow_answers",
    metadata,
    _inspection(),
    Column("position", Integer, nullable=False),  # of the photo
    Column("model", String(200), nullable=False),
    Column("detections", JSON, nullable=False),
    Column("infer_ms", Float, nullable=False),
    UniqueConstraint("inspection_id", "position", "model"),
)
"""What a challenger said in the shadow about a photo that the champion answered."""

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(36), primary_key=True),
    _inspection(),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("rating", Integer, nullable=False),  # 1–5
    Column("comment", Text, nullable=True),
    Index(None, "inspection_id"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", String(36), primary_key=True),
    _inspection(),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("verdict", String(10), nullable=False),  # right, wrong, missed
    Column("detection_id", String(36), ForeignKey("detections.id", ondelete="CASCADE"), nullable=True),
    Column("position", Integer, nullable=True),  # of the photo, for a missed damage
    Column("label", String(40), nullable=True),
    Column("x", Float, nullable=True),
    Column("y", Float, nullable=True),
    Column("width", Float, nullable=True),
    Column("height", Float, nullable=True),
    Column("comment", Text, nullable=True),
    Index(None, "inspection_id"),
)

disputes = Table(
    "disputes",
    metadata,
    Column("id", String(36), primary_key=True),
    _inspection(),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("detection_id", String(36), ForeignKey("detections.id", ondelete="CASCADE"), nullable=True),
    Column("reason", Text, nullable=False),
    Column("status", String(20), nullable=False),  # open until a person has decided
    Index(None, "inspection_id"),
    Index(None, "status"),
)

listings = Table(
    "listings",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("vehicle_id", String(200), nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("closed_at", Moment, nullable=True),
    Column("channel", String(100), nullable=True),
    Index(None, "vehicle_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),  # the part of the key that may be shown
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the key: random keys need no slow hash
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment, nullable=True),
    Column("password", String(200), nullable=True),  # its Argon2 hash, for holders who sign in to the pages with one
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token, which is random like a key
    Column("key_id", String(36), ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "expires_at"),
)
"""Who is signed in to the pages; a session lasts as long as its key at most."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("details", Text, nullable=False),  # JSON, kept to the letter because the hash covers it
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""The audit log: ``hash`` covers the entry and ``previous``, the hash of the entry before; see ``records.audit``."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(36), primary_key=True),  # "" where the service runs open
    Column("key", String(200), primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("inspection_id", String(36), ForeignKey("inspections.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index(None, "created_at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    _inspection(),
    Column("url", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=True),  # none once delivered or given up
    Column("delivered_at", Moment, nullable=True),
    Column("last_error", Text, nullable=True),
    Index(None, "next_at"),
)
