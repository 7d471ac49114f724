"""Which photos model versions failed on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the columns."""
    op.add_column("model_failures", sa.Column("inspection_id", sa.String(length=36), nullable=True))
    op.add_column("model_failures", sa.Column("position", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_model_failures_inspection_id"), "model_failures", ["inspection_id"], unique=False)


def downgrade() -> None:
    """Remove them with everything in them."""
    op.drop_index(op.f("ix_model_failures_inspection_id"), "model_failures")
    op.drop_column("model_failures", "position")
    op.drop_column("model_failures", "inspection_id")
