"""Analyses: they conform to the request's schema and say what is in the picture."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings, strategies as st

from image_assets.sandbox.gemini.filling import Filler
from image_assets.sandbox.gemini.looking import look
from image_assets.sandbox.gemini.prompts import Prompts
from image_assets_tests.sandbox.gemini.client import JSON_CONFIG, Client, body_of, product, scenery

NAMES = st.sampled_from(
    ["prompts", "title", "dominant_colours", "background", "isPlain", "width", "brightness", "score", "notes", "n"]
)
LEAVES = st.one_of(
    st.builds(
        lambda low, more: {"type": "STRING", "min_length": low, "max_length": low + more},
        st.integers(0, 400),
        st.integers(0, 50),
    ),
    st.builds(
        lambda low, more: {"type": "INTEGER", "minimum": low, "maximum": low + more},
        st.integers(-9, 200),
        st.integers(0, 99),
    ),
    st.builds(
        lambda low, more: {"type": "NUMBER", "minimum": low, "maximum": low + more}, st.floats(-2, 2), st.floats(0, 20)
    ),
    st.just({"type": "BOOLEAN"}),
    st.lists(st.text(max_size=4), min_size=1, max_size=4).map(lambda values: {"type": "STRING", "enum": values}),
    st.sampled_from([{"type": "STRING"}, {"type": "STRING", "nullable": True}, {"type": "NUMBER"}, {"type": "NULL"}]),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda items, low, more: {"type": "ARRAY", "items": items, "min_items": low, "max_items": low + more},
            inner, st.integers(0, 5), st.integers(0, 3),
        ),
        st.dictionaries(NAMES, inner, min_size=1, max_size=4).map(
            lambda found: {"type": "OBJECT", "properties": found, "required": list(found)}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda found: {"any_of": found}),
    ),
    max_leaves=8,
)  # fmt: skip
KINDS: dict[str, Any] = {
    "STRING": str, "INTEGER": int, "NUMBER": (int, float), "BOOLEAN": bool, "ARRAY": list, "OBJECT": dict,
}  # fmt: skip
ANALYSIS = {
    "type": "OBJECT",
    "properties": {
        "colours": {"type": "ARRAY", "items": {"type": "STRING"}},
        "background": {"type": "STRING", "enum": ["busy", "plain"]},
        "orientation": {"type": "STRING", "enum": ["portrait", "landscape", "square"]},
        "isWhiteBackground": {"type": "BOOLEAN"},
        "image_width": {"type": "INTEGER"},
        "brightness": {"type": "NUMBER", "minimum": 0, "maximum": 1},
        "prompts": {
            "type": "ARRAY",
            "items": {"type": "OBJECT", "properties": {"title": {"type": "STRING"}, "text": {"type": "STRING"}}},
        },
    },
    "propertyOrdering": ["prompts", "colours"],
}


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is what a schema says."""
    if "any_of" in schema:
        return any(conforms(value, one) for one in schema["any_of"])
    if "enum" in schema:
        return bool(value in schema["enum"])
    kind = schema["type"]
    if kind == "NULL":
        return value is None
    if not isinstance(value, KINDS[kind]) or (kind != "BOOLEAN" and isinstance(value, bool)):
        return False
    if kind == "OBJECT":
        below = schema["properties"]
        return value.keys() == below.keys() and all(conforms(value[name], below[name]) for name in below)
    if kind == "ARRAY":
        right = schema["min_items"] <= len(value) <= schema["max_items"]
        return right and all(conforms(one, schema["items"]) for one in value)
    if kind == "STRING":
        return bool(schema.get("min_length", 0) <= len(value) <= schema.get("max_length", len(value)))
    return kind == "BOOLEAN" or bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def analysed(client: Client, prompt: str, image: bytes, schema: Any = ANALYSIS) -> Any:
    return json.loads(client.text(body_of(prompt, image, responseSchema=schema, **JSON_CONFIG)))


@settings(max_examples=80)
@given(SCHEMAS, st.sampled_from([None, product(), scenery()]), st.integers(1, 6))
def test_an_answer_conforms_to_its_schema(schema: dict[str, Any], image: bytes | None, wanted: int) -> None:
    facts = look(image) if image else None
    filler = Filler(facts, Prompts(facts, "text", b"seed"), wanted)
    value = filler.fill(schema)
    assert conforms(value, schema)
    assert filler.fill(schema) == value


def test_an_analysis_says_what_is_in_the_picture(client: Client) -> None:
    found = analysed(client, "Analyse this product and write exactly 4 prompts.", product())
    assert list(found)[:2] == ["prompts", "colours"]
    assert (found["background"], found["orientation"], found["isWhiteBackground"]) == ("plain", "landscape", True)
    assert (found["colours"], found["image_width"]) == (["red"], 90)
    assert 0.6 < found["brightness"] < 0.9
    texts = [prompt["text"] for prompt in found["prompts"]]
    assert len(texts) == len(set(texts)) == 4
    assert all("red product" in text for text in texts)


def test_another_picture_is_described_otherwise(client: Client) -> None:
    found = analysed(client, "Category: Wall art. Three variations, please.", scenery())
    assert (found["background"], found["orientation"], found["isWhiteBackground"]) == ("busy", "portrait", False)
    assert found["colours"][0] == "blue"
    assert len(found["prompts"]) == 3
    assert "wall art" in found["prompts"][0]["text"]


def test_the_schema_says_how_many_there_are_before_the_text_does(client: Client) -> None:
    for bounds, expected in (({"minItems": 5}, 5), ({"maxItems": "2"}, 2), ({"minItems": 1, "maxItems": 9}, 3)):
        schema = {"type": "ARRAY", "items": {"type": "STRING", "description": "a prompt"}} | bounds
        found = analysed(
            client, "Write three prompts.", product(), {"type": "OBJECT", "properties": {"prompts": schema}}
        )
        assert len(found["prompts"]) == len(set(found["prompts"])) == expected


def test_equal_requests_have_equal_answers_and_others_have_others(client: Client) -> None:
    first, again = (analysed(client, "Write prompts.", product()) for _ in range(2))
    assert first == again
    assert analysed(client, "Write some other prompts.", product())["prompts"] != first["prompts"]


def test_json_schema_is_taken_too(client: Client) -> None:
    schema = {
        "$defs": {"Prompt": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
        "type": "object",
        "properties": {"prompts": {"type": "array", "items": {"$ref": "#/$defs/Prompt"}, "minItems": 2, "maxItems": 2}},
    }
    body = body_of("Look.", product(), responseJsonSchema=schema, **JSON_CONFIG)
    assert [list(prompt) for prompt in json.loads(client.text(body))["prompts"]] == [["text"], ["text"]]


def test_a_choice_is_answered_with_one_word(client: Client) -> None:
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["yes", "no"]}}
    assert client.text(body_of("Is it red?", product(), **config)) == "yes"


def test_without_a_schema_a_model_makes_up_its_own(client: Client) -> None:
    found = json.loads(client.text(body_of("Write 2 prompts.", product(), **JSON_CONFIG)))
    assert len(found["prompts"]) == 2
    assert client.text(body_of("What is it?", product())) == (
        "A landscape photograph of 90 x 60 pixels in red, on a plain white background, bright light."
    )
    assert client.text(body_of("Hello")) == "There is no picture in this request."
