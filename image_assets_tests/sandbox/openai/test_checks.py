"""What a request may say, and how the vendor refuses it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.openai import IMAGE_MODELS, OpenAiServer
from image_assets.sandbox.openai.checks import Ask, understand
from image_assets.sandbox.openai.errors import Refused
from image_assets_tests.sandbox.openai.client import MODEL, OLD_MODEL, Client, error_of, said

REQUEST, IMAGE = "invalid_request_error", "image_generation_user_error"


def read(**body: Any) -> Ask:
    return understand(json.dumps({"model": MODEL, "prompt": "A rope.", **body}).encode(), IMAGE_MODELS)


def refusal(**body: Any) -> dict[str, Any]:
    with pytest.raises(Refused) as caught:
        read(**body)
    assert caught.value.status == 400
    assert caught.value.body is not None
    error = caught.value.body["error"]
    assert isinstance(error, dict)
    return error


def test_what_is_left_out_or_null_has_the_vendors_defaults() -> None:
    expected = Ask(MODEL, "A rope.", 1, (1024, 1024), "medium", "png", 100, transparent=False)
    assert read() == expected
    names = ["n", "size", "quality", "output_format", "output_compression", "background", "stream", "partial_images"]
    assert read(**dict.fromkeys(names), user="me", moderation="low") == expected
    assert read(size="auto", quality="auto", background="auto") == expected


def test_everything_that_is_asked_for_is_understood() -> None:
    ask = read(n=3, size="1536x1024", quality="high", output_format="webp", output_compression=50, background="opaque")
    assert ask == Ask(MODEL, "A rope.", 3, (1536, 1024), "high", "webp", 50, transparent=False)
    assert read(background="transparent").transparent


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(sent: bytes) -> None:
    with pytest.raises(Refused) as caught:
        understand(sent, IMAGE_MODELS)
    assert "We could not parse the JSON body of your request." in str(caught.value)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"model": None}, "invalid_type", "Invalid type for 'model': expected a string, but got null instead."),
        ({"model": 1.5}, "invalid_type", "expected a string, but got a decimal number instead."),
        ({"prompt": None}, "invalid_type", "Invalid type for 'prompt': expected a string, but got null instead."),
        ({"prompt": ["x"]}, "invalid_type", "expected a string, but got an array instead."),
        ({"prompt": ""}, "empty_string", "Invalid 'prompt': empty string."),
        (
            {"prompt": "x" * 32_001},
            "string_above_max_length",
            "maximum length 32000, but got a string with length 32001",
        ),
        ({"n": 0}, "integer_below_min_value", "Expected a value >= 1, but got 0 instead."),
        ({"n": 11}, "integer_above_max_value", "Expected a value <= 10, but got 11 instead."),
        ({"n": True}, "invalid_type", "Invalid type for 'n': expected an integer, but got a boolean instead."),
        ({"n": "2"}, "invalid_type", "expected an integer, but got a string instead."),
        ({"output_compression": 101}, "integer_above_max_value", "Expected a value <= 100, but got 101 instead."),
        ({"quality": 1}, "invalid_type", "'max', or 'auto', but got an integer instead."),
        ({"quality": {}}, "invalid_type", "'max', or 'auto', but got an object instead."),
        ({"quality": "hd"}, "invalid_value", "Invalid value: 'hd'. Supported values are: 'low', 'medium', 'high',"),
        ({"output_format": "gif"}, "invalid_value", "Supported values are: 'png', 'webp', and 'jpeg'."),
        ({"moderation": "none"}, "invalid_value", "Supported values are: 'auto' and 'low'."),
        ({"background": "x"}, "invalid_value", "Supported values are: 'transparent', 'opaque', and 'auto'."),
        ({"stream": "yes"}, "invalid_type", "expected a boolean, but got a string instead."),
        ({"partial_images": 4}, "integer_above_max_value", "Expected a value <= 3, but got 4 instead."),
        ({"size": 5}, "invalid_type", "Invalid type for 'size': expected a string, but got an integer instead."),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_name(body: dict[str, Any], code: str, text: str) -> None:
    error = refusal(**body)
    [name] = body
    assert (error["type"], error["param"], error["code"]) == (REQUEST, name, code)
    assert text in error["message"]


@pytest.mark.parametrize("name", ["response_format", "style", "seed", "mask", "negative_prompt"])
@pytest.mark.parametrize("value", ["b64_json", None])
def test_what_gpt_image_models_do_not_know_is_refused_even_as_null(name: str, value: str | None) -> None:
    error = refusal(**{name: value})
    assert (error["message"], error["code"]) == (f"Unknown parameter: '{name}'.", "unknown_parameter")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("square", "Expected WIDTHxHEIGHT, for example '1824x1024'."),
        ("0x0", "Expected WIDTHxHEIGHT"),
        ("1024 x 1024", "Expected WIDTHxHEIGHT"),
        ("1792x936", "Width and height must both be divisible by 16."),
        ("512x512", "Requested resolution is below the current minimum pixel budget."),
        ("3856x2160", "The longest edge must be at most 3840."),
        ("3840x1024", "The aspect ratio must be between 1:3 and 3:1."),
        ("3840x3840", "Requested resolution exceeds the current pixel budget."),
    ],
)
def test_a_size_that_no_picture_has_is_refused(size: str, text: str) -> None:
    error = refusal(size=size)
    assert (error["type"], error["param"], error["code"]) == (IMAGE, "size", "invalid_value")
    assert error["message"].startswith(f"Invalid size '{size}'. {text}")


@pytest.mark.parametrize("size", ["1024x640", "1536x864", "3840x2160", "2160x3840", "1536x512", "896x896"])
def test_newer_models_make_any_size_within_bounds_and_older_ones_three(size: str) -> None:
    assert read(size=size).size_name == size
    for model in (OLD_MODEL, "gpt-image-1.5", "chatgpt-image-latest"):
        listed = "Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'."
        assert refusal(model=model, size=size)["message"] == f"Invalid value: '{size}'. {listed}"
        assert read(model=model, size="1024x1536").size == (1024, 1536)


def test_the_finest_qualities_are_of_some_models() -> None:
    assert read(quality="xhigh").quality == "xhigh"
    text = "Invalid value: 'max'. Supported values are: 'low', 'medium', 'high', and 'auto'."
    assert refusal(model="gpt-image-2", quality="max")["message"] == text


def test_a_jpeg_cannot_be_transparent_and_nothing_is_streamed() -> None:
    assert refusal(background="transparent", output_format="jpeg")["param"] == "background"
    assert refusal(stream=True)["code"] == refusal(partial_images=2)["code"] == "unsupported_value"


@pytest.mark.parametrize("model", ["dall-e-3", "dall-e-2", "gpt-image-1", "gpt-4o", ""])
def test_a_model_that_was_shut_down_or_never_was_does_not_exist(client: Client, model: str) -> None:
    answer = client.generate(model=model)
    assert error_of(answer) == (400, IMAGE, "model", "invalid_value")
    assert said(answer) == f"The model '{model}' does not exist."


def test_what_is_missing_is_named_and_the_model_comes_first(client: Client, server: OpenAiServer) -> None:
    for body, name in (({}, "model"), ({"model": MODEL}, "prompt")):
        answer = client.call("POST", "/v1/images/generations", body)
        assert error_of(answer) == (400, REQUEST, name, "missing_required_parameter")
        assert said(answer) == f"Missing required parameter: '{name}'."
    both = client.generate("", model="dall-e-3", n=0, style="vivid")
    assert said(both) == "The model 'dall-e-3' does not exist."
    assert said(client.generate("", n=0, style="vivid")) == "Unknown parameter: 'style'."
    assert said(client.generate("", n=0)).startswith("Invalid 'prompt'")
    assert server.images_made == 0


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.none(), max_size=1)
)


@given(st.dictionaries(st.sampled_from(["prompt", "n", "size", "quality", "output_format", "stream"]), values))
def test_whatever_is_sent_is_understood_or_refused_in_the_vendors_way(body: dict[str, Any]) -> None:
    try:
        ask = read(**body)
    except Refused as refused:
        status, body = refused.status, refused.body or {}
        assert (status, list(body)) == (400, ["error"])
    else:
        assert ask.prompt
        assert 1 <= ask.n <= 10
