"""Products, their images and reviews; the queue of the work, the outbox, and what a day cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# For people at a database (spec 04, "Check Database").
_VIEWS = {
    "enhancement_overview": """
        SELECT p.status, count(*) AS products, min(p.created_at) AS oldest, max(p.updated_at) AS last_change
        FROM products p GROUP BY p.status""",
    "products_pending_review": """
        SELECT p.id, p.category, p.raw_image, p.created_at, count(i.id) FILTER (WHERE i.status = 'pending') AS pending,
               count(i.id) FILTER (WHERE i.status = 'approved') AS approved,
               count(i.id) FILTER (WHERE i.status = 'rejected') AS rejected
        FROM products p JOIN product_images i ON i.product_id = p.id
        WHERE p.status = 'pending_review' GROUP BY p.id""",
    "recent_enhanced_images": """
        SELECT i.*, p.category FROM product_images i JOIN products p ON p.id = i.product_id
        ORDER BY i.created_at DESC, i.id DESC LIMIT 100""",
    "failed_products": """
        SELECT p.id, p.category, p.raw_image, p.failure_code, p.failure_reason, p.updated_at AS failed_at
        FROM products p WHERE p.status = 'failed'""",
    "enhancement_daily_costs": """
        SELECT s.day, s.usd, s.calls,
               (SELECT count(*) FROM product_images i WHERE (i.created_at AT TIME ZONE 'UTC')::date = s.day) AS images
        FROM provider_spend s WHERE s.provider = 'gemini'""",
}

# In the order they can be dropped.
_TABLES = (
    "image_decisions",
    "product_images",
    "enhancement_requests",
    "enhancement_analyses",
    "provider_spend",
    "products",
    "outbox",
    "enhancement_history",
    "api_requests",
)


def upgrade() -> None:
    """Create the tables and views."""
    op.create_table(
        "api_requests",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("answer", postgresql.JSONB, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_api_requests"),
    )
    op.create_index("ix_api_requests_created_at", "api_requests", ["created_at"])
    op.create_table(
        "enhancement_history",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("details", postgresql.JSONB, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_enhancement_history"),
    )
    op.create_index("ix_enhancement_history_product_id_id", "enhancement_history", ["product_id", "id"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_queue_id", "outbox", ["queue", "id"])
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("raw_image", sa.Text, nullable=False),
        sa.Column("mrp", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("discount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("gst", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("failure_code", sa.Text),
        sa.Column("failure_reason", sa.Text),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(
            "status IN ('pending', 'pending_review', 'approved', 'rejected', 'failed')", name="ck_products_status"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
    )
    op.create_index("ix_products_status_id", "products", ["status", "id"])
    op.create_index("ix_products_category_id", "products", ["category", "id"])
    op.create_table(
        "provider_spend",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", "provider", name="pk_provider_spend"),
    )
    op.create_table(
        "enhancement_analyses",
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("source_key", sa.Text, nullable=False),
        sa.Column("source_sha256", sa.Text, nullable=False),
        sa.Column("analysis", postgresql.JSONB, nullable=False),
        sa.Column("prompts", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_enhancement_analyses_product_id_products"),
        sa.PrimaryKeyConstraint("product_id", name="pk_enhancement_analyses"),
    )
    op.create_table(
        "enhancement_requests",
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("intake_day", sa.Date, nullable=False),
        sa.Column("stage", sa.Text, nullable=False, server_default="prompts"),
        sa.Column("messages", sa.Integer, nullable=False, server_default="1"),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("priority", sa.Integer, nullable=False, server_default="5"),
        sa.Column("attempt_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("max_attempts", sa.Integer, nullable=False, server_default="3"),
        sa.Column("lost_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("stage IN ('prompts', 'images')", name="ck_enhancement_requests_stage"),
        sa.CheckConstraint(
            "status <> 'processing' OR (lease_token IS NOT NULL AND lease_until IS NOT NULL)",
            name="ck_enhancement_requests_lease",
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'retry', 'completed', 'failed', 'cancelled')",
            name="ck_enhancement_requests_status",
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name="ck_enhancement_requests_priority"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_enhancement_requests_product_id_products"),
        sa.PrimaryKeyConstraint("product_id", name="pk_enhancement_requests"),
    )
    op.create_index(
        "ix_enhancement_requests_due",
        "enhancement_requests",
        [sa.literal_column("priority DESC"), "created_at", "product_id", "run_after"],
        postgresql_where=sa.text("status IN ('pending', 'retry')"),
    )
    op.create_index(
        "ix_enhancement_requests_held",
        "enhancement_requests",
        ["lease_until"],
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index("ix_enhancement_requests_intake_day", "enhancement_requests", ["intake_day"])
    op.create_table(
        "product_images",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("image_url", sa.Text, nullable=False),
        sa.Column("s3_key", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("source_sha256", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="ck_product_images_status"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_product_images_product_id_products"),
        sa.PrimaryKeyConstraint("id", name="pk_product_images"),
        sa.UniqueConstraint("product_id", "ordinal", name="uq_product_images_product_id_ordinal"),
    )
    op.create_index("ix_product_images_status_id", "product_images", ["status", "id"])
    op.create_table(
        "image_decisions",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("image_id", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("from_status", sa.Text, nullable=False),
        sa.Column("to_status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("action IN ('approved', 'rejected', 'undone')", name="ck_image_decisions_action"),
        sa.ForeignKeyConstraint(["image_id"], ["product_images.id"], name="fk_image_decisions_image_id_product_images"),
        sa.PrimaryKeyConstraint("id", name="pk_image_decisions"),
    )
    op.create_index("ix_image_decisions_image_id_id", "image_decisions", ["image_id", "id"])
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop them."""
    for name in _VIEWS:
        op.execute(f"DROP VIEW {name}")
    for name in _TABLES:
        op.drop_table(name)
