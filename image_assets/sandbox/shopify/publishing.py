"""publishablePublish: on which sales channels a product is.

Here: publishing now. Not here: publishing at a later date, and anything but products.
"""

from __future__ import annotations

from image_assets.sandbox.shopify.context import Args, Context, UserErrors, mutation, user_error
from image_assets.sandbox.shopify.shop import Shop


@mutation("publishablePublish")
def publishable_publish(context: Context, args: Args) -> Args:
    """Publish a product; errors as recorded 2025-01."""
    shop = context.shop
    product = shop.product(args["id"])
    if product is None:
        return {"publishable": None, "userErrors": [user_error(["id"], "Resource does not exist")]}
    errors = _check(shop, args["input"])
    if not errors:
        product.publications |= {item["publicationId"] for item in args["input"]}
    return {"publishable": product, "userErrors": errors}


def _check(shop: Shop, items: list[Args]) -> UserErrors:
    known = {publication.id for publication in shop.publications}
    seen: set[str] = set()
    errors: UserErrors = []
    for index, item in enumerate(items):
        at, gid = ["input", str(index), "publicationId"], item.get("publicationId")
        if not gid:
            errors.append(user_error(at, "PublicationId cannot be empty"))
        elif gid not in known:
            errors.append(user_error(at, "Publication does not exist or is not publishable"))
        elif gid in seen:
            errors.append(user_error(at, "The same publication was specified more than once"))
        seen.add(gid or "")
    return errors
