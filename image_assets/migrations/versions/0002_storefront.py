"""The storefront area's ledger, product states and measurements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "storefront_measurements",
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("format", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.PrimaryKeyConstraint("bucket", "key", name="pk_storefront_measurements"),
    )
    op.create_table(
        "storefront_products",
        sa.Column("shop", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text),
        sa.Column("creating", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("fingerprint", sa.Text),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("shop", "group_id", name="pk_storefront_products"),
    )
    op.create_table(
        "storefront_media",
        sa.Column("shop", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("media_id", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("shop", "product_id", "key", name="pk_storefront_media"),
    )
    op.create_index("ix_storefront_media_shop_key_etag", "storefront_media", ["shop", "key", "etag"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("storefront_media")
    op.drop_table("storefront_products")
    op.drop_table("storefront_measurements")
