"""The product a group's rows describe: options and variants, and what is no product Shopify takes."""

from __future__ import annotations

import pytest

from image_assets.errors import PermanentError
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.execution import MAX_INPUTS, MAX_VARIANTS as STAND_IN_VARIANTS
from image_assets.sandbox.shopify.options import MAX_OPTIONS as STAND_IN_OPTIONS
from image_assets.settings import settings_for
from image_assets.storefront.creation import MAX_OPTIONS, MAX_VALUES, MAX_VARIANTS, make_creation
from image_assets.storefront.model import CatalogRow, ProductGroup
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.client import ShopifyClient
from image_assets_tests.storefront.conftest import Storefront

Options = tuple[tuple[str, str], ...]
AT_MOST = "at most 250 values of an option can be created"


def group_of(*options: Options, title: str = "A ring") -> ProductGroup:
    """A group with a variant of each options."""
    rows = tuple(CatalogRow(f"v{number}", "827749", item) for number, item in enumerate(options))
    return ProductGroup("LGD-1", title, "lgd-1", rows)


def grid(metals: int, sizes: int) -> list[Options]:
    """The options of every metal in every size."""
    return [(("Metal", f"M{metal}"), ("Size", f"S{size}")) for metal in range(metals) for size in range(sizes)]


def test_options_have_their_values_once_in_order_of_appearance() -> None:
    made = make_creation(group_of(*grid(2, 2)))
    assert made.options == (("Metal", ("M0", "M1")), ("Size", ("S0", "S1")))
    assert [variant.sku for variant in made.variants] == ["v0", "v1", "v2", "v3"]


def test_a_single_row_without_options_has_shopifys_default() -> None:
    assert make_creation(group_of(())).options == (("Title", ("Default Title",)),)


def test_rows_without_options_are_told_apart_by_their_skus() -> None:
    assert make_creation(group_of((), ())).options == (("Item", ("v0", "v1")),)


@pytest.mark.parametrize(
    ("group", "what", "action"),
    [
        (
            group_of(*[()] * (MAX_VALUES + 1)),
            "its 251 variants have no options, so that each SKU is a value of one; " + AT_MOST,
            "Fill two or three of the Option columns, or create the product in Shopify.",
        ),
        (
            group_of(*grid(1, MAX_VALUES + 1)),
            "its option Size has 251 values; " + AT_MOST,
            "Spread them over two or three options, or create the product in Shopify.",
        ),
        (
            group_of(*grid(2, 1025)),
            "it has 2,050 variants; Shopify takes at most 2,048 a product",
            "Give some of its rows another Web_Product_Group_ID.",
        ),
        (
            group_of((("A", "1"), ("B", "1"), ("C", "1"), ("D", "1"))),
            "its options are A, B, C, D",
            "Correct the Option columns, or create the product in Shopify.",
        ),
    ],
    ids=["skus", "values", "variants", "options"],
)
def test_a_group_beyond_shopifys_limits_is_refused_with_count_limit_and_what_to_do(
    group: ProductGroup, what: str, action: str
) -> None:
    with pytest.raises(PermanentError) as caught:
        make_creation(group)
    assert caught.value.code == "bad_catalog"
    assert caught.value.message == f"LGD-1 can't be created in Shopify: {what}."
    assert caught.value.hint == action


def test_the_limits_are_those_of_the_stand_in() -> None:
    assert (MAX_OPTIONS, MAX_VALUES, MAX_VARIANTS) == (STAND_IN_OPTIONS, MAX_INPUTS, STAND_IN_VARIANTS)


@pytest.mark.parametrize("options", [[()] * MAX_VALUES, grid(8, 256 - 6)], ids=["values", "variants"])
def test_a_group_at_the_limits_is_created(
    shopify: ShopifyServer, storefront_env: dict[str, str], options: list[Options]
) -> None:
    made = make_creation(group_of(*options))
    given = {
        "title": made.title,
        "handle": made.handle,
        "productOptions": [
            {"name": name, "values": [{"name": value} for value in values]} for name, values in made.options
        ],
        "variants": [
            {"sku": item.sku, "optionValues": [{"optionName": name, "name": value} for name, value in item.options]}
            for item in made.variants
        ],
    }
    with ShopifyClient.from_settings(settings_for(storefront_env)) as client:
        client.mutate(documents.CREATE_PRODUCT, input=given)
    (product,) = shopify.shop.products
    assert len(product.variants) == len(options)


def test_a_group_that_is_too_large_is_a_failed_item_and_nothing_is_written(storefront: Storefront) -> None:
    storefront.put("827749", 1)
    result = storefront.sync(group_of(*[()] * (MAX_VALUES + 1)))
    assert (result.outcome.reason, result.outcome.permanent) == ("bad_catalog", True)
    assert storefront.shopify.mutations == 0
