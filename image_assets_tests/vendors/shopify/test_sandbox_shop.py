"""The client against the sandbox's shop: real GraphQL, a real bucket, and bad days on request."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any

import pytest
from PIL import Image

from image_assets.errors import AccessDeniedError, PermanentError
from image_assets.parallel import parallel_map
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.settings import settings_for
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.bulk import group_children, run_bulk_query
from image_assets.vendors.shopify.client import ShopifyClient, UnknownResultError, UserErrors
from image_assets.vendors.shopify.uploads import StagedFile, stage

PATIENCE_S = 30


def picture(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def file_inputs(client: ShopifyClient, *names: str) -> list[dict[str, str]]:
    pictures = [picture(name.partition(".")[0]) for name in names]
    files = [
        StagedFile(name, "image/jpeg", len(body), partial(bytes, body))
        for name, body in zip(names, pictures, strict=True)
    ]
    urls = stage(client, files)
    return [
        {"originalSource": url, "filename": name, "alt": name, "contentType": "IMAGE"}
        for name, url in zip(names, urls, strict=True)
    ]


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def ready(client: ShopifyClient, ids: list[str]) -> list[dict[str, Any]]:
    """The files, once all are READY."""

    def look() -> list[dict[str, Any]]:
        nodes = [node or {} for node in client.nodes(documents.FILE_STATUS, ids)]
        return nodes if all(node.get("status") == "READY" for node in nodes) else []

    return list(until(look))


def test_eight_threads_with_every_kind_of_request_are_never_throttled(
    shopify: ShopifyServer, shop_client: ShopifyClient
) -> None:
    products = [shopify.shop.add_product(f"ring-{number}", "Ring", [f"sku-{number}"]) for number in range(10)]
    ids = [product.id for product in products]
    second = ShopifyClient.from_settings(settings_for({"IMAGE_ASSETS_ENV": "sandbox", **shopify.env()}))

    def read(number: int) -> Any:
        return shop_client.query(documents.READ_PRODUCT, id=ids[number % 10])

    def find(number: int) -> Any:
        return second.query(documents.FIND_PRODUCT, handle=f"ring-{number % 10}", skus=f"sku:'sku-{number % 10}'")

    def look(number: int) -> Any:
        return shop_client.nodes(documents.FILE_STATUS, ids * (1 + number % 5))

    def create(number: int) -> Any:
        source = [{"originalSource": f"{shopify.url}/nothing-{number}.jpg"}] * (1 + number % 7)
        return second.mutate(documents.CREATE_FILES, files=source)

    def shop(_number: int) -> Any:
        return shop_client.query(documents.SHOP)

    requests = list(enumerate(islice(cycle([read, find, look, create, shop]), 240)))
    with second:
        results = list(parallel_map(lambda item: item[1](item[0]), requests, workers=8))
    assert [result.error for result in results if result.error] == []
    assert shopify.throttled == 0
    assert set(shopify.counts.values()) == {48}
    assert shop_client.requests + second.requests == shopify.counts
    assert shop_client.writes + second.writes == shopify.mutations == 48


def test_a_product_is_made_changed_published_and_emptied(shopify: ShopifyServer, shop_client: ShopifyClient) -> None:
    client = shop_client
    created = client.mutate(
        documents.CREATE_PRODUCT,
        input={
            "title": "A ring",
            "handle": "a-ring",
            "productOptions": [{"name": "Metal", "values": [{"name": "Gold"}, {"name": "Silver"}]}],
            "variants": [
                {"sku": name, "optionValues": [{"optionName": "Metal", "name": name}]} for name in ("Gold", "Silver")
            ],
            "files": file_inputs(client, "red.jpg", "green.jpg"),
        },
    )["product"]
    product_id, media = created["id"], [node["id"] for node in created["media"]["nodes"]]
    ready(client, media)

    (file,) = client.mutate(documents.CREATE_FILES, files=file_inputs(client, "blue.jpg"))["files"]
    assert ready(client, [file["id"]])[0]["image"]["url"]
    client.mutate(documents.UPDATE_FILES, files=[{"id": file["id"], "alt": "Blue", "referencesToAdd": [product_id]}])
    moves = [{"id": file["id"], "newPosition": "0"}]
    job = client.mutate(documents.REORDER_MEDIA, id=product_id, moves=moves)["job"]
    until(lambda: client.query(documents.JOB, id=job["id"])["job"]["done"])
    variants = {node["sku"]: node["id"] for node in created["variants"]["nodes"]}
    pairs = [{"variantId": variants["Gold"], "mediaIds": [file["id"]]}]
    client.mutate(documents.APPEND_VARIANT_MEDIA, productId=product_id, variantMedia=pairs)
    publications = client.query(documents.PUBLICATIONS)["publications"]["nodes"]
    client.mutate(documents.PUBLISH, id=product_id, input=[{"publicationId": node["id"]} for node in publications])

    product = client.query(documents.READ_PRODUCT, id=product_id)["product"]
    assert [node["id"] for node in product["media"]["nodes"]] == [file["id"], *media]
    assert len(shopify.shop.products[0].publications) == len(publications) > 0
    assert {node["sku"]: node["media"]["nodes"] for node in product["variants"]["nodes"]} == {
        "Gold": [{"id": file["id"]}],
        "Silver": [],
    }
    found = client.query(documents.FIND_PRODUCT, handle="a-ring", skus="sku:'Gold'")
    assert found["byHandle"]["id"] == found["bySku"]["nodes"][0]["product"]["id"] == product_id
    files = client.query(documents.FIND_FILES, query="filename:'blue.jpg'")["files"]["nodes"]
    assert [(node["id"], node["alt"]) for node in files] == [(file["id"], "Blue")]

    client.mutate(documents.DETACH_VARIANT_MEDIA, productId=product_id, variantMedia=pairs)
    client.mutate(documents.DELETE_FILES, fileIds=[file["id"], *media])
    assert client.nodes(documents.FILE_STATUS, [file["id"], *media]) == [None] * 3
    assert shopify.throttled == 0


def test_further_pages_continue_where_the_first_ended(shopify: ShopifyServer, shop_client: ShopifyClient) -> None:
    product = shopify.shop.add_product("many", "Many", [f"sku-{number}" for number in range(230)])
    first = shop_client.query(documents.READ_PRODUCT, id=product.id)["product"]
    page = first["variants"]["pageInfo"]
    assert page["hasNextPage"]
    more = shop_client.query(documents.READ_PRODUCT_VARIANTS, id=product.id, after=page["endCursor"])["product"]
    skus = [node["sku"] for part in (first, more) for node in part["variants"]["nodes"]]
    assert skus == [f"sku-{number}" for number in range(230)]
    query = " OR ".join(f"sku:'{sku}'" for sku in skus)
    found = shop_client.query(documents.FIND_PRODUCT, handle="many", skus=query)["bySku"]
    more = shop_client.query(documents.FIND_VARIANTS, skus=query, after=found["pageInfo"]["endCursor"])["bySku"]
    assert [node["sku"] for part in (found, more) for node in part["nodes"]] == skus
    assert (found["pageInfo"]["hasNextPage"], more["pageInfo"]["hasNextPage"]) == (True, False)


def test_user_errors_come_as_shopify_words_them(shop_client: ShopifyClient) -> None:
    with pytest.raises(UserErrors, match=r"^fileUpdate: ") as caught:
        shop_client.mutate(documents.UPDATE_FILES, files=[{"id": "gid://shopify/MediaImage/404", "alt": "a"}])
    assert caught.value.errors[0].code == "FILE_DOES_NOT_EXIST"
    assert not caught.value.transient


def test_a_file_that_is_not_ready_is_a_transient_refusal(shopify: ShopifyServer, shop_client: ShopifyClient) -> None:
    with shopify.shop.lock:  # nothing is processed meanwhile
        file = shopify.shop.new_file("red.jpg", "", "https://example.com/red.jpg")
    with pytest.raises(UserErrors) as caught:
        shop_client.mutate(documents.UPDATE_FILES, files=[{"id": file.id, "alt": "a"}])
    assert caught.value.transient


# --- bad days


@pytest.mark.parametrize("kind", ["throttled", "internal_error", "http_429", "http_502", "lose_answer", "slow", "call"])
def test_a_query_gets_over_a_passing_fault(shopify: ShopifyServer, shop_client: ShopifyClient, kind: str) -> None:
    options: dict[str, dict[str, Any]] = {"slow": {"seconds": 0.1}, "call": {"action": lambda _shop: None}}
    shopify.faults.inject("shop", kind, times=2, **options.get(kind, {}))
    assert shop_client.query(documents.SHOP)["shop"]["name"] == "Sandbox"
    assert shopify.faults.pending == (1 if kind in ("slow", "call") else 0)


@pytest.mark.parametrize("kind", ["throttled", "http_429"])
def test_a_mutation_that_was_turned_away_is_sent_again(
    shopify: ShopifyServer, shop_client: ShopifyClient, kind: str
) -> None:
    shopify.faults.inject("fileCreate", kind, times=2)
    files = [{"originalSource": "https://127.0.0.1:1/a.jpg"}]
    assert len(shop_client.mutate(documents.CREATE_FILES, files=files)["files"]) == 1
    assert shopify.counts["fileCreate"] == len(shopify.shop.files) == 1


@pytest.mark.parametrize(("kind", "applied"), [("http_502", 0), ("internal_error", 0), ("lose_answer", 1)])
def test_a_mutation_whose_answer_is_lost_is_not_sent_again(
    shopify: ShopifyServer, shop_client: ShopifyClient, kind: str, applied: int
) -> None:
    shopify.faults.inject("fileCreate", kind)
    with pytest.raises(UnknownResultError, match="The answer to fileCreate was lost"):
        shop_client.mutate(documents.CREATE_FILES, files=[{"originalSource": "https://127.0.0.1:1/a.jpg"}])
    assert shopify.counts["fileCreate"] == len(shopify.shop.files) == applied
    assert shop_client.writes == 1


@pytest.mark.parametrize(
    ("kind", "error", "sentence"),
    [
        ("access_denied", AccessDeniedError, "Give the app the access scope write_files"),
        ("http_401", AccessDeniedError, "Check SHOPIFY_ACCESS_TOKEN"),
        ("http_402", PermanentError, "The shop is frozen"),
        ("http_403", AccessDeniedError, "forbids .*SHOPIFY_ACCESS_TOKEN"),
        ("http_423", PermanentError, "The shop is locked"),
    ],
)
def test_a_lasting_fault_is_told_at_once(
    shopify: ShopifyServer, shop_client: ShopifyClient, kind: str, error: type[Exception], sentence: str
) -> None:
    shopify.faults.inject("fileCreate", kind)
    with pytest.raises(error, match=sentence):
        shop_client.mutate(documents.CREATE_FILES, files=[{"originalSource": "https://127.0.0.1:1/a.jpg"}])
    assert shop_client.requests == {"fileCreate": 1}
    assert shopify.shop.files == []


def test_a_wrong_token_and_a_wrong_version_name_their_settings(shopify: ShopifyServer) -> None:
    env = shopify.env()
    for wrong, sentence in (
        ({"SHOPIFY_ACCESS_TOKEN": "shpat_of-another-shop"}, "Check SHOPIFY_ACCESS_TOKEN"),
        ({"SHOPIFY_API_VERSION": "2019-01"}, "Check SHOPIFY_SHOP and SHOPIFY_API_VERSION"),
    ):
        settings = settings_for({"IMAGE_ASSETS_ENV": "sandbox", **env, **wrong})
        with ShopifyClient.from_settings(settings) as client, pytest.raises(PermanentError, match=sentence):
            client.query(documents.SHOP)


# --- bulk


def test_a_bulk_query_reads_every_product_with_its_media(shopify: ShopifyServer, shop_client: ShopifyClient) -> None:
    galleries: dict[str, list[str]] = {}
    for number in range(12):
        product = shopify.shop.add_product(f"ring-{number}", f"Ring {number}")
        colours = ["red", "green", "blue"][: number % 4]
        galleries[product.id] = [
            shopify.shop.merchant_adds_media(product.id, picture(colour), f"{colour}-{number}.jpg")
            for colour in colours
        ]
    lines = run_bulk_query(shop_client, documents.BULK_PRODUCTS, poll_s=0.02, patience_s=PATIENCE_S)
    found = {root["id"]: (root, children) for root, children in group_children(lines)}
    assert {gid: [image["id"] for image in images] for gid, (_, images) in found.items()} == galleries
    root, children = found[list(galleries)[3]]
    assert (root["handle"], root["title"]) == ("ring-3", "Ring 3")
    assert children[0]["image"]["url"]


def test_a_bulk_query_reads_every_variant_with_its_image(shopify: ShopifyServer, shop_client: ShopifyClient) -> None:
    product = shopify.shop.add_product("ring", "Ring", ["gold", "silver"])
    media_id = shopify.shop.merchant_adds_media(product.id, picture("red"), "red.jpg")
    shopify.shop.merchant_sets_variant_media(product.variants[0].id, media_id)
    lines = run_bulk_query(shop_client, documents.BULK_VARIANTS, poll_s=0.02, patience_s=PATIENCE_S)
    assert [
        (root["sku"], root["product"]["id"], [image["id"] for image in images])
        for root, images in group_children(lines)
    ] == [("gold", product.id, [media_id]), ("silver", product.id, [])]


def test_a_bulk_query_of_an_empty_shop_finds_nothing(shop_client: ShopifyClient) -> None:
    assert list(run_bulk_query(shop_client, documents.BULK_PRODUCTS, poll_s=0.02, patience_s=PATIENCE_S)) == []


def test_more_bulk_queries_than_shopify_runs_at_once_take_turns(
    shopify: ShopifyServer, shop_client: ShopifyClient
) -> None:
    shopify.shop.add_product("ring", "Ring")

    def count(_number: int) -> int:
        return len(list(run_bulk_query(shop_client, documents.BULK_PRODUCTS, poll_s=0.02, patience_s=PATIENCE_S)))

    assert [result.unwrap() for result in parallel_map(count, range(9), workers=9)] == [1] * 9
