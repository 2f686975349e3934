"""Carrying a plan out in Plytix: uploads, then for every product its links in order, its order and its thumbnail.

Here: the writes. Not here: deciding on them (``plan.py``), reports (``report.py``), rounds (``service.py``).

Everything can be repeated: an image that is an asset already is refused with its id, a link that is there is left as it
is. A run that dies leaves a product unfinished, which the ledger says, and the next run links the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from image_assets.access import Access
from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    SourceChangedError,
    TransientError,
)
from image_assets.marketplace.ledger import LedgerStore
from image_assets.marketplace.model import Problem, in_place
from image_assets.marketplace.plan import ProductPlan, SyncPlan, Upload
from image_assets.parallel import parallel_map
from image_assets.report import Outcome, Status
from image_assets.vendors.http import NotSentError
from image_assets.vendors.plytix.client import Asset, PlytixClient, RefusedError
from image_assets.vendors.plytix.errors import ThrottledError

_log = logging.getLogger(__name__)

# These turn the whole account away, some after minutes of patience: whatever comes next would end the same.
_TURNS_AWAY = (AccessDeniedError, ThrottledError, NotSentError)


def plytix_access(still_held: Callable[[], None] = lambda: None) -> Access:
    """The stop rule of an account; ``still_held`` raises once the account's lock was lost."""
    return Access(lambda error: isinstance(error, _TURNS_AWAY), "Plytix turns the account away", still_held)


@dataclass
class Uploaded:
    """What became of a plan's uploads.

    Attributes:
        assets: asset ids by address, those that were there before included.
        created: addresses of images that were uploaded.
        existed: addresses of images that Plytix turned out to have.
        failures: why an image could not be uploaded, by address.
        access: whether Plytix lets the run go on.
    """

    assets: dict[str, str]
    created: list[str] = field(default_factory=list[str])
    existed: list[str] = field(default_factory=list[str])
    failures: dict[str, ImageAssetsError] = field(default_factory=dict[str, ImageAssetsError])
    access: Access = field(default_factory=plytix_access)

    @property
    def dead(self) -> frozenset[str]:
        """Addresses of images that can't be uploaded, however often it is tried."""
        return frozenset(url for url, error in self.failures.items() if isinstance(error, RefusedError))

    def failure(self, url: str) -> ImageAssetsError:
        """Why an image is no asset."""
        return self.failures.get(url) or TransientError(
            "The image is no asset yet; the next run uploads it.", code="not_uploaded"
        )


@dataclass
class ProductResult:
    """How one product ended.

    Attributes:
        plan: what it needed.
        linked: addresses of the images that were linked.
        reordered: whether its gallery was put in order.
        thumbnail: whether its thumbnail was set.
        problems: what could not be done.
        passing: whether a problem may pass by itself.
    """

    plan: ProductPlan
    linked: list[str] = field(default_factory=list[str])
    reordered: bool = False
    thumbnail: bool = False
    problems: list[Problem] = field(default_factory=list[Problem])
    passing: bool = False

    def fail(self, error: ImageAssetsError, url: str = "") -> None:
        """Note what could not be done, for the product or one of its images."""
        self.problems.append(Problem(url, str(error), self.plan.sku, error.code))
        self.passing = self.passing or not error.permanent

    @property
    def outcome(self) -> Outcome:
        """The result as an outcome of a report."""
        counts = {"links": len(self.linked), "thumbnails": int(self.thumbnail), "reorders": int(self.reordered)}
        if self.problems:
            first = self.problems[0]
            more = f" And {len(self.problems) - 1} more." if len(self.problems) > 1 else ""
            text = f"{first.error}{more}"
            return Outcome(self.plan.sku, Status.FAILED, counts, first.code, text, permanent=not self.passing)
        return Outcome(self.plan.sku, Status.DONE if any(counts.values()) else Status.UNCHANGED, counts)


