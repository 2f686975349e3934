"""A Plytix account as values that carries plans out: what a plan comes to, without a server.

Here: the meaning of each part of a plan, step by step, and what a next run would find. Not here: how Plytix is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from image_assets.marketplace.model import ImageMapping, LiveProduct, in_place, unique_images
from image_assets.marketplace.plan import PlanOptions, ProductPlan, SyncPlan, make_plan


@dataclass
class PurePlytix:
    """An account, what the ledger remembers of it, and plans applied to both.

    Attributes:
        products: by SKU.
        images: asset ids by the address of the image they were made of.
        names: asset ids by file name.
        ledger: asset ids by address, as far as they were recorded.
        unfinished: SKUs whose linking began and did not end.
        twins: addresses that Plytix takes for the same image as another one.
        dead: addresses that can't be fetched.
    """

    products: dict[str, LiveProduct] = field(default_factory=dict[str, LiveProduct])
    images: dict[str, str] = field(default_factory=dict[str, str])
    names: dict[str, str] = field(default_factory=dict[str, str])
    ledger: dict[str, str] = field(default_factory=dict[str, str])
    unfinished: set[str] = field(default_factory=set[str])
    twins: Mapping[str, str] = field(default_factory=dict[str, str])
    dead: set[str] = field(default_factory=set[str])

    def copy(self) -> PurePlytix:
        """The same account, to go another way from here."""
        return replace(
            self,
            products=dict(self.products),
            images=dict(self.images),
            names=dict(self.names),
            ledger=dict(self.ledger),
            unfinished=set(self.unfinished),
        )

    def add(self, sku: str, *gallery: str, thumbnail: str | None = None) -> None:
        """Make a product with assets in its gallery."""
        self.products[sku] = LiveProduct(f"id of {sku}", sku, gallery, thumbnail, len(gallery))

    def plan(self, mapping: ImageMapping, *, skip_existing: bool = False) -> SyncPlan:
        """What a run would find to do."""
        images = unique_images(mapping.products)
        assets = {item.url: self.ledger[item.url] for item in images if item.url in self.ledger}
        named = {item.url: self.names[item.filename] for item in images if item.filename in self.names}
        options = PlanOptions(skip_existing=skip_existing, unfinished=frozenset(self.unfinished))
        return make_plan(mapping, self.products, named | assets, options)

    def apply(self, plan: SyncPlan, *, steps: int | None = None) -> bool:
        """Do what the plan says, or its first steps only; returns whether it was all."""
        done = sum(1 for _ in itertools.islice(self._steps(plan), steps))
        return steps is None or done < steps

    def _steps(self, plan: SyncPlan) -> Iterator[None]:
        """Every change by itself, as a process may be killed between any two."""
        assets = dict(plan.assets)
        self.ledger |= assets
        for item in plan.uploads:
            if item.url in self.dead:
                continue
            image = self.twins.get(item.url, item.url)
            if image not in self.images:
                self.images[image] = self.names[item.filename] = f"asset of {image}"
                yield
            assets[item.url] = self.ledger[item.url] = self.images[image]
            yield
        for product in plan.products:
            if product.needs_writes:
                yield from self._product_steps(product, assets)
            elif product.sku in self.unfinished:
                self.unfinished.discard(product.sku)
                yield

    def _product_steps(self, item: ProductPlan, assets: Mapping[str, str]) -> Iterator[None]:
        assert self.products[item.sku].id == item.product_id
        self.unfinished.add(item.sku)
        yield
        for asset_id in (assets[url] for url in item.links if url in assets):
            gallery = self.products[item.sku].gallery
            if asset_id not in gallery:
                self._set_gallery(item.sku, [*gallery, asset_id])
                yield
        if item.order:
            gallery = self.products[item.sku].gallery
            self._set_gallery(item.sku, in_place(gallery, [assets.get(ref, ref) for ref in item.order]))
            yield
        if item.thumbnail is not None and item.thumbnail in assets:
            self.products[item.sku] = replace(self.products[item.sku], thumbnail=assets[item.thumbnail])
            yield
        # What is dead would be as dead after every other run.
        self.unfinished.discard(item.sku)
        yield

    def _set_gallery(self, sku: str, gallery: list[str]) -> None:
        assert len(gallery) == len(set(gallery))
        self.products[sku] = replace(self.products[sku], gallery=tuple(gallery), assets=len(gallery))
