"""Answers that are not what one hoped for, by words, by behaviour and by plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from image_assets.sandbox.gemini import OUTCOMES, GeminiServer, marker, outcomes
from image_assets.sandbox.gemini.behaviour import ModelKind
from image_assets.sandbox.gemini.looking import look
from image_assets_tests.sandbox.gemini.client import (
    IMAGE_MODEL,
    JSON_CONFIG,
    TEXT_MODEL,
    Client,
    body_of,
    picture_of,
    product,
)

MODELS: dict[ModelKind, str] = {"text": TEXT_MODEL, "image": IMAGE_MODEL}
BLOCKED = {"blocked_prohibited": "PROHIBITED_CONTENT", "blocked_safety": "SAFETY", "blocked_other": "OTHER"}
REFUSED = {
    ("text", "prohibited_content"): "PROHIBITED_CONTENT",
    ("text", "safety"): "SAFETY",
    ("image", "prohibited_content"): "PROHIBITED_CONTENT",
    ("image", "image_safety"): "IMAGE_SAFETY",
    ("image", "image_prohibited"): "IMAGE_PROHIBITED_CONTENT",
    ("image", "image_recitation"): "IMAGE_RECITATION",
    ("image", "image_other"): "IMAGE_OTHER",
    ("image", "no_image"): "NO_IMAGE",
}


def asked(client: Client, model: str, name: str) -> dict[str, Any]:
    return client.answer(model, body_of(f"A mug ({marker(name)}) on slate", product()))


@pytest.mark.parametrize("model", MODELS.values())
@pytest.mark.parametrize(("name", "reason"), BLOCKED.items())
def test_a_blocked_prompt_has_no_candidates(client: Client, model: str, name: str, reason: str) -> None:
    found = asked(client, model, name)
    assert found["promptFeedback"] == {"blockReason": reason}
    assert "candidates" not in found
    assert found["usageMetadata"]["totalTokenCount"] == found["usageMetadata"]["promptTokenCount"] > 258


@pytest.mark.parametrize(("case", "reason"), REFUSED.items())
def test_a_refused_answer_has_no_content(
    client: Client, server: GeminiServer, case: tuple[ModelKind, str], reason: str
) -> None:
    kind, name = case
    (candidate,) = asked(client, MODELS[kind], name)["candidates"]
    assert (candidate["finishReason"], candidate["index"]) == (reason, 0)
    assert "content" not in candidate
    assert candidate.get("finishMessage", "") == OUTCOMES[name].message
    assert (server.requests[-1].outcome, server.images_made) == (name, 0)


def test_an_answer_may_be_words_alone(client: Client) -> None:
    (candidate,) = asked(client, IMAGE_MODEL, "text_only")["candidates"]
    assert (candidate["finishReason"], [list(part) for part in candidate["content"]["parts"]]) == ("STOP", [["text"]])


def test_a_picture_may_be_blank(client: Client) -> None:
    (candidate,) = asked(client, IMAGE_MODEL, "blank_image")["candidates"]
    facts = look(picture_of(candidate)[0])
    assert (facts.coverage, len(facts.colours)) == (0.0, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_may_be_the_very_one_that_was_sent(client: Client, kind: str) -> None:
    body = body_of(marker("unchanged_image"), product(kind))
    assert client.picture(body) == (product(kind), f"image/{kind.lower()}")
    assert client.picture(body_of(marker("unchanged_image")))  # nothing was sent: an ordinary one


def test_a_picture_may_be_none(client: Client) -> None:
    content, mime_type = client.picture(body_of(marker("not_an_image"), product()))
    assert mime_type == "image/jpeg"
    assert b"DOCTYPE" in content


@pytest.mark.parametrize(("name", "reason"), [("truncated_json", "STOP"), ("max_tokens", "MAX_TOKENS")])
def test_an_analysis_may_break_off(client: Client, name: str, reason: str) -> None:
    body = body_of(f"Write 3 prompts for {marker(name)}", product(), **JSON_CONFIG)
    candidate = client.candidate(TEXT_MODEL, body)
    assert candidate["finishReason"] == reason
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(candidate["content"]["parts"][0]["text"])


def test_a_picture_may_run_out_of_tokens(client: Client, server: GeminiServer) -> None:
    (candidate,) = asked(client, IMAGE_MODEL, "max_tokens")["candidates"]
    assert candidate == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    assert server.images_made == 0


def test_a_products_name_chooses_what_its_pictures_come_to(client: Client) -> None:
    analysis = client.text(body_of(f"Category: {marker('no_image')} mugs. Write 1 prompt.", product(), **JSON_CONFIG))
    (prompt,) = json.loads(analysis)["prompts"]
    assert client.candidate(IMAGE_MODEL, body_of(prompt, product()))["finishReason"] == "NO_IMAGE"


def test_markers_may_be_in_the_system_instruction_and_may_be_off(client: Client, server: GeminiServer) -> None:
    body = body_of("Look.") | {"systemInstruction": {"parts": [{"text": marker("safety").upper()}]}}
    assert client.candidate(TEXT_MODEL, body)["finishReason"] == "SAFETY"
    server.behaviour.markers = False
    assert client.candidate(TEXT_MODEL, body)["finishReason"] == "STOP"


def test_behaviour_gives_every_request_an_outcome_it_can_have(client: Client, server: GeminiServer) -> None:
    server.behaviour.outcome = "image_safety"
    assert client.candidate(IMAGE_MODEL, body_of("x"))["finishReason"] == "IMAGE_SAFETY"
    assert client.candidate(TEXT_MODEL, body_of("x"))["finishReason"] == "STOP"


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_can_be_planned_for_requests_that_can_have_it(
    client: Client, server: GeminiServer, name: str
) -> None:
    server.faults.inject(name)
    assert client.call("GET", f"/v1/models/{IMAGE_MODEL}").status_code == 200
    for kind, model in MODELS.items():
        if kind in OUTCOMES[name].kinds:
            break
        client.answer(model, body_of("x", product()))
        assert (server.requests[-1].outcome, server.faults.pending) == ("good", 1)
    client.answer(model, body_of("x", product()))
    assert (server.requests[-1].outcome, server.faults.pending) == (name, 0)


def test_every_marker_is_documented() -> None:
    assert outcomes.__doc__ is not None
    documented = {word for word in outcomes.__doc__.split() if word.startswith("sandbox-")}
    assert documented >= {marker(name) for name in OUTCOMES}
