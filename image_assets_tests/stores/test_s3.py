"""The object store against a server that counts requests and breaks some.

Here: listing in pages and ranges, downloads, ranged downloads, conditional writes, what is retried and what is not, and
the counting of requests. Not here: the table of error codes (``test_aws.py``).
"""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    SourceChangedError,
    TransientError,
    UnreachableError,
)
from image_assets.settings import Settings
from image_assets.stores.aws import client_arguments, client_config, make_client
from image_assets.stores.s3 import ListedObject, ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import Answer, cut_body, error, lose_answer
from image_assets_tests.stores.seeding import seed


def create(store: ObjectStore, key: str, body: bytes) -> bool:
    """Write an object as the areas do."""
    return store.create(key, body, content_type="image/jpeg", cache_control="max-age=1", metadata={"variant": "x"})


# Listing


@pytest.mark.parametrize("page_keys", [1, 2, 3, 5, 6, 1000])
def test_pages_of_any_size_hold_every_key_once_in_order(aws: Aws, bucket: Bucket, s3: Any, page_keys: int) -> None:
    keys = [f"p/{i}" for i in range(1, 7)]
    seed(aws.url, bucket.name, [*keys, "o/1", "p", "q/1"])
    store = ObjectStore(s3, bucket.name, page_keys=page_keys)
    aws.faults.clear()
    pages = list(store.list_pages("p/"))
    assert [row.key for page in pages for row in page] == keys
    assert len(pages) == aws.faults.count("GET") == -(-6 // page_keys)
    assert all(len(page) <= page_keys for page in pages)


def test_a_listed_object_has_size_etag_and_time(bucket: Bucket, store: ObjectStore) -> None:
    bucket.put("a", b"12345")
    (found,) = store.list_objects("")
    answer = bucket.get("a")
    assert found == ListedObject(
        "a", 5, answer["ETag"].strip('"'), answer["LastModified"].isoformat(timespec="seconds")
    )
    assert found.last_modified.endswith("+00:00")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["p/1", "p/1/", "p/2", "p/3", "p/:", "p/x"]),
        ({"start_after": "p/1"}, ["p/1/", "p/2", "p/3", "p/:", "p/x"]),
        ({"start_after": "p/1", "stop_before": "p/3"}, ["p/1/", "p/2"]),
        ({"start_after": "p/15"}, ["p/2", "p/3", "p/:", "p/x"]),
        ({"start_at": "p/2"}, ["p/2", "p/3", "p/:", "p/x"]),
        ({"start_at": "p/:"}, ["p/:", "p/x"]),
        ({"start_at": "p/2", "stop_before": "p/:"}, ["p/2", "p/3"]),
        ({"stop_before": "p/1"}, []),
        ({"stop_before": "p/2"}, ["p/1", "p/1/"]),
        ({"start_after": "p/x"}, []),
    ],
)
@pytest.mark.parametrize("page_keys", [1, 2, 1000])
def test_a_range_holds_exactly_its_keys(
    bucket: Bucket, s3: Any, arguments: dict[str, str], expected: list[str], page_keys: int
) -> None:
    for key in ("p/1", "p/1/", "p/2", "p/3", "p/:", "p/x", "o", "q"):
        bucket.put(key)
    pages = ObjectStore(s3, bucket.name, page_keys=page_keys).list_pages("p/", **arguments)
    assert [row.key for page in pages for row in page] == expected


def test_a_range_begins_exactly_where_it_is_told_even_among_the_last_characters_there_are(
    bucket: Bucket, store: ObjectStore
) -> None:
    # S3 knows only keys after another one: these lie between the one that is named to it and the first that is wanted.
    for key in ("p/9\U0010ffff", "p/9\U0010ffffx", "p/9\U0010ffff\U0010ffff", "p/:", "p/:x"):
        bucket.put(key)
    pages = store.list_pages("p/", start_at="p/:")
    assert [row.key for page in pages for row in page] == ["p/:", "p/:x"]


@pytest.mark.parametrize("key", ["p/ +&=?%#.jpg", "p/é日本\U0001f600", "p/<a>&amp;\"'", "p//", "p/%2F", "p/\U0010ffff"])
def test_keys_of_any_characters_are_listed_and_read_as_they_are(bucket: Bucket, store: ObjectStore, key: str) -> None:
    bucket.put(key, b"body")
    assert [row.key for row in store.list_objects("p/")] == [key]
    assert store.get(key).body == b"body"


def test_an_empty_listing_costs_one_request(aws: Aws, store: ObjectStore) -> None:
    assert list(store.list_objects("none/")) == []
    assert sum(aws.faults.requests.values()) == 1


