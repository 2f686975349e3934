"""The generation area's tables in the project's own database (``DATABASE_URL``).

Here: columns and keys. Not here: reading and writing them (``queue.py``, ``products.py``, ``review.py``), the views and
triggers on them, and how they came about (``migrations/``).

Names and columns are those that users of the original know (spec 05; HempQuarterz, ``schema_image_generation.sql``),
and ours beside them. A product has one item in the queue, however often it is asked for: so it is counted once, and no
two workers can make its image. What happened before is in the history.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from image_assets.stores.database import metadata
from image_assets.stores.leases import history_columns, lease_columns, lease_constraints, lease_indexes


def _time(name: str, *, default: bool = True) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=not default, server_default=sa.func.now() if default else None
    )


# What is known of products. In the original's database these tables are there already, with more columns than we read.
industries = sa.Table(
    "industries",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)
industry_sub_categories = sa.Table(
    "industry_sub_categories",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("industry_id", sa.Integer, sa.ForeignKey("industries.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)
plant_parts = sa.Table(
    "plant_parts",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
uses_products = sa.Table(
    "uses_products",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    # Null or empty: the product has no image.
    sa.Column("image_url", sa.Text),
    sa.Column("plant_part_id", sa.Integer, sa.ForeignKey("plant_parts.id")),
    sa.Column("industry_sub_category_id", sa.Integer, sa.ForeignKey("industry_sub_categories.id")),
    sa.Column("benefits_advantages", ARRAY(sa.Text)),
    sa.Column("commercialization_stage", sa.Text),
    _time("created_at"),
    _time("updated_at"),
)

queue = sa.Table(
    "image_generation_queue",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.func.gen_random_uuid()),
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("uses_products.id"), nullable=False, unique=True),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("style_preset", sa.Text, nullable=False),
    sa.Column("negative_prompt", sa.Text, nullable=False),
    # Which wording of the prompt it is, of those that are tried against each other.
    sa.Column("prompt_variant", sa.Text, nullable=False),
    sa.Column("generation_provider", sa.Text, nullable=False, server_default="placeholder"),
    # From 1; when the product is queued anew, e.g. as its image was rejected, it is another image that is asked for.
    sa.Column("round", sa.Integer, nullable=False, server_default="1"),
    # Of the image it was completed with, and how long the provider took.
    sa.Column("generated_image_url", sa.Text),
    sa.Column("generation_time_ms", sa.Integer),
    *lease_columns(),
    *lease_constraints(),
)
lease_indexes(queue, "generation_provider")
sa.Index(
    "ix_image_generation_queue_completed", queue.c.completed_at, postgresql_where=queue.c.completed_at.is_not(None)
)

history = sa.Table(
    "image_generation_history",
    metadata,
    *history_columns(),
    sa.Column("queue_id", sa.Uuid, nullable=False),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Index(None, "product_id", "id"),
)
# Ends of attempts by time, for what the last hour did.
sa.Index(
    "ix_image_generation_history_ended",
    history.c.created_at,
    history.c.action,
    postgresql_where=sa.text("action IN ('completed', 'failed', 'retry')"),
)

schedule = sa.Table(
    "image_generation_schedule",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("schedule_name", sa.Text, nullable=False, unique=True),
    # In UTC.
    sa.Column("cron_expression", sa.Text, nullable=False, server_default="*/15 * * * *"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    # One provider's items, or with null those of every provider that has some due.
    sa.Column("provider", sa.Text),
    _time("last_run", default=False),
    _time("next_run", default=False),
    _time("created_at"),
)

provider_config = sa.Table(
    "ai_provider_config",
    metadata,
    sa.Column("provider_name", sa.Text, primary_key=True),
    sa.Column("provider_type", sa.Text, nullable=False, server_default="image"),
    # The environment variable that holds its key.
    sa.Column("api_key_name", sa.Text),
    # False while it is paused, and why it is.
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("paused_reason", sa.Text),
    # Whom to ask first where nobody says which provider, 10 being the first.
    sa.Column("priority", sa.Integer, nullable=False, server_default="5"),
    sa.Column("cost_per_image", sa.Numeric(10, 6), nullable=False, server_default="0"),
    # At most so many US dollars a day (UTC); null is without limit.
    sa.Column("daily_budget_usd", sa.Numeric(12, 6)),
    _time("created_at"),
    _time("updated_at"),
    sa.CheckConstraint("priority BETWEEN 1 AND 10", name="priority"),
    sa.CheckConstraint("cost_per_image >= 0 AND daily_budget_usd >= 0", name="money"),
)

# Every call that may have cost something, append-only.
costs = sa.Table(
    "ai_generation_costs",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("provider_name", sa.Text, nullable=False),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Column("queue_id", sa.Uuid, nullable=False),
    sa.Column("generation_type", sa.Text, nullable=False, server_default="image"),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("style_preset", sa.Text, nullable=False),
    sa.Column("prompt_variant", sa.Text, nullable=False),
    sa.Column("cost", sa.Numeric(10, 6), nullable=False),
    sa.Column("success", sa.Boolean, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    _time("created_at"),
    sa.Index(None, "created_at"),
    sa.Index(None, "product_id"),
)

# The images that were made, each with what it was made of.
images = sa.Table(
    "generated_images",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("uses_products.id"), nullable=False),
    sa.Column("queue_id", sa.Uuid, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("image_url", sa.Text, nullable=False),
    sa.Column("s3_key", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("negative_prompt", sa.Text, nullable=False),
    sa.Column("style_preset", sa.Text, nullable=False),
    sa.Column("prompt_variant", sa.Text, nullable=False),
    sa.Column("cost_usd", sa.Numeric(10, 6), nullable=False),
    sa.Column("decided_by", sa.Text),
    _time("decided_at", default=False),
    sa.Column("reason", sa.Text),
    _time("created_at"),
    _time("updated_at"),
    sa.CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="status"),
    # Whatever is repeated, a product has one image of each round.
    sa.UniqueConstraint("product_id", "round"),
    # In the order of the review's queue.
    sa.Index(None, "status", "product_id", "round"),
)

# What reviewers did, append-only; undoing is a row of its own.
decisions = sa.Table(
    "generated_image_decisions",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("image_id", sa.BigInteger, sa.ForeignKey("generated_images.id"), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("from_status", sa.Text, nullable=False),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    # Of the bytes that the reviewer saw.
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    _time("created_at"),
    sa.CheckConstraint("action IN ('approved', 'rejected', 'undone')", name="action"),
    sa.Index(None, "image_id", "id"),
)

# What the dashboard counts, as differences that triggers write and fold: their sums are read, whatever lies behind.
counts = sa.Table(
    "image_generation_counts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    # ``product`` with the states ``all`` and ``with_image``, or ``item`` with those of the queue.
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("change", sa.BigInteger, nullable=False),
)
