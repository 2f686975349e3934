"""The empty schema every later migration builds on: the deals area needs no table of its own."""

from __future__ import annotations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to create yet; a database at this revision is known to be ours."""


def downgrade() -> None:
    """Nothing to drop."""
