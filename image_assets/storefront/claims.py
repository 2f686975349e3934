"""Which group a product is: one alone, or an error that says so.

Here: groups that were synced to a product another one wants, and when they have lost it. Not here: finding a group's
product (``observe/products.py``), remembering it (``ledger.py``).
"""

from __future__ import annotations

from image_assets.errors import TransientError
from image_assets.storefront.ledger import shared_product
from image_assets.storefront.model import LiveProduct, ProductGroup
from image_assets.storefront.observe.catalog import Catalog
from image_assets.storefront.workplace import Workplace


def outdated_claims(work: Workplace, group: ProductGroup, product: LiveProduct) -> list[str]:
    """The other groups that a product was synced to and that would no longer find it, by the catalog as it is now.

    A group loses its product when it has left the catalog, or has neither its handle nor one of its SKUs any more.

    Raises:
        PermanentError: another group of the catalog is this product as well.
        TransientError: the catalog is being rewritten.
    """
    others = work.ledger.claimed_by(product.id, group.id)
    if not others:
        return []
    catalog = work.catalog([group.id, *others])
    if group.id not in catalog.groups:
        raise TransientError(
            f"The catalog no longer has {group.id}, which it had a moment ago.",
            code="catalog_changed",
            hint="Run again when it is complete.",
        )
    for other in others:
        if _still_finds(catalog, other, product):
            raise shared_product(group.id, other, product.handle)
    return others


def _still_finds(catalog: Catalog, group_id: str, product: LiveProduct) -> bool:
    """Whether a group would find a product; one whose rows can't all be read is taken to."""
    if any(outcome.item == group_id or outcome.item.startswith(f"{group_id}/") for outcome in catalog.rejected):
        return True
    group = catalog.groups.get(group_id)
    if group is None:
        return False
    skus = {variant.sku for variant in product.variants}
    return group.handle == product.handle or any(row.sku in skus for row in group.rows)
