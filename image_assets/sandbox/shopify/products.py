"""productSet and productUpdate: a product's own fields, and the files declared with them.

Here: finding or making the product, its files, answering at once or later. Not here: options and variants
(``options.py``), the gallery's own mutations (``gallery.py``).

reference: Shopify Admin API 2026-07, productSet: list fields that are given become exactly the given list, fields
that are not given stay as they are. ``files`` is such a list: files it does not name are taken off the product, and
stay in the shop. Recorded 2025-01 and 2026-04: ID_NOT_ALLOWED, lengths, the asynchronous operation; productUpdate
refuses everything for one invalid medium.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from image_assets.sandbox.shopify.context import Args, Context, UserErrors, mutation, user_error
from image_assets.sandbox.shopify.gallery import append_media, check_media
from image_assets.sandbox.shopify.intake import check_alt, check_file, check_repeated_names, is_image, take_in
from image_assets.sandbox.shopify.metafields import set_metafield
from image_assets.sandbox.shopify.options import Declared, apply_declared, read_declared
from image_assets.sandbox.shopify.resolvers import product_by_identifier
from image_assets.sandbox.shopify.shop import clean_handle
from image_assets.sandbox.shopify.state import Media, Product, ProductSetOperation, Variant

# reference: recorded 2025-01: "is too long (maximum is 255 characters)".
MAX_TEXT = 255
_LENGTHS = {"handle": "Handle", "vendor": "Vendor", "productType": "Product type"}
_PLAIN = {
    "descriptionHtml": "description_html",
    "handle": "handle",
    "productType": "product_type",
    "status": "status",
    "tags": "tags",
    "title": "title",
    "vendor": "vendor",
}


@dataclass(frozen=True)
class Plan:
    """A checked productSet: the product it changes, or None for a new one, and what it declares."""

    product: Product | None
    given: Args
    declared: Declared | None


# --- productSet


@mutation("productSet")
def product_set(context: Context, args: Args) -> Args:
    """Create or change a product, at once or (``synchronous: false``) in the background."""
    if args.get("synchronous", True) or context.bulk:
        product, errors = _set(context, args)
        return {"product": product, "productSetOperation": None, "userErrors": errors}
    operation = ProductSetOperation(context.shop.new_id("ProductSetOperation"))
    context.shop.background[operation.id] = operation

    def work() -> None:
        with context.shop.lock:
            operation.status = "ACTIVE"

        def finish() -> None:
            with context.shop.lock:
                operation.product, operation.user_errors = _set(context, args)
                operation.status = "COMPLETE"

        context.pipeline.after(finish)

    context.pipeline.after(work)
    return {"product": None, "productSetOperation": operation, "userErrors": []}


def _set(context: Context, args: Args) -> tuple[Product | None, UserErrors]:
    product, errors = _target(context, args)
    plan, more = (None, errors) if errors else _plan(context, product, args["input"])
    if plan is None or more:
        return None, more
    return _apply(context, plan), []


def _target(context: Context, args: Args) -> tuple[Product | None, UserErrors]:
    """The product that is meant; None for a new one."""
    identifier, given = args.get("identifier"), args["input"]
    if identifier is None:
        if not given.get("id"):
            return None, []
        product = context.shop.product(given["id"])
        missing = user_error(["input", "id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")
        return product, [] if product else [missing]
    if given.get("id"):
        text = "The id field is not allowed if identifier is provided."
        return None, [user_error(["input"], text, "ID_NOT_ALLOWED")]
    product = product_by_identifier(context, identifier)
    if "id" in identifier and product is None:
        return None, [user_error(["input"], "Resource matching the identifier was not found.", "NOT_FOUND")]
    return product, _check_identifier(identifier, given)


def _check_identifier(identifier: Args, given: Args) -> UserErrors:
    """An identifier other than the id has to be in the input too, and be the same there."""
    if "handle" in identifier:
        if not given.get("handle"):
            text = "The input field corresponding to the identifier is required."
            return [user_error(["input"], text, "MISSING_FIELD_REQUIRED")]
        if given["handle"] != identifier["handle"]:
            text = "The identifier value does not match the value of the corresponding field in the input."
            return [user_error(["input"], text, "INPUT_MISMATCH")]
    if "customId" in identifier:
        wanted = identifier["customId"]
        pairs = [(field.get("key"), field.get("value")) for field in given.get("metafields") or ()]
        if (wanted["key"], wanted["value"]) not in pairs:
            text = "The input argument `metafields` (if present) must contain the `customId` value."
            return [user_error(["input"], text, "METAFIELD_MISMATCH")]
    return []


def _plan(context: Context, product: Product | None, given: Args) -> tuple[Plan | None, UserErrors]:
    errors = list(_check_fields(context, product, given))
    declared, found = read_declared(product, given)
    errors += found
    errors += _check_files(context, given)
    if declared is not None:
        errors += _check_variant_files(product, given, declared)
    return (None, errors) if errors else (Plan(product, given, declared), [])


def _check_fields(context: Context, product: Product | None, given: Args) -> Iterator[Args]:
    title = given.get("title")
    if ("title" in given or product is None) and not (title or "").strip():
        yield user_error(["input", "title"], "can't be blank", "INVALID_PRODUCT")
    elif len(title or "") > MAX_TEXT:
        text = f"is too long (maximum is {MAX_TEXT} characters)"
        yield user_error(["input", "title"], text, "INVALID_PRODUCT")
    for name, label in _LENGTHS.items():
        if len(given.get(name) or "") > MAX_TEXT:
            text = f"{label} is too long (maximum is {MAX_TEXT} characters)"
            yield user_error(["input"], text, "INVALID_PRODUCT")
    handle = clean_handle(given["handle"]) if given.get("handle") else None
    if handle and context.shop.product_by_handle(handle) not in (None, product):
        text = f"Handle '{handle}' already in use. Please provide a new handle."
        yield user_error(["input", "handle"], text, "HANDLE_NOT_UNIQUE")


def _check_files(context: Context, given: Args) -> UserErrors:
    items = given.get("files") or []
    errors = check_repeated_names(items, ["input", "files"])
    for index, item in enumerate(items):
        errors += _check_file(context, item, ["input", "files", str(index)])
    return [{**error, "code": "INVALID_INPUT"} for error in errors]


def _check_file(context: Context, item: Args, at: list[str]) -> UserErrors:
    if item.get("id"):
        media = context.shop.file(item["id"])
        if media is None or media.typename != "MediaImage":
            return [user_error([*at, "id"], f"Media id {item['id']} does not exist")]
        if item.get("originalSource"):
            return [user_error([*at, "originalSource"], "Cannot specify both id and originalSource")]
        return check_alt(item, at)
    if item.get("originalSource") is None:
        return [user_error(at, "Either id or originalSource must be specified")]
    if not is_image(item):
        return [user_error([*at, "contentType"], "Invalid media type.")]
    return check_file(context.shop, item, at)


def _check_variant_files(product: Product | None, given: Args, declared: Declared) -> UserErrors:
    """Each variant's file must be one of the product's."""
    among = _named_files(product, given)
    errors: UserErrors = []
    for index, (item, _values) in enumerate(declared.variants):
        file = item.get("file")
        if not file:
            continue
        if _entry(file, among) is None:
            text = "The file must also be specified in the files input"
            errors.append(user_error(["input", "variants", str(index), "file"], text, "INVALID_INPUT"))
    return errors


def _named_files(product: Product | None, given: Args) -> list[Args]:
    """The files a variant can name: those declared, else those the product has."""
    if given.get("files") is not None:
        return list(given["files"])
    return [{"id": media.id} for media in product.media] if product else []


def _entry(file: Args, files: list[Args]) -> int | None:
    """The place in ``files`` of the entry a variant's file means."""
    key = "id" if file.get("id") else "originalSource"
    return next((index for index, item in enumerate(files) if item.get(key) == file.get(key)), None)


