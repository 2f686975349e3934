"""Tables of a replacement: the deals database's own, and our ledger in the project's database.

Here: columns and keys. Not here: reading and writing them (``images.py``, ``ledger.py``); how ours came about
(``migrations/``). The deals database is the shop's: we make nothing in it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from image_assets.stores.database import metadata

# The columns the original program reads and writes. Oracle folds these names to upper case.
images = sa.Table(
    "deal_voucher_image",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("deal_voucher_id", sa.BigInteger, nullable=False),
    sa.Column("resource_path", sa.String(255)),
    sa.Column("status_id", sa.Integer),
    sa.Column("file_name", sa.String(255)),
    sa.Column("caption", sa.String(255)),
    sa.Column("position", sa.Integer),
    sa.Column("alt_tag", sa.String(255)),
    sa.Column("extension", sa.String(16)),
    sa.Column("has_iphone_img", sa.Integer),
    sa.Column("created_by_user_id", sa.BigInteger),
    sa.Column("created_date", sa.DateTime),
)

# One row per replacement, made with the new image's id before anything else is: a run that dies goes on with that id.
# Another source of the same image, told by its ETag, is another replacement.
replacements = sa.Table(
    "deal_image_replacements",
    metadata,
    sa.Column("image_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source_etag", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.BigInteger, nullable=False),
    sa.Column("new_image_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    # The deal's rows before, as [[id, position], ...] in their order.
    sa.Column("rows_before", JSONB, nullable=False, server_default="[]"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("state IN ('taken', 'placed', 'done', 'restoring', 'restored')", name="state"),
)
