"""Schemas: what is refused, and JSON Schema as the API reads it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.sandbox.gemini.errors import Refused
from image_assets.sandbox.gemini.filling import Filler
from image_assets.sandbox.gemini.prompts import Prompts
from image_assets.sandbox.gemini.schemas import check, from_json_schema

STRING = {"type": "STRING"}
WORDS = st.sampled_from(
    [
        *(
            "type",
            "properties",
            "items",
            "anyOf",
            "enum",
            "$ref",
            "$defs",
            "required",
            "minItems",
            "maximum",
            "const",
            "a",
        )
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.sampled_from(["object", "array", "string", "#/$defs/a", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)
TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/Node",
}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "response_schema.type: must be specified"),
        ({"type": "ARRAY"}, "response_schema.items: missing field."),
        ({"type": "OBJECT"}, "response_schema.properties: should be non-empty for OBJECT type"),
        ({"type": "NUMBER", "enum": ["1"]}, "response_schema.enum: only allowed for STRING type"),
        ({"type": "OBJECT", "properties": {"a": STRING}, "required": ["b"]}, "required[0]: property is not defined"),
        (
            {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "OBJECT"}}}},
            "response_schema.properties[a].items.properties: should be non-empty for OBJECT type",
        ),
        ({"any_of": [STRING, {"type": "ARRAY"}]}, "response_schema.any_of[1].items: missing field."),
    ],
)
def test_a_schema_that_says_too_little_is_refused(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused, match="GenerateContentRequest") as caught:
        check(schema)
    assert problem in str(caught.value)


def test_json_schema_says_the_same() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": ["integer", "null"], "minimum": 1},
            "b": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
            "c": {"enum": [1, 2]},
            "d": {"type": "array", "prefixItems": [{"type": "boolean"}], "minItems": 1},
            "e": {"const": "x"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert from_json_schema(schema) == {
        "type": "OBJECT",
        "required": ["a"],
        "properties": {
            "a": {"type": "INTEGER", "nullable": True, "minimum": 1},
            "b": {"any_of": [{"type": "STRING", "max_length": 3}, {"type": "NULL"}]},
            "c": {"enum": [1, 2]},
            "d": {"type": "ARRAY", "items": {"type": "BOOLEAN"}, "min_items": 1},
            "e": {"enum": ["x"]},
        },
    }


def test_a_circle_is_followed_a_few_times_and_left() -> None:
    found, depth = from_json_schema(TREE), 0
    while "properties" in found:
        found, depth = found["properties"]["children"]["items"], depth + 1
    assert (found, depth) == ({"type": "STRING"}, 3)


@pytest.mark.parametrize(
    "schema",
    [
        "text",
        {"type": "tuple"},
        {"type": "array", "minItems": "3"},
        {"type": "object", "properties": ["a"]},
        {"anyOf": {"type": "string"}},
        {"enum": "abc"},
        {"type": "array", "items": True},
        {"$ref": "#/$defs/Nothing"},
        {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
        {
            "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}},
            "$ref": "#/$defs/A",
        },
    ],
)
def test_a_json_schema_that_leads_nowhere_is_refused(schema: Any) -> None:
    with pytest.raises(Refused, match="response_json_schema"):
        from_json_schema(schema)


@settings(max_examples=150)
@given(st.dictionaries(WORDS, ANYTHING, max_size=5))
def test_whatever_is_sent_as_json_schema_is_filled_in_or_refused(schema: dict[str, Any]) -> None:
    try:
        found = from_json_schema(schema)
    except Refused as error:
        found = None
        assert_is_refusal(error)
    if found is not None:
        Filler(None, Prompts(None, "", b""), 3).fill(found)


def assert_is_refusal(error: Refused) -> None:
    assert error.body is not None
    assert error.body["error"]["status"] == "INVALID_ARGUMENT"
