"""A product's options and variants as productSet declares them.

Here: checking the declared lists and making a product match them. Not here: the rest of productSet
(``products.py``), and changing single variants (``variants.py``).

reference: Shopify docs, "Sync product data from an external source", and Shopify Admin API 2026-07,
ProductSetUserErrorCode. Recorded 2025-01: the errors for options without variants and for variants of the same
values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from image_assets.sandbox.shopify.context import Args, UserErrors, user_error
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.state import Option, OptionValue, Product, Variant

MAX_OPTIONS = 3


@dataclass(frozen=True)
class Declared:
    """Options with their values, in order, and for each declared variant its values by option name."""

    options: dict[str, list[str]]
    variants: list[tuple[Args, dict[str, str]]]


def read_declared(product: Product | None, given: Args) -> tuple[Declared | None, UserErrors]:
    """What an input declares, or what is wrong with it; neither when it says nothing of options and variants."""
    options, variants = given.get("productOptions"), given.get("variants")
    if options is None and variants is None:
        return None, []
    if not variants:
        text = "Variants input is required when updating product options"
        return None, [user_error(["input", "variants"], text, "VARIANTS_INPUT_MISSING")]
    if not options:
        text = "Product options input is required when updating variants"
        return None, [user_error(["input", "productOptions"], text, "PRODUCT_OPTIONS_INPUT_MISSING")]
    ids = _names_by_id(product)
    names = {_name(item, ids): [_name(value, ids) for value in item.get("values") or ()] for item in options}
    errors = list(_check_options(options, ids))
    if errors:
        return None, errors
    rows: list[tuple[Args, dict[str, str]]] = []
    for index, item in enumerate(variants):
        values, found = _values(item, names, ids, ["input", "variants", str(index)])
        errors += found or _check_variant(product, item, values, [row for _, row in rows], str(index))
        rows.append((item, values))
    return (None, errors) if errors else (Declared(names, rows), [])


def _names_by_id(product: Product | None) -> dict[str, str]:
    """Names of the options and values that an input may refer to by id."""
    options = product.options if product else []
    names = {option.id: option.name for option in options}
    return names | {value.id: value.name for option in options for value in option.option_values}


def _name(item: Args, ids: dict[str, str]) -> str:
    return str(item.get("name") or ids.get(item.get("id") or "", ""))


def _check_options(options: list[Args], ids: dict[str, str]) -> Iterator[Args]:
    at = ["input", "productOptions"]
    if len(options) > MAX_OPTIONS:
        yield user_error(at, f"Can only specify a maximum of {MAX_OPTIONS} options", "OPTIONS_OVER_LIMIT")
    seen: set[str] = set()
    for index, item in enumerate(options):
        name, place = _name(item, ids), [*at, str(index)]
        if not name:
            yield user_error([*place, "name"], "Option does not exist", "OPTION_DOES_NOT_EXIST")
        elif name in seen:
            yield user_error([*place, "name"], "Duplicated option name.", "DUPLICATED_OPTION_NAME")
        seen.add(name)
        values = [_name(value, ids) for value in item.get("values") or ()]
        if not values:
            text = "Each option must have at least one option value specified."
            yield user_error([*place, "values"], text, "OPTION_VALUES_MISSING")
        elif len(set(values)) != len(values):
            yield user_error([*place, "values"], "Duplicated option value.", "DUPLICATED_OPTION_VALUE")


def _values(
    item: Args, names: dict[str, list[str]], ids: dict[str, str], at: list[str]
) -> tuple[dict[str, str], UserErrors]:
    """A variant's values in the order of the options."""
    found: dict[str, str] = {}
    for index, given in enumerate(item["optionValues"]):
        place = [*at, "optionValues", str(index)]
        option = given.get("optionName") or ids.get(given.get("optionId") or "", "")
        value = _name(given, ids)
        if option not in names:
            return {}, [user_error([*place, "optionName"], "Option does not exist", "OPTION_DOES_NOT_EXIST")]
        if value not in names[option]:
            return {}, [user_error([*place, "name"], "Option value does not exist", "OPTION_VALUE_DOES_NOT_EXIST")]
        found[option] = value
    missing = [name for name in names if name not in found]
    if missing:
        text = f"Option value for '{missing[0]}' must be specified"
        return {}, [user_error([*at, "optionValues"], text, "OPTION_VALUES_MISSING")]
    return {name: found[name] for name in names}, []


def _check_variant(
    product: Product | None, item: Args, values: dict[str, str], before: list[dict[str, str]], index: str
) -> UserErrors:
    at = ["input", "variants", index]
    if values in before:
        text = f"The variant '{' / '.join(values.values())}' already exists. Please change at least one option value."
        return [user_error(at, text, "INVALID_VARIANT")]
    known = {variant.id for variant in product.variants} if product else set()
    if item.get("id") and item["id"] not in known:
        return [user_error([*at, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")]
    return []


def apply_declared(shop: Shop, product: Product, declared: Declared) -> list[Variant]:
    """Give a product exactly the declared options and variants; returns the variants in declared order.

    Variants are recognised by their id, else by their values; those not declared are deleted.
    """
    old_values = {value.name: value for option in product.options for value in option.option_values}
    old_options = {option.name: option for option in product.options}
    product.options = []
    for position, (name, values) in enumerate(declared.options.items(), start=1):
        option_id = old_options[name].id if name in old_options else shop.new_id("ProductOption")
        made = [old_values.get(value) or OptionValue(shop.new_id("ProductOptionValue"), value) for value in values]
        product.options.append(Option(option_id, name, made, position))
    by_id = {variant.id: variant for variant in product.variants}
    by_values = {tuple(variant.options.values()): variant for variant in product.variants}
    variants = []
    for item, options in declared.variants:
        variant = by_id.get(item.get("id") or "") or by_values.get(tuple(options.values()))
        variant = variant or shop.new_variant(product, options)
        variant.options = options
        _set_fields(variant, item)
        variants.append(variant)
    product.variants = list(variants)
    return variants


def _set_fields(variant: Variant, item: Args) -> None:
    inventory = item.get("inventoryItem") or {}
    given = {"sku": inventory.get("sku"), **{key: item[key] for key in ("sku", "price", "barcode") if key in item}}
    for name, value in given.items():
        if value is not None:
            setattr(variant, name, str(value))
