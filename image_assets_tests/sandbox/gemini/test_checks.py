"""What a well-formed request may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.gemini import GeminiServer
from image_assets_tests.sandbox.gemini.client import (
    IMAGE_MODEL,
    JSON_CONFIG,
    TEXT_MODEL,
    Client,
    body_of,
    error_of,
    picture_part,
    product,
    scenery,
)

STRING = {"type": "STRING"}
EMPTY_PART = "required oneof field 'data' must have one initialized field"


def message(client: Client, body: Any, model: str = TEXT_MODEL) -> str:
    code, status, text = error_of(client.generate(model, body))
    assert (code, status) == (400, "INVALID_ARGUMENT")
    return text


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([], "* GenerateContentRequest.contents: contents is not specified\n"),
        ([{"role": "user"}], "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"),
        ([{"role": "robot", "parts": [{"text": "a"}]}], "Please use a valid role: user, model."),
        (
            [{"parts": [{"text": "a"}, {"text": ""}]}],
            f"* GenerateContentRequest.contents[0].parts[1].data: {EMPTY_PART}\n",
        ),
        ([{"parts": [picture_part(b"GIF89a", "image/gif")]}], "Unsupported MIME type: image/gif"),
    ],
)
def test_contents_that_say_nothing_are_refused(client: Client, contents: list[Any], text: str) -> None:
    assert message(client, {"contents": contents}) == text


@pytest.mark.parametrize("content", [b"not a picture", product()[:200], b"\x89PNG\r\n\x1a\n" + b"x" * 50])
@pytest.mark.parametrize("model", [TEXT_MODEL, IMAGE_MODEL])
def test_a_picture_that_is_none_is_refused(client: Client, content: bytes, model: str) -> None:
    assert message(client, body_of("Look.", content), model).startswith("Unable to process input image.")


def test_every_picture_is_looked_at(client: Client) -> None:
    parts = [picture_part(product()), picture_part(b"none")]
    assert message(client, {"contents": [{"parts": parts}]}).startswith("Unable to process input image.")


@pytest.mark.parametrize(
    ("model", "asked", "accepted"),
    [
        (TEXT_MODEL, ["TEXT", "IMAGE"], "* TEXT\n"),
        (TEXT_MODEL, ["IMAGE"], "* TEXT\n"),
        (IMAGE_MODEL, ["TEXT"], "* TEXT, IMAGE\n* IMAGE\n"),
        (IMAGE_MODEL, ["AUDIO"], "* TEXT, IMAGE\n* IMAGE\n"),
    ],
)
def test_a_model_gives_only_what_it_has(client: Client, model: str, asked: list[str], accepted: str) -> None:
    assert message(client, body_of(responseModalities=asked), model) == (
        f"The requested combination of response modalities ({', '.join(asked)}) is not supported by the model."
        f" models/{model} accepts the following combination of response modalities:\n{accepted}"
    )


@pytest.mark.parametrize(
    ("model", "config", "text"),
    [
        (TEXT_MODEL, {"imageConfig": {"aspectRatio": "1:1"}}, "Aspect ratio is not enabled for this model"),
        (TEXT_MODEL, {"imageConfig": {"imageSize": "1K"}}, "Image size is not enabled for this model"),
        (IMAGE_MODEL, {"imageConfig": {"aspectRatio": "16x9"}}, "aspect_ratio must be one of '1:1', '2:3'"),
        (IMAGE_MODEL, {"imageConfig": {"imageSize": "8K"}}, "image_size must be one of"),
        (IMAGE_MODEL, JSON_CONFIG, "JSON mode is not enabled for this model"),
        (IMAGE_MODEL, {"responseSchema": STRING}, "JSON mode is not enabled for this model"),
        (TEXT_MODEL, {"maxOutputTokens": 0}, "max_output_tokens must be positive."),
        (TEXT_MODEL, {"candidateCount": 2}, "Multiple candidates is not enabled for this model"),
        (TEXT_MODEL, {"responseMimeType": "image/png"}, "allowed mimetypes are `text/plain`, `application/json`"),
        (TEXT_MODEL, {"responseSchema": STRING}, "only allowed with response_mime_type `application/json`"),
        (
            TEXT_MODEL,
            JSON_CONFIG | {"responseSchema": STRING, "responseJsonSchema": {"type": "string"}},
            "response_schema must be omitted",
        ),
    ],
)
def test_settings_a_model_does_not_have_are_refused(client: Client, model: str, config: Any, text: str) -> None:
    assert text in message(client, body_of(**config), model)


def test_the_last_content_with_a_picture_counts_and_its_first_picture(client: Client, server: GeminiServer) -> None:
    contents = [
        {"role": "user", "parts": [picture_part(scenery(), "image/png"), {"text": "First."}]},
        {"role": "model", "parts": [{"text": "Said by the model."}, picture_part(product("PNG"), "image/png")]},
        {"role": "user", "parts": [{"text": "Now brighter."}]},
    ]
    assert '"square"' not in client.text({"contents": contents})
    assert client.text({"contents": contents}) == client.text(body_of("First.\nNow brighter.", product("PNG")))
    first, *_, alone = server.requests
    assert (first.prompt, first.images) == ("First.\nNow brighter.", 2)
    assert first.image_sha256 == alone.image_sha256
