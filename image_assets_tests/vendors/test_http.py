"""The HTTP layer against a real server on loopback that answers what it is told to, in order.

stamina's test mode removes the waits between attempts, not the attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx2
import pytest
import stamina

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    TransientError,
    UnreachableError,
)
from image_assets.vendors.http import ATTEMPTS, make_client, request
from image_assets_tests.vendors.webhook import Webhook, closed_port, serve_webhook

PATH = "/services/T000/B000/path-of-the-webhook?token=query-of-the-webhook"


@pytest.fixture
def server() -> Iterator[Webhook]:
    with serve_webhook() as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with make_client() as made, stamina.set_testing(True, attempts=100, cap=True):
        yield made


def assert_says_nothing_secret(error: ImageAssetsError) -> None:
    for text in (str(error), repr(error), str(error.args)):
        assert "path-of-the-webhook" not in text
        assert "query-of-the-webhook" not in text
        assert "services" not in text
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_a_good_answer_comes_back_at_once(server: Webhook, client: httpx2.Client) -> None:
    assert request(client, "POST", server.url + PATH, json={"text": "hello"}).status_code == 200
    assert server.seen == [("POST", PATH, {"text": "hello"})]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 0])
def test_what_may_pass_is_tried_again(server: Webhook, client: httpx2.Client, status: int) -> None:
    server.statuses = [status, status, 200]
    assert request(client, "POST", server.url + PATH, json={"n": 1}).status_code == 200
    assert server.seen == [("POST", PATH, {"n": 1})] * 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_never_recovers_is_a_transient_error(server: Webhook, client: httpx2.Client, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(TransientError, match=rf"^POST {server.url}: HTTP {status}\.$") as caught:
        request(client, "POST", server.url + PATH)
    assert caught.value.code == "unavailable"
    assert not caught.value.permanent
    assert len(server.seen) == ATTEMPTS
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_tried_again(server: Webhook, client: httpx2.Client, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(
        AccessDeniedError, match=rf"^POST {server.url}: HTTP {status}\. Check the credentials"
    ) as caught:
        request(client, "POST", server.url + PATH)
    assert len(server.seen) == 1
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_request_is_not_tried_again(server: Webhook, client: httpx2.Client, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(PermanentError, match=rf"^POST {server.url}: HTTP {status}\.$") as caught:
        request(client, "POST", server.url + PATH)
    assert caught.value.code == "refused"
    assert len(server.seen) == 1
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_never_followed(server: Webhook, client: httpx2.Client, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(PermanentError, match=rf"HTTP {status}") as caught:
        request(client, "POST", server.url + PATH)
    assert [path for _, path, _ in server.seen] == [PATH]
    assert_says_nothing_secret(caught.value)


def test_a_refused_connection_is_unreachable(client: httpx2.Client) -> None:
    port = closed_port()
    with pytest.raises(UnreachableError, match=rf"^POST http://127\.0\.0\.1:{port}: no answer") as caught:
        request(client, "POST", f"http://127.0.0.1:{port}{PATH}")
    assert caught.value.code == "unreachable"
    assert_says_nothing_secret(caught.value)


def test_an_answer_that_never_comes_whole_is_unreachable(server: Webhook, client: httpx2.Client) -> None:
    server.statuses = [0]
    with pytest.raises(UnreachableError, match="no answer") as caught:
        request(client, "GET", server.url + PATH)
    assert len(server.seen) == ATTEMPTS
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"ftp://example.com{PATH}",
        f"http://{PATH}",
        f"http://[::1{PATH}",
        f"http://example.com:port{PATH}",
        f"{PATH}",
        f"http://user:query-of-the-webhook@127.0.0.1:1{PATH}",
        f"http://exa mple.com{PATH}",
    ],
)
def test_an_unusable_address_is_an_error_of_ours_that_does_not_show_it(client: httpx2.Client, url: str) -> None:
    with pytest.raises(ImageAssetsError) as caught:
        request(client, "POST", url)
    assert_says_nothing_secret(caught.value)


def test_proxies_of_the_environment_are_not_used(server: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with make_client() as made:
        assert request(made, "GET", server.url).status_code == 200


def test_a_retry_is_logged_without_the_address_and_prints_nothing(
    server: Webhook, client: httpx2.Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    server.statuses = [503, 200]
    with caplog.at_level(logging.DEBUG, "image_assets"):
        request(client, "POST", server.url + PATH, json={"body": "body-of-the-alert"})
    (line,) = [record for record in caplog.records if record.name.startswith("image_assets")]
    assert line.getMessage().startswith(f"image_assets.vendors.http.request failed (POST {server.url}: HTTP 503.); ")
    assert "-of-the-" not in str(vars(line))
    assert capsys.readouterr() == ("", "")
