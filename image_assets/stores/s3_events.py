"""S3 event notifications: what a queue's message says happened to which object.

Here: the three shapes of a message (S3's own, through SNS, through EventBridge). Not here: receiving messages
(``inbox.py``), what an object's key means (areas).

Sources: Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure"; Amazon SNS Developer
Guide, "HTTP/HTTPS notification JSON format", which SQS gets too. Messages come at least once and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from image_assets.errors import InputError

# A reader must compare the major version for equality ("Event message structure").
MAJOR_VERSION = "2"
_TEST = "s3:TestEvent"
_HINT = "Send S3 event notifications to this queue, and nothing else."


class Change(StrEnum):
    """What happened to an object."""

    CREATED = "created"
    REMOVED = "removed"
    OTHER = "other"  # e.g. it was tagged, or restored from an archive


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One change of one object: its bucket, its key as it is (not encoded), and what happened."""

    bucket: str
    key: str
    change: Change


def parse_events(body: str) -> list[ObjectEvent]:
    """The events of a message; none of the test that S3 sends when notifications are configured.

    Raises:
        InputError: it is no message of S3's, or one of a version that is not known.
    """
    try:
        return _parse(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"The message is no S3 event notification ({type(error).__name__}: {error}).", hint=_HINT
        ) from None


def _parse(message: Mapping[str, Any]) -> list[ObjectEvent]:
    if message.get("Type") == "Notification" and "TopicArn" in message:
        return _parse(json.loads(message["Message"]))
    if message.get("source") == "aws.s3":
        detail, kind = message["detail"], message["detail-type"]
        # Keys are not encoded here.
        return [ObjectEvent(_text(detail["bucket"]["name"]), _text(detail["object"]["key"]), _of_bridge(kind))]
    if message.get("Event") == _TEST:
        return []
    return [_record(record) for record in message["Records"]]


def _record(record: Mapping[str, Any]) -> ObjectEvent:
    major = str(record["eventVersion"]).partition(".")[0]
    if major != MAJOR_VERSION:
        raise InputError(f"The S3 event has version {record['eventVersion']}, not {MAJOR_VERSION}.", hint=_HINT)
    if record["eventSource"] != "aws:s3":
        raise InputError(f"The event is of {record['eventSource']!r}, not of S3.", hint=_HINT)
    # Encoded as in forms: a space is a plus sign.
    key = unquote_plus(record["s3"]["object"]["key"], errors="strict")
    return ObjectEvent(_text(record["s3"]["bucket"]["name"]), key, _change(record["eventName"]))


def _change(name: str) -> Change:
    """What an event's name says, e.g. ``ObjectRemoved:DeleteMarkerCreated``; older senders put ``s3:`` before it."""
    match name.removeprefix("s3:").partition(":")[0]:
        case "ObjectCreated":
            return Change.CREATED
        case "ObjectRemoved" | "LifecycleExpiration" | "ReducedRedundancyLostObject":
            return Change.REMOVED
        case _:
            return Change.OTHER


def _of_bridge(kind: str) -> Change:
    return {"Object Created": Change.CREATED, "Object Deleted": Change.REMOVED}.get(kind, Change.OTHER)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name")
    return value
