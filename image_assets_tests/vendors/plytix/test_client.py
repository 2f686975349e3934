"""The client against a server that says what it is told to: what it asks, reads and repeats."""

from __future__ import annotations

import logging

import pytest

from image_assets.errors import NotFoundError, PermanentError, TransientError
from image_assets.vendors.http import ATTEMPTS
from image_assets.vendors.plytix.client import MAX_PAGES, MAX_VALUES, Asset, PlytixClient, RefusedError
from image_assets_tests.vendors.plytix.conftest import KEY, PASSWORD, MakeClient
from image_assets_tests.vendors.plytix.operations import (
    ASSET,
    FINE,
    OPERATIONS,
    PRODUCT,
    Connect,
    Operation,
    every_operation,
    every_safe_operation,
)
from image_assets_tests.vendors.plytix.scripted import Answer, Scripted, data, error

# --- what is sent


def test_products_are_asked_for_in_one_request_with_their_galleries(server: Scripted, client: PlytixClient) -> None:
    client.find_products(["B", "A", "B"], ["amazon_images"])
    assert server.calls == ["POST /api/v1/products/search"]
    assert server.seen[0].body == {
        "filters": [
            [{"field": "sku", "operator": "eq", "value": "A"}],
            [{"field": "sku", "operator": "eq", "value": "B"}],
        ],
        "attributes": ["label", "thumbnail", "assets", "attributes.amazon_images"],
        "pagination": {"page": 1, "page_size": 100},
    }


@pytest.mark.parametrize(
    ("number", "requests"), [(0, 0), (1, 1), (MAX_VALUES, 1), (MAX_VALUES + 1, 2), (3 * MAX_VALUES, 3)]
)
def test_many_products_need_few_requests(server: Scripted, client: PlytixClient, number: int, requests: int) -> None:
    assert client.find_products([f"AMZN-{n}" for n in range(number)] + [""]) == {}
    assert len(server.seen) == requests
    assert client.requests["products"] == requests


def test_ids_are_asked_for_in_one_condition(server: Scripted, client: PlytixClient) -> None:
    server.answers = [data({"id": ASSET, "filename": "a.jpg"})]
    assert client.existing_assets([PRODUCT, ASSET]) == {ASSET}
    assert server.seen[0].body["filters"] == [[{"field": "id", "operator": "in", "value": [ASSET, PRODUCT]}]]


def test_a_gallery_is_sent_as_objects_in_order(server: Scripted, client: PlytixClient) -> None:
    client.set_gallery(PRODUCT, "amazon_images", [PRODUCT, ASSET])
    assert server.seen[0].body == {"attributes": {"amazon_images": [{"id": PRODUCT}, {"id": ASSET}]}}


def test_an_account_has_a_name_that_does_not_tell_its_key(server: Scripted, make: MakeClient) -> None:
    names = {make(server.url, server.url, key, PASSWORD).account_id for key in (KEY, KEY, "another-key")}
    assert len(names) == 2
    assert not any(KEY in name for name in names)


def test_a_full_page_is_followed_by_the_next_one(server: Scripted, client: PlytixClient) -> None:
    full = data(*({"id": f"{n:024x}", "filename": "A.JPG"} for n in range(100)))
    server.answers = [full, full, data({"id": ASSET, "filename": "a.jpg"})]
    assert client.find_assets(["a.jpg"]) == {"a.jpg": Asset(ASSET, "a.jpg")}
    assert [request.body["pagination"]["page"] for request in server.seen] == [1, 2, 3]


def test_a_search_that_never_ends_is_given_up(server: Scripted, client: PlytixClient) -> None:
    server.answers = [data(*({"id": f"{n:024x}", "filename": "A.JPG"} for n in range(100)))]
    with pytest.raises(PermanentError, match=f"more than {MAX_PAGES} pages for 1 values"):
        client.find_assets(["a.jpg"])


def test_only_exact_matches_count_and_of_several_assets_the_oldest(server: Scripted, client: PlytixClient) -> None:
    found = [("5c9" + "0" * 21, "a.jpg"), ("5c1" + "0" * 21, "a.jpg"), ("5c0" + "0" * 21, "A.JPG")]
    server.answers = [data(*({"id": asset_id, "filename": name} for asset_id, name in found))]
    assert client.find_assets(["a.jpg"]) == {"a.jpg": Asset("5c1" + "0" * 21, "a.jpg")}


