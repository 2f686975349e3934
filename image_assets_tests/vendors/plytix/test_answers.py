"""Plytix's answers, read: good ones to values, bad ones to typed errors."""

from __future__ import annotations

import copy
import pickle
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from image_assets.vendors.plytix.answers import (
    Asset,
    Attribute,
    Product,
    SettingNames,
    asked_wait_s,
    items,
    status_error,
)
from image_assets.vendors.plytix.errors import FieldError, RefusedError, refusal

ID = "5c4ed8002f0985001e233275"
OTHER = "5c4ed8002f0985001e233276"
NAMES = SettingNames()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SHAPES = (
    JSON
    | st.fixed_dictionaries({"error": JSON})
    | st.fixed_dictionaries(
        {}, optional={"msg": JSON, "detail": JSON, "errors": JSON, "data": JSON, "retry_after": JSON}
    ).flatmap(lambda inner: st.sampled_from([inner, {"error": inner}]))
)


def read(status: int, body: Any, **options: Any) -> ImageAssetsError:
    error = status_error(status, body, "POST /somewhere", NAMES, **options)
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"msg": "Asset already exists", "errors": [{"field": "asset.id", "msg": ID}]}},
            ("Asset already exists", (FieldError("asset.id", ID),)),
        ),
        (
            {
                "error": {
                    "msg": "Schema validation error",
                    "errors": [{"field": "thumbnail", "msg": {"_schema": ["No."]}}],
                }
            },
            ("Schema validation error", (FieldError("thumbnail", "{'_schema': ['No.']}"),)),
        ),
        ({"error": {"msg": "Bad", "errors": [{"field": "http_status_code", "msg": 401}]}}, ("Bad", ())),
        ({"error": "Plain words."}, ("Plain words", ())),
        ({"msg": "Bad api_key or api_password"}, ("Bad api_key or api_password", ())),
        ({"detail": "One or more filter fields are not valid."}, ("One or more filter fields are not valid", ())),
        (
            {"detail": [{"loc": ["body", 30], "msg": "JSON decode error"}]},
            ("", (FieldError("body.30", "JSON decode error"),)),
        ),
        ({"error": {"msg": "  Two\n lines "}}, ("Two lines", ())),
        (None, ("", ())),
        (["error"], ("", ())),
        ({"error": 7}, ("", ())),
    ],
)
def test_every_way_in_which_plytix_words_a_refusal_is_read(body: Any, expected: Any) -> None:
    assert refusal(body) == expected


@given(SHAPES, st.sampled_from([301, 400, 401, 403, 404, 405, 409, 422, 428, 500, 503]))
def test_whatever_a_refusal_looks_like_it_is_a_typed_error_of_one_line(body: Any, status: int) -> None:
    error = read(status, body)
    assert "\n" not in error.message
    assert len(error.message) < 1200


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "text"),
    [
        (401, None, AccessDeniedError, "access_denied", "PLYTIX_API_KEY and PLYTIX_API_PASSWORD"),
        (403, {"error": {"msg": "Permission denied."}}, AccessDeniedError, "forbidden", "Permission denied (HTTP 403)"),
        (404, {"error": {"msg": " No results", "errors": [{"field": "id", "msg": "product does not exist"}]}},
         NotFoundError, "not_found", "No results (id: product does not exist) (HTTP 404)"),
        (404, {"message": "no Route matched"}, PermanentError, "no_api", "Check PLYTIX_BASE_URL"),
        (308, None, PermanentError, "redirect", "Check PLYTIX_BASE_URL"),
        (405, None, RefusedError, "refused", "POST /somewhere: refused (HTTP 405)."),
        (422, {"detail": "Wrong."}, RefusedError, "refused", "POST /somewhere: Wrong (HTTP 422)."),
        (428, {"error": {"msg": "Too many results to order"}}, RefusedError, "refused", "HTTP 428"),
        (500, None, TransientError, "unavailable", "POST /somewhere: Plytix failed (HTTP 500)."),
        (503, {"message": "name resolution failed"}, TransientError, "unavailable", "HTTP 503"),
    ],
)  # fmt: skip
def test_a_status_is_an_error_with_its_next_action(
    status: int, body: Any, kind: type[ImageAssetsError], code: str, text: str
) -> None:
    error = read(status, body)
    assert type(error) is kind
    assert error.code == code
    assert text in str(error)


def test_the_authentication_service_has_an_address_of_its_own() -> None:
    assert "Check PLYTIX_AUTH_URL" in str(read(404, None, auth=True))


def test_hints_name_the_settings_of_the_account() -> None:
    error = status_error(401, None, "GET /x", SettingNames.of_account("outlet"))
    assert "PLYTIX_OUTLET_API_KEY and PLYTIX_OUTLET_API_PASSWORD" in str(error)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_is_no_error(status: int) -> None:
    assert status_error(status, None, "GET /x", NAMES) is None


