"""Products as Shopify has them: found by id, handle or SKUs, read one by one or all at once by a bulk query.

Here: reads and their mapping to values. Not here: writes (``apply.py``), the client (``vendors/shopify``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.report import TURNED_AWAY
from image_assets.storefront.model import LiveMedia, LiveProduct, LiveVariant, MediaStatus, ProductGroup
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.bulk import group_children, run_bulk_query
from image_assets.vendors.shopify.client import ShopifyClient

# SKUs asked for in one search; a search string of a group with hundreds of variants would be refused.
SKUS_PER_SEARCH = 40
BULK_POLL_S = 1.0
# A bulk operation over a large shop takes minutes, and may have to wait for those of others.
BULK_PATIENCE_S = 1800.0
ENDED = object()
_log = logging.getLogger(__name__)


def poll(patience_s: float) -> Iterator[None]:
    """Wait between looks at something Shopify is busy with: shortly at first, for a second later, until patience ends.

    Most images take less than a second, and a look costs next to nothing of the budget.
    """
    deadline = time.monotonic() + patience_s
    wait = 0.1
    while time.monotonic() < deadline:
        time.sleep(wait)
        yield
        wait = min(1.0, 1.5 * wait)


def find_product(client: ShopifyClient, group: ProductGroup) -> str | None:
    """The gid of a group's product: the one with its handle, else the one its variants' SKUs belong to.

    Raises:
        PermanentError: the SKUs belong to several products; which one is meant is not ours to guess.
    """
    skus = [row.sku for row in group.rows]
    found: dict[str, str] = {}
    for start in range(0, len(skus), SKUS_PER_SEARCH):
        part = skus[start : start + SKUS_PER_SEARCH]
        query = _sku_query(part)
        answer = client.query(documents.FIND_PRODUCT, handle=group.handle, skus=query)
        if answer["byHandle"]:
            return str(answer["byHandle"]["id"])
        for node in _hits(client, query, answer):
            if node["sku"] in part:  # a search finds words, not values: only the exact SKU counts
                found[node["product"]["id"]] = node["product"]["handle"]
            if len(found) > 1:
                raise _several_products(group, found.values())
    return next(iter(found), None)


def _hits(client: ShopifyClient, query: str, answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All variants a search finds, page by page, from the first answer on."""
    while True:
        yield from answer["bySku"]["nodes"]
        page = answer["bySku"]["pageInfo"]
        if not page["hasNextPage"]:
            return
        answer = client.query(documents.FIND_VARIANTS, skus=query, after=page["endCursor"])


def _several_products(group: ProductGroup, handles: Iterable[str]) -> PermanentError:
    return PermanentError(
        f"{group.id}: its SKUs belong to several products in Shopify ({', '.join(sorted(handles))}).",
        code="several_products",
        hint=f"Give the right one the handle {group.handle}, or correct the SKUs.",
    )


def _sku_query(skus: Sequence[str]) -> str:
    """A search by SKU, values quoted (Shopify, "API search syntax")."""
    return " OR ".join("sku:'{}'".format(sku.replace("\\", "\\\\").replace("'", "\\'")) for sku in skus)


def read_product(client: ShopifyClient, product_id: str) -> LiveProduct | None:
    """Read a product with its gallery and variants, or None when it is gone."""
    node = client.query(documents.READ_PRODUCT, id=product_id)["product"]
    if node is None:
        return None
    variants = list(node["variants"]["nodes"])
    page = node["variants"]["pageInfo"]
    while page["hasNextPage"]:
        more = client.query(documents.READ_PRODUCT_VARIANTS, id=product_id, after=page["endCursor"])["product"]
        if more is None:
            return None
        variants += more["variants"]["nodes"]
        page = more["variants"]["pageInfo"]
    return _product(node, node["media"]["nodes"], variants)


def read_settled(client: ShopifyClient, product_id: str, *, patience_s: float) -> LiveProduct | None:
    """Read a product once Shopify has finished with its images, or patience ends.

    An image of ours that is still being processed has no name yet to know it by. One that stays so for longer is not
    waited for any more: uploading it again would find its file.
    """
    product = read_product(client, product_id)
    waiting = poll(patience_s)
    while product is not None and not product.settled:
        if next(waiting, ENDED) is ENDED:
            _log.warning("Shopify has not finished with the images of %s after %.0f s.", product.handle, patience_s)
            break
        product = read_product(client, product_id)
    return product


