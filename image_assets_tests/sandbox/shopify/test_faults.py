"""Bad days on request, and the merchant's hand in between."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.probe import MediaFailure
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import FILE_UPDATE, PRODUCT_SET, Client, eventually, jpeg

QUERY = "{ shop { name } }"
SET_TITLE = {"identifier": {"handle": "hat"}, "input": {"handle": "hat", "title": "Hat"}}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("http_401", 401), ("http_402", 402), ("http_403", 403), ("http_423", 423), ("http_429", 429), ("http_502", 502)],
)
def test_an_http_fault_executes_nothing(client: Client, server: ShopifyServer, kind: str, status: int) -> None:
    server.faults.inject("productSet", kind, retry_after=7)
    answer = client.post({"query": PRODUCT_SET, "variables": SET_TITLE})
    assert (answer.status_code, server.shop.products, server.mutations) == (status, [], 0)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    if status == 502:
        assert answer.headers["Content-Type"] == "text/html"
    else:
        assert isinstance(answer.json()["errors"], str)
    assert client.data(PRODUCT_SET, **SET_TITLE)["userErrors"] == []


def test_a_throttled_answer_is_a_200_with_a_bucket_that_could_not_pay(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("productSet", "throttled", times=2)
    for _ in range(2):
        answer = client.envelope(PRODUCT_SET, **SET_TITLE)
        assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
        cost = answer["extensions"]["cost"]
        assert cost["throttleStatus"]["currentlyAvailable"] < cost["requestedQueryCost"]
        assert cost["actualQueryCost"] is None
    assert client.data(PRODUCT_SET, **SET_TITLE)["userErrors"] == []
    assert (server.throttled, server.counts["productSet"]) == (0, 1)  # nobody's rate limit was reached


def test_a_denied_field_is_null(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("productSet", "access_denied")
    answer = client.envelope(PRODUCT_SET, **SET_TITLE)
    (error,) = answer["errors"]
    assert (answer["data"], error["path"]) == ({"productSet": None}, ["productSet"])
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert error["extensions"]["documentation"] == "https://shopify.dev/api/usage/access-scopes"
    assert (server.shop.products, server.counts) == ([], {})


def test_an_internal_error_is_a_200_without_data(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("*", "internal_error")
    answer = client.envelope(QUERY)
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert answer["errors"][0]["extensions"]["requestId"] in answer["errors"][0]["message"]


def test_a_lost_answer_leaves_the_write_applied(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("productSet", "lose_answer")
    with pytest.raises(httpx2.TransportError):
        client.envelope(PRODUCT_SET, **SET_TITLE)
    assert [product.handle for product in server.shop.products] == ["hat"]
    assert server.mutations == 1


def test_a_slow_answer_outlasts_an_impatient_client_and_is_applied(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("productSet", "slow", seconds=0.5)
    client.http.timeout = httpx2.Timeout(0.1)
    with pytest.raises(httpx2.TimeoutException):
        client.envelope(PRODUCT_SET, **SET_TITLE)
    eventually(lambda: server.shop.products)


def test_a_fault_waits_its_turn_and_passes(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("shop", "http_502", times=2, after=1)
    statuses = [client.post({"query": QUERY}).status_code for _ in range(4)]
    assert statuses == [200, 502, 502, 200]


def test_a_fault_of_a_field_leaves_the_others_alone(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("files", "http_502")
    server.faults.inject("*", "http_402", after=1)
    both = "{ shop { name } files(first: 1) { nodes { id } } }"
    statuses = [client.post({"query": query}).status_code for query in (QUERY, both, "{ nonsense }", QUERY)]
    assert statuses == [200, 502, 402, 200]


def test_an_unknown_fault_is_a_mistake(server: ShopifyServer) -> None:
    with pytest.raises(ValueError, match="http_418"):
        server.faults.inject("*", "http_418")


def test_planned_faults_can_be_forgotten(client: Client, server: ShopifyServer) -> None:
    server.faults.inject("*", "http_502", times=9)
    server.faults.fail_media("x")
    assert server.faults.pending == 10
    server.faults.clear()
    assert (server.faults.pending, client.post({"query": QUERY}).status_code) == (0, 200)


# --- the merchant


def test_the_merchant_comes_between_a_read_and_a_write(client: Client, server: ShopifyServer, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (mine,) = client.ready_media(product.id, "mine.jpg")
    server.faults.inject(
        "productSet", "call", action=lambda shop: shop.merchant_adds_media(product.id, jpeg(), "theirs.jpg")
    )
    seen = [media["id"] for media in client.gallery(product.id)]
    files: list[dict[str, Any]] = [{"id": gid} for gid in seen]
    payload = client.data(PRODUCT_SET, identifier={"id": product.id}, input={"files": files})
    assert payload["userErrors"] == []
    # The image the merchant added in between is not in the declared list: it was taken off.
    assert [media.filename for media in product.media] == ["mine.jpg"]
    assert [file.filename for file in shop.files] == ["mine.jpg", "theirs.jpg"]
    assert mine == seen[0]


def test_the_merchant_may_delete_what_is_about_to_be_written(client: Client, server: ShopifyServer, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "hat.jpg")
    server.faults.inject("fileUpdate", "call", action=lambda shop: shop.merchant_deletes_media(gid))
    payload = client.data(FILE_UPDATE, files=[{"id": gid, "alt": "x"}])
    assert [error["code"] for error in payload["userErrors"]] == ["FILE_DOES_NOT_EXIST"]


def test_the_merchant_arranges_images_by_hand(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A"])
    a, b = client.ready_media(product.id, "a.jpg", "b.jpg")
    c = shop.merchant_adds_media(product.id, jpeg(), "a.jpg", alt="front", position=0)
    shop.merchant_moves_media(product.id, a, 2)
    shop.merchant_sets_variant_media(product.variants[0].id, b)
    assert [(media.id, media.status) for media in product.media] == [(c, "READY"), (b, "READY"), (a, "READY")]
    assert (product.media[0].alt, product.media[0].filename != "a.jpg") == ("front", True)
    assert product.variants[0].media_id == b
    shop.merchant_sets_variant_media(product.variants[0].id, None)
    assert product.variants[0].media_id is None


def test_the_merchant_cannot_do_what_the_admin_refuses(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat", ["A"]), shop.add_product("cap", "Cap")
    (other,) = client.ready_media(cap.id, "cap.jpg")
    nobody = "gid://shopify/Product/1"
    with pytest.raises(LookupError):
        shop.merchant_adds_media(nobody, jpeg(), "x.jpg")
    with pytest.raises(LookupError):
        shop.merchant_deletes_media("gid://shopify/MediaImage/1")
    with pytest.raises(LookupError):
        shop.merchant_sets_variant_media(nobody, None)
    with pytest.raises(LookupError, match="not in the gallery"):
        shop.merchant_sets_variant_media(hat.variants[0].id, other)
    with pytest.raises(MediaFailure):
        shop.merchant_adds_media(hat.id, b"<html>", "x.jpg")
    assert [file.filename for file in shop.files] == ["cap.jpg"]