def test_a_very_long_refusal_is_cut() -> None:
    assert len(str(read(422, {"error": {"msg": "word " * 1000}}))) < 600


def test_a_refusal_survives_being_sent_between_processes() -> None:
    error = read(422, {"error": {"msg": "Schema validation error", "errors": [{"field": "url", "msg": "Not public."}]}})
    assert isinstance(error, RefusedError)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(twin) == str(error)
        assert twin.status == 422
        assert twin.field("url") == "Not public"
        assert twin.field("filename") is None


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"retry-after": "12"}, {"error": {"retry_after": 99}}, 12),
        ({"retry-after": "0.5"}, None, 0.5),
        ({}, {"error": {"msg": "x", "retry_after": 1800}}, 1800),
        ({}, {"retry_after": "7"}, 7),
        ({"retry-after": "soon"}, {"error": {"retry_after": 3}}, 3),
        ({"retry-after": "0"}, None, None),
        ({"retry-after": "-3"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None, None),
        ({}, {"error": "no"}, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_the_wait_that_a_429_asks_for_is_read(headers: dict[str, str], body: Any, expected: float | None) -> None:
    assert asked_wait_s(headers, body) == expected


def test_a_wait_may_be_a_date() -> None:
    seconds = asked_wait_s({"retry-after": formatdate(time() + 100, usegmt=True)}, None)
    assert seconds is not None
    assert 90 < seconds <= 100


@given(st.dictionaries(st.just("retry-after"), st.text()), SHAPES)
def test_no_429_is_too_odd_to_read(headers: dict[str, str], body: Any) -> None:
    seconds = asked_wait_s(headers, body)
    assert seconds is None or seconds > 0


def test_a_product_has_its_galleries_in_order() -> None:
    value = {
        "id": ID,
        "sku": "AMZN-1",
        "label": None,
        "thumbnail": {"id": OTHER, "filename": "assets/d1/6d/main.jpg", "url": "https://files/main.jpg"},
        "assets": [{"id": OTHER}, {"id": ID}],
        "attributes": {
            "amazon_images": [{"id": OTHER, "filename": "b.jpg"}, {"id": ID, "filename": "a.jpg"}],
            "hero": {"id": ID},
        },
    }
    product = Product.of_answer(value, ["amazon_images", "hero", "none"], "GET /x")
    assert product == Product(
        ID,
        "AMZN-1",
        "",
        Asset(OTHER, "assets/d1/6d/main.jpg"),
        {"amazon_images": (Asset(OTHER, "b.jpg"), Asset(ID, "a.jpg")), "hero": (Asset(ID, ""),), "none": ()},
        2,
    )


def test_assets_may_be_given_by_id_alone() -> None:
    value = {"id": ID, "sku": "S", "thumbnail": OTHER, "attributes": {"amazon_images": [ID]}}
    product = Product.of_answer(value, ["amazon_images"], "GET /x")
    assert product.thumbnail == Asset(OTHER, "")
    assert product.galleries["amazon_images"] == (Asset(ID, ""),)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({}, "nothing as id"),
        ({"id": ID, "sku": 7}, "a value of type int as sku"),
        ({"id": ID, "sku": ""}, "an empty text as sku"),
        ({"id": ID, "sku": "S", "attributes": [1]}, "attributes that are a value of type list"),
        ({"id": ID, "sku": "S", "assets": {"id": ID}}, "assets that are a value of type dict"),
        ({"id": ID, "sku": "S", "thumbnail": "https://files/x.jpg"}, "an asset that is a value of type str"),
        ({"id": ID, "sku": "S", "attributes": {"amazon_images": "red"}}, "an asset that is a value of type str"),
        ({"id": ID, "sku": "S", "attributes": {"amazon_images": [{"filename": "a.jpg"}]}}, "nothing as id"),
    ],
)
def test_a_product_of_another_shape_is_refused_and_not_quoted(value: Any, found: str) -> None:
    with pytest.raises(PermanentError, match=f"^GET /x: Plytix answered with {found}") as caught:
        Product.of_answer(value, ["amazon_images"], "GET /x")
    assert caught.value.code == "unexpected_answer"


@pytest.mark.parametrize("body", [None, [], {}, {"data": None}, {"data": {}}, {"data": ["x"]}, {"data": [None]}])
def test_an_answer_without_a_list_of_objects_is_refused(body: Any) -> None:
    with pytest.raises(PermanentError, match=r"Plytix answered with (no list of data|data that is no object)"):
        items(body, "GET /x")


def test_a_media_gallery_is_known_by_its_type() -> None:
    gallery, text = (
        Attribute.of_answer({"label": "a", "name": "A", "type_class": kind}, "x")
        for kind in ("MediaGalleryAttribute", "TextAttribute")
    )
    assert gallery.is_gallery
    assert not text.is_gallery
