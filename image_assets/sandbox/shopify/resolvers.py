"""What fields answer: the reads of the API, and how nouns look in GraphQL.

Here: queries, and what of a noun is not simply its attribute. Not here: searching and sorting (``lookup.py``),
mutations (a module for each noun), and executing (``execution.py``).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from graphql import GraphQLResolveInfo

from image_assets.sandbox.shopify.connections import connection
from image_assets.sandbox.shopify.context import RESOLVERS, Args, Context, number_of, refused, resolves
from image_assets.sandbox.shopify.lookup import (
    BULK_FIELDS,
    PRODUCT_FIELDS,
    VARIANT_FIELDS,
    file_fields,
    page,
    searched,
)
from image_assets.sandbox.shopify.shop import DOMAIN
from image_assets.sandbox.shopify.state import BulkOperation, Media, Product, Variant

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
# Pixels; reference: Shopify Admin API 2026-07, ImageTransformInput: between 1 and 5760.
MAX_TRANSFORM = 5760


def resolve_field(source: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
    """The field resolver of the schema: registered code, a key of a payload, or an attribute."""
    name = info.field_name
    found = RESOLVERS.get((info.parent_type.name, name))
    if found is not None:
        return found(source, info.context, args)
    if isinstance(source, dict):
        return source.get(name)
    return getattr(source, _CAPITAL.sub("_", name).lower())


def resolve_type(value: Any, *_: Any) -> str:
    """The type of a noun where the schema names an interface."""
    return str(value.typename)


# --- the root


@resolves("QueryRoot", "products")
def _products(_root: Any, context: Context, args: Args) -> Any:
    return page(context, searched(context, "products", context.shop.products, args, PRODUCT_FIELDS), args)


@resolves("QueryRoot", "productVariants")
def _variants(_root: Any, context: Context, args: Args) -> Any:
    return page(context, searched(context, "productVariants", context.shop.variants, args, VARIANT_FIELDS), args)


@resolves("QueryRoot", "files")
def _files(_root: Any, context: Context, args: Args) -> Any:
    return page(context, searched(context, "files", context.shop.files, args, file_fields(context)), args)


@resolves("QueryRoot", "bulkOperations")
def _bulk_operations(_root: Any, context: Context, args: Args) -> Any:
    rows = searched(context, "bulkOperations", context.shop.bulk_operations, args, BULK_FIELDS)
    return page(context, rows, args)


@resolves("QueryRoot", "publications")
def _publications(_root: Any, context: Context, args: Args) -> Any:
    rows = [] if args.get("catalogType") not in (None, "APP", "NONE") else context.shop.publications
    return connection(rows, args, whole=context.whole)


@resolves("QueryRoot", "node")
def _node(_root: Any, context: Context, args: Args) -> Any:
    found = context.shop.find(args["id"])
    if found is None and args["id"] == context.shop.id:
        return _shop(_root, context, args)
    return found


@resolves("QueryRoot", "nodes")
def _nodes(_root: Any, context: Context, args: Args) -> Any:
    return [_node(_root, context, {"id": gid}) for gid in args["ids"]]


@resolves("QueryRoot", "product")
def _product(_root: Any, context: Context, args: Args) -> Any:
    return context.shop.product(args["id"])


@resolves("QueryRoot", "productByIdentifier")
def _product_by_identifier(_root: Any, context: Context, args: Args) -> Any:
    return product_by_identifier(context, args["identifier"])


def product_by_identifier(context: Context, identifier: Args) -> Product | None:
    """The product an ``identifier`` of any kind names."""
    if "id" in identifier:
        return context.shop.product(identifier["id"])
    if "handle" in identifier:
        return context.shop.product_by_handle(identifier["handle"])
    wanted = identifier["customId"]
    key = (wanted.get("namespace") or "$app", wanted["key"])
    for product in context.shop.products:
        field = product.metafields.get(key)
        if field is not None and field.value == wanted["value"]:
            return product
    return None


@resolves("QueryRoot", "productOperation")
@resolves("QueryRoot", "job")
def _background(_root: Any, context: Context, args: Args) -> Any:
    return context.shop.background.get(args["id"])


@resolves("QueryRoot", "bulkOperation")
def _bulk_operation(_root: Any, context: Context, args: Args) -> Any:
    if not args["id"].startswith("gid://shopify/BulkOperation/"):
        raise refused(f"Invalid id: {args['id']}", "RESOURCE_NOT_FOUND")
    found = context.shop.find(args["id"])
    return found if isinstance(found, BulkOperation) else None


class _ShopNoun:
    """The shop as a node."""

    typename = "Shop"

    def __init__(self, gid: str) -> None:
        self.id = gid
        self.name = "Sandbox"
        self.myshopify_domain = DOMAIN


@resolves("QueryRoot", "shop")
def _shop(_root: Any, context: Context, _args: Args) -> Any:
    return _ShopNoun(context.shop.id)


@resolves("QueryRoot", "currentAppInstallation")
def _installation(_root: Any, context: Context, _args: Args) -> Any:
    return {
        "id": "gid://shopify/AppInstallation/1",
        "accessScopes": [{"handle": scope} for scope in context.shop.scopes],
    }


# --- products and variants


def _media_connection(context: Context, media: list[Media], args: Args) -> Any:
    fields = file_fields(context)
    return page(context, searched(context, "media", media, {"query": args.get("query")}, fields), args)


@resolves("Product", "media")
def _product_media(product: Product, context: Context, args: Args) -> Any:
    return _media_connection(context, product.media, args)


@resolves("Product", "mediaCount")
def _media_count(product: Product, _context: Context, _args: Args) -> Any:
    return {"count": len(product.media), "precision": "EXACT"}


@resolves("Product", "featuredMedia")
def _featured_media(product: Product, _context: Context, _args: Args) -> Any:
    return next(iter(product.media), None)


@resolves("Product", "variants")
def _product_variants(product: Product, context: Context, args: Args) -> Any:
    return page(context, product.variants, args)


@resolves("Product", "options")
def _options(product: Product, _context: Context, args: Args) -> Any:
    return product.options[: args.get("first")]


@resolves("Product", "metafield")
def _metafield(product: Product, _context: Context, args: Args) -> Any:
    return product.metafields.get((args.get("namespace") or "$app", args["key"]))


@resolves("Product", "availablePublicationsCount")
def _publications_count(product: Product, _context: Context, _args: Args) -> Any:
    # A draft is available nowhere, published or not (recorded 2025-01).
    count = len(product.publications) if product.status == "ACTIVE" else 0
    return {"count": count, "precision": "EXACT"}


@resolves("ProductVariant", "availablePublicationsCount")
def _variant_publications_count(variant: Variant, context: Context, args: Args) -> Any:
    return _publications_count(variant.product, context, args)


@resolves("ProductVariant", "media")
def _variant_media(variant: Variant, context: Context, args: Args) -> Any:
    return _media_connection(context, _shown(variant, context), args)


def _shown(variant: Variant, context: Context) -> list[Media]:
    media = context.shop.file(variant.media_id) if variant.media_id else None
    return [media] if media else []


@resolves("ProductVariant", "image")
def _variant_image(variant: Variant, context: Context, args: Args) -> Any:
    return next((_image(media, context, args) for media in _shown(variant, context)), None)


@resolves("ProductVariant", "selectedOptions")
def _selected_options(variant: Variant, _context: Context, _args: Args) -> Any:
    return [{"name": name, "value": value} for name, value in variant.options.items()]


# --- media


@resolves("MediaImage", "image")
def _image(media: Media, _context: Context, _args: Args) -> Any:
    return image(media) if media.status == "READY" and not media.replacing else None


def image(media: Media) -> dict[str, Any] | None:
    """An ``Image``, or None before there is one."""
    if not media.bytes:
        return None
    number = number_of(media.id)
    return {
        "id": f"gid://shopify/ImageSource/{number + 1}",
        "altText": media.alt,
        "width": media.width,
        "height": media.height,
        "media": media,
    }


@resolves("Image", "url")
def _image_url(found: dict[str, Any], _context: Context, args: Args) -> Any:
    transform = args.get("transform") or {}
    query: dict[str, int] = {}
    for name, short in (("maxWidth", "width"), ("maxHeight", "height")):
        pixels = transform.get(name)
        if pixels is None:
            continue
        if not 1 <= pixels <= MAX_TRANSFORM:
            raise refused(f"{name} must be between 1 and {MAX_TRANSFORM}", "INVALID_FIELD_ARGUMENTS")
        query[short] = pixels * transform.get("scale", 1)
    return found["media"].url + (f"&{urlencode(query)}" if query else "")


@resolves("MediaImage", "preview")
def _preview(media: Media, _context: Context, _args: Args) -> Any:
    return {"status": media.status, "image": image(media)}


@resolves("MediaImage", "mediaContentType")
def _content_type(_media: Media, _context: Context, _args: Args) -> Any:
    return "IMAGE"


@resolves("MediaImage", "mediaErrors")
@resolves("MediaImage", "fileErrors")
@resolves("GenericFile", "fileErrors")
def _errors(media: Media, _context: Context, _args: Args) -> Any:
    return media.errors


@resolves("MediaImage", "mediaWarnings")
def _warnings(_media: Media, _context: Context, _args: Args) -> Any:
    return []


@resolves("MediaImage", "fileStatus")
@resolves("GenericFile", "fileStatus")
def _file_status(media: Media, _context: Context, _args: Args) -> Any:
    return media.status


@resolves("MediaImage", "originalSource")
def _original_source(media: Media, _context: Context, _args: Args) -> Any:
    if not media.bytes:
        return None
    return {"url": f"{media.base_url}/originals/{number_of(media.id)}?v={media.version}", "fileSize": len(media.bytes)}
