"""The proof by cases: each thing that can be wrong is found by its own check, and by no other."""

from __future__ import annotations

from dataclasses import replace

from image_assets.storefront.model import LiveMedia, LiveProduct, MediaStatus, Mode
from image_assets.storefront.proof import CHECKS, problems
from image_assets_tests.storefront.pure_shop import PureShop
from image_assets_tests.storefront.test_plan import A1, A2, B1, FOUR, GROUP, plan_for, sku_images, synced


def product_of(shop: PureShop) -> LiveProduct:
    assert shop.product is not None
    return shop.product


def found(shop: PureShop) -> dict[str, list[str]]:
    """What is wrong, checks that find nothing left out."""
    return {name: text for name, text in problems(GROUP, FOUR, shop.product, shop.ledger).items() if text}


def with_media(shop: PureShop, *media: LiveMedia) -> PureShop:
    shop.product = replace(product_of(shop), media=media)
    return shop


def test_after_a_sync_nothing_is_wrong() -> None:
    assert problems(GROUP, FOUR, synced(FOUR).product, synced(FOUR).ledger) == {name: [] for name in CHECKS}


def test_without_the_ledger_the_names_are_proof_enough() -> None:
    shop = synced(FOUR)
    shop.entries.clear()
    assert found(shop) == {}


def test_a_group_without_a_product_is_wrong_once() -> None:
    assert found(PureShop()) == {"featured_image": ["LGD-1 has no product in Shopify"]}


def test_images_out_of_order_are_named_in_pairs() -> None:
    shop = synced(FOUR)
    first, second, *rest = product_of(shop).media
    assert found(with_media(shop, first, *rest, second)) == {"order": [f"{B1} stands before {A2}"]}


def test_another_image_of_ours_in_front_is_wrong() -> None:
    shop = synced(FOUR)
    first, second, *rest = product_of(shop).media
    wrong = found(with_media(shop, second, first, *rest))
    assert wrong == {
        "order": [f"{A2} stands before {A1}"],
        "featured_image": [f"another image than {A1} is featured"],
    }


def test_a_merchants_image_in_front_is_right() -> None:
    shop = synced(FOUR)
    shop.merchant_adds("own.jpg", 0)
    assert found(shop) == {}


def test_the_first_image_that_is_missing_is_named() -> None:
    shop = synced(FOUR)
    missing = product_of(shop).media[0].id
    shop.entries = {key: entry for key, entry in shop.entries.items() if entry.media_id != missing}
    assert found(with_media(shop, *product_of(shop).media[1:])) == {"featured_image": [f"{A1} is not on the product"]}


def test_a_variant_without_an_image_is_named_when_its_sku_has_one() -> None:
    shop = synced(FOUR)
    first, *rest = product_of(shop).variants
    shop.product = replace(product_of(shop), variants=(replace(first, media_id=None), *rest))
    assert found(shop) == {"variants_have_primary_image": ["variant v1 shows no image"]}


def test_a_variant_whose_sku_has_no_image_needs_none() -> None:
    images = [FOUR[0], sku_images("BB")]
    shop = synced(images)
    assert problems(GROUP, images, shop.product, shop.ledger) == {name: [] for name in CHECKS}


def test_a_merchants_own_choice_for_a_variant_is_right() -> None:
    shop = synced(FOUR)
    own = shop.merchant_adds("own.jpg", 9)
    first, *rest = product_of(shop).variants
    shop.product = replace(product_of(shop), variants=(replace(first, media_id=own), *rest))
    assert found(shop) == {}


def test_an_image_that_is_there_twice_is_named_whatever_shopify_appended() -> None:
    shop = synced(FOUR)
    twin = A2.replace(".jpg", "_c96fea6a-1240-427b-8ecb-7f1568c0893c.jpg")
    media = LiveMedia("gid://shopify/MediaImage/99", MediaStatus.READY, "", twin)
    assert found(with_media(shop, *product_of(shop).media, media)) == {
        "no_duplicates": [f"{A2} is on the product 2 times"]
    }


def test_an_older_version_left_by_mode_add_is_no_problem() -> None:
    shop = synced(FOUR)
    changed = [sku_images("AA", (1, "x"), (2, "b")), FOUR[1]]
    assert not plan_for(shop, changed, Mode.ADD).needs_writes
    assert not any(problems(GROUP, changed, shop.product, shop.ledger).values())


def test_with_no_image_at_all_nothing_is_expected() -> None:
    nothing = [sku_images("AA"), sku_images("BB")]
    shop = synced(nothing)
    assert not any(problems(GROUP, nothing, shop.product, shop.ledger).values())
