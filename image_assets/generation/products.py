"""Products as the generation area reads them, and the image that each of them shows.

Here: reading ``tables.py`` into `Attributes`, setting and clearing ``image_url``. Not here: the queue (``queue.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from image_assets.generation.model import Attributes
from image_assets.generation.tables import (
    industries,
    industry_sub_categories as sub_categories,
    plant_parts,
    uses_products as products,
)

# Null or an empty text: no image.
WITHOUT_IMAGE = sa.func.coalesce(products.c.image_url, "") == ""
_IDS = sa.ARRAY(sa.BigInteger)


def attributes_query(*further: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """All products with what is known of them, and ``further`` columns; `attributes_of` reads its rows."""
    return (
        sa.select(
            products.c.id,
            products.c.name,
            products.c.description,
            products.c.benefits_advantages,
            products.c.commercialization_stage,
            products.c.image_url,
            plant_parts.c.name.label("plant_part"),
            industries.c.name.label("industry"),
            sub_categories.c.name.label("sub_category"),
            *further,
        )
        .select_from(products)
        .outerjoin(plant_parts, plant_parts.c.id == products.c.plant_part_id)
        .outerjoin(sub_categories, sub_categories.c.id == products.c.industry_sub_category_id)
        .outerjoin(industries, industries.c.id == sub_categories.c.industry_id)
    )


def attributes_of(row: Any) -> Attributes:
    """A row of `attributes_query`."""
    return Attributes(
        row.id,
        row.name,
        row.description or "",
        row.plant_part or "",
        row.industry or "",
        row.sub_category or "",
        tuple(benefit for benefit in row.benefits_advantages or () if benefit),
        row.commercialization_stage or "",
        row.image_url or "",
    )


def one_of(column: sa.ColumnElement[int], ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """True where a column is one of some numbers, however many."""
    return column == sa.any_(sa.literal(list(ids), _IDS))


def find(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Attributes]:
    """Products by their numbers; those that are not there are left out."""
    rows = connection.execute(attributes_query().where(one_of(products.c.id, ids)))
    return {row.id: attributes_of(row) for row in rows}


def show(connection: sa.Connection, product_id: int, url: str) -> bool:
    """Give a product its image, unless it has one by now; whether it was given."""
    given = connection.execute(
        sa.update(products)
        .where(products.c.id == product_id, WITHOUT_IMAGE)
        .values(image_url=url, updated_at=sa.func.now())
    )
    return bool(given.rowcount)


def hide(connection: sa.Connection, product_id: int, url: str) -> bool:
    """Take an image off a product, if that is the one it shows; whether it was."""
    taken = connection.execute(
        sa.update(products)
        .where(products.c.id == product_id, products.c.image_url == url)
        .values(image_url=None, updated_at=sa.func.now())
    )
    return bool(taken.rowcount)
