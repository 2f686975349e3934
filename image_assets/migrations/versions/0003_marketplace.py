"""The marketplace area's ledger of assets, product states and contents of addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "marketplace_assets",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("asset_id", sa.Text, nullable=False),
        sa.Column("created", sa.Boolean, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("account", "url", name="pk_marketplace_assets"),
    )
    op.create_index("ix_marketplace_assets_account_asset_id", "marketplace_assets", ["account", "asset_id"])
    op.create_table(
        "marketplace_products",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("unfinished", sa.Boolean, nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("account", "sku", name="pk_marketplace_products"),
    )
    op.create_table(
        "marketplace_contents",
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("url", name="pk_marketplace_contents"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("marketplace_contents")
    op.drop_table("marketplace_products")
    op.drop_table("marketplace_assets")
