"""Bad days on request and by chance."""

from __future__ import annotations

from threading import Thread

import httpx2
import pytest

from image_assets.sandbox.stability import Faults, StabilityServer
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


@pytest.mark.parametrize(("kind", "made"), [("hang_before", 0), ("hang_after", 1)])
def test_a_request_hangs_until_it_is_let_go_and_is_cut_then(
    client: Client, server: StabilityServer, kind: str, made: int
) -> None:
    server.faults.inject(kind)
    errors: list[Exception] = []

    def call() -> None:
        try:
            client.generate(prompt="A")
        except httpx2.TransportError as error:
            errors.append(error)

    thread = Thread(target=call)
    thread.start()
    eventually(lambda: server.faults.pending == 0 and server.images_made == made)
    assert thread.is_alive()
    server.faults.release()
    thread.join()
    assert len(errors) == 1


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


@pytest.mark.parametrize("when", ["before", "after"])
def test_somebody_may_come_in_between(client: Client, server: StabilityServer, when: str) -> None:
    made: list[int] = []
    server.faults.inject("call", when=when, action=lambda: made.append(server.images_made))
    client.draw()
    assert made == [0 if when == "before" else 1]


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


def test_bad_luck_is_as_frequent_as_told_and_the_same_each_time() -> None:
    def luck(seed: int) -> list[int]:
        faults = Faults()
        faults.rate(0.1, (429, 500, 503), seed=seed)
        return [faults.next("image").options.get("status", 200) for _ in range(3000)]

    found = luck(1)
    assert 200 < sum(status != 200 for status in found) < 400
    assert set(found) == {200, 429, 500, 503}
    assert luck(1) == found != luck(2)


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


def test_what_is_planned_comes_before_luck_and_clear_ends_both(client: Client, server: StabilityServer) -> None:
    server.faults.rate(1.0, (500,))
    server.faults.inject("status", status=503, times=2)
    assert client.generate(prompt="A").status_code == 503
    server.faults.clear()
    assert client.generate(prompt="A").status_code == 200


def test_a_fault_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Faults().inject("nonsense")
    with pytest.raises(ValueError, match="between"):
        Faults().inject("call", when="between")
    with pytest.raises(ValueError, match="nonsense"):
        Faults().rate(0.5, ("nonsense",))
