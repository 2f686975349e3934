"""Making one image: ask the provider, check, store, write; each step safe to repeat after a crash at any line.

Here: one item, under its lease. Not here: which items (``service.py``), prompts (``prompts.py``), providers
(``providers.py``).

The order is what makes repeats safe: an image is in S3, under a key that follows from what it is made of, before its
row is written, and row, product and item change in one transaction. What a dead process left in S3 is taken over, not
paid again. A failure is a failure: nothing stands in for an image that could not be made.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.access import Access
from image_assets.errors import ImageAssetsError, TransientError
from image_assets.generation.config import ProviderPlan
from image_assets.generation.model import Attributes, ImageRequest, Prompt, image_key, image_uuid, seed_of
from image_assets.generation.products import show
from image_assets.generation.prompts import PromptBook
from image_assets.generation.providers import Provider
from image_assets.generation.tables import costs, images
from image_assets.imaging.checks import BAD_IMAGES, CheckedImage, check_image
from image_assets.imaging.render import render
from image_assets.imaging.variant_set import VariantSet
from image_assets.stores.database import transaction
from image_assets.stores.images import ImageBucket
from image_assets.stores.leases import Lease, LeaseQueue
from image_assets.stores.s3 import object_url
from image_assets.stores.spend import SpendStore
from image_assets.vendors.paid import may_be_charged

_log = logging.getLogger(__name__)
# Shops read them, and what lies under a key never changes.
CACHE = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Rules:
    """How images are made.

    Attributes:
        min_side: least width and height in pixels.
        max_pixels: images of more pixels are refused.
        prefix: where they lie.
        region: of the bucket.
        endpoint: of a stand-in for S3, or None.
        variants: the sizes every image is stored in.
        book: shapes of presets.
    """

    min_side: int
    max_pixels: int
    prefix: str
    region: str
    endpoint: str | None
    variants: VariantSet
    book: PromptBook


@dataclass
class Attempt:
    """One attempt at an item: the calls that may have cost something, each with its error or None.

    Attributes:
        calls: in their order.
        took_over: whether the image was in S3 already, made by a process that died.
    """

    calls: list[Exception | None] = field(default_factory=list[Exception | None])
    took_over: bool = False


class Maker:
    """Makes images of one provider; shared by threads.

    Args:
        rules: how they are made.
        engine: the project's own database.
        leases: the queue.
        provider: asked for when it is first needed.
        plan: what it costs.
        bucket: where images go.
        spend: what the day has cost; None for a provider that costs nothing.
        access: whether the run may go on.
    """

    def __init__(
        self,
        rules: Rules,
        engine: sa.Engine,
        leases: LeaseQueue,
        provider: Callable[[], Provider],
        plan: ProviderPlan,
        bucket: ImageBucket,
        spend: SpendStore | None,
        access: Access,
    ) -> None:
        self._rules = rules
        self._engine = engine
        self._leases = leases
        self._provider = provider
        self._plan = plan
        self._bucket = bucket
        self._spend = spend
        self._access = access

    def make(self, lease: Lease, product: Attributes, attempt: Attempt) -> str:
        """Make the image of an item, give it to its product, and complete the item.

        Args:
            lease: the item.
            product: what it is of.
            attempt: filled with what happened, whatever is raised.

        Returns:
            The image's address.

        Raises:
            LeaseLostError: the item is held no more; what was stored is taken over by its next worker.
            ImageAssetsError: why it could not be made.
        """
        row = lease.row
        prompt = Prompt(row["prompt"], row["negative_prompt"], row["style_preset"], row["prompt_variant"])
        started = time.monotonic()
        with self._access.attempt():
            provider = self._provider()
        identity = image_uuid(product.id, row["round"], provider.name, provider.model, prompt)
        key = image_key(self._rules.prefix, product.id, identity)
        lying = self._bucket.lying_at(key)
        image = self._passing(lying.body) if lying else None
        attempt.took_over = image is not None
        if image is None:
            lease.check()
            shape = self._rules.book.aspect_ratio(prompt.preset)
            request = ImageRequest(product, prompt, shape, seed_of(identity))
            with self._access.attempt():
                picture = provider.make(request, partial(self._paying, attempt))
            image = self._bucket.keep(key, self._checked(picture.data), self._passing)
        lease.check()
        for variant in self._small(image):
            self._bucket.put(image_key(self._rules.prefix, product.id, identity, variant[0]), variant[1])
        where = object_url(self._bucket.objects.bucket, key, region=self._rules.region, endpoint=self._rules.endpoint)
        spent_ms = round((time.monotonic() - started) * 1000)
        with self._access.attempt(finishing=True), transaction(self._engine) as connection:
            self._write_image(connection, lease, prompt, image, key, where, provider)
            self.write_costs(connection, lease, attempt)
            show(connection, product.id, where)
            self._leases.complete(connection, lease, generated_image_url=where, generation_time_ms=spent_ms)
        return where

    def write_costs(self, connection: sa.Connection, lease: Lease, attempt: Attempt) -> None:
        """Write down what an attempt's calls cost, in the transaction that ends it."""
        row = lease.row
        paid = [
            {
                "provider_name": self._plan.name,
                "product_id": row["product_id"],
                "queue_id": row["id"],
                "model": self._provider().model,
                "style_preset": row["style_preset"],
                "prompt_variant": row["prompt_variant"],
                "cost": self._plan.cost_usd,
                "success": error is None,
                "error_code": getattr(error, "code", None),
                "error_message": str(error) if error is not None else None,
            }
            for error in attempt.calls
        ]
        if paid:
            connection.execute(sa.insert(costs), paid)

    def _write_image(
        self,
        connection: sa.Connection,
        lease: Lease,
        prompt: Prompt,
        image: CheckedImage,
        key: str,
        where: str,
        provider: Provider,
    ) -> None:
        row = lease.row
        values = {
            "product_id": row["product_id"],
            "queue_id": row["id"],
            "round": row["round"],
            "image_url": where,
            "s3_key": key,
            "sha256": hashlib.sha256(image.data).hexdigest(),
            "width": image.width,
            "height": image.height,
            "bytes": len(image.data),
            "provider": provider.name,
            "model": provider.model,
            "prompt": prompt.text,
            "negative_prompt": prompt.negative,
            "style_preset": prompt.preset,
            "prompt_variant": prompt.variant,
            "cost_usd": self._plan.cost_usd,
        }
        connection.execute(insert(images).values(values).on_conflict_do_nothing())

    def _small(self, image: CheckedImage) -> list[tuple[str, bytes]]:
        """The smaller sizes of an image: suffix and bytes."""
        variants = [variant for variant in self._rules.variants.variants if variant.suffix]
        made = render(
            image.data,
            self._rules.variants,
            [variant.name for variant in variants],
            max_pixels=self._rules.max_pixels,
        )
        return [(variant.suffix, made.images[variant.name]) for variant in variants]

    def _checked(self, data: bytes) -> CheckedImage:
        rules = self._rules
        return check_image(data, min_side=rules.min_side, max_pixels=rules.max_pixels, setting="GENERATION_MIN_SIDE")

    def _passing(self, body: bytes) -> CheckedImage | None:
        """What lies in S3 as an image, if it passes: made by a process that died before it could write the row."""
        try:
            checked = self._checked(body)
        except TransientError as error:
            if error.code not in BAD_IMAGES:
                raise
            _log.info("What lies there is made anew: %s", error)
            return None
        return CheckedImage(body, checked.width, checked.height)

    @contextmanager
    def _paying(self, attempt: Attempt) -> Iterator[None]:
        """One request to the provider, within what the day may cost; noted where it may have cost something."""
        if self._spend is None:
            yield
            return
        with self._spend.paying(self._plan.cost_usd, may_be_charged):
            try:
                yield
            except Exception as error:
                if may_be_charged(error):
                    attempt.calls.append(error)
                raise
            attempt.calls.append(None)


def spoilt(attempt: Attempt, error: ImageAssetsError) -> Attempt:
    """An attempt that failed after its last call had been answered: what was paid for was in vain."""
    if attempt.calls and attempt.calls[-1] is None:
        attempt.calls[-1] = error
    return attempt


def free_of_charge(plan: ProviderPlan) -> bool:
    """Whether a provider's images cost nothing, and need no books."""
    return plan.cost_usd == Decimal(0)