def test_ids_cannot_leave_their_place_in_the_path(server: Scripted, client: PlytixClient) -> None:
    server.answers = [FINE]
    client.link("../a?b", ASSET, "amazon_images")
    assert server.calls == ["POST /api/v1/products/../a?b/assets"]  # as the server unquotes it


def test_a_thumbnail_is_sent_as_an_object_and_taken_away_with_null(server: Scripted, client: PlytixClient) -> None:
    client.set_thumbnail(PRODUCT, ASSET)
    client.set_thumbnail(PRODUCT, None)
    assert [request.body for request in server.seen] == [{"thumbnail": {"id": ASSET}}, {"thumbnail": None}]


def test_the_version_may_be_part_of_the_address(server: Scripted, make: MakeClient) -> None:
    make(f"{server.url}/api/v1/", f"{server.url}/", KEY, PASSWORD).find_products(["A"])
    assert server.calls == ["POST /api/v1/products/search"]


def test_requests_and_writes_are_counted_by_kind(server: Scripted, client: PlytixClient) -> None:
    server.answers = [FINE]
    for operation in OPERATIONS.values():
        operation(client)
    writes = {"create": 1, "link": 1, "gallery": 1, "thumbnail": 1}
    assert client.writes == writes
    assert client.requests == {"token": 1, "products": 1, "product": 1, "assets": 2, "attributes": 1, **writes}


# --- what is answered


def test_an_asset_that_exists_is_returned_with_the_id_from_the_refusal(server: Scripted, client: PlytixClient) -> None:
    server.answers = [error(409, "Asset already exists", ("asset.id", ASSET))]
    assert client.create_asset("https://images/a.jpg", "a.jpg") == Asset(ASSET, "a.jpg", existed=True)
    assert len(server.seen) == 1


def test_an_asset_that_exists_is_searched_for_when_the_refusal_has_no_id(
    server: Scripted, client: PlytixClient
) -> None:
    server.answers = [error(409, "Asset already exists"), data({"id": ASSET, "filename": "a.jpg"})]
    assert client.create_asset("https://images/a.jpg", "a.jpg") == Asset(ASSET, "a.jpg", existed=True)
    assert server.calls == ["POST /api/v1/assets", "POST /api/v1/assets/search"]


def test_a_conflict_nobody_can_explain_is_an_error(server: Scripted, client: PlytixClient) -> None:
    server.answers = [error(409, "Something else"), data()]
    with pytest.raises(RefusedError, match="Something else"):
        client.create_asset("https://images/a.jpg", "a.jpg")


def test_a_refused_asset_says_which_field_is_wrong(server: Scripted, client: PlytixClient) -> None:
    server.answers = [error(422, "Schema validation error", ("url", "File type is not supported"))]
    with pytest.raises(RefusedError) as caught:
        client.create_asset("https://images/a.txt", "a.txt")
    assert str(caught.value) == ("POST /assets: Schema validation error (url: File type is not supported) (HTTP 422).")
    assert caught.value.field("url") == "File type is not supported"


def test_a_link_that_is_there_already_is_no_error(server: Scripted, client: PlytixClient) -> None:
    server.answers = [
        data({"id": ASSET}, status=201),
        error(409, "It is already linked", ("asset.id", "already linked")),
    ]
    assert client.link(PRODUCT, ASSET, "amazon_images") is True
    assert client.link(PRODUCT, ASSET, "amazon_images") is False


def test_another_conflict_of_a_link_is_one(server: Scripted, client: PlytixClient) -> None:
    server.answers = [error(409, "The product is locked")]
    with pytest.raises(RefusedError, match="The product is locked"):
        client.link(PRODUCT, ASSET, "amazon_images")


def test_a_product_that_is_an_empty_list_is_missing(server: Scripted, client: PlytixClient) -> None:
    server.answers = [data()]
    with pytest.raises(NotFoundError, match=PRODUCT):
        client.product(PRODUCT)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", {"data": None}, {"results": []}])
