"""Products as the shop has them: found, read page by page, waited for, and read all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import stamina

from image_assets.errors import AccessDeniedError, PermanentError, UnreachableError
from image_assets.report import Status
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.state import Product
from image_assets.settings import settings_for
from image_assets.storefront.model import CatalogRow, LiveProduct, MediaStatus, ProductGroup
from image_assets.storefront.observe.products import (
    SKUS_PER_SEARCH,
    NoIndexError,
    ProductIndex,
    find_product,
    live_media,
    poll,
    read_product,
    read_settled,
)
from image_assets.vendors.shopify.budget import CostBudget
from image_assets.vendors.shopify.client import ShopifyClient
from image_assets_tests.storefront.conftest import Storefront, picture
from image_assets_tests.vendors.shopify.scripted import SHOP, TOKEN, Answer, Scripted, data, error, serve_scripted
from image_assets_tests.vendors.webhook import closed_port


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
    assert (found.handle, found.title, found.settled) == ("ring", "A ring", True)


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


def test_a_product_is_found_behind_more_hits_than_a_page_has(client: ShopifyClient, shopify: ShopifyServer) -> None:
    shopify.shop.add_product("shouting", "Shouting", ["V1"] * 320)  # searches ignore case
    assert find_product(client, group_of("v1")) is None
    assert shopify.counts["productVariants"] == 3
    wanted = shopify.shop.add_product("other", "Other", ["v1"])
    assert find_product(client, group_of("v1")) == wanted.id
    other = shopify.shop.add_product("another", "Another", ["v1"])
    with pytest.raises(PermanentError, match=r"several products in Shopify \(another, other\)"):
        find_product(client, group_of("v1"))
    other.handle = "v1-of-the-handle"
    assert find_product(client, group_of("v1", handle=other.handle)) == other.id


def test_no_further_page_is_read_once_two_products_are_seen(client: ShopifyClient, shopify: ShopifyServer) -> None:
    for handle in ("one", "two", "three"):
        shopify.shop.add_product(handle, handle, ["v1"] * 40)
    with pytest.raises(PermanentError, match=r"several products in Shopify \(one, two\)"):
        find_product(client, group_of("v1", *(f"w{n}" for n in range(2 * SKUS_PER_SEARCH))))
    assert shopify.counts["productVariants"] == 1


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
    index = ProductIndex.read(client, poll_s=0.02, patience_s=30)
    products = storefront.shopify.shop.products
    assert len(products) == 4
    for product in products:
        one = read(client, product)
        assert index.find(group_of("no-such-sku"), product.id) == one
        assert [item.id for item in one.media] == [item.id for item in product.media]
        assert [variant.id for variant in one.variants] == [variant.id for variant in product.variants]


def test_the_index_of_an_empty_shop_finds_nothing(client: ShopifyClient) -> None:
    assert ProductIndex.read(client, poll_s=0.02, patience_s=30).find(group_of("v1"), None) is None


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A shop that says what it is told to."""
    with serve_scripted() as server:
        yield server


def read_index(scripted: Scripted, patience_s: float = 30) -> ProductIndex:
    """From a shop without waits between retries."""
    with (
        ShopifyClient(SHOP, TOKEN, base_url=scripted.url, budget=CostBudget()) as client,
        stamina.set_testing(True, attempts=100, cap=True),
    ):
        return ProductIndex.read(client, poll_s=0.01, patience_s=patience_s)


def bulk_refusal(code: str) -> Answer:
    errors = [{"field": ["query"], "code": code, "message": "Not like this."}]
    return data({"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": errors}})


OPERATION = {"id": "gid://shopify/BulkOperation/1", "errorCode": None, "fileSize": None, "url": None}
STARTED = data({"bulkOperationRunQuery": {"bulkOperation": OPERATION, "userErrors": []}}, rate=1e6)


def ended(**fields: Any) -> Answer:
    return data({"bulkOperation": {**OPERATION, "status": "COMPLETED", **fields}})


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (lambda _: [bulk_refusal("INVALID")], "bulkOperationRunQuery: query: Not like this"),
        (lambda _: [error("undefinedField", "Field 'x' doesn't exist.")], "Field 'x' doesn't exist"),
        (lambda _: [STARTED, Answer(status=503)], "was lost sight of: Shopify failed"),
        (lambda it: [STARTED, ended(status="FAILED", errorCode="TIMEOUT")], r"ended as FAILED \(TIMEOUT\)"),
        (lambda it: [STARTED, ended(url=f"{it.url}/gone")], "can't be fetched: GET .*: HTTP 404"),
        (lambda it: [STARTED, ended(url=f"{it.url}/denied")], "can't be fetched: GET .*: HTTP 403"),
        (lambda it: [STARTED, ended(url="http://127.0.0.1:9/x")], "can't be fetched: GET .*: no answer"),
        (lambda it: [STARTED, ended(url=f"{it.url}/orphan")], "is not grouped"),
    ],
)
def test_an_index_that_can_not_be_made_leaves_the_way_to_reading_one_by_one(
    scripted: Scripted, answers: Callable[[Scripted], list[Answer]], sentence: str
) -> None:
    scripted.answers = answers(scripted)
    scripted.files = {"/denied": [Answer(status=403)], "/orphan": [Answer(b'{"id": "a", "__parentId": "b"}\n')]}
    with pytest.raises(NoIndexError, match=f"The products can't be read all at once: .*{sentence}") as caught:
        read_index(scripted)
    assert (caught.value.code, caught.value.permanent) == ("no_index", False)


def test_an_index_is_not_waited_for_for_ever(scripted: Scripted) -> None:
    scripted.answers = [bulk_refusal("OPERATION_IN_PROGRESS")]
    with pytest.raises(NoIndexError, match=r"Other bulk queries of this app are still running after 0 s\."):
        read_index(scripted, patience_s=0)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (lambda _: [Answer(status=401)], "access_denied"),
        (lambda _: [Answer(status=403)], "forbidden"),
        (lambda _: [Answer(status=404)], "no_shop"),
        (lambda _: [error("ACCESS_DENIED", "Access denied: `read_products` access scope.")], "access_denied"),
        (lambda it: [STARTED, ended(status="FAILED", errorCode="ACCESS_DENIED")], "access_denied"),
    ],
)
def test_a_shop_that_turns_the_app_away_does_so_for_the_index_too(
    scripted: Scripted, answers: Callable[[Scripted], list[Answer]], code: str
) -> None:
    scripted.answers = answers(scripted)
    with pytest.raises(AccessDeniedError if code != "no_shop" else PermanentError) as caught:
        read_index(scripted)
    assert caught.value.code == code


def test_a_dead_shop_is_dead_for_the_index_too() -> None:
    with pytest.raises(UnreachableError, match="Check SHOPIFY_BASE_URL"):
        read_index(Scripted(port=closed_port()))


def test_the_index_finds_products_by_the_rules_of_searching(client: ShopifyClient, shopify: ShopifyServer) -> None:
    one = shopify.shop.add_product("one", "One", ["v1", "v2"])
    two = shopify.shop.add_product("two", "Two", ["v3"])
    shopify.shop.add_product("longer", "Longer", ["v1-gold"])
    index = ProductIndex.read(client, poll_s=0.02, patience_s=30)

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
