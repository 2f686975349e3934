"""The vendor's own SDK against the stand-in: what it sends is taken, what it answers is understood."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from image_assets.sandbox.openai import IMAGE_MODELS, MODERATED_WORDS, OpenAiServer
from image_assets_tests.sandbox.openai.client import MODEL, SIDE


@pytest.fixture
def sdk(server: OpenAiServer) -> Iterator[Any]:
    import openai

    env = server.env()
    with openai.OpenAI(api_key=env["OPENAI_API_KEY"], base_url=env["OPENAI_BASE_URL"], max_retries=0) as client:
        yield client


def test_the_sdk_gets_pictures(sdk: Any) -> None:
    answer = sdk.images.generate(
        model=MODEL, prompt="A rope.", n=2, size="1536x1024", output_format="webp", quality="max", user="me"
    )
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))) as image:
        assert (image.format, image.size) == ("WEBP", (SIDE, SIDE * 2 // 3))
    assert (len(answer.data), answer.output_format, answer.size, answer.quality) == (2, "webp", "1536x1024", "max")
    usage = answer.usage
    assert usage.output_tokens_details.image_tokens == usage.output_tokens == usage.total_tokens - usage.input_tokens
    # Every field is one the SDK types.
    assert not answer.model_extra
    assert not usage.model_extra


def test_the_sdk_looks_at_models(sdk: Any) -> None:
    assert sdk.models.retrieve(MODEL).id == MODEL
    assert [model.id for model in sdk.models.list()] == list(IMAGE_MODELS)


def test_the_sdk_sees_errors(sdk: Any, server: OpenAiServer) -> None:
    import openai

    with pytest.raises(openai.BadRequestError) as blocked:
        sdk.images.generate(model=MODEL, prompt=MODERATED_WORDS)
    assert blocked.value.code == "moderation_blocked"
    with pytest.raises(openai.NotFoundError) as unknown:
        sdk.models.retrieve("dall-e-3")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match=r"Unknown parameter: 'response_format'\."):
        sdk.images.generate(model=MODEL, prompt="A rope.", response_format="b64_json")
    server.behaviour.credit = 0
    with pytest.raises(openai.RateLimitError) as spent:
        sdk.images.generate(model=MODEL, prompt="A rope.")
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    server.faults.inject("status")
    with pytest.raises(openai.InternalServerError) as busy:
        sdk.images.generate(model=MODEL, prompt="A rope.")
    assert str(busy.value.request_id).startswith("req_")


def test_the_sdk_comes_again_when_it_was_told_to(sdk: Any, server: OpenAiServer) -> None:
    server.faults.inject("status", status=429, retry_after_s=0.01)
    assert len(sdk.with_options(max_retries=1).images.generate(model=MODEL, prompt="A rope.").data) == 1
    assert [seen.status for seen in server.requests] == [429, 200]
