"""Runs migrations on the connection that ``stores/database.py`` hands over; never opens one of its own."""

from __future__ import annotations

from alembic import context

from image_assets.stores.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
