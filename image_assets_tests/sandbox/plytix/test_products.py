"""Products: what they show, links, the race between links, and changes of fields."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets_tests.sandbox.plytix.client import GALLERY, LINK, Client, first_error

NOBODY = "0" * 24


def test_a_product_shows_itself_whole(client: Client, account: Account) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    for asset, label in ((a, GALLERY), (b, GALLERY), (b, "thumbnail"), (a, "front")):
        assert client.link("AMZN-2", asset, label).status_code == 201
    shown = client.product("AMZN-2")
    assert (shown["sku"], shown["label"], shown["status"]) == ("AMZN-2", "Red mug", "Draft")
    assert [asset["id"] for asset in shown["attributes"][GALLERY]] == [a, b]
    assert set(shown["attributes"][GALLERY][0]) == {"id", "filename", "url", "thumb"}
    assert shown["attributes"]["front"]["id"] == a
    assert shown["attributes"]["colour"] == "red"
    assert (shown["thumbnail"]["id"], set(shown["thumbnail"])) == (b, {"id", "filename", "url", "thumbnail"})
    assert [asset["id"] for asset in shown["assets"]] == [a, b]
    assert client.data("GET", f"/products/{account.product('AMZN-2').id}/assets") == shown["assets"]
    assert client.product("AMZN-1")["product_family_id"] == "694a3a2d665d9e1363da7922"


def test_attributes_without_a_value_are_shown_on_request_only(client: Client, account: Account) -> None:
    path = f"/products/{account.product('AMZN-1').id}"
    (short,), (long,) = client.data("GET", path), client.data("GET", f"{path}?all_attributes=true")
    assert short["attributes"] == {}
    assert long["attributes"] == {GALLERY: None, "front": None, "colour": None, "stock": None}


def test_an_unknown_product_is_not_found(client: Client) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("GET", "/assets"), ("POST", "/assets")):
        answer = client.call(method, f"/products/{NOBODY}{path}", {} if method in ("PATCH", "POST") else None)
        assert first_error(answer) == (404, "id", "product does not exist")
        assert answer.json()["error"]["msg"] == f" No results found for {NOBODY}"


# --- links


def test_a_gallery_has_its_assets_in_the_order_of_their_links(client: Client, account: Account) -> None:
    ids = client.assets("c.jpg", "a.jpg", "b.jpg")
    answers = [client.link("AMZN-1", asset) for asset in ids]
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (201, {"data": [{"id": asset}]}) for asset in ids
    ]
    assert account.gallery("AMZN-1") == ids


@pytest.mark.parametrize("label", ["thumbnail", "front"])
def test_a_single_attribute_replaces_what_it_has(client: Client, account: Account, label: str) -> None:
    for asset in (ids := client.assets("a.jpg", "b.jpg")):
        assert client.link("AMZN-1", asset, label).status_code == 201
    assert account.gallery("AMZN-1", label) == ids[1:]


def test_a_link_that_is_there_already_changes_nothing(client: Client, account: Account) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    for asset in (a, b):
        client.link("AMZN-1", asset)
    answer = client.link("AMZN-1", a)
    assert first_error(answer) == (409, "asset.id", "already linked")
    assert account.gallery("AMZN-1") == [a, b]


def test_a_link_that_makes_no_sense_is_refused(client: Client, account: Account) -> None:
    (asset,) = client.assets("a.jpg")
    path = f"/products/{account.product('AMZN-1').id}/assets"
    for missing in ("id", "attribute_label"):
        body = {"id": asset, "attribute_label": GALLERY, missing: None}
        expected = (422, missing, "Missing data for required field.")
        assert first_error(client.call("POST", path, body)) == expected
    assert first_error(client.link("AMZN-1", NOBODY)) == (404, "asset.id", "asset does not exist")
    assert first_error(client.link("AMZN-1", asset, "nothing")) == (422, "attribute_label", "label does not exist")
    assert first_error(client.link("AMZN-1", asset, "colour"))[:2] == (422, "attribute_label")
    assert account.product("AMZN-1").media == {}


def test_a_product_takes_300_assets(client: Client, account: Account) -> None:
    *ids, last = client.assets(*(f"{number}.jpg" for number in range(301)))
    account.product("AMZN-1").media[GALLERY] = ids
    assert first_error(client.link("AMZN-1", last))[:2] == (422, "asset.id")
    assert client.link("AMZN-1", ids[0], "thumbnail").status_code == 201  # no new one
    assert first_error(client.link("AMZN-1", last, "thumbnail"))[:2] == (422, "asset.id")


def test_an_unlinked_asset_is_off_the_product_and_stays(client: Client, account: Account) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    for asset, label in ((a, GALLERY), (b, GALLERY), (a, "thumbnail")):
        client.link("AMZN-1", asset, label)
    path = f"/products/{account.product('AMZN-1').id}/assets/{a}"
    answer = client.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (account.gallery("AMZN-1"), account.product("AMZN-1").thumbnail) == ([b], None)
    assert a in account.assets
    assert first_error(client.call("DELETE", path))[:2] == (404, "asset_id")


# --- the race


def test_two_links_that_overlap_lose_one(client: Client, server: PlytixServer, account: Account) -> None:
    ids = client.assets("a.jpg", "b.jpg")
    both_have_read = Barrier(2)
    server.faults.inject(LINK, "call", times=2, when="between", action=lambda _account: both_have_read.wait(5))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda asset: client.link("AMZN-1", asset), ids))
    assert [answer.status_code for answer in answers] == [201, 201]
    (kept,) = account.gallery("AMZN-1")
    assert kept in ids


def test_latency_alone_makes_links_overlap(client: Client, server: PlytixServer, account: Account) -> None:
    ids = client.assets("a.jpg", "b.jpg", "c.jpg")
    server.behaviour.latency = {"link": 0.2}
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda asset: client.link("AMZN-1", asset), ids))
    assert len(account.gallery("AMZN-1")) == 1


def test_links_to_different_products_do_not_disturb_each_other(
    client: Client, server: PlytixServer, account: Account
) -> None:
    (asset,) = client.assets("a.jpg")
    both_have_read = Barrier(2)
    server.faults.inject(LINK, "call", times=2, when="between", action=lambda _account: both_have_read.wait(5))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda sku: client.link(sku, asset), ("AMZN-1", "AMZN-2")))
    assert [account.gallery(sku) for sku in ("AMZN-1", "AMZN-2")] == [[asset], [asset]]


# --- fields


def test_the_thumbnail_is_an_object_and_null_clears_it(client: Client, account: Account) -> None:
    (asset,) = client.assets("a.jpg")
    path = f"/products/{account.product('AMZN-1').id}"
    (changed,) = client.data("PATCH", path, {"thumbnail": {"id": asset}})
    assert changed["thumbnail"]["id"] == asset
    assert changed["thumbnail"]["filename"].endswith(f"/{asset}/a.jpg")  # a path, as the vendor shows it
    refused = client.call("PATCH", path, {"thumbnail": asset})
    assert first_error(refused) == (422, "thumbnail", {"_schema": ["Invalid input type."]})
    assert first_error(client.call("PATCH", path, {"thumbnail": {"id": NOBODY}}))[:2] == (422, "thumbnail")
    assert account.product("AMZN-1").thumbnail == asset
    (cleared,) = client.data("PATCH", path, {"thumbnail": None})
    assert cleared["thumbnail"] is None


def test_a_patch_changes_what_it_names(client: Client, account: Account) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    path = f"/products/{account.product('AMZN-2').id}"
    attributes = {GALLERY: [{"id": b}, {"id": a}], "stock": 3}
    (changed,) = client.data("PATCH", path, {"label": "Mug", "product_family": "x", "attributes": attributes})
    assert (changed["label"], changed["status"], changed["product_family_id"]) == ("Mug", "Draft", None)
    assert ([asset["id"] for asset in changed["attributes"][GALLERY]], changed["attributes"]["stock"]) == ([b, a], 3)
    assert changed["attributes"]["colour"] == "red"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "Sold"}, "status"),
        ({"attributes": {"nothing": 1}}, "nothing"),
        ({"attributes": []}, "attributes"),
        ({"attributes": {GALLERY: {"id": "a"}}}, GALLERY),
    ],
)
def test_a_patch_that_makes_no_sense_changes_nothing(
    client: Client, account: Account, body: object, field: str
) -> None:
    path = f"/products/{account.product('AMZN-2').id}"
    before = client.product("AMZN-2")
    assert first_error(client.call("PATCH", path, body))[:2] == (422, field)
    assert client.product("AMZN-2") == before
