"""The vendor's own SDKs against the stand-in: what they send is taken, what it answers is understood."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Literal

import pytest
from PIL import Image
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from image_assets.sandbox.gemini import IMAGE_MODELS, TEXT_MODELS, GeminiServer, marker
from image_assets_tests.sandbox.gemini.client import IMAGE_MODEL, OLD_MODEL, SIZE, TEXT_MODEL, product


class Prompt(BaseModel):
    """A prompt for a picture."""

    title: str
    text: str


class Analysis(BaseModel):
    """What a model says of a photograph."""

    colours: list[str] = Field(min_length=1, max_length=3)
    background: Literal["plain", "busy"]
    note: str | None = None
    confidence: float = Field(ge=0, le=1)
    prompts: list[Prompt] = Field(min_length=4, max_length=4)


class Answer(TypedDict):
    """The same for the older SDK, which can say less."""

    colours: list[str]
    prompts: list[str]


@pytest.fixture(scope="module")
def legacy() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its support has ended, it says
        import google.generativeai
    return google.generativeai


@pytest.fixture
def old(legacy: ModuleType, server: GeminiServer) -> ModuleType:
    """google-generativeai, which has one configuration for the whole process."""
    legacy.configure(api_key=server.api_key, transport="rest", client_options={"api_endpoint": server.url})
    return legacy


@pytest.fixture
def new(server: GeminiServer) -> Iterator[Any]:
    """google-genai."""
    from google import genai
    from google.genai import types

    with genai.Client(api_key=server.api_key, http_options=types.HttpOptions(base_url=server.url)) as client:
        yield client


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def test_the_older_sdk_analyses_a_photograph(old: Any, server: GeminiServer) -> None:
    with Image.open(io.BytesIO(product())) as photograph:
        model = old.GenerativeModel(TEXT_MODEL, system_instruction="Be terse.")
        config = {"response_mime_type": "application/json", "response_schema": Answer, "max_output_tokens": 2000}
        answer = model.generate_content(["Write 2 prompts.", photograph], generation_config=config)
    found = json.loads(answer.text)
    assert (found["colours"], len(found["prompts"])) == (["red"], 2)
    assert answer.candidates[0].finish_reason.name == "STOP"
    assert answer.usage_metadata.prompt_token_count > 258
    assert (server.requests[-1].route, server.requests[-1].system) == ("generateContent", "Be terse.")


def test_the_older_sdk_gets_pictures(old: Any) -> None:
    parts = ["On slate.", {"mime_type": "image/jpeg", "data": product()}]
    config = {"response_modalities": ["TEXT", "IMAGE"]}
    answer = old.GenerativeModel(IMAGE_MODEL).generate_content(parts, generation_config=config)
    (blob,) = (part.inline_data for part in answer.candidates[0].content.parts if part.inline_data.data)
    assert (blob.mime_type, max(size_of(blob.data))) == ("image/jpeg", SIZE)


def test_the_older_sdk_sees_refusals(old: Any) -> None:
    model = old.GenerativeModel(IMAGE_MODEL)
    refused = model.generate_content(marker("image_safety"))
    assert refused.candidates[0].finish_reason.name == "IMAGE_SAFETY"
    with pytest.warns(UserWarning, match="Unrecognized FinishReason enum value: 16"):
        # Newer than the SDK, and so it is a number to it.
        assert model.generate_content(marker("no_image")).candidates[0].finish_reason == 16
    blocked = model.generate_content(marker("blocked_prohibited"))
    assert (blocked.prompt_feedback.block_reason.name, len(blocked.candidates)) == ("PROHIBITED_CONTENT", 0)


def test_the_older_sdk_sees_errors(old: Any, server: GeminiServer) -> None:
    from google.api_core import exceptions

    server.faults.inject("status", status=429, retry_delay_s=7)
    with pytest.raises(exceptions.TooManyRequests) as caught:
        old.GenerativeModel(TEXT_MODEL).generate_content("Hello")
    assert any(detail.get("retryDelay") == "7s" for detail in caught.value.details)
    with pytest.raises(exceptions.NotFound, match="is not found for API version v1beta"):
        old.GenerativeModel(OLD_MODEL).generate_content("Hello")
    old.configure(api_key="AIza-nobody", transport="rest", client_options={"api_endpoint": server.url})
    with pytest.raises(exceptions.BadRequest, match="API key not valid"):
        old.GenerativeModel(TEXT_MODEL).generate_content("Hello")


def test_the_older_sdk_lists_models(old: Any) -> None:
    names = [model.name for model in old.list_models(page_size=10)]
    assert names == [f"models/{name}" for name in (*TEXT_MODELS, *IMAGE_MODELS)]
    assert "generateContent" in old.get_model(f"models/{TEXT_MODEL}").supported_generation_methods


@pytest.mark.parametrize("schema", ["response_schema", "response_json_schema"])
def test_the_newer_sdk_analyses_a_photograph(new: Any, schema: str) -> None:
    from google.genai import types

    config = types.GenerateContentConfig(
        system_instruction="Be terse.",
        response_mime_type="application/json",
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
        **{schema: Analysis if schema == "response_schema" else Analysis.model_json_schema()},
    )
    parts = ["Look.", types.Part.from_bytes(data=product(), mime_type="image/jpeg")]
    answer = new.models.generate_content(model=TEXT_MODEL, contents=parts, config=config)
    found = Analysis.model_validate_json(answer.text)
    assert (found.colours, found.background, len(found.prompts)) == (["red"], "plain", 4)
    assert answer.usage_metadata.thoughts_token_count > 0
    if schema == "response_schema":
        assert answer.parsed == found


def test_the_newer_sdk_gets_pictures_of_the_right_shape(new: Any) -> None:
    from google.genai import types

    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="3:2", image_size="2K")
    )
    with Image.open(io.BytesIO(product())) as photograph:
        answer = new.models.generate_content(model=IMAGE_MODEL, contents=["On slate.", photograph], config=config)
    (blob,) = (part.inline_data for part in answer.candidates[0].content.parts if part.inline_data)
    assert (blob.mime_type, size_of(blob.data)) == ("image/jpeg", (2 * SIZE, 2 * SIZE * 2 // 3))


def test_the_newer_sdk_sees_refusals(new: Any) -> None:
    refused = new.models.generate_content(model=IMAGE_MODEL, contents=marker("no_image"))
    assert (refused.candidates[0].finish_reason.name, refused.text) == ("NO_IMAGE", None)
    blocked = new.models.generate_content(model=IMAGE_MODEL, contents=marker("blocked_safety"))
    assert (blocked.prompt_feedback.block_reason.name, blocked.candidates) == ("SAFETY", None)


def test_the_newer_sdk_sees_errors(new: Any, server: GeminiServer) -> None:
    from google.genai import errors

    server.faults.inject("status", status=503)
    with pytest.raises(errors.ServerError) as unavailable:
        new.models.generate_content(model=TEXT_MODEL, contents="Hello")
    assert (unavailable.value.code, unavailable.value.status) == (503, "UNAVAILABLE")
    server.faults.inject("status", status=429, retry_delay_s=7)
    with pytest.raises(errors.ClientError) as exhausted:
        new.models.generate_content(model=TEXT_MODEL, contents="Hello")
    assert exhausted.value.details["error"]["details"][-1]["retryDelay"] == "7s"
    with pytest.raises(errors.ClientError, match="Model is not found"):
        new.models.get(model=OLD_MODEL)


def test_the_newer_sdk_lists_models(new: Any) -> None:
    names = [model.name for model in new.models.list(config={"page_size": 10})]
    assert names == [f"models/{name}" for name in (*TEXT_MODELS, *IMAGE_MODELS)]
