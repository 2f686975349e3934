"""HTTP: routes, keys, limits, credit, models, and what a test can look at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from image_assets.sandbox.openai import IMAGE_MODELS, MODERATED_WORDS, Behaviour, OpenAiServer, Seen
from image_assets_tests.sandbox.openai.client import MODEL, OLD_MODEL, SIDE, Client, error_of, said
from image_assets_tests.sandbox.shopify.client import Clock


def test_a_picture_is_answered_as_json(client: Client) -> None:
    answer = client.generate()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["x-request-id"].startswith("req_")
    assert list(answer.json()["data"][0]) == ["b64_json"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}])
def test_a_missing_key_is_unauthorized(client: Client, headers: dict[str, str]) -> None:
    answer = client.call("GET", "/v1/models", headers=headers)
    assert error_of(answer) == (401, "invalid_request_error", None, None)
    assert said(answer).startswith("You didn't provide an API key.")


def test_a_wrong_key_is_named_but_hidden(client: Client) -> None:
    answer = client.call("GET", "/v1/models", headers={"Authorization": "Bearer sk-proj-0123456789abcdef"})
    assert error_of(answer) == (401, "invalid_request_error", None, "invalid_api_key")
    assert said(answer).startswith("Incorrect API key provided: sk-proj*************cdef. You can find your API key at")
    answer = client.call("GET", "/v1/models", headers={"Authorization": "Bearer sk-1"})
    assert "provided: ****." in said(answer)


def test_a_key_looks_like_the_vendors_and_may_change(client: Client, server: OpenAiServer) -> None:
    old = server.api_key
    assert old.startswith("sk-proj-")
    server.api_key = "sk-another"
    headers = {"Authorization": f"Bearer {old}"}
    assert client.call("GET", "/v1/models", headers=headers).status_code == 401
    assert client.call("GET", "/v1/models").status_code == 200
    server.api_key = old


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/models"),
        ("GET", "/v1/images/generations"),
        ("POST", "/v1/images/edits"),
        ("POST", f"/v1/models/{MODEL}"),
        ("POST", "/images/generations"),
    ],
)
def test_what_is_no_route_is_not_found_and_has_no_body(
    client: Client, server: OpenAiServer, method: str, path: str
) -> None:
    answer = client.call(method, path)
    assert (answer.status_code, answer.content) == (404, b"")
    assert [(seen.route, seen.status) for seen in server.requests] == [(f"{method} {path}", 404)]


def test_models_are_described_and_listed(client: Client, server: OpenAiServer) -> None:
    found = client.call("GET", f"/v1/models/{MODEL}").json()
    assert (found["id"], found["object"]) == (MODEL, "model")
    assert [model["id"] for model in client.call("GET", "/v1/models").json()["data"]] == list(IMAGE_MODELS)
    answer = client.call("GET", "/v1/models/dall-e-3")
    assert error_of(answer) == (404, "invalid_request_error", "model", "model_not_found")
    assert server.counts == {"getModel": 2, "listModels": 1}


def test_models_can_be_others(client: Client, server: OpenAiServer) -> None:
    server.behaviour.models = ("gpt-image-next",)
    assert client.generate(model="gpt-image-next").status_code == 200
    assert client.generate().status_code == 400


def test_the_limit_is_per_model_counts_pictures_and_says_when_to_come_back(
    client: Client, server: OpenAiServer, clock: Clock
) -> None:
    server.behaviour.images_per_minute = 5
    good = client.generate(n=4)
    assert (good.status_code, good.headers["x-ratelimit-remaining-images"]) == (200, "1")
    answer = client.generate(n=3)
    assert error_of(answer) == (429, "input-images", None, "rate_limit_exceeded")
    assert f"Rate limit reached for {MODEL}" in said(answer)
    assert "Limit 5, Used 4, Requested 3. Please try again in 24s." in said(answer)
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("24", "24000")
    assert answer.headers["x-ratelimit-limit-images"] == "5"
    assert client.generate(model=OLD_MODEL, n=5).status_code == 200
    clock.seconds += 24
    assert client.generate(n=3).status_code == 200
    assert (server.throttled, server.images_made) == (1, 12)


def test_no_limit_has_no_headers(client: Client) -> None:
    assert not [name for name in client.generate().headers if name.startswith("x-ratelimit")]


def test_credit_is_used_up_by_pictures_and_not_by_refusals(client: Client, server: OpenAiServer) -> None:
    server.behaviour.credit = 3
    assert client.generate(n=0).status_code == 400
    assert client.generate(MODERATED_WORDS).status_code == 400
    assert client.generate(n=2).status_code == 200
    answer = client.generate(n=2)
    assert error_of(answer) == (429, "insufficient_quota", None, "insufficient_quota")
    assert said(answer).startswith("You exceeded your current quota, please check your plan and billing details.")
    assert "retry-after" not in answer.headers
    assert [client.generate().status_code for _ in range(2)] == [200, 429]
    server.behaviour.credit = None
    assert client.generate().status_code == 200


def test_many_at_once_never_spend_more_than_there_is(client: Client, server: OpenAiServer) -> None:
    server.behaviour.credit = 5
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: client.generate(f"Rope {number}.").status_code, range(16)))
    assert sorted(statuses) == [200] * 5 + [429] * 11
    assert server.images_made == 5


def test_an_organization_that_is_not_verified_gets_no_pictures_but_its_mistakes(
    client: Client, server: OpenAiServer
) -> None:
    server.behaviour.verified = False
    answer = client.generate()
    assert error_of(answer) == (403, "invalid_request_error", None, None)
    assert said(answer).startswith(f"Your organization must be verified to use the model `{MODEL}`.")
    assert client.generate(n=0).status_code == 400
    assert client.call("GET", f"/v1/models/{MODEL}").status_code == 200


def test_a_prompt_with_the_words_is_blocked(client: Client, server: OpenAiServer) -> None:
    answer = client.generate(f"A rope, {MODERATED_WORDS}.")
    assert error_of(answer) == (400, "image_generation_user_error", None, "moderation_blocked")
    assert "safety_violations=[violence]" in said(answer)
    details = {"moderation_stage": "input", "categories": ["violence"]}
    assert answer.json()["error"]["moderation_details"] == details
    assert server.images_made == 0


def test_requests_are_counted_and_remembered(client: Client, server: OpenAiServer) -> None:
    client.generate("Oil.", n=2, size="1536x1024", quality="low", output_format="jpeg")
    client.generate("Oil.")
    client.generate("Rope.")
    client.call("POST", "/v1/images/generations", b"{")
    made, again, _, refused = server.requests
    assert made == Seen("generate", MODEL, "Oil.", "1536x1024", "low", "jpeg", 2, 200)
    assert (again.images, again.quality, again.output_format) == (1, "medium", "png")
    assert (refused.status, refused.model, refused.images) == (400, "", 0)
    assert server.images_by_prompt == {"Oil.": 3, "Rope.": 1}
    assert (server.images_made, server.counts["generate"]) == (4, 4)
    server.reset()
    assert (server.requests, server.images_made) == ([], 0)


def test_reset_brings_back_the_behaviour_of_the_start(server: OpenAiServer) -> None:
    server.behaviour.largest_side, server.behaviour.credit = 7, 1
    server.faults.inject("status")
    key = server.api_key
    server.reset()
    assert (server.behaviour, server.faults.pending, server.api_key) == (Behaviour(largest_side=SIDE), 0, key)


def test_the_environment_names_address_and_key(server: OpenAiServer) -> None:
    assert server.env() == {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": server.api_key}
