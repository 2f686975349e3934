"""Token counts, the limit on them, and enums as numbers."""

from __future__ import annotations

import json

import pytest

from image_assets_tests.sandbox.gemini.client import (
    IMAGE_MODEL,
    JSON_CONFIG,
    TEXT_MODEL,
    Client,
    body_of,
    product,
)


def test_usage_adds_up_and_thinking_counts(client: Client) -> None:
    usage = client.answer(TEXT_MODEL, body_of("x" * 400, product()))["usageMetadata"]
    assert (usage["promptTokenCount"], usage["thoughtsTokenCount"]) == (358, 36)
    assert usage["totalTokenCount"] == 358 + usage["candidatesTokenCount"] + 36


def test_who_does_not_think_pays_for_no_thoughts(client: Client) -> None:
    unthinking = body_of("x", thinkingConfig={"thinkingBudget": 0})
    assert "thoughtsTokenCount" not in client.answer(TEXT_MODEL, unthinking)["usageMetadata"]
    assert "thoughtsTokenCount" not in client.answer("gemini-2.5-flash-lite", body_of())["usageMetadata"]


def test_an_answer_breaks_off_at_its_limit(client: Client) -> None:
    body = body_of("Write 6 prompts.", product(), maxOutputTokens=80, **JSON_CONFIG)
    found = client.answer(TEXT_MODEL, body)
    (candidate,) = found["candidates"]
    assert candidate["finishReason"] == "MAX_TOKENS"
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(candidate["content"]["parts"][0]["text"])
    usage = found["usageMetadata"]
    assert usage["candidatesTokenCount"] + usage["thoughtsTokenCount"] == 80


def test_thinking_may_use_up_the_limit(client: Client) -> None:
    candidate = client.candidate(TEXT_MODEL, body_of("Look.", product(), maxOutputTokens=10))
    assert candidate == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}


def test_a_picture_does_not_fit_a_small_limit(client: Client) -> None:
    candidate = client.candidate(IMAGE_MODEL, body_of("x", maxOutputTokens=500))
    assert (candidate["finishReason"], "parts" in candidate["content"]) == ("MAX_TOKENS", False)


def test_enums_are_numbers_when_the_caller_wants_them_so(client: Client) -> None:
    path = f"/v1beta/models/{IMAGE_MODEL}:generateContent?%24alt=json%3Benum-encoding%3Dint"
    found = client.call("POST", path, body_of("x", product())).json()
    assert found["candidates"][0]["finishReason"] == 1
    assert [detail["modality"] for detail in found["usageMetadata"]["promptTokensDetails"]] == [1, 2]
    refused = client.call("POST", path, body_of("sandbox-no-image")).json()
    assert refused["candidates"][0]["finishReason"] == 16


def test_answers_have_names_of_their_own(client: Client) -> None:
    first, second = (client.answer(TEXT_MODEL, body_of()) for _ in range(2))
    assert first.pop("responseId") != second.pop("responseId")
    assert first == second