def test_listing_reads_pages_only_as_they_are_wanted(aws: Aws, bucket: Bucket, s3: Any) -> None:
    seed(aws.url, bucket.name, [f"p/{i}" for i in range(6)])
    aws.faults.clear()
    pages = ObjectStore(s3, bucket.name, page_keys=2).list_pages("p/")
    next(pages)
    assert aws.faults.count("GET") == 1


def test_a_listing_that_is_denied_is_an_error_and_not_an_empty_one(
    aws: Aws, bucket: Bucket, store: ObjectStore
) -> None:
    bucket.put("p/1")
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError, match=f"LIST s3://{bucket.name}/p/: access denied"):
        list(store.list_pages("p/"))


@pytest.mark.parametrize(
    "answer",
    [error("503 Service Unavailable", "ServiceUnavailable"), cut_body, lose_answer],
    ids=["503", "cut", "lost"],
)
@pytest.mark.parametrize("at", ["list-type=2", "continuation-token"])
def test_a_page_that_fails_once_is_asked_for_again(aws: Aws, bucket: Bucket, s3: Any, answer: Answer, at: str) -> None:
    seed(aws.url, bucket.name, [f"p/{i}" for i in range(5)])
    aws.faults.clear()
    aws.faults.inject("GET", at, answer)
    rows = list(ObjectStore(s3, bucket.name, page_keys=2).list_objects("p/"))
    assert [row.key for row in rows] == [f"p/{i}" for i in range(5)]
    assert aws.faults.count("GET") == 4


# Reading


def test_an_object_comes_with_its_bytes_etag_type_and_metadata(store: ObjectStore) -> None:
    create(store, "a.jpg", b"body")
    found = store.get("a.jpg")
    (listed,) = store.list_objects("")
    assert (found.key, found.body, found.etag) == ("a.jpg", b"body", listed.etag)
    assert (found.content_type, dict(found.metadata)) == ("image/jpeg", {"variant": "x"})


def test_an_object_is_read_when_its_etag_is_the_observed_one(bucket: Bucket, store: ObjectStore) -> None:
    bucket.put("a", b"one")
    (listed,) = store.list_objects("")
    assert store.get("a", if_match=listed.etag).body == b"one"
    bucket.put("a", b"two")
    with pytest.raises(SourceChangedError, match="changed since it was observed"):
        store.get("a", if_match=listed.etag)


