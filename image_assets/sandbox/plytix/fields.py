"""The columns of products, assets and attributes: what can be searched for, sorted by and asked for.

Here: keys, types, operators, and the three searches. Not here: how a search works (``search.py``).

reference: v1 collection, saved answers of ``GET /filters/product`` and ``GET /filters/asset``; names (``sku``,
``filename``) know no ``in``. ``id`` as a column and an order: tests of pim-client. ``public`` of assets, ``len_*`` of
media and ``last_days`` come from a third party's notes (github.com/tchow-twistedxcom/claude-marketplace). Fields of
attributes are inferred from the examples of "Product attribute search".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from image_assets.sandbox.plytix.answers import Answer, Document, Finish, Request
from image_assets.sandbox.plytix.documents import attribute_value, linked_assets, thumbnail_of
from image_assets.sandbox.plytix.search import Field, Row, search
from image_assets.sandbox.plytix.state import Asset, Attribute, Product, related

_EXISTS = ("exists", "!exists")
_TEXT = ("like", "eq", "!eq")
_IN = ("in", "!in")
_RANGE = ("gt", "gte", "lt", "lte")
_LENGTH = ("len_eq", "!len_eq", "len_gt", "len_gte", "len_lt", "len_lte")
_NAMES = (*_EXISTS, *_TEXT, "text_search")
_DATE = ("eq", *_RANGE, "last_days")
_MEDIA = (*_EXISTS, *_LENGTH)
_Show = Callable[[Product], Any]
# Operators of an attribute by its type class; those that are not here hold text.
_BY_TYPE = {
    "BooleanAttribute": ("eq",),
    "DateAttribute": (*_EXISTS, *_DATE),
    "DecimalAttribute": (*_EXISTS, "eq", "!eq", *_RANGE),
    "DropdownAttribute": (*_EXISTS, "eq", "!eq", *_IN),
    "IntAttribute": (*_EXISTS, "eq", "!eq", *_RANGE),
    "MediaAttribute": _MEDIA,
    "MediaGalleryAttribute": _MEDIA,
    "MultiSelectAttribute": (*_EXISTS, *_IN),
}


def product_fields(request: Request) -> dict[str, Field[Product]]:
    """System attributes, and the account's own with their prefix."""
    fields: dict[str, Field[Product]] = {
        "id": Field("TextAttribute", (), lambda product: product.id),
        "sku": Field("TextAttribute", _NAMES, lambda product: product.sku),
        "gtin": Field("TextAttribute", _NAMES, lambda product: product.gtin),
        "label": Field("TextAttribute", _NAMES, lambda product: product.label),
        "status": Field("DropdownAttribute", ("eq", *_IN), lambda product: product.status),
        "categories": Field("MultiSelectAttribute", (*_EXISTS, *_IN), lambda product: product.categories),
        "created": Field("DateAttribute", (*_EXISTS, *_DATE), lambda product: product.created),
        "modified": Field("DateAttribute", (*_EXISTS, *_DATE), lambda product: product.modified),
        "thumbnail": Field("MediaAttribute", _EXISTS, lambda product: product.thumbnail, _thumbnail(request)),
    }
    for key in ("assets", "images"):
        fields[key] = Field("MediaAttribute", _MEDIA, lambda product: related(product.media), _related(request))
    for attribute in request.account.attributes.values():
        fields[f"attributes.{attribute.label}"] = _attribute_field(request, attribute)
    return fields


def _thumbnail(request: Request) -> _Show:
    return lambda product: thumbnail_of(request, product)


def _related(request: Request) -> _Show:
    return lambda product: linked_assets(request, related(product.media))


def _attribute_field(request: Request, attribute: Attribute) -> Field[Product]:
    operators = _BY_TYPE.get(attribute.type_class, _NAMES)
    return Field(attribute.type_class, operators, lambda product: attribute_value(request, product, attribute))


def asset_fields(request: Request) -> dict[str, Field[Asset]]:
    """What the vendor lists; an asset's address is no field."""
    account = request.account
    return {
        "id": Field("TextAttribute", ("eq", "!eq", *_IN), lambda asset: asset.id),
        "filename": Field("TextAttribute", _TEXT, lambda asset: asset.filename),
        "extension": Field("TextAttribute", _TEXT, lambda asset: asset.extension),
        "file_type": Field("MultiSelectAttribute", _IN, lambda _asset: "IMAGES"),
        "file_size": Field("DecimalAttribute", ("eq", "!eq", *_RANGE), lambda asset: len(asset.content)),
        "status": Field("TextAttribute", _TEXT, lambda _asset: "ACTIVE"),
        "assigned": Field("BooleanAttribute", ("eq",), lambda asset: bool(account.products_with(asset.id))),
        "public": Field("BooleanAttribute", ("eq",), lambda _asset: True),
        "categories": Field("HierarchyAttribute", (*_EXISTS, *_IN), lambda asset: asset.categories),
        "created": Field("DateAttribute", _DATE, lambda asset: asset.created),
        "modified": Field("DateAttribute", _DATE, lambda asset: asset.modified),
    }


def attribute_fields() -> dict[str, Field[Attribute]]:
    """Fields of the account's product attributes."""
    return {
        "id": Field("TextAttribute", ("eq", "!eq", *_IN), lambda attribute: attribute.id),
        "name": Field("TextAttribute", _TEXT, lambda attribute: attribute.name),
        "label": Field("TextAttribute", _TEXT, lambda attribute: attribute.label),
        "type_class": Field("TextAttribute", (*_TEXT, *_IN), lambda attribute: attribute.type_class),
        "groups": Field("MultiSelectAttribute", _IN, lambda _attribute: []),
        "options": Field("MultiSelectAttribute", (), lambda _attribute: []),
        "attributes": Field("MultiSelectAttribute", (), lambda _attribute: []),
    }


# --- the handlers


def search_products(request: Request) -> Finish:
    """``POST /products/search``: id and SKU, and what was asked for."""

    def start(product: Product) -> Document:
        return {"id": product.id, "sku": product.sku, "num_variations": 0, "attributes": {}}

    return _search(request, request.account.products.values(), product_fields(request), start)


def search_assets(request: Request) -> Finish:
    """``POST /assets/search``: the id, and what was asked for."""
    return _search(request, request.account.assets.values(), asset_fields(request), lambda asset: {"id": asset.id})


def search_attributes(request: Request) -> Finish:
    """``POST /attributes/product/search``: the id, and what was asked for."""
    return _search(request, request.account.attributes.values(), attribute_fields(), lambda one: {"id": one.id})


def _search(
    request: Request, rows: Iterable[Row], fields: Mapping[str, Field[Row]], start: Callable[[Row], Document]
) -> Finish:
    answer = Answer(200, search(request.body, rows, fields, start, request.account.clock()))
    return lambda: answer
