"""The deals area's inbox of touched deals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, its index and the numbers of batches."""
    op.create_table(
        "deal_touches",
        sa.Column("deal_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("batch", sa.BigInteger),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("deal_id", name="pk_deal_touches"),
    )
    op.create_index("ix_deal_touches_batch", "deal_touches", ["batch", "touched_at"])
    op.execute(sa.schema.CreateSequence(sa.Sequence("deal_touch_batches")))


def downgrade() -> None:
    """Drop them."""
    op.execute(sa.schema.DropSequence(sa.Sequence("deal_touch_batches")))
    op.drop_table("deal_touches")
