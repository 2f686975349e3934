"""S3 event notifications: every shape a message comes in says the same, and what is none of S3's is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import InputError
from image_assets.stores.s3_events import Change, ObjectEvent, parse_events

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NAMES = {
    "ObjectCreated:Put": Change.CREATED,
    "ObjectCreated:CompleteMultipartUpload": Change.CREATED,
    "s3:ObjectCreated:Copy": Change.CREATED,
    "ObjectRemoved:Delete": Change.REMOVED,
    "ObjectRemoved:DeleteMarkerCreated": Change.REMOVED,
    "LifecycleExpiration:Delete": Change.REMOVED,
    "ObjectTagging:Put": Change.OTHER,
    "ObjectRestore:Completed": Change.OTHER,
}


def record(key: str, name: str = "ObjectCreated:Put", version: str = "2.1", safe: str = "/") -> dict[str, Any]:
    """A record as S3 writes it; some encode slashes too."""
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "photos"}, "object": {"key": quote_plus(key, safe=safe), "sequencer": "0055AED6DC"}},
        "somethingNew": {},
    }


def through_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:photos", "Message": body})


def bridged(key: str, kind: str) -> str:
    detail = {"bucket": {"name": "photos"}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": kind, "detail": detail})


@given(st.lists(st.tuples(keys, st.sampled_from(sorted(NAMES)), st.sampled_from(["/", ""])), max_size=5), st.booleans())
def test_every_record_of_a_message_is_read_whatever_its_key_is(events: list[tuple[str, str, str]], sns: bool) -> None:
    body = json.dumps({"Records": [record(key, name, safe=safe) for key, name, safe in events]})
    expected = [ObjectEvent("photos", key, NAMES[name]) for key, name, _ in events]
    assert parse_events(through_sns(body) if sns else body) == expected


@given(keys)
def test_eventbridge_does_not_encode_keys(key: str) -> None:
    for kind, change in (
        ("Object Created", Change.CREATED),
        ("Object Deleted", Change.REMOVED),
        ("Object Tags Added", Change.OTHER),
    ):
        assert parse_events(bridged(key, kind)) == [ObjectEvent("photos", key, change)]


def test_the_test_that_s3_sends_first_says_nothing() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos", "HostId": "x"})
    assert parse_events(body) == parse_events(through_sns(body)) == []


def test_a_later_minor_version_is_read_and_another_major_one_refused() -> None:
    assert len(parse_events(json.dumps({"Records": [record("a", version="2.9")]}))) == 1
    for version in ("3.0", "20.1", "1.0"):
        with pytest.raises(InputError, match=f"version {version}"):
            parse_events(json.dumps({"Records": [record("a", version=version)]}))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "7",
        "{}",
        '{"Records": 7}',
        '{"Records": [{}]}',
        '{"product_ids": [1]}',
        '{"source": "aws.s3"}',
        json.dumps({"Records": [{**record("a"), "eventSource": "aws:sns"}]}),
        json.dumps({"Records": [{**record("a"), "s3": {"bucket": {"name": ""}, "object": {"key": "a"}}}]}),
        json.dumps({"Records": [{**record("a"), "s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}}]}),
        through_sns("hello"),
    ],
)
def test_what_is_no_notification_of_s3_is_refused_with_what_to_do(body: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_events(body)
    assert "Send S3 event notifications" in refused.value.hint


@given(st.text())
def test_any_text_is_read_or_refused(body: str) -> None:
    with suppress(InputError):
        assert isinstance(parse_events(body), list)
