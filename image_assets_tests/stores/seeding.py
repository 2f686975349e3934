"""Thousands of objects at once, over one plain connection: boto3 would take seconds over them."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from urllib.parse import quote, urlsplit


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
