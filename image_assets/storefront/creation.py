"""The product a group's rows describe, for groups that Shopify has none of; pure.

Here: options and variants, and catalogs that describe no product. Not here: its images (``plan.py``), creating it
(``apply.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

from image_assets.errors import PermanentError
from image_assets.storefront.model import CatalogRow, ProductGroup

MAX_OPTIONS = 3  # Shopify, "Products": up to three options


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
    """
    if group.incomplete:
        raise _bad_catalog(group, "a row of it can't be used", "Correct that row; it is reported with its reason.")
    if not group.title:
        raise _bad_catalog(group, "it has no title", "Fill the Title column, or create the product in Shopify.")
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
    options = tuple((name, tuple(dict.fromkeys(dict(variant.options)[name] for variant in variants))) for name in names)
    return Creation(group.title, group.handle, options, tuple(variants))


_OPTIONS_HINT = "Correct the Option columns, or create the product in Shopify."


def _new_variant(row: CatalogRow, *, single: bool) -> NewVariant:
    # "Title" with "Default Title" is how Shopify writes a product without options.
    fallback = (("Title", "Default Title"),) if single else (("Item", row.sku),)
    return NewVariant(row.sku, row.price, row.options or fallback)


def _bad_catalog(group: ProductGroup, what: str, hint: str) -> PermanentError:
    return PermanentError(f"{group.id} can't be created in Shopify: {what}.", code="bad_catalog", hint=hint)
