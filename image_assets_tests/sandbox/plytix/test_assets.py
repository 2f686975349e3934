"""Assets: taken in by address and by content, duplicates, and what happens to one."""

from __future__ import annotations

import base64

import pytest

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets_tests.sandbox.plytix.client import Client, first_error
from image_assets_tests.sandbox.shopify.client import Source, jpeg, picture


def upload(client: Client, **body: str) -> tuple[int, dict[str, object]]:
    answer = client.call("POST", "/assets", body)
    assert answer.status_code == 201, answer.text
    (found,) = answer.json()["data"]
    return answer.status_code, found


def test_an_asset_is_fetched_from_its_address_at_once(client: Client, source: Source, account: Account) -> None:
    url = source.put("/images/blue%20mug.jpg", jpeg())
    source.files["/images/blue mug.jpg"] = jpeg()
    answer = client.call("POST", "/assets", {"url": url})
    (asset,) = answer.json()["data"]
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{client.server.url}/api/v1/assets/{asset['id']}"
    assert (asset["filename"], asset["extension"], asset["content_type"]) == ("blue mug.jpg", "jpg", "image/jpeg")
    assert (asset["file_size"], asset["file_type"], asset["status"]) == (len(jpeg()), "IMAGES", "ACTIVE")
    assert (asset["assigned"], asset["n_products"]) == (False, 0)
    assert source.fetched == ["/images/blue mug.jpg"]
    assert client.http.get(asset["url"]).content == jpeg()
    assert client.data("GET", f"/assets/{asset['id']}") == [asset]
    assert account.assets[asset["id"]].source == url


def test_an_asset_has_the_name_it_is_given(client: Client, source: Source) -> None:
    _, asset = upload(client, url=source.put("/x", picture("PNG")), filename="front.png")
    assert (asset["filename"], asset["content_type"]) == ("front.png", "image/png")


def test_an_asset_is_fetched_where_its_address_leads(client: Client, source: Source) -> None:
    source.redirects["/old.jpg"] = source.put("/new.jpg", jpeg())
    upload(client, url=f"{source.url}/old.jpg")
    assert source.fetched == ["/old.jpg", "/new.jpg"]


@pytest.mark.parametrize("path", ["/missing.jpg", "/page.html", "/loop.jpg", "/large.jpg"])
def test_what_cannot_be_fetched_or_is_no_image_is_refused(
    client: Client, server: PlytixServer, source: Source, account: Account, path: str
) -> None:
    server.behaviour.max_upload_bytes = 10_000
    source.put("/page.html", b"<html>")
    source.put("/large.jpg", jpeg() + b"\0" * 10_000)
    source.redirects["/loop.jpg"] = f"{source.url}/loop.jpg"
    answer = client.call("POST", "/assets", {"url": source.url + path})
    assert first_error(answer)[:2] == (422, "url")
    assert account.assets == {}


@pytest.mark.parametrize("url", ["Blue.jpg", "ftp://127.0.0.1/a.jpg", "http://", "http://127.0.0.1:1/a.jpg"])
def test_an_address_that_leads_nowhere_is_refused(client: Client, url: str) -> None:
    assert first_error(client.call("POST", "/assets", {"url": url}))[:2] == (422, "url")


def test_an_asset_is_taken_in_by_its_content(client: Client, account: Account) -> None:
    _, asset = upload(client, filename="mug.jpg", content=base64.b64encode(jpeg()).decode())
    assert account.assets[str(asset["id"])].content == jpeg()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"filename": "a.jpg"}, "url"),
        ({"url": 1}, "url"),
        ({"content": "aaaa"}, "filename"),
        ({"content": "!", "filename": "a.jpg"}, "content"),
        ({"content": "aaaa", "filename": "a.jpg"}, "content"),
    ],
)
def test_an_upload_that_lacks_something_is_refused(client: Client, body: object, field: str) -> None:
    assert first_error(client.call("POST", "/assets", body))[:2] == (422, field)


# --- duplicates


def test_the_same_address_is_there_already(client: Client, source: Source, account: Account) -> None:
    url = source.put("/a.jpg", jpeg())
    _, asset = upload(client, url=url)
    answer = client.call("POST", "/assets", {"url": url, "filename": "other.jpg"})
    assert answer.status_code == 409
    assert answer.json() == {
        "error": {"errors": [{"field": "asset.id", "msg": asset["id"]}], "msg": "Asset already exists"}
    }
    assert answer.headers["Location"].endswith(f"/assets/{asset['id']}")
    assert list(account.assets) == [asset["id"]]


@pytest.mark.parametrize(
    ("keys", "url", "filename", "status"),
    [
        (("url", "filename"), "/a.jpg", "a.jpg", 409),
        (("url", "filename"), "/a.jpg", "b.jpg", 201),
        (("filename",), "/b.jpg", "a.jpg", 409),
        (("filename",), "/a.jpg", "b.jpg", 201),
        (("content",), "/b.jpg", "b.jpg", 409),
        ((), "/a.jpg", "a.jpg", 201),
    ],
)
def test_what_makes_a_duplicate_can_be_chosen(
    client: Client, server: PlytixServer, source: Source, keys: tuple[str, ...], url: str, filename: str, status: int
) -> None:
    server.behaviour.duplicate_keys = keys
    for path in ("/a.jpg", "/b.jpg"):
        source.put(path, jpeg())
    upload(client, url=f"{source.url}/a.jpg", filename="a.jpg")
    answer = client.call("POST", "/assets", {"url": source.url + url, "filename": filename})
    assert answer.status_code == status


def test_content_that_was_sent_has_no_address_in_common(client: Client) -> None:
    content = base64.b64encode(jpeg()).decode()
    names = [upload(client, filename="a.jpg", content=content)[1]["filename"] for _ in range(2)]
    assert len(set(names)) == 2


# --- one asset


def test_an_asset_is_renamed_but_keeps_its_extension(client: Client, account: Account) -> None:
    (asset,) = client.assets("a.jpg")
    (renamed,) = client.data("PATCH", f"/assets/{asset}", {"filename": "b.jpg", "categories": [{"id": "c"}]})
    assert (renamed["filename"], renamed["categories"]) == ("b.jpg", [{"id": "c"}])
    answer = client.call("PATCH", f"/assets/{asset}", {"filename": "b.png"})
    assert first_error(answer) == (422, "filename", "Extension changes are not allowed")
    assert account.assets[asset].filename == "b.jpg"


def test_an_asset_knows_how_many_products_use_it(client: Client) -> None:
    (asset,) = client.assets("a.jpg")
    for sku in ("AMZN-1", "AMZN-2"):
        client.link(sku, asset)
    (shown,) = client.data("GET", f"/assets/{asset}")
    assert (shown["assigned"], shown["n_products"]) == (True, 2)


def test_a_deleted_asset_is_off_its_products(client: Client, account: Account) -> None:
    (asset,) = client.assets("a.jpg")
    client.link("AMZN-1", asset)
    assert client.call("DELETE", f"/assets/{asset}").status_code == 204
    assert (account.assets, account.gallery("AMZN-1")) == ({}, [])
    for method in ("GET", "DELETE", "PATCH"):
        answer = client.call(method, f"/assets/{asset}", {} if method == "PATCH" else None)
        assert first_error(answer) == (404, "asset_id", "asset does not exist")
    assert client.http.get(f"{client.server.url}/api/v1.1/file/{asset}/a.jpg").status_code == 404
