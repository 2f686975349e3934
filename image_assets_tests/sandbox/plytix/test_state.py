"""Data a test begins with, and the merchant's hand."""

from __future__ import annotations

import pytest

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets_tests.sandbox.plytix.client import GALLERY, Client


def test_what_is_seeded_again_stays_as_it_is(server: PlytixServer, account: Account) -> None:
    before = account.product("AMZN-1")
    ids = server.seed([{"sku": "AMZN-1", "label": "Other"}, {"sku": "NEW"}], {GALLERY: "TextAttribute"})
    assert (ids["AMZN-1"], account.product("AMZN-1").label) == (before.id, "Blue mug")
    assert set(ids) == {"AMZN-1", "AMZN-2", "NEW"}
    assert account.attributes[GALLERY].type_class == "MediaGalleryAttribute"


def test_ids_are_24_hexadecimal_digits(account: Account) -> None:
    ids = {account.new_id() for _ in range(100)}
    assert {len(bytes.fromhex(one)) for one in ids} == {12}
    assert len(ids) == 100


def test_the_merchant_arranges_a_gallery_by_hand(client: Client, account: Account) -> None:
    a = account.merchant_adds_asset("AMZN-1", b"a", "a.jpg")
    b = account.merchant_adds_asset("AMZN-1", b"b", "b.jpg", position=0)
    assert account.gallery("AMZN-1") == [b, a]
    account.merchant_reorders("AMZN-1", [a, b])
    account.merchant_sets_thumbnail("AMZN-1", b)
    account.merchant_unlinks("AMZN-1", b)
    shown = client.product("AMZN-1")
    assert [asset["id"] for asset in shown["attributes"][GALLERY]] == [a]
    assert shown["thumbnail"]["id"] == b
    account.merchant_sets_thumbnail("AMZN-1", None)
    assert client.product("AMZN-1")["thumbnail"] is None
    assert set(account.assets) == {a, b}


def test_a_deleted_asset_is_gone_everywhere(client: Client, account: Account) -> None:
    gone = account.merchant_adds_asset("AMZN-1", b"a", "a.jpg")
    account.merchant_sets_thumbnail("AMZN-2", gone)
    account.merchant_deletes_asset(gone)
    assert (account.gallery("AMZN-1"), client.product("AMZN-2")["thumbnail"]) == ([], None)
    assert client.call("GET", f"/assets/{gone}").status_code == 404


def test_the_merchant_cannot_do_what_makes_no_sense(client: Client, account: Account) -> None:
    (asset,) = client.assets("a.jpg")
    with pytest.raises(LookupError):
        account.merchant_unlinks("AMZN-1", asset)
    with pytest.raises(LookupError):
        account.merchant_deletes_asset("0" * 24)
    with pytest.raises(LookupError):
        account.merchant_sets_thumbnail("AMZN-1", "0" * 24)
    with pytest.raises(LookupError):
        account.merchant_reorders("AMZN-1", [asset])
    with pytest.raises(LookupError, match="NOBODY"):
        account.product("NOBODY")


def test_a_name_that_is_taken_is_changed(account: Account) -> None:
    first, second = (account.merchant_adds_asset("AMZN-1", content, "front.jpg") for content in (b"1", b"2"))
    names = [account.assets[asset].filename for asset in (first, second)]
    assert names[0] == "front.jpg"
    assert names[1].startswith("front_")
    assert names[1].endswith(".jpg")