class NoIndexError(TransientError):
    """A shop's products can't be read all at once, whatever the reason; one by one they may be."""

    code = "no_index"


class ProductIndex:
    """Every product of a shop, read by two bulk operations: for sets too large to ask for one by one."""

    def __init__(self, products: Mapping[str, LiveProduct]) -> None:
        self._by_id = products
        self._by_handle = {product.handle: product for product in products.values()}
        self._by_sku: dict[str, set[str]] = {}
        for product in products.values():
            for variant in product.variants:
                self._by_sku.setdefault(variant.sku, set()).add(product.id)

    @classmethod
    def read(
        cls, client: ShopifyClient, *, poll_s: float = BULK_POLL_S, patience_s: float = BULK_PATIENCE_S
    ) -> ProductIndex:
        """Run the bulk queries, look at them every ``poll_s`` seconds, and wait ``patience_s`` for each.

        Raises:
            NoIndexError: this way is barred, and reading the products one by one may not be.
            UnreachableError, AccessDeniedError, PermanentError: the shop is down, or turns this app away: reading one
                by one would end the same (`image_assets.report.TURNED_AWAY`).
        """
        try:
            return cls._read(client, poll_s, patience_s)
        except ImageAssetsError as error:
            if error.code in TURNED_AWAY:
                raise
            raise NoIndexError(f"The products can't be read all at once: {error.message}") from None

    @classmethod
    def _read(cls, client: ShopifyClient, poll_s: float, patience_s: float) -> ProductIndex:
        variants: dict[str, list[Mapping[str, Any]]] = {}
        for root, children in _bulk(client, documents.BULK_VARIANTS, poll_s, patience_s):
            variants.setdefault(root["product"]["id"], []).append({**root, "media": {"nodes": children}})
        products: dict[str, LiveProduct] = {}
        for root, media in _bulk(client, documents.BULK_PRODUCTS, poll_s, patience_s):
            products[root["id"]] = _product(root, media, variants.get(root["id"], ()))
        return cls(products)

    def find(self, group: ProductGroup, known_id: str | None) -> LiveProduct | None:
        """A group's product, by the same rules as `find_product`. Raises PermanentError."""
        if known_id is not None and known_id in self._by_id:
            return self._by_id[known_id]
        if group.handle in self._by_handle:
            return self._by_handle[group.handle]
        found = {product_id for row in group.rows for product_id in self._by_sku.get(row.sku, ())}
        if len(found) > 1:
            raise _several_products(group, (self._by_id[product_id].handle for product_id in found))
        return self._by_id[found.pop()] if found else None


def _bulk(
    client: ShopifyClient, body: str, poll_s: float, patience_s: float
) -> Iterator[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    return group_children(run_bulk_query(client, body, poll_s=poll_s, patience_s=patience_s))


def _product(
    node: Mapping[str, Any], media: Iterable[Mapping[str, Any]], variants: Iterable[Mapping[str, Any]]
) -> LiveProduct:
    return LiveProduct(
        id=node["id"],
        handle=node["handle"],
        title=node["title"],
        media=tuple(live_media(item) for item in media),
        variants=tuple(
            LiveVariant(item["id"], item["sku"] or "", next((m["id"] for m in item["media"]["nodes"]), None))
            for item in variants
        ),
    )


def live_media(node: Mapping[str, Any]) -> LiveMedia:
    """A medium from its node; videos and models have no ``image``."""
    status = MediaStatus(node.get("status") or node["fileStatus"])  # Media and File call it differently
    image, preview = node.get("image"), node.get("preview") or {}
    url = (image or ("image" in node and preview.get("image")) or {}).get("url") or ""
    errors = [*(node.get("mediaErrors") or ()), *(node.get("fileErrors") or ())]
    return LiveMedia(
        id=node["id"],
        status=status,
        alt=node.get("alt") or "",
        filename=unquote(urlsplit(url).path.rsplit("/", 1)[-1]),
        url=url,
        error="; ".join(dict.fromkeys(f"{error['code']}: {error['message']}" for error in errors)),
        renewing=status is MediaStatus.READY and "image" in node and image is None,
        is_image=node.get("mediaContentType", "IMAGE") == "IMAGE",
    )
