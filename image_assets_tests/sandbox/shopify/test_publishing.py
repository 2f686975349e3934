"""Publications and metafields: what else the app does to a product."""

from __future__ import annotations

from typing import Any

from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import Client

PUBLISH = """
mutation($id: ID!, $input: [PublicationInput!]!) {
  publishablePublish(id: $id, input: $input) {
    publishable { availablePublicationsCount { count precision } }
    userErrors { field message }
  }
}"""
SET = """
mutation($fields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $fields) {
    metafields { namespace key value compareDigest }
    userErrors { code field message }
  }
}"""
READ = 'query($id: ID!) { product(id: $id) { metafield(key: "ledger") { id value compareDigest } } }'


def count(client: Client, gid: str) -> int:
    document = "query($id: ID!) { product(id: $id) { availablePublicationsCount { count } } }"
    found: int = client.data(document, id=gid)["availablePublicationsCount"]["count"]
    return found


def test_a_shop_has_two_publications(client: Client) -> None:
    found = client.data("{ publications(first: 5) { nodes { name } } }")
    assert [one["name"] for one in found["nodes"]] == ["Online Store", "Point of Sale"]
    assert client.data("{ publications(first: 5, catalogType: MARKET) { nodes { name } } }")["nodes"] == []


def test_a_product_is_published_where_it_is_told(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A", "B"])
    online, pos = (publication.id for publication in shop.publications)
    assert count(client, product.id) == 0
    for ids, expected in (([online], 1), ([online], 1), ([online, pos], 2)):
        payload = client.data(PUBLISH, id=product.id, input=[{"publicationId": gid} for gid in ids])
        assert payload["publishable"]["availablePublicationsCount"] == {"count": expected, "precision": "EXACT"}
    document = "query($id: ID!) { node(id: $id) { ... on ProductVariant { availablePublicationsCount { count } } } }"
    assert client.data(document, id=product.variants[0].id)["availablePublicationsCount"] == {"count": 2}


def test_a_draft_is_available_nowhere(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    product.status = "DRAFT"
    client.data(PUBLISH, id=product.id, input=[{"publicationId": shop.publications[0].id}])
    assert count(client, product.id) == 0
    product.status = "ACTIVE"
    assert count(client, product.id) == 1


def test_one_wrong_publication_publishes_nothing(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    online = {"publicationId": shop.publications[0].id}
    unknown = {"publicationId": "gid://shopify/Publication/1"}
    payload = client.data(PUBLISH, id=product.id, input=[online, {}, unknown, online])
    assert payload["userErrors"] == [
        {"field": ["input", "1", "publicationId"], "message": "PublicationId cannot be empty"},
        {"field": ["input", "2", "publicationId"], "message": "Publication does not exist or is not publishable"},
        {"field": ["input", "3", "publicationId"], "message": "The same publication was specified more than once"},
    ]
    assert product.publications == set()
    missing = client.data(PUBLISH, id="gid://shopify/Product/1", input=[online])
    assert missing["userErrors"] == [{"field": ["id"], "message": "Resource does not exist"}]


def test_a_metafield_is_set_and_compared(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    field: dict[str, Any] = {"ownerId": product.id, "key": "ledger", "value": "{}", "type": "json"}
    (first,) = client.data(SET, fields=[field])["metafields"]
    found = client.data(READ, id=product.id)["metafield"]
    assert (found["value"], found["compareDigest"]) == ("{}", first["compareDigest"])
    assert client.data("query($id: ID!) { node(id: $id) { ... on Metafield { value } } }", id=found["id"])
    (second,) = client.data(SET, fields=[{**field, "value": "[]", "compareDigest": first["compareDigest"]}])[
        "metafields"
    ]
    stale = client.data(SET, fields=[{**field, "value": "1", "compareDigest": first["compareDigest"]}])
    fresh = client.data(SET, fields=[{**field, "value": "1", "compareDigest": None}])
    for payload in (stale, fresh):
        assert [error["code"] for error in payload["userErrors"]] == ["STALE_OBJECT"]
    after = client.data(READ, id=product.id)["metafield"]
    assert (after["id"], after["value"], after["compareDigest"]) == (found["id"], "[]", second["compareDigest"])


def test_one_wrong_metafield_sets_nothing(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    good = {"ownerId": product.id, "key": "ledger", "value": "{}", "type": "json"}
    wrong = [{**good, "ownerId": "gid://shopify/Product/1"}, {**good, "type": None}]
    payload = client.data(SET, fields=[good, *wrong])
    assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
        ("INVALID", ["metafields", "1", "ownerId"]),
        ("BLANK", ["metafields", "2", "type"]),
    ]
    assert product.metafields == {}
