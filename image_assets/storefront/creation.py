"""The product a group's rows describe, for groups that Shopify has none of; pure.

Here: options and variants, and catalogs that describe no product. Not here: its images (``plan.py``), creating it
(``apply.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image_assets.errors import PermanentError
from image_assets.storefront.model import CatalogRow, ProductGroup

# Shopify Admin API 2026-07: ProductSetInput.productOptions ("maximum of 3 per product") and productSet ("a limit of
# 2048 product variants for each product").
MAX_OPTIONS = 3
MAX_VARIANTS = 2048
# The values of an option are an input array, and those have "a maximum size of 250 for all APIs" (shopify.dev, "API
# limits"); of the arrays of a product only its variants may be more.
MAX_VALUES = 250


@dataclass(frozen=True, slots=True)
class NewVariant:
    """A variant of a product to be created."""

    sku: str
    price: str | None
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Creation:
    """A product to be created: its options are (name, values in order of appearance)."""

    title: str
    handle: str
    options: tuple[tuple[str, tuple[str, ...]], ...]
    variants: tuple[NewVariant, ...]


def make_creation(group: ProductGroup) -> Creation:
    """The product a group's rows describe.

    A single row without options gets Shopify's default one; several without options are told apart by their SKU.

    Raises:
        PermanentError: they describe none, or one that is larger than Shopify takes.
    """
    if group.incomplete:
        raise _bad_catalog(group, "a row of it can't be used", "Correct that row; it is reported with its reason.")
    if not group.title:
        raise _bad_catalog(group, "it has no title", "Fill the Title column, or create the product in Shopify.")
    if len(group.rows) > MAX_VARIANTS:
        many = f"it has {len(group.rows):,} variants; Shopify takes at most {MAX_VARIANTS:,} a product"
        raise _bad_catalog(group, many, "Give some of its rows another Web_Product_Group_ID.")
    variants = [_new_variant(row, single=len(group.rows) == 1) for row in group.rows]
    names = [name for name, _ in variants[0].options]
    for variant in variants:
        if [name for name, _ in variant.options] != names:
            raise _bad_catalog(group, f"variant {variant.sku} has other options than the first", _OPTIONS_HINT)
    if len(set(names)) != len(names) or len(names) > MAX_OPTIONS:
        raise _bad_catalog(group, f"its options are {', '.join(names)}", _OPTIONS_HINT)
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    for variant in variants:
        if seen.setdefault(variant.options, variant.sku) != variant.sku:
            same = f"variants {seen[variant.options]} and {variant.sku} have the same option values"
            raise _bad_catalog(group, same, _OPTIONS_HINT)
    options = tuple((name, _values(group, name, variants)) for name in names)
    return Creation(group.title, group.handle, options, tuple(variants))


_OPTIONS_HINT = "Correct the Option columns, or create the product in Shopify."


def _new_variant(row: CatalogRow, *, single: bool) -> NewVariant:
    # "Title" with "Default Title" is how Shopify writes a product without options.
    fallback = (("Title", "Default Title"),) if single else (("Item", row.sku),)
    return NewVariant(row.sku, row.price, row.options or fallback)


def _values(group: ProductGroup, name: str, variants: Sequence[NewVariant]) -> tuple[str, ...]:
    """An option's values, in order of appearance. Raises PermanentError: they are too many."""
    values = tuple(dict.fromkeys(dict(variant.options)[name] for variant in variants))
    if len(values) <= MAX_VALUES:
        return values
    limit = f"at most {MAX_VALUES} values of an option can be created"
    if group.rows[0].options:
        what = f"its option {name} has {len(values):,} values; {limit}"
        raise _bad_catalog(group, what, "Spread them over two or three options, or create the product in Shopify.")
    what = f"its {len(values):,} variants have no options, so that each SKU is a value of one; {limit}"
    raise _bad_catalog(group, what, "Fill two or three of the Option columns, or create the product in Shopify.")


def _bad_catalog(group: ProductGroup, what: str, hint: str) -> PermanentError:
    return PermanentError(f"{group.id} can't be created in Shopify: {what}.", code="bad_catalog", hint=hint)
