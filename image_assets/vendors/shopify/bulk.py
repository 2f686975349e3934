"""Bulk queries: Shopify reads a whole catalogue in the background and leaves it as a file of JSON lines.

Here: starting one, waiting for it, streaming and grouping its lines. Not here: what is asked (``documents.py``), and
what the lines mean (the caller). See shopify.dev, "Perform bulk operations with the GraphQL Admin API".

A process that dies leaves an operation running. It does no harm: it only reads, and ends by itself.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import httpx2

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError
from image_assets.vendors.http import download, make_client
from image_assets.vendors.shopify.answers import SCOPES_HINT
from image_assets.vendors.shopify.client import ShopifyClient
from image_assets.vendors.shopify.documents import BULK_OPERATION, BULK_QUERY
from image_assets.vendors.shopify.errors import UnknownResultError, UserErrors

# BulkOperationUserErrorCode, Admin API 2026-07: five operations of an app may run at once in a shop.
_BUSY = {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}
_UNDER_WAY = {"CREATED", "RUNNING"}

Line = dict[str, Any]


def run_bulk_query(
    client: ShopifyClient,
    body: str,
    *,
    poll_s: float = 5.0,
    patience_s: float = 3600.0,
    grouped: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """Run ``body`` in the background and yield its result's objects, children after their parents.

    The file is fetched whole before its first line is yielded, to disk: an operation or a download that breaks off
    raises, and never looks like a smaller catalogue. Memory holds one line.

    Args:
        client: the shop.
        body: a query with connections at most two deep, read through ``edges``.
        poll_s: seconds between looks.
        patience_s: seconds to wait for other operations to end and for this one to be done.
        grouped: have children come directly after their parent (for `group_children`); slower for Shopify.
        clock: seconds that only grow.
        sleep: waits for some seconds.

    Raises:
        UnreachableError, AccessDeniedError, PermanentError: it could not be started: as for `ShopifyClient.mutate`.
        UserErrors: Shopify does not accept the body.
        AccessDeniedError: a scope is missing.
        TransientError: it failed at Shopify (``bulk_internal_server_error``, ``bulk_timeout``), was cancelled, was not
            done in time (``bulk_patience``), could not be looked at any more (``bulk_lost``), or its file could not be
            fetched whole (``bulk_download``, ``bulk_cut``).
    """
    end = clock() + patience_s

    def wait(what: str) -> None:
        if clock() >= end:
            raise TransientError(f"{what} after {patience_s:.0f} s.", code="bulk_patience")
        sleep(min(poll_s, end - clock()))

    operation = _start(client, body, grouped, wait)
    while operation["status"] in _UNDER_WAY:
        wait(f"The bulk query {operation['id']} is not done")
        operation = _look(client, operation["id"])
    if operation["status"] != "COMPLETED":
        raise _failure(operation)
    if not operation["url"]:
        return  # nothing found
    # The address is presigned and on another host: no token goes there.
    with make_client() as http, tempfile.TemporaryFile() as file:
        _check_size(operation, _fetch(http, operation, file))
        yield from _lines(file)


def _start(client: ShopifyClient, body: str, grouped: bool, wait: Callable[[str], None]) -> Line:
    while True:
        try:
            started = client.mutate(BULK_QUERY, query=body, groupObjects=grouped)
        except UnknownResultError:
            wait("No bulk query could be started")  # one that runs unknown to us only reads
        except UserErrors as error:
            if not all(one.code in _BUSY for one in error.errors):
                raise
            wait("Other bulk queries of this app are still running")
        else:
            return {"id": started["bulkOperation"]["id"], "status": "CREATED"}


def _look(client: ShopifyClient, gid: str) -> Line:
    try:
        operation = client.query(BULK_OPERATION, id=gid)["bulkOperation"]
    except TransientError as error:
        raise TransientError(f"The bulk query {gid} was lost sight of: {error.message}", code="bulk_lost") from None
    if operation is None:
        raise TransientError(f"The bulk query {gid} is gone.", code="bulk_gone")
    return dict(operation)


def _failure(operation: Line) -> ImageAssetsError:
    code = operation.get("errorCode") or operation["status"]
    message = f"The bulk query {operation['id']} ended as {operation['status']} ({code})."
    if code == "ACCESS_DENIED":
        return AccessDeniedError(message, hint=SCOPES_HINT)
    return TransientError(message, code=f"bulk_{str(code).lower()}")


def _fetch(http: httpx2.Client, operation: Line, file: BinaryIO) -> int:
    """Download the result; its host is not the shop, so no error of it may read like one of the shop's."""
    try:
        return download(http, operation["url"], file)
    except ImageAssetsError as error:
        raise TransientError(
            f"The result of the bulk query {operation['id']} can't be fetched: {error.message}", code="bulk_download"
        ) from None


def _check_size(operation: Line, size: int) -> None:
    expected = operation.get("fileSize")
    if expected is not None and int(expected) != size:
        raise TransientError(
            f"The bulk query {operation['id']} has {expected} bytes of results, and {size} came.", code="bulk_cut"
        )


def _lines(file: BinaryIO) -> Iterator[Line]:
    file.seek(0)
    for line in file:
        try:
            yield json.loads(line)
        except ValueError:
            raise TransientError("A bulk result has a line that is no JSON.", code="bulk_cut") from None


def group_children(lines: Iterable[Line]) -> Iterator[tuple[Line, list[Line]]]:
    """Yield every root object with its children, in their connection's order; holds one root's at a time.

    Raises:
        PermanentError: a child does not follow its parent; run the query with ``grouped=True``.
    """
    root: Line | None = None
    children: list[Line] = []
    for line in lines:
        parent = line.get("__parentId")
        if parent is None:
            if root is not None:
                yield root, children
            root, children = line, []
        elif root is not None and parent == root["id"]:
            children.append(line)
        else:
            raise PermanentError(f"A bulk result is not grouped: {parent} is not above it.", code="bulk_order")
    if root is not None:
        yield root, children