def test_an_answer_that_is_not_plytixs_is_a_clear_error(server: Scripted, client: PlytixClient, body: object) -> None:
    server.answers = [Answer(body)]
    for operation in (
        "find_products",
        "product",
        "find_assets",
        "existing_assets",
        "gallery_attribute",
        "create_asset",
    ):
        with pytest.raises(PermanentError, match="Plytix answered with no list of data") as caught:
            OPERATIONS[operation](client)
        assert caught.value.code == "unexpected_answer"


def test_an_asset_made_without_a_name_for_it_is_a_clear_error(server: Scripted, client: PlytixClient) -> None:
    server.answers = [data(status=201)]
    with pytest.raises(PermanentError, match="an asset that is nothing"):
        client.create_asset("https://images/a.jpg", "a.jpg")


def test_a_deprecation_is_logged_once(server: Scripted, client: PlytixClient, caplog: pytest.LogCaptureFixture) -> None:
    server.answers = [Answer({"data": []}, headers={"X-Plytix-Deprecation": "gone in 2027"})]
    client.find_products(["A"])
    client.find_assets(["a.jpg"])
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["Plytix will stop offering POST /products/search: gone in 2027"]


# --- what is repeated


@every_operation
@pytest.mark.parametrize("bad", [Answer(status=500), Answer(status=503), Answer(drop=True)], ids=["500", "503", "cut"])
def test_whatever_may_pass_is_tried_again(
    server: Scripted, client: PlytixClient, operation: Operation, bad: Answer
) -> None:
    server.answers = [bad, bad, FINE]
    operation(client)


@every_safe_operation
def test_what_does_not_pass_is_given_up(server: Scripted, client: PlytixClient, operation: Operation) -> None:
    server.answers = [error(503, "name resolution failed")]
    with pytest.raises(TransientError, match=r"name resolution failed \(HTTP 503\)"):
        operation(client)
    assert len(server.seen) == ATTEMPTS


@every_operation
@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 428])
def test_a_refusal_is_final(server: Scripted, client: PlytixClient, operation: Operation, status: int) -> None:
    server.answers = [error(status, "No", ("field", "wrong"))]
    with pytest.raises(PermanentError):
        operation(client)
    assert len(server.seen) == 1


def test_no_answer_in_time_is_tried_again(server: Scripted, connect: Connect) -> None:
    client = connect(read_timeout_s=0.3)
    server.answers = [Answer(hang=True), FINE]
    assert client.find_assets(["a.jpg"])


@pytest.mark.parametrize("lost", [Answer(drop=True), Answer(status=502)], ids=["cut", "502"])
def test_an_asset_whose_answer_was_lost_is_looked_for_before_it_is_sent_again(
    server: Scripted, client: PlytixClient, lost: Answer
) -> None:
    server.answers = [lost, data({"id": ASSET, "filename": "a.jpg"})]
    assert client.create_asset("https://images/a.jpg", "a.jpg") == Asset(ASSET, "a.jpg", existed=False)
    assert server.calls == ["POST /api/v1/assets", "POST /api/v1/assets/search"]
    assert client.writes == {"create": 1}


def test_an_asset_that_is_not_found_then_is_sent_again(server: Scripted, client: PlytixClient) -> None:
    server.answers = [Answer(drop=True), data(), data({"id": ASSET, "filename": "a.jpg"}, status=201)]
    assert client.create_asset("https://images/a.jpg", "a.jpg") == Asset(ASSET, "a.jpg", existed=False)
    assert client.writes == {"create": 2}


@pytest.mark.parametrize("lost", [Answer(drop=True), Answer(status=502)], ids=["cut", "502"])
def test_a_link_whose_answer_was_lost_is_ours_when_it_is_there(
    server: Scripted, client: PlytixClient, lost: Answer
) -> None:
    refused = error(409, "Conflict", ("id", "asset already linked"))
    server.answers = [lost, refused, refused]
    assert client.link(PRODUCT, ASSET, "amazon_images") is True
    assert client.link(PRODUCT, ASSET, "amazon_images") is False
