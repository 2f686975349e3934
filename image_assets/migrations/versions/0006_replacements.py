"""The deals area's ledger of position-zero replacements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "deal_image_replacements",
        sa.Column("image_id", sa.BigInteger, nullable=False),
        sa.Column("source_etag", sa.Text, nullable=False),
        sa.Column("deal_id", sa.BigInteger, nullable=False),
        sa.Column("new_image_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rows_before", JSONB, nullable=False, server_default="[]"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("image_id", "source_etag", name="pk_deal_image_replacements"),
        sa.UniqueConstraint("new_image_id", name="uq_deal_image_replacements_new_image_id"),
        sa.CheckConstraint(
            "state IN ('taken', 'placed', 'done', 'restoring', 'restored')", name="ck_deal_image_replacements_state"
        ),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("deal_image_replacements")