def _apply(context: Context, plan: Plan) -> Product:
    shop, given = context.shop, plan.given
    product = plan.product
    if product is None:
        product = shop.new_product(given["title"], shop.free_handle(given.get("handle") or given["title"]))
    _set_plain(product, given)
    for field in given.get("metafields") or ():
        set_metafield(shop, product, field)
    among = _named_files(product, given)
    media = _set_files(context, product, given["files"]) if given.get("files") is not None else list(product.media)
    if plan.declared is not None:
        variants = apply_declared(shop, product, plan.declared)
        for variant, (item, _values) in zip(variants, plan.declared.variants, strict=True):
            _set_variant_file(variant, item, among, media)
    return product


def _set_plain(product: Product, given: Args) -> None:
    for name, attribute in _PLAIN.items():
        value: Any = given.get(name)
        if value is not None:
            setattr(product, attribute, clean_handle(value) if name == "handle" else value)


def _set_files(context: Context, product: Product, items: list[Args]) -> list[Media]:
    """Make the gallery exactly the given files in their order; returns the file of each entry."""
    entries: list[Media] = []
    for item in items:
        media = context.shop.file(item["id"]) if item.get("id") else take_in(context, item)
        if media is None:
            raise LookupError(item["id"])  # checked before
        if item.get("id") and item.get("alt") is not None:
            media.alt = item["alt"]
        entries.append(media)
    gallery = list(dict.fromkeys(entries))
    for media in product.media:
        if media not in gallery:
            context.shop.detach(product, media)
    product.media = gallery
    return entries


def _set_variant_file(variant: Variant, item: Args, files: list[Args], media: list[Media]) -> None:
    """Show a file on a variant; one that is not READY yet takes the present image away and is not shown.

    Reported (community.shopify.com thread 368189): the first productSet with a changed file removed the variant's
    image without an error, the same call again attached it.
    """
    if "file" not in item:
        return
    place = _entry(item["file"], files) if item["file"] else None
    found = media[place] if place is not None else None
    variant.media_id = found.id if found is not None and found.status == "READY" else None


# --- productUpdate


@mutation("productUpdate")
def product_update(context: Context, args: Args) -> Args:
    """Change a product, and append media to its gallery; all or nothing."""
    given = args.get("product") or args.get("input") or {}
    identifier = args.get("identifier")
    gid = given.get("id")
    named = identifier or ({"id": gid} if gid else None)
    product = product_by_identifier(context, named) if named else None
    if product is None:
        return {"product": None, "userErrors": [user_error(["id"], "Product does not exist")]}
    media = args.get("media") or []
    errors = [error for some in check_media(product, media) for error in some]
    errors += [
        {**error, "field": (error["field"] or [])[1:] or ["title"]} for error in _check_fields(context, product, given)
    ]
    if errors:
        return {"product": product, "userErrors": errors}
    _set_plain(product, given)
    for field in given.get("metafields") or ():
        set_metafield(context.shop, product, field)
    append_media(context, product, media)
    return {"product": product, "userErrors": []}
