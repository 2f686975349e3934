"""The client against the sandbox's Plytix: what it does is what the account holds, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from image_assets.errors import AccessDeniedError, NotFoundError
from image_assets.parallel import parallel_map
from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.plytix.client import Asset, PlytixClient, Product, RefusedError
from image_assets_tests.vendors.plytix.conftest import MakeClient
from image_assets_tests.vendors.plytix.scripted import Answer, Scripted

GALLERY = "amazon_images"
NOWHERE = "0" * 24


@pytest.fixture
def image_url(server: Scripted, photograph: bytes) -> str:
    """A public address of an image."""
    server.answers = [Answer(photograph, headers={"Content-Type": "image/jpeg"})]
    return f"{server.url}/images/I/61wixnPXtlL.jpg"


@pytest.fixture
def product_id(account: Account) -> str:
    """The one product."""
    return account.product("AMZN-1").id


@pytest.fixture
def make_asset(plytix_client: PlytixClient, image_url: str) -> Callable[[str], Asset]:
    """Uploads the photograph under a name, each time from another address."""
    return lambda filename: plytix_client.create_asset(f"{image_url}?{filename}", filename)


def gallery(account: Account) -> list[str]:
    """The ids of the product's gallery."""
    return account.product("AMZN-1").media.get(GALLERY, [])


def test_an_image_becomes_an_asset_that_is_found_by_its_name(
    account: Account, plytix_client: PlytixClient, image_url: str, photograph: bytes
) -> None:
    made = plytix_client.create_asset(image_url, "amazon_61wixnPXtlL.jpg")
    assert not made.existed
    assert account.assets[made.id].content == photograph
    assert plytix_client.find_assets(["amazon_61wixnPXtlL.jpg", "amazon_other.jpg"]) == {
        "amazon_61wixnPXtlL.jpg": replace(made, existed=True)
    }


def test_an_image_that_is_there_already_is_not_made_twice(
    account: Account, plytix_client: PlytixClient, image_url: str
) -> None:
    made = plytix_client.create_asset(image_url, "a.jpg")
    assert plytix_client.create_asset(image_url, "a.jpg") == replace(made, existed=True)
    assert len(account.assets) == 1


def test_what_is_no_image_is_refused_with_plytixs_reason(
    server: Scripted, plytix_client: PlytixClient, image_url: str
) -> None:
    server.answers = [Answer(status=404), Answer(b"no image", headers={"Content-Type": "text/plain"})]
    with pytest.raises(RefusedError, match=r"url: File could not be downloaded: HTTP 404") as caught:
        plytix_client.create_asset(image_url, "a.jpg")
    assert caught.value.status == 422
    with pytest.raises(RefusedError, match="url: File type is not supported"):
        plytix_client.create_asset(image_url, "a.jpg")


def test_the_gallery_has_the_order_of_the_links(
    plytix_client: PlytixClient, make_asset: Callable[[str], Asset], product_id: str
) -> None:
    first, second, third = (make_asset(name) for name in ("z.jpg", "a.jpg", "m.jpg"))
    for asset in (second, third, first):
        assert plytix_client.link(product_id, asset.id, GALLERY)
    plytix_client.set_thumbnail(product_id, third.id)
    found = plytix_client.find_products(["AMZN-1"], [GALLERY])["AMZN-1"]
    assert (found.id, found.label) == (product_id, "First")
    assert [asset.id for asset in found.galleries[GALLERY]] == [second.id, third.id, first.id]
    assert [asset.filename for asset in found.galleries[GALLERY]] == ["a.jpg", "m.jpg", "z.jpg"]
    assert found.thumbnail is not None
    assert found.thumbnail.id == third.id
    assert found.asset_count == 3
    assert plytix_client.product(product_id, [GALLERY]) == found


