"""Names and parsing: what a message says, where an image lies, what an address means."""

from __future__ import annotations

import contextlib
import json
import uuid

import pytest
from hypothesis import given, strategies as st

from image_assets.enhancement.model import (
    MAX_ID,
    S3Address,
    image_key,
    image_uuid,
    parse_request,
    request_body,
    s3_address,
    source_key,
)
from image_assets.errors import InputError
from image_assets.stores.s3 import object_url

KEYS = st.text("abcXYZ019-_. /äß%+", min_size=1, max_size=30).filter(lambda key: not key.startswith("/"))
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)


@given(st.integers(1, MAX_ID))
def test_a_message_comes_back_as_the_product_it_was_made_for(product_id: int) -> None:
    assert parse_request(request_body(product_id)) == product_id


def test_other_fields_of_a_message_do_not_matter() -> None:
    assert parse_request('{"product_id": 7, "prompt_id": null, "is_raw_image": true}') == 7


@pytest.mark.parametrize(
    "body",
    ["", "7", "[7]", '{"product_id": "7"}', '{"product_id": 0}', '{"product_id": -1}', '{"product_id": true}',
     '{"product_id": 1.0}', '{"product_id": 9223372036854775808}', "{}", "\ud800", "[" * 100_000],
)  # fmt: skip
def test_a_message_that_names_no_product_says_what_one_looks_like(body: str) -> None:
    with pytest.raises(InputError, match="product_id"):
        parse_request(body)


@given(st.text())
def test_any_text_is_a_request_or_an_input_error(body: str) -> None:
    with contextlib.suppress(InputError):
        assert 0 < parse_request(body) <= MAX_ID


@given(BUCKETS, KEYS)
def test_our_addresses_of_objects_are_understood(bucket: str, key: str) -> None:
    for endpoint in (None, "https://s3.eu-west-1.amazonaws.com"):
        url = object_url(bucket, key, region="eu-west-1", endpoint=endpoint)
        assert s3_address(url) == S3Address(bucket, key)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket/raw/phone.jpg", S3Address("bucket", "raw/phone.jpg")),
        ("https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg", S3Address("kivoa", "raw/phone.jpg")),
        ("https://kivoa.s3.amazonaws.com/raw/a%20b.jpg", S3Address("kivoa", "raw/a b.jpg")),
        ("https://kivoa.s3-eu-west-1.amazonaws.com/a.jpg", S3Address("kivoa", "a.jpg")),
        ("https://s3.eu-west-1.amazonaws.com/kivoa/a.jpg", S3Address("kivoa", "a.jpg")),
        ("https://my.dotted.bucket.s3.eu-west-1.amazonaws.com/a.jpg", S3Address("my.dotted.bucket", "a.jpg")),
        ("https://kivoa.s3.amazonaws.com/a.jpg?X-Amz-Signature=1", None),
        ("https://kivoa.s3.amazonaws.com.evil.example/a.jpg", None),
        ("https://evil.example/kivoa.s3.amazonaws.com/a.jpg", None),
        ("https://user@kivoa.s3.amazonaws.com/a.jpg", None),
        ("http://kivoa.s3.amazonaws.com/a.jpg", None),
        ("s3://bucket", None),
        ("s3:///key", None),
        ("https://[bad", None),
        ("no address", None),
    ],
)
def test_an_address_means_an_object_of_ours_or_none(url: str, expected: S3Address | None) -> None:
    assert s3_address(url) == expected


@given(st.integers(1, 9), st.integers(1, 3), st.sampled_from("ab"), st.sampled_from(["x", "y"]))
def test_an_image_has_one_id_however_often_it_is_made(product: int, ordinal: int, sha: str, prompt: str) -> None:
    first = image_uuid(product, ordinal, sha, prompt)
    assert first == image_uuid(product, ordinal, sha, prompt)
    others = [
        image_uuid(product + 1, ordinal, sha, prompt),
        image_uuid(product, ordinal + 1, sha, prompt),
        image_uuid(product, ordinal, sha + "c", prompt),
        image_uuid(product, ordinal, sha, prompt + "z"),
    ]
    assert first not in others


def test_ids_of_images_never_change_as_they_say_which_object_an_image_is() -> None:
    known = image_uuid(123, 1, "ab" * 32, "On white.")
    assert known == uuid.UUID("f8d90090-f4fd-570a-a34a-b9c4fb5e4e07")
    assert image_key("enhanced/", 123, known) == f"enhanced/123/{known}.jpg"
    assert source_key(123, "ab") == "sources/123/ab.jpg"


def test_a_message_is_the_json_that_others_send_too() -> None:
    assert json.loads(request_body(5)) == {"product_id": 5}
