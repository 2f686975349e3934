"""Sample products for the generation: what is known of them, which provider makes whose image, what must come of it.

Here: reading ``data/products/uses_products.csv`` and putting it into a database. Not here: making images
(``demo_generation.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.generation.config import seed
from image_assets.generation.tables import industries, industry_sub_categories, plant_parts, uses_products
from image_assets.paths import data_dir
from image_assets.stores.database import make_engine

GENERATED_BUCKET = "generated-images"
# Those whose description holds these words are refused by every stand-in (``stability/outcomes.py``, its kin).
REFUSED_WORDS = "sandbox-moderated"
# Everything that the area has, the products included.
TABLES = (
    "uses_products, plant_parts, industry_sub_categories, industries, image_generation_queue, "
    "image_generation_history, ai_generation_costs, generated_images, generated_image_decisions"
)


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """A row of the sample file."""

    id: int
    name: str
    description: str
    plant_part: str
    industry: str
    sub_category: str
    benefits: tuple[str, ...]
    stage: str
    image_url: str

    @property
    def refused(self) -> bool:
        """Whether no provider but the local one makes an image of it."""
        return REFUSED_WORDS in self.description


def sample_products() -> list[SampleProduct]:
    """The sample products, by their numbers."""
    with (data_dir() / "products" / "uses_products.csv").open(newline="", encoding="utf-8") as file:
        return [
            SampleProduct(
                int(row["id"]),
                row["name"],
                row["description"],
                row["plant_part"],
                row["industry"],
                row["industry_sub_category"],
                tuple(filter(None, row["benefits_advantages"].split("|"))),
                row["commercialization_stage"],
                row["image_url"],
            )
            for row in csv.DictReader(file)
        ]


def fill_products(url: str) -> None:
    """Put the sample products into the project's own database in place of whatever is there, with nothing queued."""
    samples = sample_products()
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {TABLES} RESTART IDENTITY"))
            parts = _names(connection, plant_parts, (item.plant_part for item in samples))
            fields = _names(connection, industries, (item.industry for item in samples))
            pairs = list(dict.fromkeys((item.industry, item.sub_category) for item in samples if item.sub_category))
            made = sa.insert(industry_sub_categories).returning(
                industry_sub_categories.c.id, sort_by_parameter_order=True
            )
            rows = [{"industry_id": fields[industry], "name": name} for industry, name in pairs]
            closer = dict(zip(pairs, connection.scalars(made, rows), strict=True))
            connection.execute(
                sa.insert(uses_products),
                [
                    {
                        "id": item.id,
                        "name": item.name,
                        "description": item.description,
                        "image_url": item.image_url or None,
                        "plant_part_id": parts.get(item.plant_part),
                        "industry_sub_category_id": closer.get((item.industry, item.sub_category)),
                        "benefits_advantages": list(item.benefits),
                        "commercialization_stage": item.stage or None,
                    }
                    for item in samples
                ],
            )
            # New products come after the samples.
            connection.execute(
                sa.text("SELECT setval(pg_get_serial_sequence('uses_products', 'id'), :last)"),
                {"last": max(item.id for item in samples)},
            )
        seed(engine)
    finally:
        engine.dispose()


def _names(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> dict[str, int]:
    known = [name for name in dict.fromkeys(names) if name]
    made = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return dict(zip(known, connection.scalars(made, [{"name": name} for name in known]), strict=True))
