"""What lists can be searched and sorted by, and pages of them.

Here: the search fields of each noun, and sort keys. Not here: the syntax of searches (``search.py``), and the fields
that answer lists (``resolvers.py``).

reference: Shopify Admin API 2026-07, the ``query`` arguments of products, productVariants, files, bulkOperations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from image_assets.sandbox.shopify.connections import connection
from image_assets.sandbox.shopify.context import Args, Context, number_of
from image_assets.sandbox.shopify.search import Matcher, Query, by_id, moment, number, text, words
from image_assets.sandbox.shopify.state import Media, Product


def _names(media: Media) -> list[str]:
    return [media.filename, media.filename.rpartition(".")[0]]


def _skus(product: Product) -> list[str]:
    return [variant.sku for variant in product.variants if variant.sku]


PRODUCT_FIELDS: dict[str, Matcher] = {
    "": words(lambda product: " ".join([product.title, product.handle, product.vendor, *_skus(product)])),
    "created_at": moment(lambda product: product.created_at),
    "handle": text(lambda product: product.handle, lists=True),
    "id": by_id(),
    "product_type": text(lambda product: product.product_type, lists=True),
    "sku": text(_skus),
    "status": text(lambda product: product.status, lists=True),
    "tag": text(lambda product: product.tags),
    "title": words(lambda product: product.title),
    "updated_at": moment(lambda product: product.updated_at),
    "vendor": text(lambda product: product.vendor),
}
VARIANT_FIELDS: dict[str, Matcher] = {
    "": words(lambda variant: " ".join([variant.title, variant.sku or "", variant.product.title])),
    "barcode": text(lambda variant: variant.barcode),
    "id": by_id(),
    "product_id": by_id(lambda variant: [variant.product.id]),
    "product_ids": by_id(lambda variant: [variant.product.id]),
    "product_status": text(lambda variant: variant.product.status, lists=True),
    "sku": text(lambda variant: variant.sku),
    "title": words(lambda variant: variant.title),
}


def file_fields(context: Context) -> dict[str, Matcher]:
    """What files can be searched by; where they are shown is the shop's to know."""
    return {
        "": words(lambda media: f"{media.filename} {media.alt}"),
        "created_at": moment(lambda media: media.created_at),
        "filename": text(_names),
        "id": by_id(),
        "ids": by_id(),
        "media_type": text(lambda media: "IMAGE" if media.typename == "MediaImage" else "FILE"),
        "original_upload_size": number(lambda media: len(media.bytes)),
        "product_id": by_id(lambda media: [product.id for product in context.shop.products_with(media)]),
        "status": text(lambda media: media.status),
        "updated_at": moment(lambda media: media.updated_at),
        "used_in": text(lambda media: "product" if context.shop.products_with(media) else "none"),
    }


BULK_FIELDS: dict[str, Matcher] = {
    "created_at": moment(lambda operation: operation.created_at),
    "id": by_id(),
    "operation_type": text(lambda operation: operation.type),
    "status": text(lambda operation: operation.status),
}


def searched(context: Context, path: str, rows: Iterable[Any], args: Args, fields: dict[str, Matcher]) -> list[Any]:
    """What a query finds; without one everything, also what is not indexed yet."""
    query = args.get("query") or ""
    if not query.strip():
        return list(rows)
    wanted = Query(query, fields)
    if wanted.unknown:
        problems = [
            {"field": name, "message": "Invalid search field for this query.", "code": "invalid_field"}
            for name in wanted.unknown
        ]
        context.warnings.append({"path": [path], "query": query, "warnings": problems})
    reached = context.shop.clock()
    return [row for row in rows if getattr(row, "indexed_at", reached) <= reached and wanted(row)]


_ORDERS: dict[str, Callable[[Any], Any]] = {
    "CREATED_AT": lambda noun: (noun.created_at, number_of(noun.id)),
    "COMPLETED_AT": lambda noun: (noun.completed_at or "", number_of(noun.id)),
    "FILENAME": lambda noun: (noun.filename, number_of(noun.id)),
    "ID": lambda noun: number_of(noun.id),
    "ORIGINAL_UPLOAD_SIZE": lambda noun: (len(noun.bytes), number_of(noun.id)),
    "PRODUCT_TYPE": lambda noun: (noun.product_type, number_of(noun.id)),
    "SKU": lambda noun: (noun.sku or "", number_of(noun.id)),
    "TITLE": lambda noun: (noun.title, number_of(noun.id)),
    "UPDATED_AT": lambda noun: (noun.updated_at, number_of(noun.id)),
    "VENDOR": lambda noun: (noun.vendor, number_of(noun.id)),
}


def page(context: Context, rows: list[Any], args: Args) -> dict[str, Any]:
    """A connection in the order asked for; POSITION is the order ``rows`` have."""
    key = args.get("sortKey")
    ordered = rows if key in (None, "POSITION") else sorted(rows, key=_ORDERS.get(str(key), _ORDERS["ID"]))
    return connection(ordered, args, whole=context.whole)
