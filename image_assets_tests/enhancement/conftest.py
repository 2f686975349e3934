"""What the enhancement's tests share: products with photographs in S3, a queue, Gemini, a migrated database."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
import stamina
from PIL import Image

from image_assets.enhancement.service import analyse_due, enhance_due, receive
from image_assets.enhancement.tables import product_images, products, requests
from image_assets.enhancement.workplace import Workplace, open_workplace
from image_assets.report import Report
from image_assets.sandbox.gemini import GeminiServer
from image_assets.sandbox.wsgi import LoopbackServer
from image_assets.settings import settings_for
from image_assets.stores.database import make_engine
from image_assets.stores.leases import Backoff
from image_assets.stores.sqs import Queue, ensure_queue

COUNT = 2
# So long that no test meets a retry it did not ask for (`Studio.due_now`).
LATER = Backoff(base_s=36_000.0, cap_s=36_000.0)


def photograph(seed: int = 0, size: tuple[int, int] = (96, 64)) -> bytes:
    """A small picture that is neither blank nor like another one's."""
    image = Image.linear_gradient("L").resize(size).rotate(37 * seed, fillcolor=40)
    colour = Image.new("RGB", size, f"#{(seed * 2654435761) & 0xFFFFFF:06x}")
    buffer = io.BytesIO()
    Image.composite(colour, Image.new("RGB", size, "#f4efe6"), image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def empty(engine: sa.Engine) -> None:
    """Delete everything the area has."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "TRUNCATE products, product_images, image_decisions, enhancement_analyses, enhancement_requests, "
                "enhancement_history, api_requests, outbox, provider_spend RESTART IDENTITY CASCADE"
            )
        )


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The project's own database, migrated and empty."""
    engine = make_engine(migrated_url)
    empty(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def enhancement_env(
    env: dict[str, str], s3: Any, gemini: GeminiServer, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of the whole area; also set in this process. Its one bucket holds everything."""
    values = {
        **env,
        **gemini.env(),
        "DATABASE_URL": migrated_url,
        "ENHANCED_S3_BUCKET": env["S3_BUCKET_NAME"],
        "RAW_S3_BUCKETS": env["S3_BUCKET_NAME"],
        "ENHANCED_IMAGES_COUNT": str(COUNT),
        "ENHANCED_MIN_SIDE": "32",
        "ENHANCEMENT_DAILY_COST_USD": "1000",
        "GEMINI_PER_MINUTE": "1000000",
        "API_TOKENS": "alice:a-token-of-alice-1,bob:a-token-of-bob-234",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def queue(aws: object, enhancement_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A request queue of the test's own, with its dead-letter queue."""
    del aws
    made = Queue.from_settings(settings_for({**enhancement_env, "SQS_QUEUE_URL": "unused"}))
    url = ensure_queue(made.client, f"q-{uuid.uuid4().hex[:12]}")
    enhancement_env["SQS_QUEUE_URL"] = url
    monkeypatch.setenv("SQS_QUEUE_URL", url)
    return Queue(made.client, url)


class Saying(LoopbackServer):
    """A server that gives one answer to everything."""

    def __init__(self, status: str, body: bytes = b"<html>Sign in first.</html>") -> None:
        super().__init__("saying", "A server with one answer", None)
        self._status = status
        self._body = body

    @property
    def host(self) -> str:
        """Its address and port, as ``IMAGE_HOSTS`` has them."""
        return self.url.removeprefix("http://")

    def make_app(self) -> Any:
        """The application."""

        def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response(self._status, [("Content-Length", str(len(self._body))), ("Content-Type", "text/html")])
            return [self._body]

        return app


@dataclass
class Studio:
    """The area with everything around it."""

    work: Workplace
    env: dict[str, str]
    gemini: GeminiServer
    engine: sa.Engine
    s3: Any

    @property
    def bucket(self) -> str:
        """The one bucket."""
        return self.env["ENHANCED_S3_BUCKET"]

    def add(self, *seeds: int) -> list[int]:
        """Make products, each with a photograph in S3; returns their numbers."""
        for seed in seeds:
            self.s3.put_object(Bucket=self.bucket, Key=f"raw/{seed}.jpg", Body=photograph(seed))
        return self.add_urls(*(f"s3://{self.bucket}/raw/{seed}.jpg" for seed in seeds))

    def add_urls(self, *urls: str) -> list[int]:
        """Make products with these raw images."""
        row = {"category": "Shoes", "mrp": 10, "price": 9, "discount": 1, "gst": 18, "created_by": "alice"}
        with self.engine.begin() as connection:
            made = sa.insert(products).returning(products.c.id, sort_by_parameter_order=True)
            return list(connection.scalars(made, [{**row, "raw_image": url} for url in urls]))

    def request(self, *product_ids: int) -> None:
        """Ask for products, as if their messages had come."""
        self.work.store.accept(product_ids)

    def run(self, rounds: int = 1) -> Report:
        """Work off what is due, and what waits for a retry; returns the last round's outcomes of both stages."""
        report = Report()
        for _ in range(rounds):
            self.due_now()
            report = analyse_due(self.work)
            report.merge(enhance_due(self.work))
        return report

    def receive(self, queue: Queue) -> int:
        """Take in the queue's messages."""
        return receive(self.work.store, queue, wait_s=0).accepted

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows."""
        with self.engine.connect() as connection:
            return [row._asdict() for row in connection.execute(sa.select(table).order_by(*table.primary_key))]

    def status(self, product_id: int) -> str:
        """A product's status."""
        return str(next(row["status"] for row in self.rows(products) if row["id"] == product_id))

    def images(self, product_id: int) -> list[dict[str, Any]]:
        """A product's images."""
        found = [row for row in self.rows(product_images) if row["product_id"] == product_id]
        return sorted(found, key=lambda row: row["ordinal"])

    def state(self, product_id: int) -> dict[str, Any]:
        """A product's request."""
        return next(row for row in self.rows(requests) if row["product_id"] == product_id)

    def keys(self, prefix: str = "enhanced/") -> list[str]:
        """Keys in the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    def due_now(self) -> None:
        """Let what waits for a retry be due."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("UPDATE enhancement_requests SET run_after = now()"))

    def again(self, *ordinals: int) -> None:
        """Let these images, or all, be wanted once more, as if who made them had died before their rows were there."""
        with self.engine.begin() as connection:
            gone = sa.delete(product_images)
            connection.execute(gone.where(product_images.c.ordinal.in_(ordinals)) if ordinals else gone)
            connection.exec_driver_sql("UPDATE products SET status = 'pending'")
            connection.exec_driver_sql("UPDATE enhancement_requests SET status = 'pending', completed_at = NULL")

    @contextmanager
    def another(self, **changed: str) -> Iterator[Studio]:
        """The same area through systems of its own, with other settings: another process, as it were."""
        env = {**self.env, **changed}
        with open_workplace(settings_for(env), engine=self.engine, backoff=LATER) as work:
            yield replace(self, work=work, env=env)


@pytest.fixture
def studio(enhancement_env: dict[str, str], gemini: GeminiServer, engine: sa.Engine, s3: Any) -> Iterator[Studio]:
    """The area without products; a client's own retries do not wait."""
    settings = settings_for(enhancement_env)
    with (
        open_workplace(settings, engine=engine, backoff=LATER) as work,
        stamina.set_testing(True, attempts=4, cap=True),
    ):
        yield Studio(work, enhancement_env, gemini, engine, s3)


def assert_whole(studio: Studio, product_ids: Sequence[int], count: int = COUNT) -> None:
    """Each product awaits review with its images, every image is one row and one object, and no more are there."""
    for product_id in product_ids:
        assert studio.status(product_id) == "pending_review"
        assert [row["ordinal"] for row in studio.images(product_id)] == list(range(1, count + 1))
        assert studio.state(product_id)["status"] == "completed"
    rows = [row for product_id in product_ids for row in studio.images(product_id)]
    assert sorted(row["s3_key"] for row in rows) == sorted(studio.keys())
