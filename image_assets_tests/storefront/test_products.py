"""Products as the shop has them: found, read page by page, waited for, and read all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from image_assets.errors import PermanentError
from image_assets.report import Status
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.state import Product
from image_assets.settings import settings_for
from image_assets.storefront.model import CatalogRow, LiveProduct, MediaStatus, ProductGroup
from image_assets.storefront.observe.products import (
    SKUS_PER_SEARCH,
    ProductIndex,
    find_product,
    live_media,
    poll,
    read_product,
    read_settled,
)
from image_assets.vendors.shopify.client import ShopifyClient
from image_assets_tests.storefront.conftest import Storefront, picture


@pytest.fixture
def client(shopify: ShopifyServer, storefront_env: dict[str, str]) -> Iterator[ShopifyClient]:
    with ShopifyClient.from_settings(settings_for(storefront_env)) as client:
        yield client


def group_of(*skus: str, handle: str = "no-such-handle") -> ProductGroup:
    return ProductGroup("G-1", "T", handle, tuple(CatalogRow(sku, "827749") for sku in skus))


def read(client: ShopifyClient, product: Product) -> LiveProduct:
    found = read_product(client, product.id)
    assert found is not None
    return found


# --- reading


@pytest.mark.parametrize(("count", "requests"), [(1, 1), (100, 1), (101, 2), (350, 2), (351, 3)])
def test_all_variants_are_read_whatever_their_number(
    client: ShopifyClient, shopify: ShopifyServer, count: int, requests: int
) -> None:
    skus = [f"sku-{n}" for n in range(count)]
    product = shopify.shop.add_product("big", "Big", skus)
    own = shopify.shop.merchant_adds_media(product.id, picture(), "own.jpg")
    shopify.shop.merchant_sets_variant_media(product.variants[-1].id, own)
    found = read(client, product)
    assert [variant.sku for variant in found.variants] == skus
    assert [variant.media_id for variant in found.variants] == [*[None] * (count - 1), own]
    assert shopify.counts["product"] == requests


def test_the_gallery_is_read_in_order_with_names_alt_texts_and_addresses(
    client: ShopifyClient, shopify: ShopifyServer
) -> None:
    product = shopify.shop.add_product("ring", "A ring", ["v1"])
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        shopify.shop.merchant_adds_media(product.id, picture(), name, alt=f"Alt of {name}")
    shopify.shop.merchant_moves_media(product.id, product.media[2].id, 0)
    found = read(client, product)
    assert [(item.filename, item.alt) for item in found.media] == [
        ("c.jpg", "Alt of c.jpg"), ("b.jpg", "Alt of b.jpg"), ("a.jpg", "Alt of a.jpg")
    ]  # fmt: skip
    assert all(item.status is MediaStatus.READY and item.url.startswith(shopify.url) for item in found.media)
    assert (found.handle, found.title, found.published, found.settled) == ("ring", "A ring", False, True)


def test_a_product_that_is_gone_is_none(client: ShopifyClient) -> None:
    assert read_product(client, "gid://shopify/Product/1") is None
    assert read_settled(client, "gid://shopify/Product/1", patience_s=1) is None


def test_a_medium_without_an_image_is_read_too() -> None:
    video = live_media({"id": "gid://shopify/Video/1", "status": "READY", "alt": None, "preview": None})
    assert (video.filename, video.url, video.renewing, video.settled) == ("", "", False, True)


def test_a_medium_that_is_given_new_content_shows_its_old_one_and_is_not_settled() -> None:
    old = {"image": {"url": "https://cdn/files/a%20b.jpg?v=1"}}
    media = live_media({"id": "g", "fileStatus": "READY", "image": None, "preview": old, "fileErrors": []})
    assert (media.filename, media.renewing, media.settled) == ("a b.jpg", True, False)


def test_every_error_of_a_medium_is_told_once() -> None:
    error = {"code": "UNKNOWN", "message": "m", "details": None}
    media = live_media({"id": "g", "status": "FAILED", "image": None, "mediaErrors": [error], "fileErrors": [error]})
    assert (media.error, media.settled) == ("UNKNOWN: m", True)


# --- waiting


@pytest.fixture
def slow(storefront: Storefront) -> Iterator[ShopifyServer]:
    """A shop of its own that takes half a second for each file."""
    with ShopifyServer(processing_s=0.5) as server:
        yield server


@pytest.fixture
def busy(storefront: Storefront, slow: ShopifyServer, storefront_env: dict[str, str]) -> Iterator[ShopifyClient]:
    """A client of the slow shop, which has just been given a product with a file."""
    key = storefront.put("827749", 1)
    address = storefront.bucket.client.generate_presigned_url(
        "get_object", Params={"Bucket": storefront.bucket.name, "Key": key}
    )
    document = """mutation M($input: ProductSetInput!) { productSet(input: $input, synchronous: true) {
        product { id } userErrors { code field message } } }"""
    with ShopifyClient.from_settings(settings_for({**storefront_env, **slow.env()})) as client:
        client.mutate(document, input={"title": "Busy", "files": [{"originalSource": address, "contentType": "IMAGE"}]})
        yield client


def test_a_product_is_given_once_all_of_its_media_are_settled(busy: ShopifyClient, slow: ShopifyServer) -> None:
    (product,) = slow.shop.products
    assert not read(busy, product).settled
    found = read_settled(busy, product.id, patience_s=20)
    assert found is not None
    assert [item.status for item in found.media] == [MediaStatus.READY]


def test_when_patience_ends_the_product_is_taken_as_it_is(busy: ShopifyClient, slow: ShopifyServer) -> None:
    (product,) = slow.shop.products
    found = read_settled(busy, product.id, patience_s=0.0)
    assert found is not None
    assert not found.settled


def test_without_patience_nothing_is_waited_for() -> None:
    assert list(poll(0.0)) == []


# --- finding


def test_a_product_is_found_by_its_handle_before_its_skus(client: ShopifyClient, shopify: ShopifyServer) -> None:
    shopify.shop.add_product("other", "Other", ["v1", "v2"])
    wanted = shopify.shop.add_product("ring", "Ring", ["x1"])
    assert find_product(client, group_of("v1", "v2", handle="ring")) == wanted.id


def test_a_product_is_found_by_its_exact_skus(client: ShopifyClient, shopify: ShopifyServer) -> None:
    shopify.shop.add_product("longer", "Longer", ["v1-gold", "xv1"])
    wanted = shopify.shop.add_product("other", "Other", ["v1", "v9"])
    assert find_product(client, group_of("v1", "v2")) == wanted.id
    assert find_product(client, group_of("v2")) is None


def test_skus_with_quotes_and_spaces_are_searched_for_as_they_are(
    client: ShopifyClient, shopify: ShopifyServer
) -> None:
    odd = "5' 10 \\ OR sku:x"
    shopify.shop.add_product("trap", "Trap", ["x"])
    wanted = shopify.shop.add_product("other", "Other", [odd])
    assert find_product(client, group_of(odd)) == wanted.id


def test_many_skus_are_searched_for_in_parts(client: ShopifyClient, shopify: ShopifyServer) -> None:
    skus = [f"v{n}" for n in range(SKUS_PER_SEARCH + 1)]
    wanted = shopify.shop.add_product("other", "Other", skus[-1:])
    assert find_product(client, group_of(*skus)) == wanted.id
    assert shopify.counts["productVariants"] == 2


def test_skus_of_several_products_are_not_guessed_at(client: ShopifyClient, shopify: ShopifyServer) -> None:
    shopify.shop.add_product("one", "One", ["v1"])
    shopify.shop.add_product("two", "Two", ["v2"])
    with pytest.raises(PermanentError, match=r"several products in Shopify \(one, two\)") as caught:
        find_product(client, group_of("v1", "v2"))
    assert caught.value.code == "several_products"


# --- all at once


GROUPS = tuple(
    ProductGroup(f"LGD-{n}", f"Ring {n}", f"lgd-{n}", (CatalogRow(f"v{n}", sku), CatalogRow(f"w{n}", other)))
    for n, (sku, other) in enumerate([("827749", "692978"), ("692978", "123")], start=1)
)


def fill(storefront: Storefront, groups: Sequence[ProductGroup] = GROUPS) -> None:
    """Synced products with a merchant's media in between, products that a merchant made, and an empty one."""
    for number, sku in enumerate(("827749", "692978", "123")):
        for image in (1, 2, 3):
            storefront.put(sku, image, colour=f"#{number}{image}0")
    for group in groups:
        assert storefront.sync(group).outcome.status is Status.DONE
    shop = storefront.shopify.shop
    for handle, position in (("lgd-1", 1), ("lgd-1", 0), ("lgd-2", 4)):
        product = shop.product_by_handle(handle)
        assert product is not None
        shop.merchant_adds_media(product.id, picture(), f"own-{position}.jpg", alt="Own", position=position)
    first = shop.products[0]
    shop.merchant_moves_media(first.id, first.media[-1].id, 2)
    shop.merchant_sets_variant_media(first.variants[0].id, None)
    own = shop.add_product("own", "The merchant's own", [f"o{n}" for n in range(120)])
    shown = shop.merchant_adds_media(own.id, picture(), "own.jpg")
    for variant in own.variants[::7]:
        shop.merchant_sets_variant_media(variant.id, shown)
    shop.add_product("empty", "Without anything")