def test_a_gallery_can_be_put_in_another_order(
    account: Account, plytix_client: PlytixClient, make_asset: Callable[[str], Asset], product_id: str
) -> None:
    ids = [make_asset(name).id for name in ("a.jpg", "b.jpg", "c.jpg")]
    for asset_id in ids:
        plytix_client.link(product_id, asset_id, GALLERY)
    plytix_client.set_gallery(product_id, GALLERY, ids[::-1])
    assert gallery(account) == ids[::-1]
    with pytest.raises(RefusedError, match="asset does not exist"):
        plytix_client.set_gallery(product_id, GALLERY, [NOWHERE])


def test_assets_that_were_deleted_are_told_from_those_that_exist(
    account: Account, plytix_client: PlytixClient, make_asset: Callable[[str], Asset]
) -> None:
    kept, deleted = make_asset("a.jpg"), make_asset("b.jpg")
    account.merchant_deletes_asset(deleted.id)
    assert plytix_client.existing_assets([kept.id, deleted.id, NOWHERE]) == {kept.id}
    assert plytix_client.existing_assets([]) == set()


def test_a_product_without_images_has_none(plytix_client: PlytixClient, product_id: str) -> None:
    expected = Product(product_id, "AMZN-1", "First", None, {GALLERY: ()})
    assert plytix_client.find_products(["AMZN-1"], [GALLERY]) == {"AMZN-1": expected}
    assert plytix_client.product(product_id, [GALLERY]) == expected


def test_many_products_take_few_requests(plytix: PlytixServer, plytix_client: PlytixClient) -> None:
    skus = [f"AMZN-US-{number:04}" for number in range(250)]
    ids = plytix.seed([{"sku": sku} for sku in skus])
    found = plytix_client.find_products([*skus, "missing"], [GALLERY])
    assert {sku: product.id for sku, product in found.items()} == {sku: ids[sku] for sku in skus}
    assert plytix.counts["POST /products/search"] == 3


def test_a_sku_in_another_case_is_another_product(plytix: PlytixServer, plytix_client: PlytixClient) -> None:
    plytix.seed([{"sku": "amzn-1"}])
    assert list(plytix_client.find_products(["AMZN-1"])) == ["AMZN-1"]
    assert plytix_client.find_products(["Amzn-1"]) == {}


def test_linking_twice_is_as_good_as_once(
    account: Account, plytix_client: PlytixClient, make_asset: Callable[[str], Asset], product_id: str
) -> None:
    asset = make_asset("a.jpg")
    assert [plytix_client.link(product_id, asset.id, GALLERY) for _ in range(2)] == [True, False]
    assert gallery(account) == [asset.id]


def test_the_thumbnail_can_be_taken_away(
    account: Account, plytix_client: PlytixClient, make_asset: Callable[[str], Asset], product_id: str
) -> None:
    plytix_client.set_thumbnail(product_id, make_asset("a.jpg").id)
    assert account.product("AMZN-1").thumbnail
    plytix_client.set_thumbnail(product_id, None)
    assert account.product("AMZN-1").thumbnail is None


def test_what_does_not_exist_is_named(
    plytix_client: PlytixClient, make_asset: Callable[[str], Asset], product_id: str
) -> None:
    asset = make_asset("a.jpg")
    for call in (
        lambda: plytix_client.product(NOWHERE),
        lambda: plytix_client.link(NOWHERE, asset.id, GALLERY),
        lambda: plytix_client.set_thumbnail(NOWHERE, asset.id),
    ):
        with pytest.raises(NotFoundError, match="product does not exist"):
            call()
    with pytest.raises(NotFoundError, match="asset does not exist"):
        plytix_client.link(product_id, NOWHERE, GALLERY)
    with pytest.raises(RefusedError, match="attribute_label: label does not exist"):
        plytix_client.link(product_id, asset.id, "no_such_gallery")
    with pytest.raises(RefusedError):
        plytix_client.find_products(["AMZN-1"], ["no_such_gallery"])


