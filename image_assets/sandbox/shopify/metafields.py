"""metafieldsSet: values an app keeps on products, with compare-and-set.

Here: setting them. Not here: reading (``resolvers.py``); definitions and types of metafields are not modelled.
"""

from __future__ import annotations

import hashlib

from image_assets.sandbox.shopify.context import Args, Context, UserErrors, mutation, user_error
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.state import Metafield, Product

# The app's own namespace, when none is given.
APP_NAMESPACE = "$app"


@mutation("metafieldsSet")
def metafields_set(context: Context, args: Args) -> Args:
    """Set values, all or none; a given ``compareDigest`` must be the present one's (null: there is none)."""
    errors: UserErrors = []
    for index, item in enumerate(args["metafields"]):
        errors += _check(context.shop, item, ["metafields", str(index)])
    if errors:
        return {"metafields": [], "userErrors": errors}
    kept = []
    for item in args["metafields"]:
        product = context.shop.product(item["ownerId"])
        if product is not None:
            kept.append(set_metafield(context.shop, product, item))
    return {"metafields": kept, "userErrors": []}


def _check(shop: Shop, item: Args, at: list[str]) -> UserErrors:
    product = shop.product(item["ownerId"])
    if product is None:
        return [user_error([*at, "ownerId"], "Owner does not exist.", "INVALID")]
    present = product.metafields.get(_key(item))
    if present is None and not item.get("type"):
        return [user_error([*at, "type"], "Type can't be blank", "BLANK")]
    digest = present.compare_digest if present else None
    if "compareDigest" in item and item["compareDigest"] != digest:
        text = "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value."
        return [user_error(at, text, "STALE_OBJECT")]
    return []


def _key(item: Args) -> tuple[str, str]:
    return item.get("namespace") or APP_NAMESPACE, item["key"]


def set_metafield(shop: Shop, product: Product, item: Args) -> Metafield:
    """Set one value of a product."""
    present = product.metafields.get(_key(item))
    namespace, key = _key(item)
    gid = present.id if present else shop.new_id("Metafield")
    kind = item.get("type") or (present.type if present else "single_line_text_field")
    digest = hashlib.sha256(item["value"].encode()).hexdigest()
    made = Metafield(gid, namespace, key, item["value"], kind, digest)
    product.metafields[namespace, key] = made
    return made
