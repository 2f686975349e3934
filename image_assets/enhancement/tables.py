"""The enhancement area's tables in the project's own database (``DATABASE_URL``).

Here: columns and keys. Not here: reading and writing them (``intake.py``, ``products.py``, ``review.py``), how they
came about (``migrations/``). ``products`` and ``product_images`` have the columns of spec 04, and ours.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from image_assets.stores.database import metadata
from image_assets.stores.leases import history_columns, lease_columns, lease_constraints, lease_indexes


def _times() -> list[sa.Column[object]]:
    return [
        sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
        for name in ("created_at", "updated_at")
    ]


products = sa.Table(
    "products",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("raw_image", sa.Text, nullable=False),
    sa.Column("mrp", sa.Numeric(12, 2), nullable=False),
    sa.Column("price", sa.Numeric(12, 2), nullable=False),
    sa.Column("discount", sa.Numeric(12, 2), nullable=False),
    sa.Column("gst", sa.Numeric(5, 2), nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    # Why it failed: an error's code, and its sentence.
    sa.Column("failure_code", sa.Text),
    sa.Column("failure_reason", sa.Text),
    # The owner of the token it came with.
    sa.Column("created_by", sa.Text, nullable=False),
    *_times(),
    sa.CheckConstraint("status IN ('pending', 'pending_review', 'approved', 'rejected', 'failed')", name="status"),
    sa.Index(None, "status", "id"),
    sa.Index(None, "category", "id"),
)

product_images = sa.Table(
    "product_images",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("products.id"), nullable=False),
    # From 1. A product has one image of each: whatever is repeated, no second one comes about.
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("image_url", sa.Text, nullable=False),
    sa.Column("s3_key", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    # Where it comes from: the model, what it was asked, what that cost, and the SHA-256 of the raw image.
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("cost_usd", sa.Numeric(12, 6), nullable=False),
    sa.Column("source_sha256", sa.Text, nullable=False),
    # The decision that stands.
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("reason", sa.Text),
    *_times(),
    sa.CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="status"),
    sa.UniqueConstraint("product_id", "ordinal"),
    sa.Index(None, "status", "id"),
)

# What a reviewer did, append-only; undoing is a row of its own.
decisions = sa.Table(
    "image_decisions",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("image_id", sa.BigInteger, sa.ForeignKey("product_images.id"), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("from_status", sa.Text, nullable=False),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    # Of the bytes that the reviewer saw.
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("action IN ('approved', 'rejected', 'undone')", name="action"),
    sa.Index(None, "image_id", "id"),
)

# Gemini's analysis of a product's raw image, and the prompts that follow from it: asked for once per product.
analyses = sa.Table(
    "enhancement_analyses",
    metadata,
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("products.id"), primary_key=True),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("source_sha256", sa.Text, nullable=False),
    sa.Column("analysis", JSONB, nullable=False),
    sa.Column("prompts", ARRAY(sa.Text), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("cost_usd", sa.Numeric(12, 6), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)

# The inbox of the request queue and the queue of the work, in one: a product is asked for once, however many messages
# name it.
requests = sa.Table(
    "enhancement_requests",
    metadata,
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("products.id"), primary_key=True),
    # The UTC day the first message came: the partition it belongs to.
    sa.Column("intake_day", sa.Date, nullable=False),
    sa.Column("stage", sa.Text, nullable=False, server_default="prompts"),
    sa.Column("messages", sa.Integer, nullable=False, server_default="1"),
    *lease_columns(),
    *lease_constraints(),
    sa.CheckConstraint("stage IN ('prompts', 'images')", name="stage"),
    sa.Index(None, "intake_day"),
)
lease_indexes(requests)

request_history = sa.Table(
    "enhancement_history",
    metadata,
    *history_columns(),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Index(None, "product_id", "id"),
)

# Answers to bulk requests that named an idempotency key, so that a client may repeat one whose answer it lost.
api_requests = sa.Table(
    "api_requests",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("answer", JSONB, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index(None, "created_at"),
)