def test_attributes_say_whether_they_are_galleries(plytix: PlytixServer, plytix_client: PlytixClient) -> None:
    plytix.seed(attributes={"hero": "MediaAttribute"})
    found = plytix_client.gallery_attribute(GALLERY)
    assert found is not None
    assert (found.label, found.is_gallery) == (GALLERY, True)
    hero = plytix_client.gallery_attribute("hero")
    assert hero is not None
    assert not hero.is_gallery
    assert plytix_client.gallery_attribute("no_such_gallery") is None


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status"])
def test_a_lost_answer_changes_nothing_in_the_end(
    plytix: PlytixServer, account: Account, plytix_client: PlytixClient, image_url: str, product_id: str, kind: str
) -> None:
    for route in ("POST /assets", "POST /products/{id}/assets", "PATCH /products/{id}", "POST /products/search"):
        plytix.faults.inject(route, kind)
    asset = plytix_client.create_asset(image_url, "a.jpg")
    assert not asset.existed
    assert plytix_client.link(product_id, asset.id, GALLERY)
    plytix_client.set_thumbnail(product_id, asset.id)
    found = plytix_client.find_products(["AMZN-1"], [GALLERY])["AMZN-1"]
    assert plytix.faults.pending == 0
    assert list(account.assets) == [asset.id]
    assert gallery(account) == [asset.id]
    assert [found.thumbnail and found.thumbnail.id, *(one.id for one in found.galleries[GALLERY])] == [asset.id] * 2


@pytest.mark.parametrize("keys", [("url",), ("content",), ()])
def test_no_lost_answer_makes_a_second_asset_whatever_plytix_calls_a_duplicate(
    plytix: PlytixServer, account: Account, plytix_client: PlytixClient, image_url: str, keys: tuple[str, ...]
) -> None:
    plytix.behaviour.duplicate_keys = keys
    plytix.faults.inject("POST /assets", "drop_after", times=2)
    asset = plytix_client.create_asset(image_url, "a.jpg")
    assert list(account.assets) == [asset.id]


def test_tokens_that_expire_under_many_threads_are_renewed_once(
    plytix: PlytixServer, plytix_client: PlytixClient
) -> None:
    plytix_client.find_products(["AMZN-1"])
    plytix.expire_tokens()
    for result in parallel_map(lambda sku: plytix_client.find_products([sku]), [f"S{n}" for n in range(16)], workers=8):
        result.unwrap()
    assert plytix_client.requests["token"] == 2


def test_wrong_credentials_name_the_settings(plytix: PlytixServer, account: Account, make: MakeClient) -> None:
    client = make(plytix.url, plytix.auth_url, account.api_key, "not the password")
    with pytest.raises(AccessDeniedError, match=r"Credentials not valid .*PLYTIX_API_KEY and PLYTIX_API_PASSWORD"):
        client.find_products(["AMZN-1"])


def test_many_threads_keep_the_limit_without_a_single_429(
    plytix: PlytixServer, account: Account, make: MakeClient
) -> None:
    plytix.behaviour.limits = {0.4: 20, 3600.0: 5000}
    # Threads of a busy machine may send late; no answer here takes longer than the margin.
    windows = RateWindows([Window(20, 0.4), Window(5000, 3600)], margin_s=5)
    client = make(plytix.url, plytix.auth_url, account.api_key, account.api_password, windows=windows)
    for result in parallel_map(lambda sku: client.find_products([sku]), [f"S{n}" for n in range(70)], workers=12):
        result.unwrap()
    assert plytix.throttled == 0
    assert plytix.high_water(0.4) <= 20
    assert plytix.counts["POST /products/search"] == 70


def test_processes_that_share_an_account_get_through(plytix: PlytixServer, account: Account, make: MakeClient) -> None:
    plytix.behaviour.limits = {0.2: 4}
    plytix.behaviour.retry_after = ""
    clients = [
        make(
            plytix.url,
            plytix.auth_url,
            account.api_key,
            account.api_password,
            windows=RateWindows([Window(4, 0.2)]),
        )
        for _ in range(2)
    ]
    work = [(client, f"S{number}") for number in range(6) for client in clients]
    for result in parallel_map(lambda item: item[0].find_products([item[1]]), work, workers=4):
        result.unwrap()
