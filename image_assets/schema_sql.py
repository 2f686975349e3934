"""The schema of the project's own database as one SQL file, for whoever can't run ``image-assets setup`` on it.

Here: the migrations, the seeds, and what closes the tables to Supabase's API. Not here: carrying any of it out
(``setup.py``).
"""

from __future__ import annotations

import re

from sqlalchemy.dialects import postgresql

from image_assets.generation.config import seed_statements
from image_assets.stores.database import migration_sql

_HEAD = """\
-- The tables of image_assets for an empty database, or one with the original's tables of products in it.
-- Made by `image-assets setup --sql` from the migrations; run it whole, e.g. in Supabase's SQL editor.
-- A database that has tables of these names already, as the original's has product_images, takes them in a schema of
-- their own; put two lines before everything else, and the same search path into DATABASE_URL
-- (?options=-csearch_path%3Dimage_assets%2Cpublic):
--   CREATE SCHEMA image_assets;
--   SET search_path = image_assets, public;
"""
_SECURITY = """\
-- Supabase serves every table of the schema public to whoever has the project's public key, unless row-level security
-- is on. It is on from here, and as there are no policies only the tables' owner, whom DATABASE_URL names, sees a row.
-- The products are left as they are. Views ask with the rights of whoever reads them.
"""
# The products are their owner's affair.
_PRODUCTS = {"uses_products", "plant_parts", "industries", "industry_sub_categories"}


def schema_sql() -> str:
    """Everything `setup.run_setup` does to an empty database, as SQL."""
    migrations = migration_sql()
    tables = [name for name in re.findall(r"^CREATE TABLE (\w+)", migrations, re.MULTILINE) if name not in _PRODUCTS]
    views = re.findall(r"CREATE VIEW (\w+)", migrations)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    seeds = [
        f"{statement.compile(dialect=dialect, compile_kwargs={'literal_binds': True})};"
        for statement in seed_statements()
    ]
    closed = [f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;" for name in tables]
    closed += [f"ALTER VIEW {name} SET (security_invoker = true);" for name in views]
    return "\n".join([_HEAD, migrations.strip(), "", *seeds, "", _SECURITY, *closed, ""])
