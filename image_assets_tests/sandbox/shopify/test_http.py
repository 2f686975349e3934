"""What comes before GraphQL: addresses, the token, the body, headers; and starting and stopping."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from image_assets.errors import PermanentError
from image_assets.sandbox.shopify import ShopifyServer
from image_assets_tests.sandbox.shopify.client import Client, Source, eventually, jpeg

SHOP = {"query": "{ shop { name myshopifyDomain } }"}


def test_an_answer_says_its_version_and_its_request(client: Client) -> None:
    answers = [client.post(SHOP) for _ in range(2)]
    assert [answer.headers["X-Shopify-API-Version"] for answer in answers] == ["2026-07", "2026-07"]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 2
    assert answers[0].json()["data"]["shop"]["myshopifyDomain"] == "sandbox.myshopify.com"


def test_the_environment_leads_to_the_api(client: Client, server: ShopifyServer) -> None:
    env = server.env()
    url = f"{env['SHOPIFY_BASE_URL']}/admin/api/{env['SHOPIFY_API_VERSION']}/graphql.json"
    headers = {"X-Shopify-Access-Token": env["SHOPIFY_ACCESS_TOKEN"]}
    assert env["SHOPIFY_ACCESS_TOKEN"].startswith("shpat_")
    assert env["SHOPIFY_SHOP"] == "sandbox.myshopify.com"
    assert client.http.post(url, json=SHOP, headers=headers).status_code == 200


def test_a_wrong_token_and_none_are_unauthorized(client: Client, server: ShopifyServer) -> None:
    wrong = client.post(SHOP, **{"X-Shopify-Access-Token": "shpat_wrong"})
    none = client.http.post(f"{server.url}/admin/api/2026-07/graphql.json", json=SHOP)
    assert [wrong.status_code, none.status_code] == [401, 401]
    assert wrong.json()["errors"].startswith("[API] Invalid API key or access token")


def test_another_version_and_other_paths_are_not_found(client: Client, server: ShopifyServer) -> None:
    headers = {"X-Shopify-Access-Token": server.token}
    for path in ("/admin/api/2023-01/graphql.json", "/admin/api/2026-07/products.json", "/"):
        answer = client.http.post(server.url + path, json=SHOP, headers=headers)
        assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"query": 1}'])
def test_a_body_that_is_no_request_is_a_bad_request(client: Client, server: ShopifyServer, body: bytes) -> None:
    url = f"{server.url}/admin/api/2026-07/graphql.json"
    headers = {"X-Shopify-Access-Token": server.token, "Content-Type": "application/json"}
    answer = client.http.post(url, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"errors": {"query": "Required parameter missing or invalid"}})


def test_a_document_may_be_the_whole_body(client: Client, server: ShopifyServer) -> None:
    url = f"{server.url}/admin/api/2026-07/graphql.json"
    headers = {"X-Shopify-Access-Token": server.token, "Content-Type": "application/graphql"}
    assert client.http.post(url, content="{ shop { name } }", headers=headers).json()["data"]["shop"]["name"]


def test_executed_operations_are_counted_by_root_field(client: Client, server: ShopifyServer) -> None:
    product = server.shop.add_product("hat", "Hat")
    client.data("{ shop { name } products(first: 1) { nodes { id } } }")
    client.data("query($id: ID!) { product(id: $id) { id } }", id=product.id)
    client.data("mutation { fileDelete(fileIds: []) { deletedFileIds } }")
    client.errors("{ nonsense }")
    assert server.counts == {"shop": 1, "products": 1, "product": 1, "fileDelete": 1}
    assert (server.queries, server.mutations) == (2, 1)


def test_the_named_operation_of_a_document_is_executed(client: Client) -> None:
    document = "query A { shop { name } } query B { shop { id } }"
    chosen = client.post({"query": document, "operationName": "B"}).json()
    assert set(chosen["data"]["shop"]) == {"id"}
    for name in (None, "C"):
        assert "errors" in client.post({"query": document, "operationName": name}).json()


def test_a_reset_server_is_a_new_shop_with_the_same_token(client: Client, server: ShopifyServer) -> None:
    token, product = server.token, server.shop.add_product("hat", "Hat")
    server.shop.merchant_adds_media(product.id, jpeg(), "hat.jpg")
    server.faults.inject("*", "http_502", times=5)
    server.reset()
    assert client.data("{ products(first: 1) { nodes { id } } }") == {"nodes": []}
    assert (server.shop.products, server.shop.files, server.token) == ([], [], token)
    assert server.counts == {"products": 1}


def test_what_was_going_on_does_not_reach_a_reset_shop(client: Client, server: ShopifyServer) -> None:
    client.data('mutation { productSet(synchronous: false, input: {title: "Late"}) { productSetOperation { id } } }')
    server.reset()
    client.data('mutation { productSet(synchronous: false, input: {title: "New"}) { productSetOperation { id } } }')
    eventually(lambda: server.shop.products)
    assert [product.title for product in server.shop.products] == ["New"]


def test_many_servers_live_in_one_process() -> None:
    with ShopifyServer() as one, ShopifyServer() as other:
        one.shop.add_product("hat", "Hat")
        assert one.token != other.token
        assert len(Client(one).data("{ products(first: 5) { nodes { id } } }")["nodes"]) == 1
        assert Client(other).data("{ products(first: 5) { nodes { id } } }") == {"nodes": []}


def test_a_server_starts_again_with_its_shop() -> None:
    server = ShopifyServer(processing_s=0.0)
    with server:
        product = server.shop.add_product("hat", "Hat")
        media = server.shop.merchant_adds_media(product.id, jpeg(), "hat.jpg")
    server.stop()
    with pytest.raises(PermanentError, match="not running"):
        _ = server.url
    with server:
        client = Client(server)
        (found,) = client.gallery(product.id)
        assert found["id"] == media
        assert httpx2.get(found["image"]["url"], trust_env=False).content == jpeg()


def test_many_callers_at_once_lose_nothing(server: ShopifyServer, source: Source) -> None:
    product = server.shop.add_product("hat", "Hat")
    url = source.put("/hat.jpg", jpeg())
    document = (
        "mutation($id: ID!, $media: [CreateMediaInput!]!) { productCreateMedia(productId: $id, media: $media) "
        "{ media { id } mediaUserErrors { message } } }"
    )

    def call(_: int) -> list[str]:
        media = [{"originalSource": url, "mediaContentType": "IMAGE"}]
        client = Client(server)
        created = client.data(document, id=product.id, media=media)["media"]
        client.gallery(product.id)
        return [one["id"] for one in created]

    with ThreadPoolExecutor(8) as callers:
        created = [gid for ids in callers.map(call, range(40)) for gid in ids]
    Client(server).settled()
    assert sorted(created) == sorted(media.id for media in product.media)
    assert {media.status for media in product.media} == {"READY"}
    assert len({media.filename for media in product.media}) == 40
    assert (server.counts["productCreateMedia"], server.queries, server.mutations) == (40, 40, 40)