def test_only_404_is_missing(aws: Aws, store: ObjectStore) -> None:
    with pytest.raises(NotFoundError, match=f"GET s3://{store.bucket}/none: not found"):
        store.get("none")
    aws.faults.inject("GET", "/none", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        store.get("none")


@pytest.mark.parametrize(("length", "expected"), [(1, b"0"), (5, b"01234"), (10, b"0123456789"), (999, b"0123456789")])
def test_the_head_of_an_object_is_all_that_is_sent(
    bucket: Bucket, store: ObjectStore, length: int, expected: bytes
) -> None:
    bucket.put("a", b"0123456789")
    assert store.get_head("a", length) == expected


def test_the_head_of_an_empty_object_is_empty(bucket: Bucket, store: ObjectStore) -> None:
    bucket.put("a", b"")
    assert store.get_head("a", 100) == b""


def test_the_head_of_a_missing_object_is_an_error(store: ObjectStore) -> None:
    with pytest.raises(NotFoundError):
        store.get_head("none", 100)


def test_the_size_of_an_object_costs_one_request_without_its_bytes_and_of_a_missing_one_is_an_error(
    aws: Aws, bucket: Bucket, store: ObjectStore
) -> None:
    bucket.put("a", b"12345")
    bucket.put("empty", b"")
    aws.faults.clear()
    assert store.size_of("a") == 5
    assert (aws.faults.count("HEAD"), sum(aws.faults.requests.values())) == (1, 1)
    assert store.size_of("empty") == 0
    with pytest.raises(NotFoundError, match="b"):
        store.size_of("b")


@pytest.mark.parametrize("answer", [cut_body, lose_answer, error("500 Internal Server Error", "InternalError")])
def test_a_download_that_breaks_off_is_repeated_whole(
    aws: Aws, bucket: Bucket, store: ObjectStore, answer: Answer
) -> None:
    body = bytes(range(256)) * 1000
    bucket.put("a", body)
    aws.faults.clear()
    aws.faults.inject("GET", "/a", answer)
    assert store.get("a").body == body
    aws.faults.inject("GET", "/a", answer)
    assert store.get_head("a", 1000) == body[:1000]
    assert aws.faults.count("GET") == 4


# Writing


def test_an_object_is_created_once_and_never_overwritten(aws: Aws, bucket: Bucket, store: ObjectStore) -> None:
    assert create(store, "a.jpg", b"first") is True
    assert create(store, "a.jpg", b"second") is False
    found = bucket.get("a.jpg")
    assert (found["Data"], found["ContentType"], found["CacheControl"]) == (b"first", "image/jpeg", "max-age=1")
    assert aws.faults.count("PUT") == 2


@pytest.mark.parametrize("answer", [error("409 Conflict", "ConditionalRequestConflict"), lose_answer])
def test_a_write_in_doubt_is_sent_again(aws: Aws, bucket: Bucket, store: ObjectStore, answer: Answer) -> None:
    aws.faults.inject("PUT", "/a.jpg", answer)
    create(store, "a.jpg", b"body")
    assert bucket.get("a.jpg")["Data"] == b"body"
    assert aws.faults.count("PUT") == 2


def test_a_write_that_is_denied_is_not_sent_again(aws: Aws, store: ObjectStore) -> None:
    aws.faults.inject("PUT", "/a", error("403 Forbidden", "AccessDenied"), times=100)
    with pytest.raises(AccessDeniedError, match="PUT s3://"):
        create(store, "a", b"")
    with pytest.raises(AccessDeniedError, match="PUT s3://"):
        store.replace("a", b"", content_type="text/plain")
    assert aws.faults.count("PUT") == 2


def test_replace_replaces_and_returns_the_new_etag(bucket: Bucket, store: ObjectStore) -> None:
    bucket.put("frame", b"old")
    etag = store.replace("frame", b"new", content_type="text/plain")
    found = bucket.get("frame")
    assert (found["Data"], found["ContentType"], found["ETag"]) == (b"new", "text/plain", f'"{etag}"')


# Errors and counts


def test_every_operation_on_a_missing_bucket_says_so(s3: Any) -> None:
    store = ObjectStore(s3, "no-such-bucket")
    for call in (
        lambda: list(store.list_objects("")),
        lambda: store.get("a"),
        lambda: store.get_head("a", 1),
        lambda: create(store, "a", b""),
        lambda: store.replace("a", b"", content_type="text/plain"),
    ):
        with pytest.raises(PermanentError, match="the bucket does not exist") as caught:
            call()
        assert caught.value.code == "no_bucket"
        assert "S3_BUCKET_NAME" in str(caught.value)


def test_errors_name_the_object_but_no_secret(aws: Aws, settings: Settings, store: ObjectStore) -> None:
    aws.faults.inject("GET", "/a", error("403 Forbidden", "SignatureDoesNotMatch"))
    with pytest.raises(ImageAssetsError) as caught:
        store.get("a")
    assert f"s3://{settings.s3_bucket}/a" in str(caught.value)
    assert settings.aws_secret_access_key is not None
    assert settings.aws_secret_access_key.get_secret_value() not in str(caught.value)


def test_a_server_that_does_not_answer_is_unreachable(env: dict[str, str]) -> None:
    settings = Settings.model_validate(env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    once = client_config("s3").merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}))
    client = boto3.session.Session().client("s3", **(client_arguments(settings, "s3") | {"config": once}))
    with pytest.raises(UnreachableError, match="no answer") as caught:
        ObjectStore(client, "bucket").get("a")
    assert not caught.value.permanent


def test_requests_are_counted_as_they_are_sent_with_retries(aws: Aws, bucket: Bucket, settings: Settings) -> None:
    store = ObjectStore(make_client(settings, "s3"), bucket.name)
    other = ObjectStore(make_client(settings, "s3"), bucket.name)
    bucket.put("a", b"body")
    aws.faults.clear()
    aws.faults.inject("GET", "/a", error("500 Internal Server Error", "InternalError"))
    store.get("a")
    list(store.list_objects(""))
    create(store, "b", b"")
    assert (store.requests["GetObject"], store.requests["ListObjectsV2"], store.requests["PutObject"]) == (2, 1, 1)
    assert sum(store.requests.counts.values()) == sum(aws.faults.requests.values()) == 4
    assert store.requests["DeleteObject"] == sum(other.requests.counts.values()) == 0


def test_the_store_of_the_settings_works_on_their_bucket(settings: Settings, bucket: Bucket) -> None:
    store = ObjectStore.from_settings(settings)
    assert store.bucket == settings.s3_bucket
    assert create(store, "a", b"body")
    assert bucket.keys() == {"a"}
    assert store.url("a") == f"s3://{settings.s3_bucket}/a"


def test_a_store_without_a_bucket_is_a_settings_error(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("S3_BUCKET_NAME")
    del env["S3_BUCKET_NAME"]
    settings = Settings.model_validate(env)
    with pytest.raises(SettingsError, match="S3_BUCKET_NAME is not set"):
        ObjectStore.from_settings(settings)


def test_an_error_that_may_pass_is_transient(aws: Aws, bucket: Bucket, store: ObjectStore) -> None:
    bucket.put("a", b"body")
    aws.faults.inject("GET", "/a", cut_body, times=100)
    with pytest.raises(TransientError, match="cut in the middle of the body") as caught:
        store.get("a")
    assert caught.value.code == "connection_cut"
