"""Searches, pages, nodes, and what is read of the shop itself."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, Client, Clock, Source, jpeg

FIND = """
query($query: String) {
  products(first: 50, query: $query) { nodes { handle } }
  productVariants(first: 50, query: $query) { nodes { sku } }
}"""


@pytest.fixture
def hats(shop: Shop) -> None:
    shop.add_product("winter-hat", "Winter Hat", ["HAT-1", "hat-2", "O'NEIL"])
    shop.add_product("summer-hat", "Summer Hat", ["a,b"])
    shop.add_product("shoe", "Winter Shoe", ["SHOE 1", "dup"])
    shop.add_product("boot", "Boot", ["dup"])


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ("sku:HAT-1", ["HAT-1"]),
        ("sku:'hat-1' OR sku:\"SHOE 1\"", ["HAT-1", "SHOE 1"]),
        ("sku:dup", ["dup", "dup"]),
        ("sku:HAT*", ["HAT-1", "hat-2"]),
        ("sku:'HAT-'*", ["HAT-1", "hat-2"]),
        ("sku:HAT", []),
        ("sku:'a,b'", ["a,b"]),
        (r"sku:'O\'NEIL'", ["O'NEIL"]),
        ("sku:hat* -sku:hat-1", ["hat-2"]),
        ("sku:hat* NOT sku:hat-1", ["hat-2"]),
        ("sku:hat* AND sku:*2", []),
        ("(sku:hat-1 OR sku:dup) title:dup", ["dup"]),
        ("sku:nothing OR (sku:hat-1", ["HAT-1"]),
        ("sku:hat-1 OR", ["HAT-1"]),
        ("shoe", ["SHOE 1", "dup"]),
        ("title:'hat 1'", ["HAT-1"]),
    ],
)
def test_variants_are_found(client: Client, hats: None, query: str, skus: list[str]) -> None:
    document = "query($query: String) { productVariants(first: 50, query: $query) { nodes { sku } } }"
    assert [found["sku"] for found in client.data(document, query=query)["nodes"]] == skus


@pytest.mark.parametrize(
    ("query", "handles"),
    [
        ("handle:shoe", ["shoe"]),
        ("handle:shoe,boot", ["shoe", "boot"]),
        ("handle:winter*", ["winter-hat"]),
        ("title:winter", ["winter-hat", "shoe"]),
        ("title:'hat winter'", ["winter-hat"]),
        ("title:wint*", ["winter-hat", "shoe"]),
        ("winter hat", ["winter-hat"]),
        ("sku:dup", ["shoe", "boot"]),
        ("status:draft", []),
        ("status:active,draft handle:boot", ["boot"]),
        ("created_at:>2020-01-01 handle:boot", ["boot"]),
        ("created_at:<2020-01-01", []),
        ("", ["winter-hat", "summer-hat", "shoe", "boot"]),
    ],
)
def test_products_are_found(client: Client, hats: None, query: str, handles: list[str]) -> None:
    document = "query($query: String) { products(first: 50, query: $query) { nodes { handle } } }"
    assert [found["handle"] for found in client.data(document, query=query)["nodes"]] == handles


def test_ids_are_searched_by_number(client: Client, shop: Shop, hats: None) -> None:
    hat, shoe = shop.products[0], shop.products[2]
    number = hat.id.rpartition("/")[2]
    found = client.data(FIND, query=f"id:{number}")
    assert found["products"]["nodes"] == [{"handle": "winter-hat"}]
    later = client.data(FIND, query=f"id:>{number}")
    assert {"handle": "winter-hat"} not in later["products"]["nodes"]
    assert {"handle": "shoe"} in later["products"]["nodes"]
    by_product = "query($query: String) { productVariants(first: 50, query: $query) { nodes { sku } } }"
    query = f"product_id:{shoe.id.rpartition('/')[2]}"
    assert [one["sku"] for one in client.data(by_product, query=query)["nodes"]] == ["SHOE 1", "dup"]
    assert client.data(by_product, query=f"product_id:'{shoe.id}'")["nodes"] == []


def test_an_unknown_search_field_is_ignored_with_a_warning(client: Client, hats: None) -> None:
    answer = client.envelope('{ products(first: 50, query: "colour:red handle:shoe") { nodes { handle } } }')
    assert answer["data"]["products"]["nodes"] == [{"handle": "shoe"}]
    assert answer["extensions"]["search"] == [
        {
            "path": ["products"],
            "query": "colour:red handle:shoe",
            "warnings": [
                {"field": "colour", "message": "Invalid search field for this query.", "code": "invalid_field"}
            ],
        }
    ]


def test_files_are_found(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    one, two = client.ready_media(product.id, "SKU-1__aa.jpg", "SKU-1__bb.jpg")
    client.data(FILE_CREATE, files=[{"originalSource": f"{source.url}/gone.jpg"}])
    client.settled()

    def found(query: str) -> list[str]:
        document = "query($query: String) { files(first: 50, query: $query) { nodes { id } } }"
        return [file["id"] for file in client.data(document, query=query)["nodes"]]

    gone = shop.files[2].id
    assert found("filename:'SKU-1__aa.jpg'") == [one]
    assert found("filename:sku-1__aa") == [one]
    assert found("filename:SKU-1__*") == [one, two]
    assert found("status:FAILED") == [gone]
    assert found("status:ready media_type:IMAGE") == [one, two]
    assert found(f"ids:{one.rpartition('/')[2]},{gone.rpartition('/')[2]}") == [one, gone]
    assert found(f"product_id:{product.id.rpartition('/')[2]}") == [one, two]
    assert found("used_in:none") == [gone]
    assert found(f"original_upload_size:>={len(jpeg())}") == [one, two]


def test_what_is_not_indexed_yet_is_read_but_not_found(source: Source) -> None:
    clock = Clock()
    with ShopifyServer(clock=clock, index_lag_s=5.0) as server:
        client = Client(server)
        product = server.shop.add_product("hat", "Hat", ["A"])
        client.ready_media(product.id, "hat.jpg")
        search = (
            '{ products(first: 1, query: "handle:hat") { nodes { id } } '
            'productVariants(first: 1, query: "sku:A") { nodes { id } } '
            'files(first: 1, query: "filename:hat*") { nodes { id } } }'
        )
        assert [found["nodes"] for found in client.data(search).values()] == [[], [], []]
        assert len(client.data("{ files(first: 1) { nodes { id } } }")["nodes"]) == 1
        assert client.data("query($id: ID!) { product(id: $id) { handle } }", id=product.id) == {"handle": "hat"}
        clock.seconds += 5
        assert [len(found["nodes"]) for found in client.data(search).values()] == [1, 1, 1]


# --- pages


PAGE = """
query($id: ID!, $first: Int, $last: Int, $after: String, $before: String, $reverse: Boolean) {
  product(id: $id) {
    media(first: $first, last: $last, after: $after, before: $before, reverse: $reverse) {
      nodes { alt }
      edges { cursor node { alt } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""


def page(client: Client, gid: str, **arguments: Any) -> tuple[list[str], bool, str]:
    found = client.data(PAGE, id=gid, **arguments)["media"]
    assert [edge["node"] for edge in found["edges"]] == found["nodes"]
    info = found["pageInfo"]
    return [media["alt"] for media in found["nodes"]], info["hasNextPage"], info["endCursor"]


@pytest.fixture
def gallery(shop: Shop) -> str:
    product = shop.add_product("hat", "Hat")
    for alt in "abcde":
        shop.merchant_adds_media(product.id, jpeg(), f"{alt}.jpg", alt=alt)
    return product.id


def test_pages_follow_each_other(client: Client, gallery: str) -> None:
    first, more, cursor = page(client, gallery, first=2)
    second, still_more, next_cursor = page(client, gallery, first=2, after=cursor)
    third, ended, _ = page(client, gallery, first=2, after=next_cursor)
    assert [first, second, third] == [["a", "b"], ["c", "d"], ["e"]]
    assert [more, still_more, ended] == [True, True, False]


def test_pages_go_backwards_and_in_reverse(client: Client, gallery: str) -> None:
    assert page(client, gallery, last=2)[:2] == (["d", "e"], False)
    cursor = page(client, gallery, first=3)[2]
    assert page(client, gallery, last=2, before=cursor)[:2] == (["a", "b"], True)
    last_first = page(client, gallery, first=2, reverse=True)
    assert last_first[0] == ["e", "d"]
    assert page(client, gallery, first=2, reverse=True, after=last_first[2])[0] == ["c", "b"]


def test_a_page_goes_on_where_its_last_row_was_deleted(client: Client, shop: Shop, gallery: str) -> None:
    _, _, cursor = page(client, gallery, first=2)
    shop.merchant_deletes_media(shop.files[1].id)
    assert page(client, gallery, first=2, after=cursor)[0] == ["c", "d"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "you must provide one of first or last"),
        ({"first": 1, "last": 1}, "providing both first and last is not supported"),
        ({"first": 251}, "first cannot exceed 250"),
        ({"first": 1, "after": "nonsense"}, "Invalid cursor for current pagination sort."),
    ],
)
def test_a_wrong_page_is_refused(client: Client, gallery: str, arguments: dict[str, Any], message: str) -> None:
    (error,) = client.errors(PAGE, id=gallery, **arguments)
    assert (error["message"], error["extensions"]) == (message, {"code": "BAD_REQUEST"})
    assert error["path"] == ["product", "media"]


def test_lists_come_in_the_order_asked_for(client: Client, shop: Shop, hats: None) -> None:
    document = "query($key: ProductSortKeys) { products(first: 9, sortKey: $key) { nodes { handle } } }"
    by_title = [found["handle"] for found in client.data(document, key="TITLE")["nodes"]]
    assert by_title == ["boot", "summer-hat", "winter-hat", "shoe"]
    by_id = [found["handle"] for found in client.data(document, key="INVENTORY_TOTAL")["nodes"]]
    assert by_id == ["winter-hat", "summer-hat", "shoe", "boot"]


# --- nouns


def test_every_noun_is_a_node(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A", "B"])
    (media,) = client.ready_media(product.id, "a.jpg")
    option = product.options[0]
    ids = [
        product.id, product.variants[0].id, media, option.id, option.option_values[0].id, shop.publications[0].id,
        shop.id, "gid://shopify/Product/1", "gid://shopify/Order/1",
    ]  # fmt: skip
    found = client.data("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)
    assert [node and node["__typename"] for node in found] == [
        "Product", "ProductVariant", "MediaImage", "ProductOption", "ProductOptionValue", "Publication", "Shop",
        None, None,
    ]  # fmt: skip
    assert [node["id"] for node in found[:7]] == ids[:7]


def test_a_product_is_read_whole(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A", "B"])
    one, _ = client.ready_media(product.id, "a.jpg", "b.jpg")
    shop.merchant_sets_variant_media(product.variants[1].id, one)
    document = """
    query($handle: String!) {
      productByIdentifier(identifier: {handle: $handle}) {
        title status
        featuredMedia { id }
        mediaCount { count precision }
        options(first: 1) { name position optionValues { name } }
        variants(first: 5) {
          nodes { position title sku selectedOptions { name value } product { handle } image { width } }
        }
      }
    }"""
    found = client.data(document, handle="hat")
    assert found["featuredMedia"] == {"id": one}
    assert found["mediaCount"] == {"count": 2, "precision": "EXACT"}
    assert found["options"] == [{"name": "Title", "position": 1, "optionValues": [{"name": "A"}, {"name": "B"}]}]
    assert found["variants"]["nodes"][1] == {
        "position": 2,
        "title": "B",
        "sku": "B",
        "selectedOptions": [{"name": "Title", "value": "B"}],
        "product": {"handle": "hat"},
        "image": {"width": 60},
    }
    assert client.data(document, handle="none") is None


def test_scopes_are_those_the_app_was_granted(client: Client, shop: Shop) -> None:
    shop.scopes[:] = ["read_products"]
    found = client.data("{ currentAppInstallation { id accessScopes { handle } } }")
    assert found["accessScopes"] == [{"handle": "read_products"}]
    answer = client.envelope(FILE_CREATE, files=[])
    (error,) = answer["errors"]
    assert answer["data"] == {"fileCreate": None}
    assert (error["path"], error["extensions"]["code"]) == (["fileCreate"], "ACCESS_DENIED")
    assert error["message"].startswith("Access denied for fileCreate field. Required access: `write_files`")
    assert "errors" not in client.envelope("{ products(first: 1) { nodes { id } } }")
