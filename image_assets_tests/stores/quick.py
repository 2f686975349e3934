"""What tests do a thousand times, without the second that boto3 takes over it each time."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit

import boto3

from image_assets.settings import Settings
from image_assets.stores.aws import client_arguments

# A session reads botocore's service descriptions once; `make_client` reads them for every client.
_session = boto3.session.Session()


def quick_client(settings: Settings, service: str = "s3") -> Any:
    """A new client exactly as `make_client` makes it."""
    return _session.client(service, **client_arguments(settings))


def seed(url: str, bucket: str, keys: Iterable[str]) -> None:
    """Put many one-byte objects over one connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20250101/us-east-1/s3/aws4_request"}
    for key in keys:
        connection.request("PUT", f"/{bucket}/{quote(key)}", body=b"x", headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()
