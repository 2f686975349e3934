"""The migrations make exactly the tables that the areas declare."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from image_assets.enhancement import tables as enhancement
from image_assets.generation import tables as generation
from image_assets.marketplace import tables as marketplace
from image_assets.storefront import tables as storefront
from image_assets.stores import outbox, spend
from image_assets.stores.database import make_engine, metadata, migrate


def test_the_migrations_make_exactly_the_declared_tables(database_url: str) -> None:
    declared = (
        storefront.media,
        marketplace.assets,
        enhancement.products,
        generation.queue,
        outbox.outbox,
        spend.provider_spend,
    )
    assert all(table.metadata is metadata for table in declared)
    migrate(database_url)
    engine = make_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    made = sa.inspect(engine).get_table_names()
    engine.dispose()
    assert sorted(made) == sorted([*metadata.tables, "alembic_version"])
