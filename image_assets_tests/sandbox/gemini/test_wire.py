"""JSON by the tables of messages: what is taken, and how the vendor says what is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.sandbox.gemini.errors import Refused
from image_assets.sandbox.gemini.messages import ENUMS, MESSAGES
from image_assets.sandbox.gemini.wire import numbered, read
from image_assets_tests.sandbox.gemini.client import TEXT_MODEL, Client, body_of, error_of

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted({name for fields in MESSAGES.values() for name in fields})), inner)
    ),
    max_leaves=12,
)


def taken(sent: Any) -> dict[str, Any]:
    return read(json.dumps(sent).encode(), "v1beta")


def refused(sent: Any) -> list[dict[str, str]]:
    with pytest.raises(Refused) as caught:
        taken(sent)
    assert caught.value.body is not None
    violations: list[dict[str, str]] = caught.value.body["error"]["details"][0]["fieldViolations"]
    return violations


def test_both_spellings_of_a_name_are_the_same_field() -> None:
    camel = {"generationConfig": {"responseMimeType": "a", "imageConfig": {"aspectRatio": "1:1"}}}
    snake = {"generation_config": {"response_mime_type": "a", "image_config": {"aspect_ratio": "1:1"}}}
    mixed = {"generationConfig": {"response_mime_type": "a", "image_config": {"aspectRatio": "1:1"}}}
    assert taken(camel) == taken(snake) == taken(mixed) == snake


@pytest.mark.parametrize("modalities", [[1, 2], ["TEXT", "IMAGE"], ["Text", "Image"], ["TEXT", 2]])
def test_enums_are_names_or_numbers(modalities: list[Any]) -> None:
    found = taken({"generationConfig": {"responseModalities": modalities}})
    assert found["generation_config"]["response_modalities"] == ["TEXT", "IMAGE"]


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_bytes_are_base64_of_either_alphabet(encode: Any, padded: bool) -> None:
    content = bytes(range(256))
    data = encode(content).decode()
    part = {"inline_data": {"data": data if padded else data.rstrip("=")}}
    assert taken({"contents": [{"parts": [part]}]})["contents"][0]["parts"] == [{"inline_data": {"data": content}}]


def test_one_element_stands_for_a_list_and_null_for_nothing() -> None:
    found = taken({"contents": {"parts": {"text": "a"}}, "tools": None})
    assert found == {"contents": [{"parts": [{"text": "a"}]}]}


def test_whole_numbers_may_be_strings() -> None:
    schema = {"type": 5, "items": {"type": 1}, "minItems": "3", "maxItems": 4.0}
    found = taken({"generationConfig": {"responseSchema": schema}})["generation_config"]["response_schema"]
    assert found == {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": 3, "max_items": 4}


def test_an_unknown_field_is_named_with_its_place(client: Client) -> None:
    answer = client.generate(TEXT_MODEL, body_of(imageConfig={"outputMimeType": "image/png"}) | {"foo": 1})
    at = "Invalid JSON payload received. Unknown name \"outputMimeType\" at 'generation_config.image_config'"
    root = 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'
    assert error_of(answer) == (400, "INVALID_ARGUMENT", f"{at}: Cannot find field.\n{root}")
    assert answer.json()["error"]["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                {"field": "generation_config.image_config", "description": f"{at}: Cannot find field."},
                {"description": root},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("sent", "field", "kind"),
    [
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text", "TYPE_STRING"),
        ({"contents": "Hello"}, "contents[0]", "v1beta.Content"),
        ({"contents": [{"parts": [{"inlineData": {"data": "?"}}]}]}, "contents[0].parts[0].inline_data.data", "BYTES"),
        ({"generationConfig": {"topP": "high"}}, "generation_config.top_p", "TYPE_FLOAT"),
        ({"generationConfig": {"maxOutputTokens": 1.5}}, "generation_config.max_output_tokens", "TYPE_INT32"),
        ({"generationConfig": {"candidateCount": True}}, "generation_config.candidate_count", "TYPE_INT32"),
        ({"generationConfig": {"responseLogprobs": 1}}, "generation_config.response_logprobs", "TYPE_BOOL"),
        (
            {"generationConfig": {"responseModalities": ["MUSIC"]}},
            "response_modalities[0]",
            "GenerationConfig.Modality",
        ),
        ({"generationConfig": {"responseSchema": {"type": "TEXT"}}}, "response_schema.type", "v1beta.Type"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(sent: Any, field: str, kind: str) -> None:
    (violation,) = refused(sent)
    assert violation["field"].endswith(field)
    assert violation["description"].startswith(f"Invalid value at '{violation['field']}' (")
    assert kind in violation["description"]


def test_a_list_is_no_single_field() -> None:
    (violation,) = refused({"system_instruction": [{"parts": []}]})
    assert violation["description"].endswith("Proto field is not repeating, cannot start list.")


@pytest.mark.parametrize("sent", [b"{", b"hello", b"\xff"])
def test_what_is_no_json_is_refused(client: Client, sent: bytes) -> None:
    code, status, message = error_of(client.generate(TEXT_MODEL, sent))
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert message.startswith("Invalid JSON payload received.")


@settings(max_examples=40)
@given(ANYTHING)
def test_whatever_is_sent_is_taken_or_refused(sent: Any) -> None:
    try:
        found = taken(sent)
    except Refused as error:
        found = error.body or {}
    assert isinstance(found, dict)


@settings(max_examples=20)
@given(st.sampled_from(sorted(ENUMS["Type"])))
def test_a_name_and_its_number_mean_the_same(name: str) -> None:
    def schema(kind: Any) -> dict[str, Any]:
        return taken({"generationConfig": {"responseSchema": {"type": kind}}})

    assert schema(name) == schema(ENUMS["Type"][name]) == schema(name.lower())


def test_answers_have_their_enums_as_numbers_when_asked() -> None:
    found = {"candidates": [{"finishReason": "NO_IMAGE", "index": 0}], "promptFeedback": {"blockReason": "SAFETY"}}
    assert numbered(found) == {"candidates": [{"finishReason": 16, "index": 0}], "promptFeedback": {"blockReason": 1}}
