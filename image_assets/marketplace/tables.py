"""The marketplace area's tables in the project's own database (``DATABASE_URL``).

Here: columns and keys. Not here: reading and writing them (``ledger.py``); how they came about (``migrations/``).
"""

from __future__ import annotations

import sqlalchemy as sa

from image_assets.stores.database import metadata

# One row per image and account: which asset it was uploaded as. An image that is linked nowhere has its row all the
# same: uploaded but not linked is a state the next run goes on from.
assets = sa.Table(
    "marketplace_assets",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("asset_id", sa.Text, nullable=False),
    # Whether we made it: one that Plytix had already is somebody else's, and is never unlinked by us.
    sa.Column("created", sa.Boolean, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index(None, "account", "asset_id"),
)

# One row per product and account that was ever linked to.
products = sa.Table(
    "marketplace_products",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    # Written before the first link and cleared after the last one: a process killed in between leaves word.
    sa.Column("unfinished", sa.Boolean, nullable=False),
    sa.Column("synced_at", sa.DateTime(timezone=True)),
)

# One row per address whose bytes were looked at, for de-duplication by content.
contents = sa.Table(
    "marketplace_contents",
    metadata,
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
