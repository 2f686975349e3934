"""Bad days on request and by chance."""

from __future__ import annotations

import httpx2
import pytest

from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.sandbox.shopify.client import eventually
from image_assets_tests.sandbox.stability.client import BALANCE, Client, error_of, opened


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "bad_request"),
        (402, "payment_required"),
        (403, "permission_denied"),
        (404, "not_found"),
        (422, "invalid_language"),
        (429, "rate_limit_exceeded"),
        (500, "internal_error"),
    ],
)
def test_an_injected_status_carries_nothing_out(
    client: Client, server: StabilityServer, status: int, name: str
) -> None:
    server.faults.inject("status", times=2, status=status)
    for _ in range(2):
        assert error_of(client.generate(prompt="A"))[:2] == (status, name)
    assert (server.images_made, server.credits, server.throttled) == (0, 100, 0)
    assert client.generate(prompt="A").status_code == 200


def test_an_injected_status_says_what_it_is_told_to(client: Client, server: StabilityServer) -> None:
    server.faults.inject("status", status=429, retry_after_s=0.25)
    server.faults.inject("status", status=422, message="Too dull.", name="dull")
    assert client.generate(prompt="A").headers["retry-after"] == "0.25"
    assert error_of(client.generate(prompt="A")) == (422, "dull", ["Too dull."])


@pytest.mark.parametrize("status", [502, 503, 504, 520])
def test_an_answer_may_come_from_before_the_vendor(client: Client, server: StabilityServer, status: int) -> None:
    server.faults.inject("status", status=status)
    answer = client.generate(prompt="A")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_cut_connection_leaves_the_picture_unmade_or_paid_for(
    client: Client, server: StabilityServer, kind: str, made: int
) -> None:
    server.faults.inject(kind)
    with pytest.raises(httpx2.TransportError):
        client.generate(prompt="A")
    [seen] = server.requests
    assert (server.images_made, seen.status, seen.prompt) == (made, 0, "A" if made else "")
    assert server.credits == 100 - 3 * made


def test_a_late_answer_outlasts_an_impatient_client(client: Client, server: StabilityServer) -> None:
    server.faults.inject("delay", seconds=5)
    with pytest.raises(httpx2.TimeoutException):
        client.http.post(
            f"{server.url}/v2beta/stable-image/generate/core",
            files={"prompt": (None, "A")},
            headers={"Authorization": f"Bearer {server.api_key}"},
            timeout=0.2,
        )
    assert eventually(lambda: server.images_made) == 1


def test_faults_wait_for_their_turn_and_their_kind_of_request(client: Client, server: StabilityServer) -> None:
    server.faults.inject("status", after=1, on="account", status=500)
    server.faults.inject("status", on="image", status=503)
    server.faults.inject("filtered")
    assert [client.call("GET", BALANCE).status_code for _ in range(3)] == [200, 500, 200]
    answers = [client.generate(prompt="A") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert [answer.headers["finish-reason"] for answer in answers[1:]] == ["CONTENT_FILTERED", "SUCCESS"]


def test_a_wrong_key_meets_no_fault(client: Client, server: StabilityServer) -> None:
    server.faults.inject("status")
    assert client.call("GET", BALANCE, headers={"Authorization": ""}).status_code == 401
    assert server.faults.pending == 1


def test_bad_luck_may_concern_pictures_alone_and_ends(client: Client, server: StabilityServer) -> None:
    server.faults.rate(1.0, (429, "drop_after", "blank_image"), on="image", retry_after_s=0.01)
    statuses, lost = set(), 0
    for _ in range(20):
        try:
            statuses.add(client.generate(prompt="A").status_code)
        except httpx2.TransportError:
            lost += 1
    assert (statuses, client.call("GET", BALANCE).status_code) == ({200, 429}, 200)
    assert {seen.outcome for seen in server.requests if seen.status == 200} == {"blank_image", ""}
    assert lost == sum(seen.outcome == "good" for seen in server.requests) > 0
    server.faults.rate(0)
    assert opened(client.generate(prompt="A").content).getcolors() is None
