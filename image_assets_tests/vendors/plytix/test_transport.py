"""Requests against a server that says what it is told to: addresses, the rate limit, the token, secrets."""

from __future__ import annotations

import io
import logging
import traceback

import pytest

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, UnreachableError
from image_assets.redaction import install_log_redaction
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import RateWindows, ThrottledError, Window
from image_assets.vendors.plytix.client import PlytixClient
from image_assets_tests.vendors.plytix.conftest import KEY, PASSWORD, MakeClient
from image_assets_tests.vendors.plytix.operations import (
    ASSET,
    FINE,
    OPERATIONS,
    PRODUCT,
    Connect,
    Operation,
    every_operation,
)
from image_assets_tests.vendors.plytix.scripted import Answer, Scripted, data, error, jwt
from image_assets_tests.vendors.webhook import closed_port

# --- addresses


def test_a_request_that_never_left_costs_nothing_and_names_the_setting(server: Scripted, make: MakeClient) -> None:
    windows = RateWindows([Window(1, 3600)])
    client = make(f"http://127.0.0.1:{closed_port()}", server.url, KEY, PASSWORD, windows=windows, patience_s=1)
    with pytest.raises(NotSentError, match=r"no answer \(ConnectError\)\. Check PLYTIX_BASE_URL\."):
        client.create_asset("https://images/a.jpg", "a.jpg")
    assert client.writes == {}


def test_an_address_that_is_none_names_the_setting(server: Scripted, make: MakeClient) -> None:
    client = make("pim.plytix.com", server.url, KEY, PASSWORD)
    with pytest.raises(PermanentError, match=r"not a usable address .*Check PLYTIX_BASE_URL\."):
        client.find_assets(["a.jpg"])


# --- the rate limit


def test_a_429_is_waited_for_as_long_as_it_says(server: Scripted, client: PlytixClient) -> None:
    server.answers = [error(429, "Slow down", Retry_After="0.05"), Answer({"error": {"retry_after": 0.05}}, 429), FINE]
    assert client.find_assets(["a.jpg"])
    assert len(server.seen) == 3


@every_operation
def test_a_429_is_never_an_error_as_long_as_patience_lasts(
    server: Scripted, client: PlytixClient, operation: Operation
) -> None:
    server.answers = [error(429)] * 3 + [FINE]
    operation(client)
    assert len(server.seen) == 4


def test_a_429_that_asks_for_too_much_says_when_to_run_again(server: Scripted, connect: Connect) -> None:
    client = connect(patience_s=120)
    server.answers = [error(429, "Slow down", Retry_After="1800")]
    with pytest.raises(ThrottledError, match=r"^POST /assets/search: .*\(HTTP 429\)\. Run it again in 30 minutes\.$"):
        client.find_assets(["a.jpg"])
    with pytest.raises(ThrottledError, match=r"Run it again in 30 minutes\.$") as caught:
        client.link(PRODUCT, ASSET, "amazon_images")
    assert len(server.seen) == 1
    assert caught.value.code == "throttled"


def test_429_without_end_exhausts_the_patience(server: Scripted, connect: Connect) -> None:
    client = connect(patience_s=0.2)
    server.answers = [error(429)]
    with pytest.raises(ThrottledError):
        client.find_assets(["a.jpg"])
    assert 2 <= len(server.seen) <= 8


def test_an_exhausted_limit_sends_nothing(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(2, 3600)]), patience_s=1)
    for _ in range(2):
        client.find_assets(["a.jpg"])
    with pytest.raises(ThrottledError, match=r"limit of 2 requests per hour is used up\. Run it again in 61 minutes"):
        client.create_asset("https://images/a.jpg", "a.jpg")
    assert len(server.seen) == 2


# --- the token


def test_a_token_is_asked_for_once_and_sent_with_every_request(server: Scripted, client: PlytixClient) -> None:
    for _ in range(3):
        client.find_assets(["a.jpg"])
    assert server.tokens_asked == [{"api_key": KEY, "api_password": PASSWORD}]
    assert {request.token for request in server.seen} == {jwt()}


