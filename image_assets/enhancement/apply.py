"""Carrying work out: a product's analysis, then its images; each step safe to repeat after a crash at any line.

Here: one product at a time, under a lease. Not here: which products (``service.py``), rules about pictures
(``quality.py``) and prompts (``prompts.py``), rows (``products.py``).

The order is what makes repeats safe: an image is in S3, under a key that follows from what it is made of, before its
row is written, and the product changes its state last. What a dead process left in S3 is taken over, not paid again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from image_assets.access import Access
from image_assets.enhancement.model import ImagePlan, Product, Source, Stage, object_url, source_key
from image_assets.enhancement.plan import plan_images
from image_assets.enhancement.products import ProductStore, Provenance, StoredAnalysis
from image_assets.enhancement.prompts import answer_schema, instructions, read_analysis
from image_assets.enhancement.quality import BAD_IMAGES, CheckedImage, check_image, normalise
from image_assets.enhancement.sources import SourceReader
from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.stores.database import transaction
from image_assets.stores.leases import Lease, LeaseQueue
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.spend import SpendStore
from image_assets.vendors.gemini.client import GeminiClient
from image_assets.vendors.gemini.protocol import Picture
from image_assets.vendors.http import NotSentError

_log = logging.getLogger(__name__)
# Reasons that are no product's own, whatever product comes next.
_TURNS_AWAY = frozenset({"throttled", "budget", "no_model", "no_bucket", "unreachable"})
# Answers that were made, and are charged, although they are of no use.
_CHARGED = frozenset({"no_answer", "bad_answer", "no_image"})
JPEG = "image/jpeg"
# Nobody but the review page reads them, and what lies under a key never changes.
_CACHE = "private, max-age=31536000, immutable"


def turns_away(error: ImageAssetsError) -> bool:
    """Whether an error is none of one product."""
    return isinstance(error, AccessDeniedError | SettingsError | NotSentError) or error.code in _TURNS_AWAY


@dataclass(frozen=True, slots=True)
class Rules:
    """How images are made.

    Attributes:
        count: images per product.
        min_side: least width and height of an image in pixels.
        max_pixels: images of more pixels are refused.
        prefix: where enhanced images lie.
        region: of the bucket.
        endpoint: of a stand-in for S3, or None.
        model: of the analysis.
        image_model: of the images.
        analysis_cost_usd: what an analysis costs.
        image_cost_usd: what an image costs.
    """

    count: int
    min_side: int
    max_pixels: int
    prefix: str
    region: str
    endpoint: str | None
    model: str
    image_model: str
    analysis_cost_usd: float
    image_cost_usd: float


class Enhancer:
    """Works on products; shared by threads.

    Args:
        rules: how images are made.
        store: the rows.
        queue: the leases.
        sources: where raw images are read.
        objects: the bucket of enhanced images.
        gemini: asked when it is first needed.
        spend: what the day has cost.
        access: whether the run may go on.
    """

    def __init__(
        self,
        rules: Rules,
        store: ProductStore,
        queue: LeaseQueue,
        sources: SourceReader,
        objects: ObjectStore,
        gemini: Callable[[], GeminiClient],
        spend: SpendStore,
        access: Access,
    ) -> None:
        self._rules = rules
        self._store = store
        self._queue = queue
        self._sources = sources
        self._objects = objects
        self._gemini = gemini
        self._spend = spend
        self._access = access

    def analyse(self, lease: Lease, product: Product) -> int:
        """Have a raw image analysed, and let the product wait for its images; returns the number of prompts.

        Raises:
            ImageAssetsError: it could not be; what was done stays done.
        """
        known = self._store.analysis(product.id)
        if known is not None:  # it was redriven: its prompts are kept
            with transaction(self._store.engine) as connection:
                self._queue.advance(connection, lease, stage=Stage.IMAGES.value)
            return len(known.prompts)
        raw = self._sources.read(product.raw_image)
        source = Source(source_key(product.id, sha256 := _sha256(raw)), sha256)
        picture = normalise(raw, max_pixels=self._rules.max_pixels)
        with self._access.attempt():
            self._put(source.key, picture.data)
        lease.check()
        with self._access.attempt(), self._paid(self._rules.analysis_cost_usd):
            answer, _ = self._gemini().answer_json(
                instructions(product.category, self._rules.count),
                Picture(picture.data, JPEG),
                answer_schema(self._rules.count),
            )
            found = read_analysis(answer, self._rules.count)
        with self._access.attempt(), transaction(self._store.engine) as connection:
            self._store.save_analysis(
                connection,
                product.id,
                found,
                source,
                model=self._rules.model,
                cost_usd=self._rules.analysis_cost_usd,
            )
            self._queue.advance(connection, lease, stage=Stage.IMAGES.value)
        return len(found.prompts)

    def enhance(self, lease: Lease, product_id: int) -> int:
        """Make the images that a product lacks, and let it wait for review; returns how many were made.

        An image that can't be made does not stop the others of its product.

        Raises:
            ImageAssetsError: why not all of them could be made: one that can't pass before one that may.
        """
        known = self._store.analysis(product_id)
        if known is None:
            raise TransientError("The product has no analysis yet.", code="no_analysis")
        wanted = plan_images(
            product_id, known.prompts, known.source, self._store.made(product_id), prefix=self._rules.prefix
        )
        source: bytes | None = None
        failures: list[ImageAssetsError] = []
        made = 0
        for item in wanted:
            lease.check()
            try:
                if source is None:
                    with self._access.attempt():
                        source = self._objects.get(known.source.key).body
                made += self._make(item, known, source)
            except ImageAssetsError as error:
                if turns_away(error):
                    raise
                _log.info("Product %s, image %s: %s", product_id, item.ordinal, error)
                failures.append(error)
        if failures:
            raise next((error for error in failures if error.permanent), failures[0])
        with self._access.attempt(), transaction(self._store.engine) as connection:
            self._store.await_review(connection, product_id)
            self._queue.complete(connection, lease)
        return made

    def _make(self, item: ImagePlan, known: StoredAnalysis, source: bytes) -> bool:
        """Make one image, unless it is there; returns whether its row was written."""
        with self._access.attempt():
            image = self._left_behind(item.key, source)
        if image is None:
            with self._access.attempt(), self._paid(self._rules.image_cost_usd):
                picture, _ = self._gemini().make_image(item.prompt, Picture(source, JPEG))
            image = self._checked(picture.data, source)
            with self._access.attempt():
                image = self._store_image(item.key, image, source)
        with self._access.attempt():
            return self._store.save_image(
                item.product_id,
                item.ordinal,
                image,
                key=item.key,
                url=object_url(
                    self._objects.bucket, item.key, region=self._rules.region, endpoint=self._rules.endpoint
                ),
                sha256=_sha256(image.data),
                origin=Provenance(
                    self._rules.image_model, item.prompt, self._rules.image_cost_usd, known.source.sha256
                ),
            )

    def _store_image(self, key: str, image: CheckedImage, source: bytes) -> CheckedImage:
        """Put an image into S3, and return what lies there then: an image that another process put there counts."""
        if self._put(key, image.data):
            return image
        found = self._left_behind(key, source)
        if found is None:  # not one that passes; and it has no row, or nobody would have wanted to make it
            self._objects.replace(key, image.data, content_type=JPEG)
        return found or image

    def _left_behind(self, key: str, source: bytes) -> CheckedImage | None:
        """The image under a key that passes the checks: made by a process that died before it could write the row."""
        try:
            body = self._objects.get(key).body
            checked = self._checked(body, source)
        except NotFoundError:
            return None
        except TransientError as error:
            if error.code not in BAD_IMAGES:
                raise
            _log.info("What lies at %s is made anew: %s", key, error)
            return None
        return CheckedImage(body, checked.width, checked.height)

    def _checked(self, data: bytes, source: bytes) -> CheckedImage:
        return check_image(data, source=source, min_side=self._rules.min_side, max_pixels=self._rules.max_pixels)

    def _put(self, key: str, body: bytes) -> bool:
        return self._objects.create(key, body, content_type=JPEG, cache_control=_CACHE, metadata={})

    @contextmanager
    def _paid(self, usd: float) -> Iterator[None]:
        """Ask Gemini, within what the day may cost; what is surely not charged is given back."""
        day = self._spend.reserve(usd)
        try:
            yield
        except ImageAssetsError as error:
            if isinstance(error, UnreachableError) and not isinstance(error, NotSentError):
                # One answer that was lost says nothing of the next product's.
                raise TransientError(error.message, code="no_answer", hint=error.hint) from None
            if error.code not in _CHARGED:
                self._spend.refund(usd, day)
            raise


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
