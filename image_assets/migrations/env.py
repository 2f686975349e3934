"""Runs migrations on the connection that ``stores/database.py`` hands over, or writes them as SQL."""

from __future__ import annotations

from alembic import context

from image_assets.stores.database import metadata

if context.is_offline_mode():  # as SQL (`database.migration_sql`)
    # A named style: others would double every percent sign.
    style = {"paramstyle": "named"}
    context.configure(dialect_name="postgresql", dialect_opts=style, target_metadata=metadata, literal_binds=True)
else:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
