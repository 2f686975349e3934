"""productVariantAppendMedia, productVariantDetachMedia, productVariantsBulkUpdate."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.state import Product
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, Client, Source, eventually, jpeg

PAIRS = """
mutation($id: ID!, $pairs: [ProductVariant%sMediaInput!]!) {
  productVariant%sMedia(productId: $id, variantMedia: $pairs) {
    product { id }
    productVariants { id media(first: 1) { nodes { id } } }
    userErrors { code field message }
  }
}"""
APPEND, DETACH = (PAIRS % (name, name) for name in ("Append", "Detach"))
BULK = """
mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!, $media: [CreateMediaInput!], $partial: Boolean) {
  productVariantsBulkUpdate(productId: $id, variants: $variants, media: $media, allowPartialUpdates: $partial) {
    productVariants { id sku media(first: 1) { nodes { id } } }
    userErrors { code field message }
  }
}"""


def pair(variant: str, *media: str) -> dict[str, Any]:
    return {"variantId": variant, "mediaIds": list(media)}


@pytest.fixture
def hat(shop: Shop) -> Product:
    return shop.add_product("hat", "Hat", ["A", "B"])


def test_an_image_is_shown_and_taken_off_again(client: Client, hat: Product) -> None:
    media = client.ready_media(hat.id, "a.jpg")[0]
    variant = hat.variants[0].id
    shown = client.data(APPEND, id=hat.id, pairs=[pair(variant, media)])
    assert shown["productVariants"] == [{"id": variant, "media": {"nodes": [{"id": media}]}}]
    taken = client.data(DETACH, id=hat.id, pairs=[pair(variant, media)])
    assert taken["productVariants"] == [{"id": variant, "media": {"nodes": []}}]
    assert [one.id for one in hat.media] == [media]


def test_variants_of_one_product_may_share_an_image(client: Client, hat: Product) -> None:
    media = client.ready_media(hat.id, "a.jpg")[0]
    payload = client.data(APPEND, id=hat.id, pairs=[pair(one.id, media) for one in hat.variants])
    assert payload["userErrors"] == []
    assert [one.media_id for one in hat.variants] == [media, media]


def test_what_can_be_wrong_with_the_input_alone(client: Client, hat: Product) -> None:
    a, b = hat.variants[0].id, hat.variants[1].id
    media = client.ready_media(hat.id, "a.jpg")[0]
    payload = client.data(APPEND, id=hat.id, pairs=[pair(a), pair(b, media, media), pair(a, media)])
    assert payload["productVariants"] is None
    assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
        ("BLANK", ["variantMedia", "0", "mediaIds"]),
        ("TOO_MANY_MEDIA_PER_INPUT_PAIR", ["variantMedia", "1", "mediaIds"]),
        ("PRODUCT_VARIANT_SPECIFIED_MULTIPLE_TIMES", ["variantMedia", "2", "variantId"]),
    ]
    many = client.data(APPEND, id=hat.id, pairs=[pair(a, media)] * 101)
    assert [error["code"] for error in many["userErrors"]] == ["MAXIMUM_VARIANT_MEDIA_PAIRS_EXCEEDED"]


def test_one_wrong_pair_refuses_them_all(client: Client, shop: Shop, hat: Product, source: Source) -> None:
    cap = shop.add_product("cap", "Cap", ["C"])
    own, other = client.ready_media(hat.id, "a.jpg")[0], client.ready_media(cap.id, "c.jpg")[0]
    slow = client.data(FILE_CREATE, files=[{"originalSource": f"{source.url}/gone.jpg"}])["files"][0]["id"]
    paper = client.data(FILE_CREATE, files=[{"originalSource": f"{source.url}/a.pdf"}])["files"][0]["id"]
    with shop.lock:
        hat.media.append(next(file for file in shop.files if file.id == slow))
    a, b = hat.variants[0].id, hat.variants[1].id
    shop.merchant_sets_variant_media(b, own)
    for wrong, code, field in (
        (pair(cap.variants[0].id, own), "PRODUCT_VARIANT_DOES_NOT_EXIST_ON_PRODUCT", "variantId"),
        (pair(b, other), "MEDIA_DOES_NOT_EXIST_ON_PRODUCT", "mediaIds"),
        (pair(b, slow), "NON_READY_MEDIA", "mediaIds"),
        (pair(b, paper), "INVALID_MEDIA_TYPE", "mediaIds"),
        (pair(b, own), "PRODUCT_VARIANT_ALREADY_HAS_MEDIA", "variantId"),
    ):
        payload = client.data(APPEND, id=hat.id, pairs=[pair(a, own), wrong])
        assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
            (code, ["variantMedia", "1", field])
        ]
        assert (payload["productVariants"], hat.variants[0].media_id) == (None, None)


def test_only_the_image_a_variant_shows_can_be_taken_off(client: Client, shop: Shop, hat: Product) -> None:
    one, two = client.ready_media(hat.id, "a.jpg", "b.jpg")
    shop.merchant_sets_variant_media(hat.variants[0].id, one)
    payload = client.data(DETACH, id=hat.id, pairs=[pair(hat.variants[0].id, two)])
    assert [error["code"] for error in payload["userErrors"]] == ["MEDIA_IS_NOT_ATTACHED_TO_VARIANT"]
    assert hat.variants[0].media_id == one


def test_variants_of_an_unknown_product(client: Client) -> None:
    for document, name in ((APPEND, "pairs"), (DETACH, "pairs"), (BULK, "variants")):
        payload = client.data(document, id="gid://shopify/Product/1", **{name: []})
        assert [error["code"] for error in payload["userErrors"]] == ["PRODUCT_DOES_NOT_EXIST"]


# --- productVariantsBulkUpdate


def test_a_bulk_update_replaces_an_image_or_not_as_the_shop_is_set(client: Client, shop: Shop, hat: Product) -> None:
    one, two = client.ready_media(hat.id, "a.jpg", "b.jpg")
    change = [{"id": hat.variants[0].id, "mediaId": two, "inventoryItem": {"sku": "A2"}, "price": "1.50"}]
    shop.merchant_sets_variant_media(hat.variants[0].id, one)
    shop.bulk_update_replaces = False
    (kept,) = client.data(BULK, id=hat.id, variants=change)["productVariants"]
    shop.bulk_update_replaces = True
    (replaced,) = client.data(BULK, id=hat.id, variants=change)["productVariants"]
    assert [found["media"]["nodes"] for found in (kept, replaced)] == [[{"id": one}], [{"id": two}]]
    assert (replaced["sku"], hat.variants[0].price) == ("A2", "1.50")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"id": None}, "PRODUCT_VARIANT_ID_MISSING", "id"),
        ({"id": "gid://shopify/ProductVariant/1"}, "PRODUCT_VARIANT_DOES_NOT_EXIST", "id"),
        ({"mediaId": "gid://shopify/MediaImage/1"}, "MUST_BE_FOR_THIS_PRODUCT", "mediaId"),
        ({"mediaSrc": ["https://a/b.jpg"]}, "INVALID_INPUT", "mediaSrc"),
        ({"mediaId": "gid://shopify/MediaImage/1", "mediaSrc": ["https://a/b.jpg"]}, "CANNOT_SPECIFY_BOTH", None),
    ],
)
def test_one_wrong_variant_refuses_a_bulk_update_unless_parts_are_allowed(
    client: Client, hat: Product, change: dict[str, Any], code: str, field: str | None
) -> None:
    good = {"id": hat.variants[0].id, "inventoryItem": {"sku": "new"}}
    changes = [good, {"id": hat.variants[1].id, **change}]
    refused = client.data(BULK, id=hat.id, variants=changes)
    assert refused["productVariants"] is None
    expected = ["variants", "1", *([field] if field else [])]
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [(code, expected)]
    assert hat.variants[0].sku == "A"
    partial = client.data(BULK, id=hat.id, variants=changes, partial=True)
    assert [found["sku"] for found in partial["productVariants"]] == ["new"]


def test_an_image_that_is_not_ready_is_not_shown_by_a_bulk_update(
    client: Client, shop: Shop, hat: Product, source: Source
) -> None:
    gid = client.data(FILE_CREATE, files=[{"originalSource": f"{source.url}/gone.jpg"}])["files"][0]["id"]
    with shop.lock:
        hat.media.append(shop.files[0])
    payload = client.data(BULK, id=hat.id, variants=[{"id": hat.variants[0].id, "mediaId": gid}])
    assert [error["code"] for error in payload["userErrors"]] == ["INVALID_INPUT"]


def test_a_new_image_of_a_bulk_update_is_shown_where_there_is_none_yet(
    client: Client, shop: Shop, hat: Product, source: Source
) -> None:
    (old,) = client.ready_media(hat.id, "old.jpg")
    shop.merchant_sets_variant_media(hat.variants[1].id, old)
    url = source.put("/new.jpg", jpeg())
    payload = client.data(
        BULK,
        id=hat.id,
        media=[{"originalSource": url, "mediaContentType": "IMAGE"}],
        variants=[{"id": one.id, "mediaSrc": [url]} for one in hat.variants],
    )
    assert payload["userErrors"] == []
    eventually(lambda: hat.variants[0].media_id)
    assert [media.source for media in hat.media] == ["", url]
    assert [one.media_id for one in hat.variants] == [hat.media[1].id, old]


def test_wrong_media_of_a_bulk_update_create_nothing(client: Client, shop: Shop, hat: Product) -> None:
    media = [{"originalSource": "nonsense", "mediaContentType": "IMAGE"}]
    change = [{"id": hat.variants[0].id, "inventoryItem": {"sku": "new"}}]
    refused = client.data(BULK, id=hat.id, media=media, variants=change)
    assert [error["field"] for error in refused["userErrors"]] == [["media", "0", "originalSource"]]
    partial = client.data(BULK, id=hat.id, media=media, variants=change, partial=True)
    assert [found["sku"] for found in partial["productVariants"]] == ["new"]
    assert shop.files == []
