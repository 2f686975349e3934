"""Schemas: what is sent of them, and what fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.vendors.gemini.schema import as_sent, misfits

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["shoe", "lamp"]},
        "sharp": {"type": "boolean"},
        "count": {"type": "integer"},
        "share": {"type": "number", "nullable": True},
        "prompts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "required": ["category", "prompts"],
}
GOOD: dict[str, Any] = {"category": "shoe", "prompts": ["On oak."]}


def test_types_are_sent_in_capitals_and_the_schema_stays_as_it_is() -> None:
    schema = {"type": "array", "items": {"type": "object", "properties": {"type": {"type": "string"}}}, "minItems": 1}
    assert as_sent(schema) == {
        "type": "ARRAY",
        "items": {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}},
        "minItems": 1,
    }
    assert schema["type"] == "array"


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "object", "additionalProperties": False}, "no additionalProperties"),
        ({"type": "array", "items": {"type": "string", "pattern": "a"}}, "no pattern"),
        ({"type": "object", "properties": {"a": {"$ref": "#/a", "type": "string"}}}, r"no \$ref"),
        ({"type": "text"}, "not 'text'"),
        ({"properties": {}}, "not None"),
    ],
)
def test_a_keyword_that_would_be_dropped_is_an_error_instead(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        as_sent(schema)


@pytest.mark.parametrize(
    "more",
    [{}, {"sharp": True, "count": 3, "share": 0.5}, {"share": None}, {"share": 2}, {"other": 1}, {"parts": [{}]}],
)
def test_what_fits_is_let_through(more: dict[str, Any]) -> None:
    assert list(misfits(GOOD | more, SCHEMA)) == []


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        ([], "it is no object"),
        (None, "it is no object"),
        ({"prompts": ["a"]}, "category is missing"),
        (GOOD | {"category": "hat"}, "category is none of shoe, lamp"),
        (GOOD | {"category": None}, "category is no string"),
        (GOOD | {"sharp": 1}, "sharp is no boolean"),
        (GOOD | {"count": 1.5}, "count is no integer"),
        (GOOD | {"count": True}, "count is no integer"),
        (GOOD | {"share": False}, "share is no number"),
        (GOOD | {"prompts": []}, "prompts has 0 items, not at least 1"),
        (GOOD | {"prompts": ["a", "b", "c"]}, "prompts has 3 items, not at most 2"),
        (GOOD | {"prompts": ["a", 2]}, "prompts[1] is no string"),
        (GOOD | {"parts": [{}, {"name": 1}]}, "parts[1].name is no string"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, phrase: str) -> None:
    assert list(misfits(value, SCHEMA)) == [phrase]


def schemas(depth: int = 2) -> st.SearchStrategy[tuple[dict[str, Any], st.SearchStrategy[Any]]]:
    """Schemas, each with values that fit it."""
    leaves: list[st.SearchStrategy[Any]] = [
        st.just(({"type": "string"}, st.text(max_size=5))),
        st.just(({"type": "integer"}, st.integers())),
        st.just(({"type": "number"}, st.floats(allow_nan=False))),
        st.just(({"type": "boolean"}, st.booleans())),
        st.just(({"type": "string", "nullable": True}, st.none() | st.text(max_size=5))),
        st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3).map(
            lambda words: ({"type": "string", "enum": words}, st.sampled_from(words))
        ),
    ]
    if not depth:
        return st.one_of(leaves)
    inner = schemas(depth - 1)
    arrays = st.tuples(inner, st.integers(0, 2), st.integers(2, 4)).map(
        lambda made: (
            {"type": "array", "items": made[0][0], "minItems": made[1], "maxItems": made[2]},
            st.lists(made[0][1], min_size=made[1], max_size=made[2]),
        )
    )
    objects = st.dictionaries(st.text(max_size=3), inner, min_size=1, max_size=3).map(
        lambda made: (
            {
                "type": "object",
                "properties": {name: schema for name, (schema, _) in made.items()},
                "required": list(made),
            },
            st.fixed_dictionaries({name: values for name, (_, values) in made.items()}),
        )
    )
    return st.one_of(*leaves, arrays, objects)


@given(schemas(), st.data())
def test_every_schema_is_sent_and_fitted_by_its_values(
    made: tuple[dict[str, Any], st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    schema, values = made
    assert as_sent(schema)["type"] == schema["type"].upper()
    assert list(misfits(data.draw(values), schema)) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries({"category": json_values, "prompts": json_values}))
def test_no_json_breaks_the_check(value: Any) -> None:
    assert all(isinstance(phrase, str) for phrase in misfits(value, SCHEMA))
