"""productVariantAppendMedia, productVariantDetachMedia, productVariantsBulkUpdate: which image a variant shows.

Here: the rules of one image per variant. Not here: making and removing variants (productSet, ``options.py``).

Errors of append and detach: recorded 2026-04; on any error nothing is applied and ``productVariants`` is null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from image_assets.sandbox.shopify.context import Args, Context, UserErrors, mutation, user_error
from image_assets.sandbox.shopify.gallery import append_media, check_media, no_product
from image_assets.sandbox.shopify.state import Media, Product, Variant

# reference: recorded 2026-04: "Exceeded 100 variant-media pairs per mutation."
MAX_PAIRS = 100
Check = Callable[[Variant, Media], tuple[str, str, str] | None]


@mutation("productVariantAppendMedia")
def product_variant_append_media(context: Context, args: Args) -> Args:
    """Show images on variants that show none."""
    return _pair(context, args, _check_append, lambda variant, media: setattr(variant, "media_id", media.id))


@mutation("productVariantDetachMedia")
def product_variant_detach_media(context: Context, args: Args) -> Args:
    """Take images off variants; they stay in the gallery."""
    return _pair(context, args, _check_detach, lambda variant, _media: setattr(variant, "media_id", None))


def _pair(context: Context, args: Args, check: Check, apply: Callable[[Variant, Media], None]) -> Args:
    product = context.shop.product(args["productId"])
    if product is None:
        return {"product": None, "productVariants": None, "userErrors": [no_product("productId")]}
    pairs = args["variantMedia"]
    errors = _check_input(pairs) or _check_pairs(context, product, pairs, check)
    if errors:
        return {"product": product, "productVariants": None, "userErrors": errors}
    touched = []
    for pair in pairs:
        variant, media = _variant(product, pair["variantId"]), _media(product, pair["mediaIds"][0])
        if variant is not None and media is not None:
            apply(variant, media)
            touched.append(variant)
    return {"product": product, "productVariants": touched, "userErrors": []}


def _check_input(pairs: list[Args]) -> UserErrors:
    """What can be said without looking at the shop."""
    if len(pairs) > MAX_PAIRS:
        text = f"Exceeded {MAX_PAIRS} variant-media pairs per mutation."
        return [user_error(["variantMedia"], text, "MAXIMUM_VARIANT_MEDIA_PAIRS_EXCEEDED")]
    times = Counter(pair["variantId"] for pair in pairs)
    errors: UserErrors = []
    for index, pair in enumerate(pairs):
        at = ["variantMedia", str(index)]
        if not pair["mediaIds"]:
            errors.append(user_error([*at, "mediaIds"], "The mediaIds list cannot be empty.", "BLANK"))
        elif len(pair["mediaIds"]) > 1:
            text = "Only one mediaId is allowed per media input."
            errors.append(user_error([*at, "mediaIds"], text, "TOO_MANY_MEDIA_PER_INPUT_PAIR"))
        elif times[pair["variantId"]] > 1:
            text = "Variant was specified in more than one media input."
            errors.append(user_error([*at, "variantId"], text, "PRODUCT_VARIANT_SPECIFIED_MULTIPLE_TIMES"))
    return errors


def _check_pairs(context: Context, product: Product, pairs: list[Args], check: Check) -> UserErrors:
    errors: UserErrors = []
    for index, pair in enumerate(pairs):
        found = _check_pair(context, product, pair, check)
        if found:
            field, text, code = found
            errors.append(user_error(["variantMedia", str(index), field], text, code))
    return errors


def _check_pair(context: Context, product: Product, pair: Args, check: Check) -> tuple[str, str, str] | None:
    variant, media = _variant(product, pair["variantId"]), _media(product, pair["mediaIds"][0])
    if variant is None:
        text = "Variant does not exist on the specified product."
        return "variantId", text, "PRODUCT_VARIANT_DOES_NOT_EXIST_ON_PRODUCT"
    file = context.shop.file(pair["mediaIds"][0])
    if file is not None and file.typename != "MediaImage":
        return "mediaIds", "Non-image media cannot be attached to variants.", "INVALID_MEDIA_TYPE"
    if media is None:
        return "mediaIds", "Media does not exist on the specified product.", "MEDIA_DOES_NOT_EXIST_ON_PRODUCT"
    return check(variant, media)


def _check_append(variant: Variant, media: Media) -> tuple[str, str, str] | None:
    if media.status != "READY":
        return "mediaIds", "Non-ready media cannot be attached to variants.", "NON_READY_MEDIA"
    if variant.media_id is not None:
        return "variantId", "The given variant already has attached media.", "PRODUCT_VARIANT_ALREADY_HAS_MEDIA"
    return None


def _check_detach(variant: Variant, media: Media) -> tuple[str, str, str] | None:
    if variant.media_id == media.id:
        return None
    text = "The specified media is not attached to the specified variant."
    return "variantId", text, "MEDIA_IS_NOT_ATTACHED_TO_VARIANT"


def _variant(product: Product, gid: str | None) -> Variant | None:
    return next((variant for variant in product.variants if variant.id == gid), None)


def _media(product: Product, gid: str) -> Media | None:
    return next((media for media in product.media if media.id == gid), None)


@mutation("productVariantsBulkUpdate")
def product_variants_bulk_update(context: Context, args: Args) -> Args:
    """Change variants of one product.

    ``mediaId`` replaces a variant's image, or not, as `Shop.bulk_update_replaces` says. ``mediaSrc`` names a
    source of ``media``: the image goes to the gallery, and to the variant once it is READY unless that shows one
    already (reported, community.shopify.com thread 313112).
    """
    product = context.shop.product(args["productId"])
    if product is None:
        return {"product": None, "productVariants": None, "userErrors": [no_product("productId")]}
    new = args.get("media") or []
    errors = [
        {**error, "code": "INVALID_INPUT"} for some in check_media(product, new) for error in some
    ]  # media errors have no codes of their own here
    sources = {item["originalSource"] for item in new}
    checked = [_check_update(product, item, sources, str(index)) for index, item in enumerate(args["variants"])]
    errors += [error for some in checked for error in some]
    if errors and not args.get("allowPartialUpdates"):
        return {"product": product, "productVariants": None, "userErrors": errors}
    if not any(error["field"][0] == "media" for error in errors):
        created = append_media(context, product, new)
        by_source = {media.source: media for media in created}
    else:
        by_source = {}
    touched = []
    for item, found in zip(args["variants"], checked, strict=True):
        variant = _variant(product, item.get("id"))
        if variant is not None and not found:
            _update(context, variant, item, by_source)
            touched.append(variant)
    return {"product": product, "productVariants": touched, "userErrors": errors}


def _check_update(product: Product, item: Args, sources: set[str], index: str) -> UserErrors:
    at = ["variants", index]
    if not item.get("id"):
        return [user_error([*at, "id"], "Product variant is missing ID attribute", "PRODUCT_VARIANT_ID_MISSING")]
    if _variant(product, item["id"]) is None:
        return [user_error([*at, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")]
    if item.get("mediaId") and item.get("mediaSrc"):
        return [user_error(at, "Only one of mediaId or mediaSrc can be specified", "CANNOT_SPECIFY_BOTH")]
    if item.get("mediaId"):
        media = _media(product, item["mediaId"])
        if media is None:
            return [user_error([*at, "mediaId"], "Media does not exist on the product", "MUST_BE_FOR_THIS_PRODUCT")]
        if media.status != "READY":
            text = "Non-ready media cannot be attached to variants."
            return [user_error([*at, "mediaId"], text, "INVALID_INPUT")]
    if any(source not in sources for source in item.get("mediaSrc") or ()):
        return [user_error([*at, "mediaSrc"], "mediaSrc must be in the media argument", "INVALID_INPUT")]
    return []


def _update(context: Context, variant: Variant, item: Args, created: dict[str, Media]) -> None:
    if item.get("mediaId") and (variant.media_id is None or context.shop.bulk_update_replaces):
        variant.media_id = item["mediaId"]
    for source in item.get("mediaSrc") or ():
        if source in created:
            created[source].waiting_variants.append(variant.id)
    inventory = item.get("inventoryItem") or {}
    if inventory.get("sku") is not None:
        variant.sku = inventory["sku"]
    for name in ("barcode", "price"):
        if item.get(name) is not None:
            setattr(variant, name, str(item[name]))
