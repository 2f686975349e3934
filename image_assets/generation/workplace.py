"""What a run of one provider works with, made from settings: database, bucket, the provider itself.

Here: construction and closing. Not here: what is done with them (``service.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock

import sqlalchemy as sa

from image_assets.access import Access
from image_assets.generation.apply import CACHE, Maker, Rules, free_of_charge
from image_assets.generation.config import ProviderPlan, provider_plans
from image_assets.generation.model import check_provider
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.providers import Provider, open_provider
from image_assets.generation.queue import BACKOFF, LEASE_S, generation_queue
from image_assets.imaging.variant_set import load_variant_set
from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets.stores.images import ImageBucket
from image_assets.stores.leases import Backoff, LeaseQueue
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.spend import SpendStore
from image_assets.vendors.paid import turns_away

VARIANT_SET = "generated"
# The largest sum the table of spending holds: a budget of none.
_NO_LIMIT = Decimal(999_999)


@dataclass
class Workplace:
    """What a run works with.

    Attributes:
        engine: the project's own database.
        plan: what the database says of the provider.
        leases: the queue.
        maker: makes an image.
        objects: the bucket of generated images.
        access: whether the run may go on.
        workers: images made at the same time.
    """

    engine: sa.Engine
    plan: ProviderPlan
    leases: LeaseQueue
    maker: Maker
    objects: ObjectStore
    access: Access
    workers: int


def spend_store(engine: sa.Engine, plan: ProviderPlan) -> SpendStore:
    """The spending of a provider on generated images; other areas' is not in it."""
    cap = _NO_LIMIT if plan.budget_usd is None else plan.budget_usd
    return SpendStore(
        engine, f"generation:{plan.name}", cap, setting=f"daily_budget_usd of {plan.name} in ai_provider_config"
    )


def generated_objects(settings: Settings) -> ObjectStore:
    """The bucket of generated images. Raises SettingsError."""
    settings.require_aws()
    bucket = settings.require("generation_s3_bucket")
    return ObjectStore(make_client(settings, "s3"), bucket)


@contextmanager
def open_workplace(
    settings: Settings,
    provider: str,
    *,
    engine: sa.Engine | None = None,
    backoff: Backoff = BACKOFF,
    lease_s: float = LEASE_S,
    make_provider: Callable[[str, Settings], Provider] = open_provider,
) -> Iterator[Workplace]:
    """Make everything a run needs, and close it afterwards; the provider is connected to when it is first asked.

    Args:
        settings: database, bucket and keys.
        provider: its name.
        engine: the project's own database, where the caller has one.
        backoff: how long an item waits after a failure.
        lease_s: how long an item stays with a run that died, in seconds.
        make_provider: who makes the provider of a name.

    Raises:
        InputError: there is no such provider.
        SettingsError: a setting is missing, or no sandbox is running.
        UnreachableError: the database is away.
    """
    check_provider(provider)
    with ExitStack() as opened:
        if engine is None:
            engine = make_engine(settings.require("database_url"))
            opened.callback(engine.dispose)
        objects = generated_objects(settings)
        plan = provider_plans(engine)[provider]
        access = Access(turns_away, f"{provider} turns the run away")
        leases = generation_queue(engine, lease_s=lease_s, backoff=backoff)
        maker = Maker(
            rules_from(settings),
            engine,
            leases,
            _Once(lambda: make_provider(provider, settings), opened),
            plan,
            ImageBucket(objects, access, cache_control=CACHE),
            None if free_of_charge(plan) else spend_store(engine, plan),
            access,
        )
        yield Workplace(engine, plan, leases, maker, objects, access, settings.generation_workers)


def rules_from(settings: Settings) -> Rules:
    """How images are made, by the settings. Raises SettingsError."""
    return Rules(
        min_side=settings.generation_min_side,
        max_pixels=settings.max_image_pixels,
        prefix=settings.generation_prefix,
        region=settings.aws_region,
        endpoint=settings.aws_endpoint_url,
        variants=load_variant_set(VARIANT_SET),
        book=load_prompt_book(settings.generation_prompts),
    )


class _Once:
    """One provider for all threads, made when it is first asked."""

    def __init__(self, make: Callable[[], Provider], opened: ExitStack) -> None:
        self._make = make
        self._opened = opened
        self._lock = Lock()
        self._provider: Provider | None = None

    def __call__(self) -> Provider:
        with self._lock:
            if self._provider is None:
                self._provider = self._make()
                self._opened.callback(self._provider.close)
            return self._provider
