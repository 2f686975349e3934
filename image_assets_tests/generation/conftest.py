"""What the generation's tests share: products without images, a bucket, a migrated database, providers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
import stamina

from image_assets.generation.config import seed
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.prompts import PromptBook
from image_assets.generation.queue import enqueue
from image_assets.generation.service import run_due
from image_assets.generation.tables import history, images, queue, uses_products
from image_assets.generation.workplace import Workplace, open_workplace
from image_assets.report import Report
from image_assets.sandbox.stability import Behaviour as StabilityBehaviour, StabilityServer
from image_assets.settings import Settings, settings_for
from image_assets.stores.database import make_engine
from image_assets.stores.leases import Backoff

# So long that no test meets a retry it did not ask for (`Press.due_now`).
LATER = Backoff(base_s=36_000.0, cap_s=36_000.0)


def empty(engine: sa.Engine) -> None:
    """Delete everything the area has."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "TRUNCATE uses_products, plant_parts, industry_sub_categories, industries, image_generation_queue, "
                "image_generation_history, image_generation_schedule, ai_provider_config, ai_generation_costs, "
                "generated_images, generated_image_decisions, image_generation_counts, provider_spend "
                "RESTART IDENTITY CASCADE"
            )
        )


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The project's own database, migrated, seeded, and without products."""
    engine = make_engine(migrated_url)
    empty(engine)
    seed(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def book() -> PromptBook:
    """The prompts that are shipped."""
    return load_prompt_book("default")


@pytest.fixture
def generation_env(env: dict[str, str], s3: Any, migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the area; also set in this process."""
    del s3
    values = {
        **env,
        "DATABASE_URL": migrated_url,
        "GENERATION_S3_BUCKET": env["S3_BUCKET_NAME"],
        "GENERATION_MIN_SIDE": "32",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture(scope="session")
def _stability_server() -> Iterator[StabilityServer]:
    with StabilityServer(StabilityBehaviour(pixels=96 * 96, requests_per_window=None)) as server:
        yield server


@pytest.fixture
def stability(
    _stability_server: StabilityServer, generation_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[StabilityServer]:
    """Stability's stand-in with tiny images, without faults of other tests; in the environment too."""
    _stability_server.reset()
    values = {**_stability_server.env(), "STABILITY_PER_10_S": "10000"}
    generation_env.update(values)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    stamina.set_testing(True, attempts=5)  # no waiting between the client's attempts
    yield _stability_server
    stamina.set_testing(False)
    _stability_server.reset()


@dataclass
class Press:
    """The area with everything around it."""

    engine: sa.Engine
    env: dict[str, str]
    s3: Any
    book: PromptBook
    opened: list[Workplace] = field(default_factory=list[Workplace])

    @property
    def settings(self) -> Settings:
        """Settings made from the environment."""
        return settings_for(self.env)

    @property
    def bucket(self) -> str:
        """The one bucket."""
        return self.env["GENERATION_S3_BUCKET"]

    def add(self, *names: str, image_url: str | None = None, **values: Any) -> list[int]:
        """Make products without an image; returns their numbers."""
        rows = [{"name": name, "description": "", "image_url": image_url, **values} for name in names]
        with self.engine.begin() as connection:
            made = sa.insert(uses_products).returning(uses_products.c.id, sort_by_parameter_order=True)
            return list(connection.scalars(made, rows))

    def queue(self, *names: str, provider: str = "placeholder") -> list[int]:
        """Make products and put them into the queue."""
        ids = self.add(*names)
        assert enqueue(self.engine, self.book, provider, ids).queued == len(ids)
        return ids

    @contextmanager
    def open(self, provider: str = "placeholder", **options: Any) -> Iterator[Workplace]:
        """A workplace of a provider."""
        with open_workplace(self.settings, provider, engine=self.engine, **{"backoff": LATER, **options}) as work:
            yield work

    def run(self, provider: str = "placeholder", **options: Any) -> Report:
        """Work off what is due of a provider."""
        with self.open(provider) as work:
            return run_due(work, **options)

    def due_now(self) -> None:
        """Let everything that waits be due."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(queue).values(run_after=sa.func.now()))

    def items(self) -> dict[int, Mapping[str, Any]]:
        """The queue's rows by product."""
        return {row["product_id"]: row for row in self.rows(sa.select(queue))}

    def images(self) -> Sequence[Mapping[str, Any]]:
        """The rows of images, in order."""
        return self.rows(sa.select(images).order_by(images.c.id))

    def actions(self, product_id: int) -> list[str]:
        """What happened to a product's item, in order."""
        query = sa.select(history.c.action).where(history.c.product_id == product_id).order_by(history.c.id)
        return [row["action"] for row in self.rows(query)]

    def image_urls(self) -> dict[int, str | None]:
        """What products show."""
        rows = self.rows(sa.select(uses_products.c.id, uses_products.c.image_url))
        return {row["id"]: row["image_url"] for row in rows}

    def rows(self, query: sa.Select[Any] | sa.TextClause) -> Sequence[Mapping[str, Any]]:
        """The rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def keys(self) -> set[str]:
        """All keys of the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {row["Key"] for page in pages for row in page.get("Contents", ())}


@pytest.fixture
def press(engine: sa.Engine, generation_env: dict[str, str], s3: Any, book: PromptBook) -> Press:
    """The area, ready to use."""
    return Press(engine, generation_env, s3, book)
