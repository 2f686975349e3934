"""Bad days on request and by chance."""

from __future__ import annotations

import httpx2
import pytest

from image_assets.sandbox.gemini import GeminiServer
from image_assets_tests.sandbox.gemini.client import IMAGE_MODEL, TEXT_MODEL, Client, body_of, error_of
from image_assets_tests.sandbox.shopify.client import eventually


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "FAILED_PRECONDITION"), (500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")],
)
def test_an_injected_status_carries_nothing_out(client: Client, server: GeminiServer, status: int, name: str) -> None:
    server.faults.inject("status", times=2, status=status)
    for _ in range(2):
        assert error_of(client.generate(IMAGE_MODEL, body_of()))[:2] == (status, name)
    assert server.images_made == 0
    assert client.generate(IMAGE_MODEL, body_of()).status_code == 200


def test_an_injected_429_says_what_it_is_told_to(client: Client, server: GeminiServer) -> None:
    server.faults.inject("status", status=429, retry_delay_s=0.25)
    server.faults.inject("status", status=429, retry_delay_s=None, quota="day")
    minute, day = (client.generate(TEXT_MODEL, body_of()).json()["error"]["details"] for _ in range(2))
    assert minute[-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.250s"}
    assert "PerDay" in day[-1]["violations"][0]["quotaId"]
    assert server.throttled == 0  # nobody's limit was reached


@pytest.mark.parametrize("status", [502, 499])
def test_an_answer_may_come_from_before_the_vendor(client: Client, server: GeminiServer, status: int) -> None:
    server.faults.inject("status", status=status)
    answer = client.generate(TEXT_MODEL, body_of())
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html" if status == 502 else "application/json")


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_cut_connection_leaves_the_picture_unmade_or_made(
    client: Client, server: GeminiServer, kind: str, made: int
) -> None:
    server.faults.inject(kind)
    with pytest.raises(httpx2.TransportError):
        client.generate(IMAGE_MODEL, body_of("Hello"))
    (seen,) = server.requests
    assert (server.images_made, seen.status, seen.prompt) == (made, 0, "Hello" if made else "")


def test_a_late_answer_outlasts_an_impatient_client(client: Client, server: GeminiServer) -> None:
    server.faults.inject("delay", seconds=5)
    with pytest.raises(httpx2.TimeoutException):
        client.generate(IMAGE_MODEL, body_of(), timeout=0.1)
    eventually(lambda: server.images_made == 1)


def test_faults_wait_for_their_turn_and_their_model(client: Client, server: GeminiServer) -> None:
    server.faults.inject("status", after=1, on=TEXT_MODEL)
    server.faults.inject("status", on="image", status=500)
    models = [TEXT_MODEL, IMAGE_MODEL, IMAGE_MODEL, TEXT_MODEL, TEXT_MODEL]
    statuses = [client.generate(model, body_of()).status_code for model in models]
    assert statuses == [200, 500, 200, 503, 200]


def test_a_wrong_key_meets_no_fault(client: Client, server: GeminiServer) -> None:
    server.faults.inject("status")
    assert client.generate(TEXT_MODEL, body_of(), headers={}).status_code == 403
    assert server.faults.pending == 1


def test_bad_luck_may_concern_some_models_and_ends(client: Client, server: GeminiServer) -> None:
    server.faults.rate(1.0, (429, "drop_after", "no_image"), on="image", retry_delay_s=0.01)
    statuses, lost = set(), 0
    for _ in range(20):
        try:
            statuses.add(client.generate(IMAGE_MODEL, body_of()).status_code)
        except httpx2.TransportError:
            lost += 1
    assert statuses == {200, 429}
    assert lost > 0
    assert {seen.outcome for seen in server.requests if seen.status == 200} == {"no_image"}
    assert client.generate(TEXT_MODEL, body_of()).status_code == 200
    server.faults.rate(0)
    assert client.candidate(IMAGE_MODEL, body_of())["finishReason"] == "STOP"
