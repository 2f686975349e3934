"""What the web's tests share: the real application behind a real server, a migrated database, a queue, rows to look at.

The server runs in a thread of this process, once per test file; every test finds its tables and its queue empty.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from image_assets.enhancement.tables import product_images, products
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.queue import enqueue
from image_assets.generation.tables import uses_products
from image_assets.sandbox.web import serving
from image_assets.settings import Settings, settings_for
from image_assets.stores.database import make_engine
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets.web.app import create_app
from image_assets_tests.conftest import SECRET_KEY, Aws

if TYPE_CHECKING:
    from image_assets_tests.web.browser import Shelf

TOKENS = {"alice": "token-of-alice-0123456789", "bob": "token-of-bob-9876543210"}
RAW_BUCKET = "raw-photographs"
_TABLES = (
    "products, product_images, image_decisions, enhancement_analyses, enhancement_requests, enhancement_history, "
    "api_requests, outbox"
)


def a_product(**changed: object) -> dict[str, object]:
    """A product as spec 04 has it."""
    return {
        "category": "Electronics",
        "raw_image": "https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg",
        "mrp": 50000,
        "price": 45000,
        "discount": 5000,
        "gst": 18,
        **changed,
    }


@dataclass
class Site:
    """A running application and what is behind it.

    Attributes:
        url: scheme, host and port.
        settings: what it was made with.
        app: itself.
        engine: its database, through connections of the test's own.
        queue: its queue.
        client: speaks to it as alice.
    """

    url: str
    settings: Settings
    app: FastAPI
    engine: sa.Engine
    queue: Queue
    client: httpx2.Client
    _of_others: dict[str, httpx2.Client] = field(default_factory=dict[str, httpx2.Client])

    def as_owner(self, name: str) -> httpx2.Client:
        """A client with somebody's token."""
        if name not in self._of_others:
            self._of_others[name] = make_client(self.url, TOKENS[name])
        return self._of_others[name]

    def create(self, *items: object, **arguments: Any) -> httpx2.Response:
        """Post products."""
        return self.client.post("/api/products/bulk", json={"products": list(items)}, **arguments)

    def add_product(self, *, images: int = 0, **values: object) -> int:
        """A product with images, as if they had been made; returns its number."""
        row = {**a_product(), "created_by": "alice", "status": "pending_review" if images else "pending", **values}
        with self.engine.begin() as connection:
            made = connection.execute(sa.insert(products).values(row).returning(products.c.id))
            product_id = int(made.scalar_one())
            for ordinal in range(1, images + 1):
                connection.execute(sa.insert(product_images).values(an_image(product_id, ordinal)))
        return product_id

    def images(self, product_id: int) -> list[dict[str, Any]]:
        """A product's images in order."""
        return [row for row in self.rows(product_images) if row["product_id"] == product_id]

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table, in the order of its key."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            return [row._asdict() for row in found]

    def messages(self) -> list[str]:
        """Bodies of the messages in the queue, which are taken off it, in no order."""
        found: list[str] = []
        while batch := self.queue.receive():
            self.queue.delete(batch)
            found += [message.body for message in batch]
        return found

    def forget_the_queue(self) -> None:
        """Have the application ask the queue again at once, though it failed or was asked just now."""
        announcer = self.app.state.services.announcer
        announcer._asked_at = announcer._looked_at = float("-inf")

    def clear(self) -> None:
        """Lose all rows and messages; numbers begin anew."""
        self.forget_the_queue()
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {_TABLES} RESTART IDENTITY CASCADE"))
        self.queue.client.purge_queue(QueueUrl=self.queue.url)


def an_image(product_id: int, ordinal: int) -> dict[str, object]:
    """The row of an enhanced image."""
    key = f"enhanced/{product_id}/{uuid.uuid4()}.jpg"
    return {
        "product_id": product_id,
        "ordinal": ordinal,
        "image_url": f"https://enhanced.s3.eu-west-1.amazonaws.com/{key}",
        "s3_key": key,
        "sha256": f"{product_id:032x}{ordinal:032x}",
        "width": 1024,
        "height": 768,
        "bytes": 123_456,
        "model": "gemini-3.1-flash-image",
        "prompt": f"Prompt {ordinal}",
        "cost_usd": "0.067",
        "source_sha256": "5" * 64,
    }


def make_client(url: str, token: str | None = None) -> httpx2.Client:
    """A client of a site."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def queue_products(engine: sa.Engine, *names: str, provider: str = "placeholder") -> list[int]:
    """Products without an image, in the queue for one; returns their numbers."""
    with engine.begin() as connection:
        made = sa.insert(uses_products).returning(uses_products.c.id, sort_by_parameter_order=True)
        ids = list(connection.scalars(made, [{"name": name} for name in names]))
    enqueue(engine, load_prompt_book("default"), provider, ids)
    return ids


@pytest.fixture(scope="module", autouse=True)
def _own_record_factory() -> Iterator[None]:
    """Forget the log redaction that making an application installs for the whole process."""
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


@pytest.fixture(scope="module")
def site_settings(aws_server: Aws, migrated_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a site with a queue of its own."""
    env = {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "AWS_ENDPOINT_URL": aws_server.url,
        "AWS_ACCESS_KEY_ID": "test-access-key",
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "S3_BUCKET_NAME": f"test-{uuid.uuid4().hex[:12]}",
        "RAW_S3_BUCKETS": RAW_BUCKET,
        "DATABASE_URL": migrated_url,
        "API_TOKENS": ",".join(f"{name}:{token}" for name, token in TOKENS.items()),
    }
    unnamed = Queue.from_settings(settings_for({**env, "SQS_QUEUE_URL": "unnamed"}))
    return settings_for({**env, "SQS_QUEUE_URL": ensure_queue(unnamed.client, f"requests-{uuid.uuid4().hex[:12]}")})


@pytest.fixture(scope="module")
def served(site_settings: Settings) -> Iterator[Site]:
    """The site of a test file; tests take `site`."""
    app = create_app(site_settings)
    engine = make_engine(site_settings.require("database_url"))
    with serving(app) as url, make_client(url, TOKENS["alice"]) as client:
        yield Site(url, site_settings, app, engine, Queue.from_settings(site_settings), client)
    engine.dispose()


@pytest.fixture
def site(served: Site, aws: Aws) -> Site:
    """The site, empty, its queue well and without the faults of other tests."""
    served.clear()
    aws.faults.clear()
    return served


@pytest.fixture(scope="module")
def site_bucket(site_settings: Settings, s3_client: Any) -> str:
    """The bucket of all the site's images; it exists."""
    name = site_settings.require("enhanced_s3_bucket")
    assert site_settings.generation_s3_bucket == name
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def shelf(site: Site, site_bucket: str, s3_client: Any) -> Shelf:
    """Puts products with pictures on the empty site."""
    from image_assets_tests.web.browser import Shelf

    return Shelf(site.engine, s3_client, site_bucket)