def test_the_index_of_a_bulk_query_equals_reading_one_by_one(storefront: Storefront) -> None:
    fill(storefront)
    client = storefront.work.client
    index = ProductIndex.read(client, patience_s=30)
    products = storefront.shopify.shop.products
    assert len(products) == 4
    for product in products:
        one = read(client, product)
        assert index.find(group_of("no-such-sku"), product.id) == one
        assert [item.id for item in one.media] == [item.id for item in product.media]
        assert [variant.id for variant in one.variants] == [variant.id for variant in product.variants]


def test_the_index_of_an_empty_shop_finds_nothing(client: ShopifyClient) -> None:
    assert ProductIndex.read(client, patience_s=30).find(group_of("v1"), None) is None


def test_the_index_finds_products_by_the_rules_of_searching(client: ShopifyClient, shopify: ShopifyServer) -> None:
    one = shopify.shop.add_product("one", "One", ["v1", "v2"])
    two = shopify.shop.add_product("two", "Two", ["v3"])
    shopify.shop.add_product("longer", "Longer", ["v1-gold"])
    index = ProductIndex.read(client, patience_s=30)

    def found(group: ProductGroup, known: str | None = None) -> str | None:
        product = index.find(group, known)
        return product.id if product else None

    assert found(group_of("v3", handle="one")) == one.id
    assert found(group_of("v1", "v9")) == one.id
    assert found(group_of("v1"), known=two.id) == two.id
    assert found(group_of("v3"), known="gid://shopify/Product/1") == two.id  # deleted since
    assert found(group_of("v9")) is None
    for group in (group_of("v3", handle="one"), group_of("v1", "v9"), group_of("v9")):
        assert find_product(client, group) == found(group)
    with pytest.raises(PermanentError, match=r"several products in Shopify \(one, two\)"):
        index.find(group_of("v1", "v3"), None)
