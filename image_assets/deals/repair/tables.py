"""The table of touched deals, in the project's database.

Here: columns and keys. Not here: reading and writing it (``inbox.py``), how it came about (``migrations/``).
"""

from __future__ import annotations

import sqlalchemy as sa

from image_assets.stores.database import metadata

# One row per deal that is to be looked up, however many events it had; none once that is done.
touches = sa.Table(
    "deal_touches",
    metadata,
    sa.Column("deal_id", sa.BigInteger, primary_key=True, autoincrement=False),
    # How often it was touched: whoever looked it up at one number may not settle another.
    sa.Column("number", sa.BigInteger, nullable=False, server_default="1"),
    # The run that is to look it up; none yet, or none any more.
    sa.Column("batch", sa.BigInteger),
    sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
# By batch alone the oldest deals without one are found too.
batch_index = sa.Index("ix_deal_touches_batch", touches.c.batch, touches.c.touched_at)
batch_numbers = sa.Sequence("deal_touch_batches", metadata=metadata)
