"""Staged uploads over the wire."""

from __future__ import annotations

import email
from email.message import Message
from typing import Any

import pytest

from image_assets.errors import AccessDeniedError, TransientError
from image_assets.vendors.http import ATTEMPTS
from image_assets.vendors.shopify.client import ShopifyClient, UnknownResultError, UserErrors
from image_assets.vendors.shopify.uploads import StagedFile, stage
from image_assets_tests.vendors.shopify.scripted import Answer, Scripted, data

PARAMETERS = [{"name": name, "value": f"value of {name}"} for name in ("key", "policy", "x-goog-signature")]
CONTENT = bytes(range(256)) * 100


def targets(server: Scripted, *names: str) -> Answer:
    staged = [
        {
            "url": f"{server.url}/upload/{name}",
            "resourceUrl": f"https://storage.example/tmp/{name}",
            "parameters": PARAMETERS,
        }
        for name in names
    ]
    return data({"stagedUploadsCreate": {"stagedTargets": staged, "userErrors": []}})


def parts(headers: dict[str, str], body: bytes) -> list[tuple[str, str | None, str, bytes]]:
    """Name, file name, type and content of every part of a multipart body."""
    head = f"Content-Type: {headers['content-type']}\n\n".encode()
    message = email.message_from_bytes(head + body)
    found = []
    for part in message.get_payload():
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        name = part.get_param("name", header="content-disposition")
        found.append((str(name), part.get_filename(), part.get_content_type(), content))
    return found


def staged(name: str, content: bytes, mime: str = "image/jpeg") -> StagedFile:
    return StagedFile(name, mime, len(content), lambda: content)


def test_files_are_uploaded_with_all_parameters_and_the_file_last(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [targets(server, "a.jpg", "b.png")]
    server.files = {"/upload/a.jpg": [Answer(status=201)], "/upload/b.png": [Answer(status=201)]}
    urls = stage(client, [staged("a.jpg", CONTENT), staged("b.png", b"png", "image/png")])
    assert urls == ["https://storage.example/tmp/a.jpg", "https://storage.example/tmp/b.png"]
    assert server.seen[0]["variables"]["input"] == [
        {"resource": "IMAGE", "filename": "a.jpg", "mimeType": "image/jpeg", "httpMethod": "POST", "fileSize": "25600"},
        {"resource": "IMAGE", "filename": "b.png", "mimeType": "image/png", "httpMethod": "POST", "fileSize": "3"},
    ]
    path, headers, body = server.uploads[0]
    assert path == "/upload/a.jpg"
    assert "x-shopify-access-token" not in headers
    *fields, file = parts(headers, body)
    assert [(name, content.decode()) for name, _, _, content in fields] == [
        (item["name"], item["value"]) for item in PARAMETERS
    ]
    assert all(filename is None for _, filename, _, _ in fields)
    assert file == ("file", "a.jpg", "image/jpeg", CONTENT)


def test_nothing_to_upload_asks_for_nothing(server: Scripted, client: ShopifyClient) -> None:
    assert stage(client, []) == []
    assert server.seen == []


def test_one_file_is_in_memory_at_a_time(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [targets(server, "a", "b")]
    server.files = {"/upload/a": [Answer(status=201)], "/upload/b": [Answer(status=201)]}
    uploaded_when_read: list[int] = []

    def read() -> bytes:
        uploaded_when_read.append(len(server.uploads))
        return CONTENT

    stage(client, [StagedFile(name, "image/jpeg", len(CONTENT), read) for name in ("a", "b")])
    assert uploaded_when_read == [0, 1]


def test_targets_are_asked_for_250_at_a_time(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [targets(server, *["a"] * 250), targets(server, *["a"] * 10)]
    server.files = {"/upload/a": [Answer(status=204)]}
    assert len(stage(client, [staged("a", b"a")] * 260)) == 260
    assert [len(request["variables"]["input"]) for request in server.seen] == [250, 10]


@pytest.mark.parametrize("bad", [Answer(status=503), Answer(drop=True), Answer(status=429)])
def test_an_upload_that_fails_for_a_while_is_repeated_whole(
    server: Scripted, client: ShopifyClient, bad: Answer
) -> None:
    server.answers = [targets(server, "a")]
    server.files = {"/upload/a": [bad, bad, Answer(status=201)]}
    stage(client, [staged("a", CONTENT)])
    assert [parts(headers, body)[-1][-1] for _, headers, body in server.uploads] == [CONTENT] * 3


def test_an_upload_that_never_succeeds_is_a_transient_error(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [targets(server, "a")]
    server.files = {"/upload/a": [Answer(status=503)]}
    with pytest.raises(TransientError, match=f"^POST {server.url}: HTTP 503"):
        stage(client, [staged("a", CONTENT)])
    assert len(server.uploads) == ATTEMPTS


def test_an_upload_that_the_storage_refuses_is_not_repeated(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [targets(server, "a")]
    server.files = {"/upload/a": [Answer(b"<Error><Code>AccessDenied</Code></Error>", 403)]}
    with pytest.raises(AccessDeniedError):
        stage(client, [staged("a", CONTENT)])
    assert len(server.uploads) == 1


def test_lost_targets_are_asked_for_again(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [Answer(drop=True), Answer(status=502), targets(server, "a")]
    server.files = {"/upload/a": [Answer(status=201)]}
    assert len(stage(client, [staged("a", b"a")])) == 1


def test_targets_that_stay_lost_are_an_error(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [Answer(status=502)]
    with pytest.raises(UnknownResultError):
        stage(client, [staged("a", b"a")])
    assert len(server.seen) == ATTEMPTS


def test_a_name_that_shopify_does_not_accept_is_told(server: Scripted, client: ShopifyClient) -> None:
    errors: list[dict[str, Any]] = [{"field": ["input", "0", "filename"], "message": "Filename is invalid"}]
    server.answers = [data({"stagedUploadsCreate": {"stagedTargets": [], "userErrors": errors}})]
    with pytest.raises(UserErrors, match=r"stagedUploadsCreate: input\.0\.filename: Filename is invalid"):
        stage(client, [staged("?", b"a", "image/jpeg")])