@every_operation
def test_a_refused_token_is_renewed_once(server: Scripted, client: PlytixClient, operation: Operation) -> None:
    server.tokens = [data({"access_token": jwt(1)}), data({"access_token": jwt(2)})]
    server.answers = [error(401, "Token has expired"), FINE]
    operation(client)
    assert [request.token for request in server.seen] == [jwt(1), jwt(2)]


def test_a_new_token_that_is_refused_too_is_an_error_that_names_the_settings(
    server: Scripted, client: PlytixClient
) -> None:
    server.answers = [error(401, "Invalid token")]
    for _ in range(3):
        with pytest.raises(AccessDeniedError, match=r"Invalid token .*Check PLYTIX_API_KEY and PLYTIX_API_PASSWORD"):
            client.find_assets(["a.jpg"])
    assert len(server.seen) == 2
    assert len(server.tokens_asked) == 2


def test_wrong_credentials_are_asked_about_once(server: Scripted, client: PlytixClient) -> None:
    server.tokens = [error(401, "Bad api_key or api_password: Credentials not valid", ("http_status_code", 401))]
    for _ in range(3):
        with pytest.raises(AccessDeniedError, match=r"Bad api_key or api_password: Credentials not valid \(HTTP 401\)"):
            client.find_assets(["a.jpg"])
    assert len(server.tokens_asked) == 1
    assert server.seen == []


def test_the_authentication_service_may_be_busy(server: Scripted, client: PlytixClient) -> None:
    server.tokens = [error(429, Retry_After="1"), error(429), Answer(status=503), data({"access_token": jwt()})]
    client.find_assets(["a.jpg"])
    assert len(server.tokens_asked) == 4


def test_the_authentication_service_may_be_busy_for_too_long(server: Scripted, client: PlytixClient) -> None:
    server.tokens = [error(429, Retry_After="600")]
    with pytest.raises(ThrottledError, match=r"/auth/api/get-token.* Run it again in 10 minutes"):
        client.find_assets(["a.jpg"])


def test_an_authentication_service_that_is_down_names_its_setting(server: Scripted, make: MakeClient) -> None:
    client = make(server.url, f"http://127.0.0.1:{closed_port()}", KEY, PASSWORD)
    with pytest.raises(UnreachableError, match=r"Check PLYTIX_AUTH_URL\."):
        client.find_assets(["a.jpg"])


@pytest.mark.parametrize("answer", [data(), data({}), data({"access_token": ""}), data({"access_token": 7})])
def test_an_answer_without_a_token_is_a_clear_error(server: Scripted, client: PlytixClient, answer: Answer) -> None:
    server.tokens = [answer]
    with pytest.raises(PermanentError, match="Plytix answered with no access token"):
        client.find_assets(["a.jpg"])


# --- secrets


def test_neither_password_nor_key_nor_token_is_ever_printed(
    server: Scripted, client: PlytixClient, caplog: pytest.LogCaptureFixture
) -> None:
    install_log_redaction()
    caplog.set_level(logging.DEBUG)
    token = jwt()
    echo = f"{KEY} {PASSWORD} Bearer {token} {token}"
    server.tokens = [
        error(500, f"{KEY} {PASSWORD}"),
        data({"access_token": token}),
    ]  # what it is, we know once we have it
    printed = io.StringIO()
    for answer in (
        error(422, echo, (echo, echo)),
        error(403, echo),
        error(500, echo),
        Answer({"data": [{"id": [echo], "sku": {echo: echo}}]}, headers={"X-Plytix-Deprecation": echo}),
        Answer(drop=True),
        error(401, echo),  # the last one: nothing is sent any more after it
    ):
        server.answers = [answer]
        for operation in OPERATIONS.values():
            try:
                operation(client)
            except ImageAssetsError as caught:
                traceback.print_exception(caught, file=printed)
    printed.write(repr(client) + caplog.text)
    assert "HTTP 422" in printed.getvalue()
    assert "will stop offering" in caplog.text
    assert "api/v1/assets" in caplog.text
    for secret in (KEY, PASSWORD, token):
        assert secret not in printed.getvalue()
