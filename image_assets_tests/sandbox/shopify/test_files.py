"""fileCreate, fileUpdate, fileDelete: what they refuse, and what they change."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, FILE_UPDATE, Client, Source, jpeg

FILE_DELETE = (
    "mutation($ids: [ID!]!) { fileDelete(fileIds: $ids) { deletedFileIds userErrors { code field message } } }"
)
VALID = {"originalSource": "https://shop.example/hat.png", "contentType": "IMAGE"}


@pytest.mark.parametrize(
    ("item", "field", "code", "message"),
    [
        (
            {"originalSource": "data:image/png;base64,iVBORw0KGgo=", "filename": "x.gif"},
            "originalSource",
            "INVALID_IMAGE_SOURCE_URL",
            "File URL is invalid",
        ),
        (
            {**VALID, "filename": "hat.gif", "duplicateResolutionMode": "REPLACE"},
            "filename",
            "MISMATCHED_FILENAME_AND_ORIGINAL_SOURCE",
            "Provided filename extension must match original source.",
        ),
        (
            {"originalSource": "https://shop.example/600x400.PNG?text=x", "filename": "hat.png"},
            "filename",
            "MISMATCHED_FILENAME_AND_ORIGINAL_SOURCE",
            "Provided filename extension must match original source.",
        ),
        (
            {"originalSource": VALID["originalSource"], "duplicateResolutionMode": "REPLACE"},
            "duplicateResolutionMode",
            "INVALID_DUPLICATE_MODE_FOR_TYPE",
            "Duplicate resolution mode 'REPLACE' is not supported for 'MISSING' media type.",
        ),
        (
            {**VALID, "duplicateResolutionMode": "REPLACE"},
            "filename",
            "MISSING_FILENAME_FOR_DUPLICATE_MODE_REPLACE",
            "Missing filename argument when attempting to use REPLACE duplicate mode.",
        ),
        (
            {**VALID, "alt": "x" * 513},
            "alt",
            "ALT_VALUE_LIMIT_EXCEEDED",
            "The alt value exceeds the maximum limit of 512 characters.",
        ),
        (
            {**VALID, "contentType": "VIDEO"},
            "contentType",
            "UNACCEPTABLE_ASSET",
            "The file type is not supported.",
        ),
    ],
)
def test_one_wrong_file_refuses_the_whole_creation(
    client: Client, shop: Shop, item: dict[str, Any], field: str, code: str, message: str
) -> None:
    payload = client.data(FILE_CREATE, files=[VALID, item])
    assert payload == {
        "files": [],
        "userErrors": [{"code": code, "field": ["files", "1", field], "message": message}],
    }
    assert shop.files == []


def test_an_address_of_no_length_or_too_long_refuses_the_request(client: Client, shop: Shop) -> None:
    long = "https://shop.example/" + "x" * 2048
    for url, message in (("", "is too short (minimum is 1)"), (long, "is too long (maximum is 2048)")):
        (error,) = client.errors(FILE_CREATE, files=[{"originalSource": url}])
        assert error["message"] == f"originalSource {message}"
        assert (error["path"], error["extensions"]["code"]) == (["fileCreate"], "INVALID_FIELD_ARGUMENTS")
    assert shop.files == []


def test_a_taken_name_can_be_an_error(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    client.ready_media(product.id, "hat.jpg")
    item = {"originalSource": source.put("/hat.jpg", jpeg()), "duplicateResolutionMode": "RAISE_ERROR"}
    other = {**item, "originalSource": source.put("/other.jpg", jpeg())}
    error = {
        "code": "FILENAME_ALREADY_EXISTS",
        "field": ["files", "0", "filename"],
        "message": "The provided filename already exists.",
    }
    assert client.data(FILE_CREATE, files=[item, other])["userErrors"] == [error]
    assert len(shop.files) == 1
    twice = client.data(FILE_CREATE, files=[other, other])["userErrors"]
    assert twice == [{**error, "field": ["files", "1", "filename"]}]
    assert client.data(FILE_CREATE, files=[other])["userErrors"] == []


def test_a_taken_name_can_be_replaced(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    gid = shop.merchant_adds_media(product.id, jpeg(), "hat.jpg", alt="old")
    item = {
        "originalSource": source.put("/new.jpg", jpeg(8, 8)),
        "filename": "hat.jpg",
        "contentType": "IMAGE",
        "duplicateResolutionMode": "REPLACE",
        "alt": "new",
    }
    payload = client.data(FILE_CREATE, files=[item, {**item, "filename": "free.jpg"}])
    client.settled()
    assert payload["files"][0]["id"] == gid
    assert [(file.filename, file.width, file.alt) for file in shop.files] == [
        ("hat.jpg", 8, "old"),  # the text is not updated
        ("free.jpg", 8, "new"),
    ]
    assert product.media[0].width == 8


def test_a_replaced_file_that_had_failed_is_processed_again(client: Client, shop: Shop, source: Source) -> None:
    item = {"originalSource": f"{source.url}/hat.jpg", "filename": "hat.jpg", "contentType": "IMAGE"}
    client.data(FILE_CREATE, files=[item])
    client.settled()
    source.put("/hat.jpg", jpeg())
    client.data(FILE_CREATE, files=[{**item, "duplicateResolutionMode": "REPLACE"}])
    client.settled()
    assert [(file.filename, file.status, file.errors) for file in shop.files] == [("hat.jpg", "READY", [])]


# --- fileUpdate


def test_a_ready_file_changes_its_text_and_its_name(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "hat.jpg")
    payload = client.data(FILE_UPDATE, files=[{"id": gid, "alt": "A hat", "filename": "cap.jpg"}])
    assert payload["userErrors"] == []
    assert (product.media[0].alt, product.media[0].filename) == ("A hat", "cap.jpg")
    assert "/cdn/cap.jpg?" in payload["files"][0]["image"]["url"]


def test_a_file_that_is_not_ready_refuses_the_whole_update(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    (ready,) = client.ready_media(product.id, "hat.jpg")
    failed = client.data(FILE_CREATE, files=[{"originalSource": f"{source.url}/gone.jpg"}])["files"][0]["id"]
    payload = client.data(FILE_UPDATE, files=[{"id": ready, "alt": "x"}, {"id": failed, "alt": "x"}])
    assert payload == {
        "files": [],
        "userErrors": [
            {"code": "NON_READY_STATE", "field": ["files"], "message": "Non-ready files cannot be updated."}
        ],
    }
    assert product.media[0].alt == ""


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"id": "gid://shopify/MediaImage/1"}, "FILE_DOES_NOT_EXIST", 'File id ["gid://shopify/MediaImage/1"] does'),
        ({"referencesToAdd": ["gid://shopify/Product/1"]}, "REFERENCE_TARGET_DOES_NOT_EXIST", "The reference target"),
        ({"filename": "hat.png"}, "INVALID_FILENAME_EXTENSION", "The filename extension provided must match"),
        ({"filename": "hat.JPG"}, "INVALID_FILENAME_EXTENSION", "The filename extension provided must match"),
    ],
)
def test_some_errors_refuse_the_whole_update(
    client: Client, shop: Shop, change: dict[str, Any], code: str, message: str
) -> None:
    product = shop.add_product("hat", "Hat")
    one, other = client.ready_media(product.id, "a.jpg", "b.jpg")
    payload = client.data(FILE_UPDATE, files=[{"id": one, "alt": "x"}, {"id": other, **change}])
    (error,) = payload["userErrors"]
    assert (payload["files"], error["field"], error["code"]) == ([], ["files"], code)
    assert error["message"].startswith(message)
    assert product.media[0].alt == ""


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"alt": "x" * 513}, "alt", "ALT_VALUE_LIMIT_EXCEEDED"),
        ({"filename": "a.jpg"}, "filename", "FILENAME_ALREADY_EXISTS"),
        ({"originalSource": "nonsense"}, "originalSource", "INVALID_IMAGE_SOURCE_URL"),
        (
            {"originalSource": "https://a/b.jpg", "previewImageSource": "https://a/c.jpg"},
            "previewImageSource",
            "INVALID",
        ),
    ],
)
def test_other_errors_refuse_only_their_file(
    client: Client, shop: Shop, change: dict[str, Any], field: str, code: str
) -> None:
    product = shop.add_product("hat", "Hat")
    one, other = client.ready_media(product.id, "a.jpg", "b.jpg")
    payload = client.data(FILE_UPDATE, files=[{"id": one, "alt": "x"}, {"id": other, **change}])
    assert [file["id"] for file in payload["files"]] == [one]
    assert payload["userErrors"][0]["field"] == ["files", "1", field]
    assert payload["userErrors"][0]["code"] == code
    assert [media.alt for media in product.media] == ["x", ""]


def test_a_file_is_locked_while_its_content_is_replaced(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "hat.jpg")
    change = {"id": gid, "originalSource": source.put("/new.jpg", jpeg(8, 8))}
    with shop.lock:  # nothing is finished while we hold it
        shop.files[0].replacing = True
    (error,) = client.data(FILE_UPDATE, files=[change])["userErrors"]
    assert error["code"] == "FILE_LOCKED"
    with shop.lock:
        shop.files[0].replacing = False
    assert client.data(FILE_UPDATE, files=[change])["userErrors"] == []
    client.settled()
    assert product.media[0].width == 8


def test_a_file_is_shown_on_several_products_at_their_galleries_end(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat"), shop.add_product("cap", "Cap")
    first, second = client.ready_media(hat.id, "a.jpg", "b.jpg")
    (own,) = client.ready_media(cap.id, "c.jpg")
    for _ in range(2):  # a reference is there once
        client.data(FILE_UPDATE, files=[{"id": first, "referencesToAdd": [cap.id]}])
    assert [media["id"] for media in client.gallery(cap.id)] == [own, first]
    assert [media["id"] for media in client.gallery(hat.id)] == [first, second]


def test_a_removed_reference_clears_the_products_variants(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat", ["A"]), shop.add_product("cap", "Cap", ["B"])
    (gid,) = client.ready_media(hat.id, "a.jpg")
    client.data(FILE_UPDATE, files=[{"id": gid, "referencesToAdd": [cap.id]}])
    for product in (hat, cap):
        shop.merchant_sets_variant_media(product.variants[0].id, gid)
    client.data(FILE_UPDATE, files=[{"id": gid, "referencesToRemove": [hat.id]}])
    assert client.gallery(hat.id) == []
    assert (hat.variants[0].media_id, cap.variants[0].media_id) == (None, gid)
    assert [file.id for file in shop.files] == [gid]


def test_a_gallery_holds_250(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat"), shop.add_product("cap", "Cap")
    (gid,) = client.ready_media(hat.id, "a.jpg")
    with shop.lock:
        cap.media = [shop.new_file(f"{number}.jpg", "", "") for number in range(250)]
    (error,) = client.data(FILE_UPDATE, files=[{"id": gid, "referencesToAdd": [cap.id]}])["userErrors"]
    assert (error["code"], error["field"]) == ("PRODUCT_MEDIA_LIMIT_EXCEEDED", ["files", "0", "referencesToAdd"])


def test_references_need_the_products_permission(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "a.jpg")
    shop.scopes.remove("write_products")
    (error,) = client.errors(FILE_UPDATE, files=[{"id": gid, "referencesToRemove": [product.id]}])
    assert error["message"] == "Access denied: Missing permission to manage products."
    assert client.data(FILE_UPDATE, files=[{"id": gid, "alt": "x"}])["userErrors"] == []


# --- fileDelete


def test_a_deleted_file_is_gone_everywhere(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat", ["A"]), shop.add_product("cap", "Cap")
    (gid,) = client.ready_media(hat.id, "a.jpg")
    client.data(FILE_UPDATE, files=[{"id": gid, "referencesToAdd": [cap.id]}])
    shop.merchant_sets_variant_media(hat.variants[0].id, gid)
    assert client.data(FILE_DELETE, ids=[gid]) == {"deletedFileIds": [gid], "userErrors": []}
    assert (hat.media, cap.media, shop.files, hat.variants[0].media_id) == ([], [], [], None)


def test_unknown_files_refuse_a_deletion(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "a.jpg")
    unknown = ["gid://shopify/MediaImage/1", "gid://shopify/MediaImage/2"]
    for ids, message in (
        (unknown, f"File ids {','.join(unknown)} do not exist."),
        ([gid, unknown[0]], f"File id {unknown[0]} does not exist."),
    ):
        payload = client.data(FILE_DELETE, ids=ids)
        assert payload["userErrors"] == [{"code": "FILE_DOES_NOT_EXIST", "field": ["fileIds"], "message": message}]
    assert len(shop.files) == 1
