"""productUpdate, productCreateMedia, productDeleteMedia, productReorderMedia."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import Client, Clock, Source, eventually, jpeg

UPDATE = """
mutation($product: ProductUpdateInput, $media: [CreateMediaInput!], $identifier: ProductUpdateIdentifiers) {
  productUpdate(product: $product, media: $media, identifier: $identifier) {
    product { id title handle media(first: 250) { nodes { id alt } } }
    userErrors { field message }
  }
}"""
CREATE = """
mutation($id: ID!, $media: [CreateMediaInput!]!) {
  productCreateMedia(productId: $id, media: $media) {
    media { id alt status }
    product { id }
    mediaUserErrors { code field message }
    userErrors { field message }
  }
}"""
DELETE = """
mutation($id: ID!, $ids: [ID!]!) {
  productDeleteMedia(productId: $id, mediaIds: $ids) {
    deletedMediaIds deletedProductImageIds product { id } mediaUserErrors { code field message }
  }
}"""
REORDER = """
mutation($id: ID!, $moves: [MoveInput!]!) {
  productReorderMedia(id: $id, moves: $moves) { job { id done } mediaUserErrors { code field message } }
}"""
UNKNOWN = "gid://shopify/Product/1"


def images(source: Source, *names: str) -> list[dict[str, Any]]:
    return [
        {"originalSource": source.put(f"/{name}.jpg", jpeg()), "mediaContentType": "IMAGE", "alt": name}
        for name in names
    ]


INVALID = {"originalSource": "not-a-url", "mediaContentType": "IMAGE"}


def test_an_updated_product_appends_its_media(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    (old,) = client.ready_media(product.id, "old.jpg")
    given = {"id": product.id, "title": "Warm Hat", "handle": "Warm Hat", "status": "DRAFT", "tags": ["new"]}
    payload = client.data(UPDATE, product=given, media=images(source, "one", "two"))
    found = payload["product"]
    assert (found["title"], found["handle"]) == ("Warm Hat", "warm-hat")
    assert [media["alt"] for media in found["media"]["nodes"]] == ["", "one", "two"]
    assert found["media"]["nodes"][0]["id"] == old
    assert (product.status, product.tags) == ("DRAFT", ["new"])


def test_one_invalid_medium_refuses_the_whole_update(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    media = [*images(source, "one"), INVALID]
    payload = client.data(UPDATE, identifier={"handle": "hat"}, product={"title": "New"}, media=media)
    assert payload["userErrors"] == [{"field": ["media", "1", "originalSource"], "message": "Image URL is invalid"}]
    assert (product.title, shop.files) == ("Hat", [])


def test_an_updated_product_must_be_there_and_right(client: Client, shop: Shop) -> None:
    shop.add_product("hat", "Hat")
    missing = [
        client.data(UPDATE, product={"id": UNKNOWN, "title": "x"}),
        client.data(UPDATE, product={"title": "x"}),
        client.data(UPDATE, identifier={"id": UNKNOWN}),
    ]
    for payload in missing:
        assert payload["userErrors"] == [{"field": ["id"], "message": "Product does not exist"}]
    wrong = client.data(UPDATE, product={"title": ""}, identifier={"handle": "hat"})
    assert wrong["userErrors"] == [{"field": ["title"], "message": "can't be blank"}]


def test_media_are_created_as_far_as_they_are_valid(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    video = {"originalSource": "https://a/b.mp4", "mediaContentType": "VIDEO"}
    long = {**images(source, "long")[0], "alt": "x" * 513}
    payload = client.data(CREATE, id=product.id, media=[*images(source, "one"), INVALID, video, long])
    assert [(media["alt"], media["status"]) for media in payload["media"]] == [("one", "UPLOADED")]
    assert [(error["code"], error["field"]) for error in payload["mediaUserErrors"]] == [
        ("INVALID", ["media", "1", "originalSource"]),
        ("INVALID_MEDIA_TYPE", ["media", "2", "mediaContentType"]),
        ("INVALID", ["media", "3", "alt"]),
    ]
    assert payload["userErrors"][0] == {
        "field": ["media", "1", "originalSource"],
        "message": "Image URL is invalid",
    }
    assert len(product.media) == 1


def test_a_gallery_takes_no_more_than_250(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    with shop.lock:
        product.media = [shop.new_file(f"{number}.jpg", "", "") for number in range(249)]
    payload = client.data(CREATE, id=product.id, media=images(source, "one", "two"))
    assert [error["code"] for error in payload["mediaUserErrors"]] == ["PRODUCT_MEDIA_LIMIT_EXCEEDED"]
    assert len(product.media) == 249


def test_media_of_an_unknown_product(client: Client, source: Source) -> None:
    created = client.data(CREATE, id=UNKNOWN, media=images(source, "one"))
    deleted = client.data(DELETE, id=UNKNOWN, ids=[])
    moved = client.data(REORDER, id=UNKNOWN, moves=[])
    assert (created["media"], created["product"], deleted["deletedMediaIds"], moved["job"]) == (None,) * 4
    for payload, field in ((created, "productId"), (deleted, "productId"), (moved, "id")):
        assert payload["mediaUserErrors"] == [
            {"code": "PRODUCT_DOES_NOT_EXIST", "field": [field], "message": "Product does not exist"}
        ]


def test_deleted_media_are_gone_from_the_shop(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    one, two = client.ready_media(product.id, "a.jpg", "b.jpg")
    payload = client.data(DELETE, id=product.id, ids=[one])
    assert payload["deletedMediaIds"] == [one]
    assert payload["deletedProductImageIds"] == [one.replace("MediaImage", "ProductImage")]
    assert [file.id for file in shop.files] == [two]


def test_unknown_media_are_neither_deleted_nor_moved(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (one,) = client.ready_media(product.id, "a.jpg")
    unknown = [f"gid://shopify/MediaImage/{number}" for number in (1, 2)]
    deleted = client.data(DELETE, id=product.id, ids=[one, *unknown])
    moved = client.data(REORDER, id=product.id, moves=[{"id": unknown[0], "newPosition": "0"}])
    assert deleted["mediaUserErrors"][0]["message"] == f"Media ids {','.join(unknown)} do not exist"
    assert moved["mediaUserErrors"] == [
        {"code": "MEDIA_DOES_NOT_EXIST", "field": ["moves"], "message": f"Media id {unknown[0]} does not exist"}
    ]
    assert [media.id for media in product.media] == [one]


def test_media_move_one_after_the_other_and_later() -> None:
    clock = Clock()
    with ShopifyServer(clock=clock, processing_s=10.0) as server:
        client, product = Client(server), server.shop.add_product("hat", "Hat")
        a, b, c, d = client.ready_media(product.id, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
        moves = [{"id": d, "newPosition": "0"}, {"id": a, "newPosition": "3"}, {"id": c, "newPosition": "1"}]
        job = client.data(REORDER, id=product.id, moves=moves)["job"]
        assert job["done"] is False
        assert [media["id"] for media in client.gallery(product.id)] == [a, b, c, d]
        clock.seconds += 10
        eventually(lambda: client.data("query($id: ID!) { job(id: $id) { done } }", id=job["id"])["done"])
        assert [media["id"] for media in client.gallery(product.id)] == [d, c, b, a]


def test_a_move_to_beyond_the_end_ends_at_the_end(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    a, b = client.ready_media(product.id, "a.jpg", "b.jpg")
    job = client.data(REORDER, id=product.id, moves=[{"id": a, "newPosition": "99"}])["job"]
    shop_job = shop.background[job["id"]]
    eventually(lambda: shop_job.done)
    assert [media.id for media in product.media] == [b, a]


def test_media_deleted_before_their_move_are_passed_over(client: Client, shop: Shop) -> None:
    clock = Clock()
    with ShopifyServer(clock=clock, processing_s=10.0) as server:
        client, product = Client(server), server.shop.add_product("hat", "Hat")
        a, b, c = client.ready_media(product.id, "a.jpg", "b.jpg", "c.jpg")
        moves = [{"id": b, "newPosition": "0"}, {"id": c, "newPosition": "0"}]
        job = client.data(REORDER, id=product.id, moves=moves)["job"]
        server.shop.merchant_deletes_media(b)
        clock.seconds += 10
        eventually(lambda: server.shop.background[job["id"]].done)
        assert [media.id for media in product.media] == [c, a]


@pytest.mark.parametrize("position", ["1", 1])
def test_a_position_is_digits_or_a_number(client: Client, shop: Shop, position: Any) -> None:
    product = shop.add_product("hat", "Hat")
    (a,) = client.ready_media(product.id, "a.jpg")
    payload = client.data(REORDER, id=product.id, moves=[{"id": a, "newPosition": position}])
    assert payload["mediaUserErrors"] == []
