"""The storefront area's tables in the project's own database (``DATABASE_URL``).

Here: columns and keys. Not here: reading and writing them (``ledger.py``); how they came about (``migrations/``).
"""

from __future__ import annotations

import sqlalchemy as sa

from image_assets.stores.database import metadata

# One row per S3 object, in the version that was last measured: a second run reads no object.
measurements = sa.Table(
    "storefront_measurements",
    metadata,
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("format", sa.Text),  # null: the bytes are not an image
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
)

# One row per product group and shop.
products = sa.Table(
    "storefront_products",
    metadata,
    sa.Column("shop", sa.Text, primary_key=True),
    sa.Column("group_id", sa.Text, primary_key=True),
    sa.Column("product_id", sa.Text),
    # Written before the product is created and cleared once it is published: a process killed in between leaves word.
    sa.Column("creating", sa.Boolean, nullable=False, server_default=sa.false()),
    # What the catalog and S3 looked like at the last success, for --incremental; null before the first.
    sa.Column("fingerprint", sa.Text),
    sa.Column("synced_at", sa.DateTime(timezone=True)),
)

# One row per image and product: which medium it was uploaded as.
media = sa.Table(
    "storefront_media",
    metadata,
    sa.Column("shop", sa.Text, primary_key=True),
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("media_id", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # The same file may serve several products: found by what it holds.
    sa.Index(None, "shop", "key", "etag"),
)
