"""The schema as one SQL file: the same as the migrations make, closed to Supabase's API, and never out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from image_assets.paths import data_dir
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.schema_sql import schema_sql
from image_assets.settings import settings_for
from image_assets.setup import run_setup
from image_assets.stores.database import current_revision, head_revision, make_engine, migrate

_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, ordinal_position"""
_OTHERS = """
    SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'view', pg_get_viewdef(viewname::regclass) FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'constraint', conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    ORDER BY 1, 2"""


def run_file(url: str, text: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(text.encode())


def shape_of(url: str) -> tuple[list[object], list[object]]:
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(_COLUMNS))], [
                tuple(row) for row in connection.execute(sa.text(_OTHERS))
            ]
    finally:
        engine.dispose()


def test_the_file_that_is_shipped_is_what_the_command_prints() -> None:
    shipped = data_dir() / "schema_image_generation.sql"
    assert shipped.read_text(encoding="utf-8") == schema_sql(), (
        "image-assets setup --sql > data/schema_image_generation.sql"
    )


def test_the_file_makes_what_the_migrations_make_and_setup_goes_on_from_there(
    postgres: EmbeddedPostgres, database_url: str, tmp_path: Path
) -> None:
    by_file = postgres.create_database("by_file", "database-password")
    run_file(by_file, schema_sql())
    migrate(database_url)
    for by_sql, by_migration in zip(shape_of(by_file), shape_of(database_url), strict=True):
        assert set(by_sql) ^ set(by_migration) == set()
    engine = make_engine(by_file)
    try:
        assert current_revision(engine) == head_revision()
        before = [tuple(row) for row in rows(engine, "SELECT * FROM ai_provider_config ORDER BY 1")]
        lines = list(run_setup(settings_for({"DATABASE_URL": by_file, "IMAGE_ASSETS_STATE_DIR": str(tmp_path)})))
        assert any("generation: schedule and providers are there" in line for line in lines)
        assert [tuple(row) for row in rows(engine, "SELECT * FROM ai_provider_config ORDER BY 1")] == before
        assert len(before) == 4
    finally:
        engine.dispose()


def rows(engine: sa.Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_whoever_is_not_the_owner_sees_no_row_by_table_or_view(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("closed", "database-password")
    other = postgres.create_database("stranger", "database-password")
    run_file(url, schema_sql())
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO uses_products (name) VALUES ('Hemp oil')"))
            connection.execute(sa.text("GRANT USAGE ON SCHEMA public TO public"))
            connection.execute(sa.text("GRANT ALL ON ALL TABLES IN SCHEMA public TO public"))
            connection.execute(sa.text("GRANT CONNECT ON DATABASE closed TO public"))
        stranger = make_engine(f"{other.rpartition('/')[0]}/closed")
        with stranger.begin() as connection:
            seen = connection.execute(sa.text("SELECT total_products FROM image_generation_dashboard")).scalar_one()
            assert seen == 0
            assert connection.execute(sa.text("SELECT count(*) FROM ai_provider_config")).scalar_one() == 0
            # Who may write products still can, though what counts them is closed.
            connection.execute(sa.text("INSERT INTO uses_products (id, name) VALUES (99, 'Hemp rope')"))
        stranger.dispose()
        assert rows(engine, "SELECT total_products FROM image_generation_dashboard")[0][0] == 2
    finally:
        engine.dispose()


@pytest.mark.parametrize("schema", ["image_assets"])
def test_a_database_of_the_original_keeps_its_tables_and_lends_its_products(
    postgres: EmbeddedPostgres, schema: str
) -> None:
    url = postgres.create_database("original", "database-password")
    run_file(
        url,
        """
        CREATE TABLE plant_parts (id serial PRIMARY KEY, archetype_id integer NOT NULL, name text NOT NULL);
        CREATE TABLE industries (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
        CREATE TABLE industry_sub_categories (id serial PRIMARY KEY, industry_id integer NOT NULL, name text NOT NULL);
        CREATE TABLE uses_products (
            id bigserial PRIMARY KEY, name text NOT NULL, description text NOT NULL,
            plant_part_id integer NOT NULL REFERENCES plant_parts (id), industry_sub_category_id integer,
            benefits_advantages text[], commercialization_stage text);
        CREATE TABLE product_images (id serial PRIMARY KEY, use_product_id bigint NOT NULL, image_url text NOT NULL);
        CREATE TABLE image_generation_queue (id uuid PRIMARY KEY, product_id bigint NOT NULL, status text);
        INSERT INTO plant_parts (archetype_id, name) VALUES (1, 'Hemp Seed');
        INSERT INTO uses_products (name, description, plant_part_id) VALUES ('Hemp oil', 'Oil.', 1), ('Rope', '', 1);
        INSERT INTO image_generation_queue VALUES (gen_random_uuid(), 1, 'completed');
        """,
    )
    run_file(url, f"CREATE SCHEMA {schema}")
    within = f"{url}?options=-csearch_path%3D{schema}%2Cpublic"
    migrate(within)
    engine = make_engine(within)
    try:
        (dashboard,) = rows(engine, "SELECT total_products, pending_count FROM image_generation_dashboard")
        assert tuple(dashboard) == (2, 0)
        assert rows(engine, "SELECT count(*) FROM public.image_generation_queue")[0][0] == 1
        assert rows(engine, "SELECT to_regclass('image_assets.uses_products')")[0][0] is None
        # Its own programs know nothing of our schema.
        run_file(url, "UPDATE uses_products SET image_url = 'https://cdn.example.com/oil.jpg' WHERE id = 1")
        assert rows(engine, "SELECT products_with_images FROM image_generation_dashboard")[0][0] == 1
    finally:
        engine.dispose()
