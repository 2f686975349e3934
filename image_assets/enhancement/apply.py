"""Carrying work out: a product's analysis, then its images; each step safe to repeat after a crash at any line.

Here: one product at a time, under a lease. Not here: which products (``service.py``), rules about pictures
(``quality.py``) and prompts (``prompts.py``), rows (``products.py``).

The order is what makes repeats safe: an image is in S3, under a key that follows from what it is made of, before its
row is written, and the product changes its state last. What a dead process left in S3 is taken over, not paid again.
Every request to Gemini is within what the day may cost, each one for itself: it counts before it is sent, and is given
back only where it surely was free.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from image_assets.access import Access
from image_assets.enhancement.model import ImagePlan, Product, Source, Stage, source_key
from image_assets.enhancement.plan import plan_images
from image_assets.enhancement.products import ProductStore, Provenance, StoredAnalysis
from image_assets.enhancement.prompts import answer_schema, instructions, read_analysis
from image_assets.enhancement.quality import normalise
from image_assets.enhancement.sources import SourceReader
from image_assets.errors import (
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from image_assets.imaging.checks import BAD_IMAGES, CheckedImage, check_image
from image_assets.stores.database import transaction
from image_assets.stores.images import JPEG, ImageBucket
from image_assets.stores.leases import Lease, LeaseQueue
from image_assets.stores.s3 import ObjectStore, object_url
from image_assets.stores.spend import SpendStore
from image_assets.vendors.gemini.client import GeminiClient
from image_assets.vendors.paid import Picture, may_be_charged, turns_away

_log = logging.getLogger(__name__)
# Nobody but the review page reads them, and what lies under a key never changes.
CACHE = "private, max-age=31536000, immutable"


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
        self._images = ImageBucket(objects, access, cache_control=CACHE)
        self._gemini = gemini
        self._spend = spend
        self._access = access

    def analyse(self, lease: Lease, product: Product) -> int:
        """Have a raw image analysed, and let the product wait for its images; returns the number of prompts.

        Raises:
            ImageAssetsError: it could not be; what was done stays done.
        """
        raw = self._sources.read(product.raw_image)
        source = Source(source_key(product.id, sha256 := _sha256(raw)), sha256)
        picture = normalise(raw, max_pixels=self._rules.max_pixels)
        self._images.put(source.key, picture.data)
        lease.check()
        with self._access.attempt():
            answer, _ = self._gemini().answer_json(
                instructions(product.category, self._rules.count),
                Picture(picture.data, JPEG),
                answer_schema(self._rules.count),
                paying=partial(self._spend.paying, self._rules.analysis_cost_usd, may_be_charged),
            )
        found = read_analysis(answer, self._rules.count)
        with self._access.attempt(finishing=True), transaction(self._store.engine) as connection:
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
            PermanentError: the photograph that the model was shown is gone for good (``source_lost``).
            ImageAssetsError: why not all of them could be made: one that can't pass before one that may.
        """
        known = self._store.analysis(product_id)
        if known is None:
            raise TransientError("The product has no analysis yet.", code="no_analysis")
        wanted = plan_images(
            product_id, known.prompts, known.source, self._store.made(product_id), prefix=self._rules.prefix
        )
        lease.check()
        source = self._shown(product_id, known.source) if wanted else b""
        failures: list[ImageAssetsError] = []
        made = 0
        for item in wanted:
            lease.check()
            try:
                made += self._make(item, known, source)
            except ImageAssetsError as error:
                if turns_away(error):
                    raise
                _log.info("Product %s, image %s: %s", product_id, item.ordinal, error)
                failures.append(error)
        if failures:
            raise next((error for error in failures if error.permanent), failures[0])
        with self._access.attempt(finishing=True), transaction(self._store.engine) as connection:
            self._store.await_review(connection, product_id)
            self._queue.complete(connection, lease)
        return made

    def _shown(self, product_id: int, known: Source) -> bytes:
        """The picture that the model was shown; made anew from the same raw image where its object is gone."""
        try:
            return self._images.get(known.key).body
        except NotFoundError as error:
            gone = error
        try:
            raw = self._sources.read(self._store.find([product_id])[product_id].raw_image)
        except PermanentError as error:
            if turns_away(error):
                raise
            raise _source_lost(gone, error.message) from None
        if _sha256(raw) != known.sha256:
            raise _source_lost(gone, "The raw image is another one by now.")
        _log.warning("Product %s: %s It is made anew from the raw image.", product_id, gone.message)
        picture = normalise(raw, max_pixels=self._rules.max_pixels)
        self._images.put(known.key, picture.data)
        return picture.data

    def _make(self, item: ImagePlan, known: StoredAnalysis, source: bytes) -> bool:
        """Make one image, unless it is there; returns whether its row was written."""
        lying = self._images.lying_at(item.key)
        image = self._passing(lying.body, source) if lying else None
        if image is None:
            with self._access.attempt():
                picture, _ = self._gemini().make_image(
                    item.prompt,
                    Picture(source, JPEG),
                    paying=partial(self._spend.paying, self._rules.image_cost_usd, may_be_charged),
                )
            made = self._checked(picture.data, source)
            image = self._images.keep(item.key, made, lambda body: self._passing(body, source))
        with self._access.attempt(finishing=True):
            return self._store.save_image(
                item.product_id,
                item.ordinal,
                image,
                key=item.key,
                url=object_url(
                    self._images.objects.bucket, item.key, region=self._rules.region, endpoint=self._rules.endpoint
                ),
                sha256=_sha256(image.data),
                origin=Provenance(
                    self._rules.image_model, item.prompt, self._rules.image_cost_usd, known.source.sha256
                ),
            )

    def _passing(self, body: bytes, source: bytes) -> CheckedImage | None:
        """What lies in S3 as an image, if it passes: made by a process that died before it could write the row."""
        try:
            checked = self._checked(body, source)
        except TransientError as error:
            if error.code not in BAD_IMAGES:
                raise
            _log.info("What lies there is made anew: %s", error)
            return None
        return CheckedImage(body, checked.width, checked.height)

    def _checked(self, data: bytes, source: bytes) -> CheckedImage:
        rules = self._rules
        return check_image(
            data, source=source, min_side=rules.min_side, max_pixels=rules.max_pixels, setting="ENHANCED_MIN_SIDE"
        )


def _source_lost(gone: NotFoundError, why: str) -> PermanentError:
    return PermanentError(
        f"{gone.message} It can't be made anew: {why}",
        code="source_lost",
        hint="Put the photograph back at the product's address as it was, and redrive; or create the product anew.",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