class Applier:
    """Writes to one account.

    Args:
        client: the account.
        ledger: where assets are remembered.
        workers: images uploaded, or products linked, at the same time.
    """

    def __init__(self, client: PlytixClient, ledger: LedgerStore, workers: int) -> None:
        self._client = client
        self._ledger = ledger
        self._workers = workers

    def upload(self, plan: SyncPlan, access: Access) -> Uploaded:
        """Make assets of a plan's images; an image that can't be is a failure, and the others go on."""
        done = Uploaded(dict(plan.assets), access=access)

        def create(item: Upload) -> Asset:
            with done.access.attempt():
                made = self._client.create_asset(item.url, item.filename)
                self._ledger.record(item.url, made.id, created=not made.existed)
                return made

        for result in parallel_map(create, plan.uploads, workers=self._workers):
            url = result.item.url
            if result.value is None:
                done.failures[url] = _typed(result.error, url)
            else:
                done.assets[url] = result.value.id
                (done.existed if result.value.existed else done.created).append(url)
        return done

    def link(self, plan: SyncPlan, uploaded: Uploaded) -> Iterator[ProductResult]:
        """Link every product; yields a result each as it ends. Links of one product come one after the other."""
        unfinished = self._ledger.unfinished()

        def link_one(item: ProductPlan) -> ProductResult:
            if item.needs_writes:
                return self._link_product(item, plan.gallery, uploaded)
            if item.sku in unfinished:  # the run that finished it died before it could say so
                self._ledger.finish(item.sku)
            return ProductResult(item)

        for result in parallel_map(link_one, plan.products, workers=self._workers):
            yield result.unwrap()

    def _link_product(self, item: ProductPlan, gallery: str, uploaded: Uploaded) -> ProductResult:
        result = ProductResult(item)
        try:
            with uploaded.access.attempt():
                self._ledger.begin(item.sku)
                self._link_images(item, gallery, uploaded, result)
                if item.order:
                    self._reorder(item, gallery, uploaded.assets, result)
                self._set_thumbnail(item, uploaded.assets, result)
                if not result.passing:  # what can't pass would be as unfinished after every other run
                    self._ledger.finish(item.sku)
        except NotFoundError as gone:
            hint = "Somebody deleted it in Plytix meanwhile; run it again."
            result.fail(SourceChangedError(gone.message, hint=hint))
        except Exception as error:  # noqa: BLE001 - one product must not stop the others
            result.fail(_typed(error, item.sku))
        return result

    def _link_images(self, item: ProductPlan, gallery: str, uploaded: Uploaded, result: ProductResult) -> None:
        """Link in order. Raises what may pass: what comes after it must not come before it."""
        tried: set[str] = set()
        for url in item.links:
            asset_id = uploaded.assets.get(url)
            if asset_id is None:
                result.fail(uploaded.failure(url), url)
            elif asset_id not in tried:  # Plytix may take two addresses for one image
                tried.add(asset_id)
                try:
                    if self._client.link(item.product_id, asset_id, gallery):
                        result.linked.append(url)
                except RefusedError as error:
                    result.fail(error, url)

    def _reorder(self, item: ProductPlan, gallery: str, assets: Mapping[str, str], result: ProductResult) -> None:
        """Put the gallery in order, as it is at this moment.

        What others added since we looked stays in it, but for the moment between this look and the write: Plytix can't
        be told to refuse a gallery that has changed.
        """
        live = self._client.product(item.product_id, [gallery])
        now = [asset.id for asset in live.galleries[gallery]]
        target = in_place(now, [assets.get(ref, ref) for ref in item.order])
        if target != now:
            self._client.set_gallery(item.product_id, gallery, target)
            result.reordered = True

    def _set_thumbnail(self, item: ProductPlan, assets: Mapping[str, str], result: ProductResult) -> None:
        """Set it, if there is one to set; why its image is no asset was said when it could not be linked."""
        asset_id = assets.get(item.thumbnail or "")
        if asset_id is not None:
            self._client.set_thumbnail(item.product_id, asset_id)
            result.thumbnail = True

    def unlink(self, product_id: str, gallery: str, kept: Sequence[str] | None, *, thumbnail: bool) -> None:
        """Leave a gallery with what is ``kept``, if anything goes, and a product without its thumbnail, if it is ours.

        Not by Plytix's own unlinking, which takes an asset off the product's other attributes too.
        """
        if kept is not None:
            self._client.set_gallery(product_id, gallery, kept)
        if thumbnail:
            self._client.set_thumbnail(product_id, None)


def _typed(error: Exception | None, item: str) -> ImageAssetsError:
    """An error as it is, or as our own defect."""
    if isinstance(error, ImageAssetsError):
        return error
    _log.error("Unexpected error in %s", item, exc_info=error)
    return TransientError(Outcome.failed(item, error or RuntimeError()).message, code="unexpected")
