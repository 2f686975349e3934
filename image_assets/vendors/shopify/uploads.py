"""Staged uploads: bytes that no URL leads to, brought to Shopify's storage for fileCreate, fileUpdate or productSet.

Here: asking for targets, and filling them. Not here: making files of them (``originalSource`` takes what is returned).
See shopify.dev, "Upload media to Shopify": all parameters as form fields, the file last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import stamina

from image_assets.vendors.http import ATTEMPTS, make_client, request
from image_assets.vendors.shopify.client import MAX_INPUT_LIST, ShopifyClient
from image_assets.vendors.shopify.documents import STAGED_UPLOADS
from image_assets.vendors.shopify.errors import UnknownResultError


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file to upload: its size in bytes, at most 20 MiB for an image, and how to get them when it is its turn."""

    name: str
    mime: str
    size: int
    read: Callable[[], bytes]


def stage(client: ShopifyClient, files: Sequence[StagedFile]) -> list[str]:
    """Upload ``files``, one in memory at a time, and return their ``resourceUrl`` each, in order.

    Raises:
        UserErrors: Shopify does not accept a name or a type.
        AccessDeniedError, PermanentError: the storage refuses a file, e.g. because it is too large.
        TransientError: no target, or no whole upload, after the retries.
    """
    urls: list[str] = []
    with make_client() as http:  # the targets are on another host: no token goes there
        for start in range(0, len(files), MAX_INPUT_LIST):
            batch = files[start : start + MAX_INPUT_LIST]
            for file, target in zip(batch, _targets(client, batch), strict=True):
                _upload(http, target, file)
                urls.append(target["resourceUrl"])
    return urls


@stamina.retry(on=UnknownResultError, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None)
def _targets(client: ShopifyClient, files: Sequence[StagedFile]) -> list[Mapping[str, Any]]:
    """Where to upload to. A target that nobody uses expires, so a lost answer is simply asked for again."""
    wanted = [
        {
            "resource": "IMAGE",
            "filename": file.name,
            "mimeType": file.mime,
            "httpMethod": "POST",
            "fileSize": str(file.size),  # an UnsignedInt64 is a string on the wire
        }
        for file in files
    ]
    targets: list[Mapping[str, Any]] = client.mutate(STAGED_UPLOADS, input=wanted)["stagedTargets"]
    return targets


def _upload(http: httpx2.Client, target: Mapping[str, Any], file: StagedFile) -> None:
    fields = [(parameter["name"], (None, parameter["value"])) for parameter in target["parameters"]]
    # The same key is written again by a repetition, so a lost answer does no harm.
    request(http, "POST", target["url"], files=[*fields, ("file", (file.name, file.read(), file.mime))])
