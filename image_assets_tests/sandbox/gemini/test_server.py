"""HTTP: routes, keys, limits, models, and what a test can look at."""

from __future__ import annotations

from hashlib import sha256

import pytest

from image_assets.sandbox.gemini import IMAGE_MODELS, TEXT_MODELS, Behaviour, GeminiServer, Seen
from image_assets_tests.sandbox.gemini.client import (
    IMAGE_MODEL,
    OLD_MODEL,
    SIZE,
    TEXT_MODEL,
    Client,
    body_of,
    error_of,
    product,
)
from image_assets_tests.sandbox.shopify.client import Clock


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_model_answers_under_both_versions(client: Client, version: str) -> None:
    answer = client.generate(TEXT_MODEL, body_of("Describe it.", product()), version)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json; charset=UTF-8")
    found = answer.json()
    assert found["modelVersion"] == TEXT_MODEL
    assert found["candidates"][0]["content"]["role"] == "model"
    assert found["candidates"][0]["finishReason"] == "STOP"


def test_a_wrong_key_is_a_bad_request_with_a_reason(client: Client) -> None:
    answer = client.generate(TEXT_MODEL, body_of(), headers={"x-goog-api-key": "AIza-nobody"})
    assert error_of(answer) == (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    information, localized = answer.json()["error"]["details"]
    assert (information["reason"], information["domain"]) == ("API_KEY_INVALID", "googleapis.com")
    assert localized["@type"].endswith("LocalizedMessage")


def test_a_missing_key_is_forbidden(client: Client) -> None:
    code, status, message = error_of(client.generate(TEXT_MODEL, body_of(), headers={}))
    assert (code, status) == (403, "PERMISSION_DENIED")
    assert "unregistered callers" in message


def test_the_key_may_be_in_the_query_and_may_change(client: Client, server: GeminiServer) -> None:
    old = server.api_key
    assert client.call("GET", f"/v1/models/{TEXT_MODEL}?key={old}", headers={}).status_code == 200
    server.api_key = "AIza-another"
    assert client.call("GET", f"/v1/models/{TEXT_MODEL}?key={old}", headers={}).status_code == 400
    assert client.call("GET", f"/v1/models/{TEXT_MODEL}").status_code == 200
    server.api_key = old


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1beta/models/a/b"),
        ("GET", f"/v1/models/{TEXT_MODEL}:generateContent"),
        ("POST", f"/v1/models/{TEXT_MODEL}"),
        ("POST", f"/v1/models/{TEXT_MODEL}:countTokens"),
        ("POST", "/v2/models/x:generateContent"),
    ],
)
def test_what_is_no_route_is_a_page(client: Client, server: GeminiServer, method: str, path: str) -> None:
    answer = client.call(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    assert [seen.route for seen in server.requests] == [f"{method} {path}"]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_model_that_was_shut_down_is_not_found(client: Client, version: str) -> None:
    code, status, message = error_of(client.generate(OLD_MODEL, body_of(), version))
    assert (code, status) == (404, "NOT_FOUND")
    assert message.startswith(f"models/{OLD_MODEL} is not found for API version {version}, or is not supported for")
    assert error_of(client.call("GET", f"/{version}/models/{OLD_MODEL}")) == (
        404,
        "NOT_FOUND",
        f"Model is not found: models/{OLD_MODEL} for api version {version}",
    )


def test_models_are_described_and_listed_page_by_page(client: Client) -> None:
    found = client.call("GET", f"/v1beta/models/{IMAGE_MODEL}").json()
    assert found["name"] == f"models/{IMAGE_MODEL}"
    assert found["supportedGenerationMethods"] == ["generateContent"]
    names, token = [], ""
    for _ in range(3):
        page = client.call("GET", f"/v1beta/models?pageSize=10&pageToken={token}").json()
        names += [model["name"].removeprefix("models/") for model in page["models"]]
        token = page.get("nextPageToken", "")
    assert names == [*TEXT_MODELS, *IMAGE_MODELS]
    assert token == ""
    assert client.call("GET", "/v1/models?pageToken=%21").status_code == 400


def test_models_can_be_others(client: Client, server: GeminiServer) -> None:
    server.behaviour.text_models = ("gemini-next",)
    assert client.generate("gemini-next", body_of()).status_code == 200
    assert client.generate(TEXT_MODEL, body_of()).status_code == 404


def test_a_request_that_is_too_large_is_refused(client: Client, server: GeminiServer) -> None:
    assert server.behaviour.max_request_bytes == 20971520
    server.behaviour.max_request_bytes = 1000
    code, status, message = error_of(client.generate(TEXT_MODEL, body_of("x" * 1000)))
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert message.startswith("Request payload size exceeds the limit: 1000 bytes.")


def test_the_limit_is_per_model_and_says_when_to_come_back(client: Client, server: GeminiServer, clock: Clock) -> None:
    server.behaviour.requests_per_minute = 2
    assert [client.generate(TEXT_MODEL, body_of()).status_code for _ in range(2)] == [200, 200]
    clock.seconds += 57.5
    answer = client.generate(TEXT_MODEL, body_of())
    code, status, message = error_of(answer)
    assert (code, status) == (429, "RESOURCE_EXHAUSTED")
    assert message.endswith("limit: 2, model: gemini-3.8-flash\nPlease retry in 2.500000000s.")
    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer.json()["error"]["details"]}
    assert details["RetryInfo"]["retryDelay"] == "3s"
    (violation,) = details["QuotaFailure"]["violations"]
    assert violation["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel"
    assert violation["quotaDimensions"] == {"location": "global", "model": TEXT_MODEL}
    assert client.generate(IMAGE_MODEL, body_of()).status_code == 200
    clock.seconds += 2.5
    assert client.generate(TEXT_MODEL, body_of()).status_code == 200
    assert server.throttled == 1


def test_requests_are_counted_and_remembered(client: Client, server: GeminiServer) -> None:
    client.generate(
        TEXT_MODEL, body_of("Look.", product()) | {"system_instruction": {"parts": [{"text": "Be terse."}]}}
    )
    client.generate(IMAGE_MODEL, body_of("Make it.", product()))
    client.generate(IMAGE_MODEL, b"{")
    client.call("GET", "/v1/models")
    digest = sha256(product()).hexdigest()
    looked, made, refused, listed = server.requests
    assert looked == Seen("generateContent", TEXT_MODEL, "Look.", "Be terse.", digest, 1, 200, "good", made_image=False)
    assert (made.prompt, made.image_sha256, made.made_image) == ("Make it.", digest, True)
    assert (refused.status, refused.outcome, refused.prompt) == (400, "", "")
    assert (listed.route, listed.model) == ("listModels", "")
    assert server.counts["generateContent", IMAGE_MODEL] == 2
    assert server.answers["generateContent", IMAGE_MODEL, 400] == 1
    assert server.images_made == 1
    server.reset()
    assert (server.requests, server.images_made) == ([], 0)


def test_reset_brings_back_the_behaviour_of_the_start(server: GeminiServer) -> None:
    server.behaviour.image_size = 7
    server.faults.inject("status")
    key = server.api_key
    server.reset()
    assert (server.behaviour, server.faults.pending, server.api_key) == (Behaviour(image_size=SIZE), 0, key)


def test_the_environment_names_address_and_key(server: GeminiServer) -> None:
    assert server.env() == {"GEMINI_BASE_URL": server.url, "GEMINI_API_KEY": server.api_key}
