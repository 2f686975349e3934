"""HTTP: routes, keys, the limit, the account, and what a test can look at."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from image_assets.sandbox.stability import MODELS, Behaviour, Seen, StabilityServer
from image_assets_tests.sandbox.shopify.client import Clock
from image_assets_tests.sandbox.stability.client import BALANCE, GENERATE, PIXELS, Client, error_of, opened

# --- answers


@pytest.mark.parametrize("accept", ["image/*", "*/*", "image/png"])
def test_a_good_answer_is_the_picture_with_its_seed_beside_it(client: Client, accept: str) -> None:
    answer = client.generate(accept=accept, prompt="A mug", seed=12)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert (answer.headers["finish-reason"], answer.headers["seed"]) == ("SUCCESS", "12")
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert opened(answer.content).format == "PNG"


def test_in_json_the_same_is_in_the_body(client: Client) -> None:
    answer = client.generate(accept="application/json", prompt="A mug", seed=12, output_format="webp")
    body = answer.json()
    assert answer.headers["content-type"] == "application/json; type=image/webp"
    assert "finish-reason" not in answer.headers
    assert (body["seed"], body["finish_reason"]) == (12, "SUCCESS")
    as_bytes = client.generate(prompt="A mug", seed=12, output_format="webp")
    assert base64.b64decode(body["image"]) == as_bytes.content


def test_without_a_seed_each_picture_is_another_and_after_a_reset_the_same(
    client: Client, server: StabilityServer
) -> None:
    def takes() -> list[tuple[str, bytes]]:
        answers = [client.generate(prompt="A mug"), client.generate(prompt="A mug", seed=0)]
        return [(answer.headers["seed"], answer.content) for answer in answers]

    first = takes()
    assert first[0] != first[1]
    server.reset()
    assert takes() == first


# --- keys and paths


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer sk-nobody", "Basic sk-nobody", "Bearer ключ"])
def test_a_wrong_key_is_refused_in_one_sentence(client: Client, header: str) -> None:
    answer = client.call("POST", f"{GENERATE}core", headers={"Authorization": header.encode()})
    assert error_of(answer) == (401, "unauthorized", ["authorization: invalid or missing header value"])


def test_a_bare_key_is_no_bearer(client: Client, server: StabilityServer) -> None:
    assert client.call("GET", BALANCE, headers={"Authorization": server.api_key}).status_code == 401


def test_under_the_first_version_a_refusal_shows_the_ends_of_a_key(client: Client) -> None:
    answer = client.call("GET", BALANCE, headers={"Authorization": "Bearer sk-notarealtokenzzzzzz"})
    body = answer.json()
    assert (answer.status_code, set(body), body["name"]) == (401, {"id", "name", "message"}, "unauthorized")
    assert body["message"] == (
        "Incorrect API key provided: sk-nota***********zzzz. You can find your API key at https://stability.ai."
    )
    missing = client.call("GET", BALANCE, headers={"Authorization": ""})
    assert missing.json()["message"] == "missing authorization header"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{GENERATE}core"), ("POST", f"{GENERATE}sd4"), ("POST", BALANCE), ("GET", "/"), ("GET", "/v1/none")],
)
def test_the_key_is_looked_at_before_the_path(client: Client, server: StabilityServer, method: str, path: str) -> None:
    assert client.call(method, path, headers={"Authorization": "Bearer sk-nobody"}).status_code == 401
    answer = client.call(method, path)
    assert (answer.status_code, answer.json()["name"]) == (404, "not_found")
    assert [seen.route for seen in server.requests] == [f"{method} {path}"] * 2


def test_the_key_may_change(client: Client, server: StabilityServer) -> None:
    old = server.api_key
    server.api_key = "sk-another"
    assert client.call("GET", BALANCE, headers={"Authorization": f"Bearer {old}"}).status_code == 401
    assert client.call("GET", BALANCE).status_code == 200
    server.api_key = old


# --- the limit


def test_who_exceeds_the_limit_is_timed_out_for_a_minute(client: Client, server: StabilityServer, clock: Clock) -> None:
    assert (server.behaviour.requests_per_window, server.behaviour.window_s) == (150, 10)
    server.behaviour.requests_per_window = 2
    assert [client.generate(prompt="A").status_code, client.call("GET", BALANCE).status_code] == [200, 200]
    answer = client.generate(prompt="A")
    said = (
        "You have exceeded the rate limit of 2 requests within a 10 second period, and have been timed out for 60"
        " seconds."
    )
    assert answer.json() == {"id": "rate_limit_exceeded", "name": "rate_limit_exceeded", "errors": [said]}
    assert "retry-after" not in answer.headers
    clock.seconds += 59.9
    assert client.call("GET", BALANCE).status_code == 429
    clock.seconds += 0.1
    assert client.generate(prompt="A").status_code == 200
    assert (server.throttled, server.images_made) == (2, 2)


def test_a_refusal_may_say_when_to_come_back(client: Client, server: StabilityServer, clock: Clock) -> None:
    server.behaviour.requests_per_window, server.behaviour.retry_after = 0, True
    assert client.generate(prompt="A").headers["retry-after"] == "60"
    clock.seconds += 17.5
    assert client.generate(prompt="A").headers["retry-after"] == "42.5"


def test_without_a_limit_nobody_is_refused(client: Client, server: StabilityServer) -> None:
    server.behaviour.requests_per_window = None
    assert {client.call("GET", BALANCE).status_code for _ in range(160)} == {200}


# --- the account


@pytest.mark.parametrize("model", MODELS)
def test_a_picture_costs_what_its_model_costs(client: Client, server: StabilityServer, model: str) -> None:
    endpoint = model if model in ("core", "ultra") else "sd3"
    client.draw(endpoint, **({} if endpoint == model else {"model": model}))
    assert client.balance() == server.credits == 100 - MODELS[model]
    assert [(seen.model, seen.credits) for seen in server.requests] == [(model, MODELS[model]), ("", 0)]


def test_what_is_not_made_costs_nothing(client: Client, server: StabilityServer) -> None:
    server.faults.inject("status", status=500)
    server.faults.inject("drop_before", after=3)
    answers = [client.generate(prompt=prompt).status_code for prompt in ("A", "", "a sandbox-moderated mug")]
    assert (answers, client.balance()) == ([500, 400, 403], 100)


def test_an_account_that_can_not_pay_is_told_where_to(client: Client, server: StabilityServer) -> None:
    server.credits = 5.5
    client.draw()
    said = (
        "You lack sufficient credits to make this request. Please purchase more credits at"
        " https://platform.stability.ai/account/credits and try again."
    )
    assert error_of(client.generate(prompt="A mug")) == (402, "payment_required", [said])
    assert client.balance() == 2.5
    assert client.generate("sd3", prompt="A mug", model="sd3.5-flash").status_code == 200
    assert client.balance() == 0


def test_credits_are_never_spent_twice(client: Client, server: StabilityServer) -> None:
    server.credits = 15
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.generate(prompt="A mug").status_code, range(12)))
    assert (statuses.count(200), statuses.count(402), server.credits) == (5, 7, 0)


# --- what a test looks at


def test_requests_are_remembered_and_pictures_counted_by_prompt_and_seed(
    client: Client, server: StabilityServer
) -> None:
    fields = {"negative_prompt": "People", "aspect_ratio": "2:3", "output_format": "jpeg"}
    client.draw("ultra", prompt="A mug", seed=4, **fields)
    client.draw(prompt="A mug", seed=4)
    client.draw(prompt="A mug")
    client.generate(prompt="A mug", seed="x")
    client.balance()
    made, *_, refused, account = server.requests
    assert made == Seen("image", "ultra", "A mug", "People", 4, "2:3", "jpeg", 200, "good", 8.0)
    assert refused == Seen("image", status=400)
    assert account == Seen("account", status=200)
    assert server.made == {("A mug", 4): 2, ("A mug", 0): 1}
    assert server.images_made == 3


def test_reset_brings_back_the_behaviour_of_the_start(server: StabilityServer) -> None:
    server.behaviour.pixels = 7
    server.behaviour.prices["core"] = 1
    server.credits = 0
    server.faults.inject("status")
    key = server.api_key
    server.reset()
    assert server.behaviour == Behaviour(pixels=PIXELS, credits=100)
    assert (server.credits, server.faults.pending, server.requests, server.api_key) == (100, 0, [], key)


def test_the_environment_names_address_and_key(server: StabilityServer) -> None:
    assert server.env() == {"STABILITY_BASE_URL": server.url, "STABILITY_API_KEY": server.api_key}
    assert re.fullmatch("sk-[0-9a-f]{48}", server.api_key)
