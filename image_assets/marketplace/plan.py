"""Planning, pure: which images to upload, which to link to which product, which to make its thumbnail.

Here: the difference between a mapping and Plytix, and whether a saved plan still fits. Not here: reading either
(``mapping.py``, ``observe.py``), carrying a plan out (``apply.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
        dead: addresses of images that Plytix can't make assets of; another MAIN is the thumbnail then.
    """

    account: str = ""
    gallery: str = "amazon_images"
    skip_existing: bool = False
    unfinished: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()


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
        if options.skip_existing and (found.gallery or found.thumbnail) and product.sku not in options.unfinished:
            skipped.append(product.sku)
            continue
        plan = _plan_product(product, found, assets, options.dead)
        count = _assets_after(found, plan, assets)
        if plan.links and count > MAX_ASSETS:
            problems.append(_too_many(product, count))
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


def _plan_product(
    product: MappedProduct, live: LiveProduct, assets: Mapping[str, str], dead: Collection[str]
) -> ProductPlan:
    wanted = list(dict.fromkeys(assets.get(item.url, item.url) for item in product.references))
    urls = {assets.get(item.url, item.url): item.url for item in reversed(product.references)}
    missing = [ref for ref in wanted if ref not in live.gallery]
    gallery = [*live.gallery, *missing]
    # Ours that the mapping no longer names stay, behind those it does.
    ordered = [*wanted, *(ref for ref in live.gallery if ref in live.ours and ref not in urls)]
    main = product.main_of(dead)
    return ProductPlan(
        sku=product.sku,
        product_id=live.id,
        is_parent=product.is_parent,
        links=tuple(urls[ref] for ref in missing),
        order=tuple(urls[ref] if ref in missing else ref for ref in ordered)
        if in_place(gallery, ordered) != gallery
        else (),
        thumbnail=main if main is not None and assets.get(main, main) != live.thumbnail else None,
    )


def _assets_after(live: LiveProduct, plan: ProductPlan, assets: Mapping[str, str]) -> int:
    """How many assets the product would have; its thumbnail is one already."""
    return live.assets + sum(assets.get(url, url) != live.thumbnail for url in plan.links)


def _too_many(product: MappedProduct, count: int) -> Problem:
    text = (
        f"{product.sku} would have {count} assets; Plytix allows {MAX_ASSETS} a product. Unlink some, or take images "
        "out of the mapping."
    )
    return Problem("", text, product.sku, "too_many_assets")


def misfit(saved: SyncPlan, now: SyncPlan) -> str:
    """Why a ``saved`` plan can no longer be carried out, given what there is to do ``now``; empty if it can.

    Whatever ``now`` would do has to be in it: so it still fits when part of it has been done.
    """
    for name, what in (
        ("account", "it is for another account"),
        ("gallery", "it is for another gallery"),
        ("skip_existing", "it was made with another --skip-existing"),
        ("fingerprint", "the mapping names other images or products"),
    ):
        if getattr(saved, name) != getattr(now, name):
            return what
    before, today = ({item.sku: item for item in plan.products} for plan in (saved, now))
    there = {*today, *now.skipped}
    gone = next((sku for sku, item in before.items() if item.needs_writes and sku not in there), None)
    if gone is not None:
        return f"{gone} can't be synced any more"
    more = next((item for item in now.uploads if item not in saved.uploads), None)
    if more is not None:
        return f"{more.filename} has to be uploaded, which it does not name"
    changed = next(
        (
            sku
            for sku, item in today.items()
            if item.needs_writes and not (sku in before and _covers_product(before[sku], item))
        ),
        None,
    )
    return f"{changed} needs something else in Plytix by now" if changed is not None else ""


def _covers_product(saved: ProductPlan, now: ProductPlan) -> bool:
    links, done = set(now.links), set(saved.links) - set(now.links)
    return (
        saved.product_id == now.product_id
        and links <= set(saved.links)
        # A run that broke off leaves an order that was not there before.
        and (not now.order or bool(saved.order or done))
        and now.thumbnail in (None, saved.thumbnail)
    )
