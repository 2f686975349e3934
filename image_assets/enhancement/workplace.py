"""What the enhancement area works with, made from settings: database, queue, buckets, the guarded fetch, Gemini.

Here: construction and closing. Not here: what is done with them (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from threading import Lock

import sqlalchemy as sa

from image_assets.access import Access
from image_assets.enhancement.apply import Enhancer, Rules
from image_assets.enhancement.products import BACKOFF, LEASE_S, ProductStore, request_queue
from image_assets.enhancement.sources import MAX_RAW_BYTES, SourceReader
from image_assets.imaging.probe import sniff
from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets.stores.leases import Backoff, LeaseQueue
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.spend import SpendStore
from image_assets.vendors.fetch import Fetcher, FetchRules
from image_assets.vendors.gemini.client import GeminiClient
from image_assets.vendors.paid import turns_away

PROVIDER = "gemini"


@dataclass
class Workplace:
    """What a run works with.

    Attributes:
        engine: the project's own database.
        store: its rows.
        queue: its leases.
        objects: the bucket of enhanced images.
        spend: what the day has cost.
        enhancer: works on a product.
        access: whether the run may go on.
        workers: products worked on at the same time.
    """

    engine: sa.Engine
    store: ProductStore
    queue: LeaseQueue
    objects: ObjectStore
    spend: SpendStore
    enhancer: Enhancer
    access: Access
    workers: int


@contextmanager
def open_workplace(
    settings: Settings, *, engine: sa.Engine | None = None, backoff: Backoff = BACKOFF, lease_s: float = LEASE_S
) -> Iterator[Workplace]:
    """Make everything a run needs, and close it afterwards; Gemini is connected to when it is first asked.

    Args:
        settings: database, buckets and Gemini.
        engine: the project's own database, where the caller has one.
        backoff: how long a product waits after a failure.
        lease_s: how long a product stays with a run that died, in seconds.

    Raises:
        SettingsError: a setting is missing, or no sandbox is running.
    """
    with ExitStack() as opened:
        if engine is None:
            engine = make_engine(settings.require("database_url"))
            opened.callback(engine.dispose)
        rules = FetchRules(allowed_hosts=settings.allowed_image_hosts, max_bytes=MAX_RAW_BYTES, sniff=sniff)
        fetcher = opened.enter_context(closing(Fetcher(rules)))
        settings.require_aws()
        client = make_client(settings, "s3")
        access = Access(turns_away, "A system that every product needs turns the run away")
        objects = ObjectStore(client, settings.require("enhanced_s3_bucket"))
        store, queue = ProductStore(engine), request_queue(engine, lease_s=lease_s, backoff=backoff)
        spend = SpendStore(engine, PROVIDER, settings.enhancement_daily_cost_usd, setting="ENHANCEMENT_DAILY_COST_USD")
        enhancer = Enhancer(
            rules_from(settings),
            store,
            queue,
            SourceReader(client, settings.raw_buckets, fetcher, access),
            objects,
            _Lazily(settings, opened),
            spend,
            access,
        )
        yield Workplace(engine, store, queue, objects, spend, enhancer, access, settings.enhancement_workers)


def rules_from(settings: Settings) -> Rules:
    """How images are made, by the settings."""
    return Rules(
        count=settings.enhanced_images_count,
        min_side=settings.enhanced_min_side,
        max_pixels=settings.max_image_pixels,
        prefix=settings.enhanced_prefix,
        region=settings.aws_region,
        endpoint=settings.aws_endpoint_url,
        model=settings.gemini_model,
        image_model=settings.gemini_image_model,
        analysis_cost_usd=settings.gemini_analysis_cost_usd,
        image_cost_usd=settings.gemini_image_cost_usd,
    )


class _Lazily:
    """One Gemini client for all threads, made when it is first asked: its SDK takes seconds to import."""

    def __init__(self, settings: Settings, opened: ExitStack) -> None:
        self._settings = settings
        self._opened = opened
        self._lock = Lock()
        self._client: GeminiClient | None = None

    def __call__(self) -> GeminiClient:
        with self._lock:
            if self._client is None:
                self._client = GeminiClient.from_settings(self._settings)
                self._opened.callback(self._client.close)
            return self._client
