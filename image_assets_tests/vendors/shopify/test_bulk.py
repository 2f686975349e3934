"""Bulk queries over the wire, on a clock of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError
from image_assets.vendors.http import ATTEMPTS
from image_assets.vendors.shopify.bulk import group_children, run_bulk_query
from image_assets.vendors.shopify.client import ShopifyClient, UserErrors
from image_assets.vendors.shopify.documents import BULK_PRODUCTS
from image_assets_tests.vendors.shopify.scripted import TOKEN, Answer, Scripted, data
from image_assets_tests.vendors.shopify.virtual import VirtualTime

GID = "gid://shopify/BulkOperation/1"
PATH = "/results/1.jsonl"
LINES = [{"id": f"gid://shopify/Product/{number}", "title": "Ring ☃"} for number in range(500)]
CONTENT = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
STARTED = data({"bulkOperationRunQuery": {"bulkOperation": {"id": GID}, "userErrors": []}}, rate=1e6)


def refused(code: str) -> Answer:
    entry = {"field": None, "code": code, "message": "A bulk query operation is already in progress."}
    return data({"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": [entry]}})


def status(server: Scripted, value: str, size: int | None = len(CONTENT), **more: Any) -> Answer:
    url = f"{server.url}{PATH}" if value == "COMPLETED" else None
    operation = {"id": GID, "status": value, "errorCode": None, "fileSize": size, "url": url}
    return data({"bulkOperation": {**operation, **more}})


def run(client: ShopifyClient, time: VirtualTime, patience_s: float = 60) -> Iterator[dict[str, Any]]:
    return run_bulk_query(client, BULK_PRODUCTS, poll_s=2, patience_s=patience_s, clock=time.clock, sleep=time.sleep)


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


def test_the_lines_of_the_result_are_yielded_in_order(
    server: Scripted, client: ShopifyClient, time: VirtualTime
) -> None:
    server.answers = [STARTED, status(server, "CREATED"), status(server, "RUNNING"), status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT)]}
    assert list(run(client, time)) == LINES
    assert server.seen[0]["variables"] == {"query": BULK_PRODUCTS, "groupObjects": True}
    assert [request["variables"] for request in server.seen[1:]] == [{"id": GID}] * 3
    assert time.now == 1006


def test_the_token_does_not_go_to_the_results_host(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT)]}
    list(run(client, time))
    assert len(server.headers) == 2, "only GraphQL requests have been asked for headers"
    assert all(headers["x-shopify-access-token"] == TOKEN for headers in server.headers)
    assert all("x-shopify-access-token" not in headers for headers in server.download_headers)
    assert len(server.download_headers) == 1


def test_an_empty_result_has_no_address(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [STARTED, status(server, "COMPLETED", size=None, url=None)]
    assert list(run(client, time)) == []


@pytest.mark.parametrize("code", ["OPERATION_IN_PROGRESS", "LIMIT_REACHED"])
def test_other_operations_are_waited_for(server: Scripted, client: ShopifyClient, time: VirtualTime, code: str) -> None:
    server.answers = [refused(code), refused(code), STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT)]}
    assert list(run(client, time)) == LINES
    assert time.now == 1006


def test_a_lost_start_is_started_again(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [Answer(status=502), STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT)]}
    assert list(run(client, time)) == LINES


@pytest.mark.parametrize("answer", ["OPERATION_IN_PROGRESS", "RUNNING"])
def test_patience_ends(server: Scripted, client: ShopifyClient, time: VirtualTime, answer: str) -> None:
    server.answers = [refused(answer)] if answer == "OPERATION_IN_PROGRESS" else [STARTED, status(server, answer)]
    with pytest.raises(TransientError, match=r"after 7 s\.$") as caught:
        list(run(client, time, patience_s=7))
    assert caught.value.code == "bulk_patience"
    assert time.now == 1007


def test_a_body_that_shopify_does_not_accept_is_not_tried_again(
    server: Scripted, client: ShopifyClient, time: VirtualTime
) -> None:
    server.answers = [refused("INVALID")]
    with pytest.raises(UserErrors):
        list(run(client, time))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("value", "error_code", "kind", "code"),
    [
        ("FAILED", "ACCESS_DENIED", AccessDeniedError, "access_denied"),
        ("FAILED", "INTERNAL_SERVER_ERROR", TransientError, "bulk_internal_server_error"),
        ("FAILED", "TIMEOUT", TransientError, "bulk_timeout"),
        ("CANCELED", None, TransientError, "bulk_canceled"),
        ("CANCELING", None, TransientError, "bulk_canceling"),
        ("EXPIRED", None, TransientError, "bulk_expired"),
    ],
)
def test_an_operation_that_failed_is_an_error_even_with_partial_data(
    server: Scripted,
    client: ShopifyClient,
    time: VirtualTime,
    value: str,
    error_code: str | None,
    kind: type[ImageAssetsError],
    code: str,
) -> None:
    ended = status(server, value, errorCode=error_code, partialDataUrl=f"{server.url}{PATH}")
    server.answers = [STARTED, status(server, "RUNNING"), ended]
    server.files = {PATH: [Answer(CONTENT)]}
    with pytest.raises(kind, match=f"ended as {value}") as caught:
        list(run(client, time))
    assert caught.value.code == code


def test_an_operation_that_is_gone_is_an_error(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [STARTED, data({"bulkOperation": None})]
    with pytest.raises(TransientError, match="is gone"):
        list(run(client, time))


def test_a_download_that_breaks_off_is_begun_again(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT, cut=True), Answer(status=503), Answer(CONTENT)]}
    assert list(run(client, time)) == LINES


def test_a_download_that_always_breaks_off_yields_nothing(
    server: Scripted, client: ShopifyClient, time: VirtualTime
) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT, cut=True)]}
    lines = run(client, time)
    with pytest.raises(TransientError) as caught:
        next(lines)
    assert PATH not in str(caught.value)
    assert len(server.download_headers) == ATTEMPTS


@pytest.mark.parametrize("answer", [Answer(status=403), Answer(status=404), Answer(status=503), Answer(drop=True)])
def test_a_file_that_can_not_be_fetched_is_a_fault_of_the_bulk_query_not_of_the_shop(
    server: Scripted, client: ShopifyClient, time: VirtualTime, answer: Answer
) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [answer]}
    with pytest.raises(TransientError, match=f"{GID} can't be fetched: GET {server.url}: ") as caught:
        list(run(client, time))
    assert caught.value.code == "bulk_download"
    assert PATH not in str(caught.value)


def test_a_query_that_can_not_be_followed_to_its_end_is_a_fault_of_its_own(
    server: Scripted, client: ShopifyClient, time: VirtualTime
) -> None:
    server.answers = [STARTED, Answer(drop=True)]
    with pytest.raises(TransientError, match=f"{GID} was lost sight of: POST .*: no answer") as caught:
        list(run(client, time))
    assert caught.value.code == "bulk_lost"


def test_a_shop_that_turns_the_app_away_does_so_before_anything_is_started(
    server: Scripted, client: ShopifyClient, time: VirtualTime
) -> None:
    server.answers = [Answer(status=401)]
    with pytest.raises(AccessDeniedError, match="Check SHOPIFY_ACCESS_TOKEN"):
        list(run(client, time))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(CONTENT[:-20], "bytes of results"), (b"{" * len(CONTENT), "no JSON")],
)
def test_a_file_that_is_not_what_shopify_announced_is_an_error(
    server: Scripted, client: ShopifyClient, time: VirtualTime, content: bytes, sentence: str
) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(content)]}
    with pytest.raises(TransientError, match=sentence) as caught:
        list(run(client, time))
    assert caught.value.code == "bulk_cut"


def test_a_consumer_may_stop_early(server: Scripted, client: ShopifyClient, time: VirtualTime) -> None:
    server.answers = [STARTED, status(server, "COMPLETED")]
    server.files = {PATH: [Answer(CONTENT)]}
    assert list(islice(run(client, time), 3)) == LINES[:3]


# --- grouping


def line(kind: str, number: int, parent: str | None = None, **more: Any) -> dict[str, Any]:
    gid = f"gid://shopify/{kind}/{number}"
    return {"id": gid, **({"__parentId": parent} if parent else {}), **more}


def test_children_are_grouped_under_their_root_in_order() -> None:
    first, second, third = (line("Product", number) for number in (1, 2, 3))
    image = line("MediaImage", 7, first["id"])
    video = line("Video", 8, first["id"])
    last = line("MediaImage", 9, first["id"])
    lines = [first, image, video, last, second, third]
    assert list(group_children(lines)) == [(first, [image, video, last]), (second, []), (third, [])]
    assert list(group_children([])) == []


def test_a_root_is_yielded_before_the_next_ones_children_are_read() -> None:
    def lines() -> Iterator[dict[str, Any]]:
        yield line("Product", 1)
        yield line("Product", 2)
        raise AssertionError("read too far")

    assert next(group_children(lines()))[0]["id"] == "gid://shopify/Product/1"


def test_ungrouped_lines_are_refused_not_misread() -> None:
    first, second = line("Product", 1), line("Product", 2)
    with pytest.raises(PermanentError, match="not grouped: gid://shopify/Product/1 is not above it"):
        list(group_children([first, second, line("MediaImage", 7, first["id"])]))
