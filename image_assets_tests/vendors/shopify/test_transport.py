"""What the HTTP layer has for clients that treat answers in their own way: `send` and `download`."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx2
import pytest
import stamina

from image_assets.errors import AccessDeniedError, PermanentError, TransientError, UnreachableError
from image_assets.vendors.http import ATTEMPTS, NotSentError, download, make_client, send
from image_assets_tests.vendors.shopify.scripted import Answer, Scripted
from image_assets_tests.vendors.webhook import closed_port

PATH = "/path-of-a-secret"
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with make_client() as made, stamina.set_testing(True, attempts=100, cap=True):
        yield made


@pytest.mark.parametrize("status", [200, 301, 401, 404, 429, 500])
def test_every_status_is_an_answer_to_one_request(server: Scripted, http: httpx2.Client, status: int) -> None:
    server.files = {PATH: [Answer(status=status)]}
    assert send(http, "GET", server.url + PATH).status_code == status
    assert len(server.download_headers) == 1


@pytest.mark.parametrize("answer", [Answer(drop=True), Answer(CONTENT, cut=True)])
def test_a_lost_answer_is_not_asked_for_again(server: Scripted, http: httpx2.Client, answer: Answer) -> None:
    server.files = {PATH: [answer]}
    with pytest.raises(UnreachableError, match=rf"^GET {server.url}: no answer") as caught:
        send(http, "GET", server.url + PATH)
    assert not isinstance(caught.value, NotSentError)
    assert len(server.download_headers) == 1


def test_what_was_never_sent_is_told_from_what_was_lost(http: httpx2.Client) -> None:
    with pytest.raises(NotSentError):
        send(http, "GET", f"http://127.0.0.1:{closed_port()}{PATH}")


@pytest.mark.parametrize("url", ["nonsense", f"ftp://example.com{PATH}", f"http://example.com:port{PATH}"])
def test_an_unusable_address_is_a_permanent_error_at_once(http: httpx2.Client, url: str) -> None:
    for call in (lambda: send(http, "GET", url), lambda: download(http, url, io.BytesIO())):
        with pytest.raises(PermanentError, match="not a usable address") as caught:
            call()
        assert caught.value.code == "bad_url"


def test_a_download_replaces_what_the_file_held(server: Scripted, http: httpx2.Client) -> None:
    server.files = {PATH: [Answer(CONTENT)]}
    file = io.BytesIO(b"old" * len(CONTENT))
    assert download(http, server.url + PATH, file) == len(CONTENT)
    assert file.getvalue() == CONTENT


def test_a_download_that_breaks_off_begins_again_from_nothing(server: Scripted, http: httpx2.Client) -> None:
    server.files = {PATH: [Answer(CONTENT, cut=True), Answer(b"busy", 503), Answer(drop=True), Answer(CONTENT)]}
    file = io.BytesIO()
    assert download(http, server.url + PATH, file) == len(CONTENT)
    assert file.getvalue() == CONTENT


@pytest.mark.parametrize(
    ("answer", "kind", "requests"),
    [
        (Answer(CONTENT, cut=True), UnreachableError, ATTEMPTS),
        (Answer(status=503), TransientError, ATTEMPTS),
        (Answer(status=403), AccessDeniedError, 1),
        (Answer(status=404), PermanentError, 1),
        (Answer(status=302), PermanentError, 1),
    ],
)
def test_a_download_that_fails_says_so_without_the_path(
    server: Scripted, http: httpx2.Client, answer: Answer, kind: type[Exception], requests: int
) -> None:
    server.files = {PATH: [answer]}
    with pytest.raises(kind, match=rf"^GET {server.url}: ") as caught:
        download(http, server.url + PATH, io.BytesIO())
    assert "secret" not in str(caught.value)
    assert len(server.download_headers) == requests
