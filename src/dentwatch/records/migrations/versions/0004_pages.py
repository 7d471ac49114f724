"""What the pages need: sessions, passwords, and who has which photo to review on the screen."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table and the columns."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_sessions_key_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_inspections_created_at"), "inspections", ["created_at"], unique=False)
    op.add_column("api_keys", sa.Column("password", sa.String(length=200), nullable=True))
    op.add_column("review_items", sa.Column("claimed_by", sa.String(length=200), nullable=True))
    op.add_column("review_items", sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Remove them with everything in them."""
    op.drop_column("review_items", "claimed_until")
    op.drop_column("review_items", "claimed_by")
    op.drop_column("api_keys", "password")
    op.drop_index(op.f("ix_inspections_created_at"), "inspections")
    op.drop_table("sessions")
