"""stagedUploadsCreate, and uploads to where it leads."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, Client, jpeg

STAGE = """
mutation($input: [StagedUploadInput!]!) {
  stagedUploadsCreate(input: $input) {
    stagedTargets { url resourceUrl parameters { name value } }
    userErrors { field message }
  }
}"""
IMAGE = {"resource": "IMAGE", "filename": "hat.jpg", "mimeType": "image/jpeg"}


def stage(client: Client, **more: Any) -> dict[str, Any]:
    payload = client.data(STAGE, input=[{**IMAGE, **more}])
    assert payload["userErrors"] == []
    (target,) = payload["stagedTargets"]
    return {**target, "parameters": {one["name"]: one["value"] for one in target["parameters"]}}


def post(client: Client, target: dict[str, Any], content: bytes, **changed: str) -> httpx2.Response:
    form = {**target["parameters"], **changed}
    return client.http.post(target["url"], data=form, files={"file": ("hat.jpg", content, "image/jpeg")})


def created(client: Client, source: str) -> tuple[str, list[str]]:
    client.data(FILE_CREATE, files=[{"originalSource": source}])
    client.settled()
    file = client.server.shop.files[-1]
    return file.status, [error["code"] for error in file.errors]


def test_an_image_is_posted_as_a_form_and_used_as_a_source(client: Client, shop: Shop) -> None:
    target = stage(client, httpMethod="POST")
    answer = post(client, target, jpeg())
    assert answer.status_code == 201
    assert f"<Key>{target['parameters']['key']}</Key>" in answer.text
    assert created(client, target["resourceUrl"]) == ("READY", [])
    assert (shop.files[0].bytes, shop.files[0].filename) == (jpeg(), "hat.jpg")


def test_an_image_is_put_to_a_signed_address(client: Client, shop: Shop) -> None:
    target = stage(client)
    unsigned = client.http.put(target["resourceUrl"], content=jpeg())
    assert (unsigned.status_code, "SignatureDoesNotMatch" in unsigned.text) == (403, True)
    assert client.http.put(target["url"], content=jpeg()).status_code == 200
    assert created(client, target["resourceUrl"]) == ("READY", [])


def test_a_form_must_be_the_one_that_was_issued(client: Client) -> None:
    target = stage(client, httpMethod="POST")
    wrong = post(client, target, jpeg(), **{"x-goog-signature": "0" * 64})
    assert (wrong.status_code, "AccessDenied" in wrong.text) == (403, True)
    for answer in (
        post(client, target, jpeg(), key="tmp/elsewhere.jpg"),
        client.http.post(target["url"], content=jpeg()),
        client.http.post(target["url"], data=target["parameters"]),
    ):
        assert answer.status_code == 400


def test_the_file_comes_last_in_a_form(client: Client) -> None:
    target = stage(client, httpMethod="POST")
    fields = [("file", ("hat.jpg", jpeg(), "image/jpeg"))]
    fields += [(name, (None, value.encode(), "text/plain")) for name, value in target["parameters"].items()]  # type: ignore[misc]
    assert client.http.post(target["url"], files=fields).status_code == 400


def test_the_policy_limits_what_is_posted_and_processing_what_is_put(client: Client) -> None:
    target = stage(client, httpMethod="POST")
    heavy = jpeg() + bytes(20 * 1024 * 1024)
    assert "EntityTooLarge" in post(client, target, heavy).text
    assert "EntityTooSmall" in post(client, target, b"").text
    signed = stage(client)
    assert client.http.put(signed["url"], content=heavy).status_code == 200
    assert created(client, signed["resourceUrl"]) == ("FAILED", ["INVALID_IMAGE_FILE_SIZE"])


def test_a_source_nobody_uploaded_to_fails(client: Client) -> None:
    target = stage(client)
    assert created(client, target["resourceUrl"]) == ("FAILED", ["IMAGE_DOWNLOAD_FAILURE"])
    forged = target["resourceUrl"].replace("products", "other")
    assert created(client, forged) == ("FAILED", ["INVALID_SIGNED_URL"])


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"resource": "VIDEO", "mimeType": "video/mp4"}, "fileSize", "file size is required for video resources"),
        (
            {"mimeType": "application/x-msdownload", "filename": "hat.exe"},
            "mimeType",
            "hat.exe: (application/x-msdownload) is not a recognized format",
        ),
    ],
)
def test_one_wrong_target_refuses_them_all(client: Client, change: dict[str, Any], field: str, message: str) -> None:
    payload = client.data(STAGE, input=[IMAGE, {**IMAGE, **change}])
    assert payload == {"stagedTargets": [], "userErrors": [{"field": ["input", "1", field], "message": message}]}
