"""Planning, pure: which images to upload, which to link to which product, which to make its thumbnail.

Here: the difference between a mapping and Plytix, and whether a saved plan still fits. Not here: reading either
(``mapping.py``, ``observe.py``), carrying a plan out (``apply.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from image_assets.marketplace.model import (
    MAX_ASSETS,
    ImageMapping,
    LiveProduct,
    MappedProduct,
    Problem,
    in_place,
    unique_images,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """An image to make an asset of."""

    url: str
    filename: str


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """What one product needs.

    Attributes:
        sku: the Amazon product.
        product_id: its id in Plytix.
        is_parent: whether it is a VARIATION_PARENT.
        links: addresses of the images to link, in order.
        order: its images as they shall follow one another, when linking alone does not bring that about, else empty:
            addresses of what is to be linked, asset ids of what is there.
        thumbnail: the address of the image to make the thumbnail, or None when that is right.
    """

    sku: str
    product_id: str
    is_parent: bool = False
    links: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    thumbnail: str | None = None

    @property
    def needs_writes(self) -> bool:
        """Whether anything of the product is to change."""
        return bool(self.links or self.order or self.thumbnail)


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Everything a mapping needs, and nothing else.

    Attributes:
        mapping: the mapping's name.
        fingerprint: the mapping's.
        account: the Plytix account's alias; empty for the only one.
        gallery: the label of the gallery attribute.
        skip_existing: whether products that have images are left alone.
        uploads: images to upload, those of the highest slots first.
        assets: asset ids of the images that are in Plytix already, by address.
        products: what the products need, in the mapping's order; those that are as they should be too.
        skipped: SKUs that were left alone because they have images.
        problems: products and images that can't be synced.
    """

    mapping: str
    fingerprint: str
    account: str
    gallery: str
    skip_existing: bool = False
    uploads: tuple[Upload, ...] = ()
    assets: Mapping[str, str] = field(default_factory=dict[str, str])
    products: tuple[ProductPlan, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def changes(self) -> dict[str, int]:
        """How much there is to do, by kind; all zero when Plytix is as it should be."""
        return {
            "uploads": len(self.uploads),
            "links": sum(len(item.links) for item in self.products),
            "reorders": sum(bool(item.order) for item in self.products),
            "thumbnails": sum(item.thumbnail is not None for item in self.products),
        }

    @property
    def needs_writes(self) -> bool:
        """Whether anything in Plytix is to change."""
        return any(self.changes.values())


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How to sync.

    Attributes:
        account: the Plytix account's alias; empty for the only one.
        gallery: the label of the gallery attribute.
        skip_existing: leave products that have images alone.
        unfinished: SKUs that an earlier run began to link and did not finish: those are not left alone.
    """

    account: str = ""
    gallery: str = "amazon_images"
    skip_existing: bool = False
    unfinished: frozenset[str] = frozenset()


def make_plan(
    mapping: ImageMapping, live: Mapping[str, LiveProduct], assets: Mapping[str, str], options: PlanOptions
) -> SyncPlan:
    """Plan a mapping.

    Args:
        mapping: what Amazon shows.
        live: the products Plytix has, by SKU.
        assets: ids of the images that are assets already, by address.
        options: how.
    """
    problems = list(mapping.problems)
    planned: list[ProductPlan] = []
    skipped: list[str] = []
    used: set[str] = set()
    for product in mapping.products:
        if not product.references:
            continue
        found = live.get(product.sku)
        if found is None:
            text = f"Plytix has no product {product.sku}. Create it, or correct suggested_sku."
            problems.append(Problem("", text, product.sku, "unknown_product"))
            continue
        if options.skip_existing and found.gallery and product.sku not in options.unfinished:
            skipped.append(product.sku)
            continue
        plan = _plan_product(product, found, assets)
        if plan.links and found.assets + len(plan.links) > MAX_ASSETS:
            problems.append(_too_many(product, found, plan))
            continue
        planned.append(plan)
        used |= {item.url for item in product.references}
    images = unique_images(mapping.products)
    return SyncPlan(
        mapping=mapping.name,
        fingerprint=mapping.fingerprint,
        account=options.account,
        gallery=options.gallery,
        skip_existing=options.skip_existing,
        uploads=tuple(
            Upload(item.url, item.filename) for item in images if item.url in used and item.url not in assets
        ),
        assets={item.url: assets[item.url] for item in images if item.url in assets},
        products=tuple(planned),
        skipped=tuple(skipped),
        problems=tuple(problems),
    )


def _plan_product(product: MappedProduct, live: LiveProduct, assets: Mapping[str, str]) -> ProductPlan:
    wanted = list(dict.fromkeys(assets.get(item.url, item.url) for item in product.references))
    urls = {assets.get(item.url, item.url): item.url for item in reversed(product.references)}
    missing = [ref for ref in wanted if ref not in live.gallery]
    gallery = [*live.gallery, *missing]
    main = product.main
    return ProductPlan(
        sku=product.sku,
        product_id=live.id,
        is_parent=product.is_parent,
        links=tuple(urls[ref] for ref in missing),
        order=tuple(urls[ref] if ref in missing else ref for ref in wanted)
        if in_place(gallery, wanted) != gallery
        else (),
        thumbnail=main if main is not None and assets.get(main, main) != live.thumbnail else None,
    )


def _too_many(product: MappedProduct, live: LiveProduct, plan: ProductPlan) -> Problem:
    text = (
        f"{product.sku} would have {live.assets + len(plan.links)} assets; Plytix allows {MAX_ASSETS} a product. "
        "Unlink some, or take images out of the mapping."
    )
    return Problem("", text, product.sku, "too_many_assets")


def covers(saved: SyncPlan, now: SyncPlan) -> bool:
    """Whether everything ``now`` would do is in a ``saved`` plan: it still fits when part of it has been done."""
    same = ("mapping", "fingerprint", "account", "gallery", "skip_existing")
    if any(getattr(saved, name) != getattr(now, name) for name in same):
        return False
    before = {item.sku: item for item in saved.products}
    return set(now.uploads) <= set(saved.uploads) and all(
        item.sku in before and _covers_product(before[item.sku], item) for item in now.products if item.needs_writes
    )


def _covers_product(saved: ProductPlan, now: ProductPlan) -> bool:
    return (
        saved.product_id == now.product_id
        and set(now.links) <= set(saved.links)
        and (not now.order or bool(saved.order or saved.links))
        and now.thumbnail in (None, saved.thumbnail)
    )


def removable(gallery: Sequence[str], ours: Collection[str]) -> tuple[str, ...]:
    """What to take off a product whose listing is gone: the assets that we uploaded, in gallery order."""
    return tuple(asset_id for asset_id in dict.fromkeys(gallery) if asset_id in ours)
