"""Bad days on request and by chance."""

from __future__ import annotations

import base64

import httpx2
import pytest

from image_assets.sandbox.openai import OpenAiServer
from image_assets_tests.sandbox.openai.client import MODEL, Client, error_of, said
from image_assets_tests.sandbox.shopify.client import eventually


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (403, "request_forbidden", "unsupported_country_region_territory"),
        (429, "requests", "rate_limit_exceeded"),
        (500, "server_error", None),
        (503, "service_unavailable_error", "server_is_overloaded"),
    ],
)
def test_an_injected_status_carries_nothing_out(
    client: Client, server: OpenAiServer, status: int, kind: str, code: str | None
) -> None:
    server.faults.inject("status", times=2, status=status)
    for _ in range(2):
        assert error_of(client.generate()) == (status, kind, None, code)
    assert (server.images_made, server.throttled) == (0, 0)
    assert client.generate().status_code == 200


def test_an_injected_status_says_what_it_is_told_to(client: Client, server: OpenAiServer) -> None:
    server.faults.inject(
        "status",
        status=400,
        message="Full.",
        code="billing_hard_limit_reached",
        error_type="billing_limit_user_error",
    )
    answer = client.generate()
    assert error_of(answer) == (400, "billing_limit_user_error", None, "billing_hard_limit_reached")
    assert said(answer) == "Full."
    server.faults.inject("status", status=429, retry_after_s=0.25)
    answer = client.generate()
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("1", "250")


@pytest.mark.parametrize("status", [502, 504, 524])
def test_an_answer_may_come_from_before_the_vendor(client: Client, server: OpenAiServer, status: int) -> None:
    server.faults.inject("status", status=status)
    answer = client.generate()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_cut_connection_leaves_the_picture_unmade_or_made(
    client: Client, server: OpenAiServer, kind: str, made: int
) -> None:
    server.faults.inject(kind)
    with pytest.raises(httpx2.TransportError):
        client.generate("Hello")
    [seen] = server.requests
    assert (seen.images, seen.status, seen.prompt) == (made, 0, "Hello" if made else "")
    assert server.images_by_prompt == ({"Hello": 1} if made else {})


def test_a_late_answer_outlasts_an_impatient_client(client: Client, server: OpenAiServer) -> None:
    server.faults.inject("delay", seconds=5)
    with pytest.raises(httpx2.TimeoutException):
        client.generate(timeout=0.1)
    eventually(lambda: server.images_made == 1)


def test_an_answer_may_be_good_http_and_no_good_otherwise(client: Client, server: OpenAiServer) -> None:
    for kind in ("no_image", "url", "broken_base64", "not_an_image"):
        server.faults.inject(kind)
    nothing, link, broken, words = (client.answer()["data"] for _ in range(4))
    assert nothing == []
    assert list(link[0]) == ["url"]
    with pytest.raises(ValueError, match=r"base64|[Pp]adding"):
        base64.b64decode(broken[0]["b64_json"], validate=True)
    assert base64.b64decode(words[0]["b64_json"]) == b"not a picture"
    assert server.images_made == 4
    server.faults.inject("no_image")
    assert client.call("GET", "/v1/models").json()["data"]  # not of pictures


def test_faults_wait_for_their_turn_and_their_route(client: Client, server: OpenAiServer) -> None:
    server.faults.inject("status", after=1, on="generate")
    server.faults.inject("status", on="getModel", status=500)
    statuses = [client.generate().status_code, client.call("GET", f"/v1/models/{MODEL}").status_code]
    statuses += [client.generate().status_code, client.generate().status_code]
    assert statuses == [200, 500, 503, 200]


def test_a_wrong_key_meets_no_fault(client: Client, server: OpenAiServer) -> None:
    server.faults.inject("status")
    assert client.call("GET", "/v1/models", headers={}).status_code == 401
    assert server.faults.pending == 1


def test_bad_luck_may_concern_one_route_and_ends(client: Client, server: OpenAiServer) -> None:
    server.faults.rate(1.0, (429, "no_image"), on="generate")
    answers = [client.generate() for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(answer.json().get("data", []) == [] for answer in answers)
    assert client.call("GET", "/v1/models").status_code == 200
    server.faults.rate(0)
    assert len(client.answer()["data"]) == 1
