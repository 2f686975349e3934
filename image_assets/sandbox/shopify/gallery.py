"""productCreateMedia, productDeleteMedia, productReorderMedia: a product's gallery.

Here: the gallery on its own, and media created without names (``CreateMediaInput``). Not here: productSet and
productUpdate (``products.py``).

Errors and what happens to the rest of a call that has some: recorded 2025-01 and 2026-04.
"""

from __future__ import annotations

from image_assets.sandbox.shopify.context import (
    MAX_MEDIA,
    Args,
    Context,
    UserErrors,
    is_source,
    mutation,
    user_error,
)
from image_assets.sandbox.shopify.intake import check_alt, take_in
from image_assets.sandbox.shopify.state import Job, Media, Product


def check_media(product: Product, items: list[Args]) -> list[UserErrors]:
    """The errors of each ``CreateMediaInput``."""
    checked = [_check_one(item, ["media", str(index)]) for index, item in enumerate(items)]
    if len(product.media) + sum(not errors for errors in checked) > MAX_MEDIA:
        error = user_error(["media"], "Exceeded the limit of media per product.", "PRODUCT_MEDIA_LIMIT_EXCEEDED")
        return [[error], *([] for _ in items[1:])]
    return checked


def _check_one(item: Args, at: list[str]) -> UserErrors:
    if item["mediaContentType"] != "IMAGE":
        return [user_error([*at, "mediaContentType"], "Invalid media type.", "INVALID_MEDIA_TYPE")]
    if not is_source(item["originalSource"]):
        return [user_error([*at, "originalSource"], "Image URL is invalid", "INVALID")]
    return [{**error, "code": "INVALID"} for error in check_alt(item, at)]


def append_media(context: Context, product: Product, items: list[Args]) -> list[Media]:
    """Create checked media at the gallery's end."""
    media = [take_in(context, item) for item in items]
    product.media += media
    return media


def no_product(field: str) -> dict[str, object]:
    """The error for an id that no product has."""
    return user_error([field], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")


@mutation("productCreateMedia")
def product_create_media(context: Context, args: Args) -> Args:
    """Append media; the valid ones are created, the others answered as errors."""
    product = context.shop.product(args["productId"])
    if product is None:
        return _payload([no_product("productId")], media=None, product=None)
    checked = check_media(product, args["media"])
    errors = [error for some in checked for error in some]
    if any(error["code"] == "PRODUCT_MEDIA_LIMIT_EXCEEDED" for error in errors):
        return _payload(errors, media=[], product=product)
    valid = [item for item, found in zip(args["media"], checked, strict=True) if not found]
    return _payload(errors, media=append_media(context, product, valid), product=product)


@mutation("productDeleteMedia")
def product_delete_media(context: Context, args: Args) -> Args:
    """Delete media of a product, files and all."""
    product = context.shop.product(args["productId"])
    empty = {"deletedMediaIds": None, "deletedProductImageIds": None}
    if product is None:
        return _payload([no_product("productId")], **empty, product=None)
    there = {media.id: media for media in product.media}
    unknown = [gid for gid in args["mediaIds"] if gid not in there]
    if unknown:
        return _payload([_no_media(unknown, "mediaIds")], **empty, product=product)
    for gid in args["mediaIds"]:
        context.shop.delete_file(there[gid])
    images = [gid.replace("MediaImage", "ProductImage") for gid in args["mediaIds"]]
    return _payload([], deletedMediaIds=args["mediaIds"], deletedProductImageIds=images, product=product)


@mutation("productReorderMedia")
def product_reorder_media(context: Context, args: Args) -> Args:
    """Move media, one after the other; done later, as the job says."""
    shop = context.shop
    product = shop.product(args["id"])
    if product is None:
        return _payload([no_product("id")], job=None)
    there = {media.id for media in product.media}
    unknown = [move["id"] for move in args["moves"] if move["id"] not in there]
    if unknown:
        return _payload([_no_media(unknown, "moves")], job=None)
    job = Job(shop.new_id("Job"))
    shop.background[job.id] = job

    def reorder() -> None:
        with shop.lock:
            for move in args["moves"]:
                _move(product, move["id"], move["newPosition"])
            job.done = True

    context.pipeline.after(reorder)
    return _payload([], job=job)


def _move(product: Product, gid: str, position: int) -> None:
    media = next((found for found in product.media if found.id == gid), None)
    if media is not None:  # deleted meanwhile
        product.media.remove(media)
        product.media.insert(position, media)


def _no_media(ids: list[str], field: str) -> dict[str, object]:
    one = f"Media id {ids[0]} does" if len(ids) == 1 else f"Media ids {','.join(ids)} do"
    return user_error([field], f"{one} not exist", "MEDIA_DOES_NOT_EXIST")


def _payload(errors: UserErrors, **fields: object) -> Args:
    """A payload with its errors in both lists: with codes, and without in the deprecated one."""
    return {**fields, "mediaUserErrors": errors, "userErrors": errors}
