"""Variables checked as Shopify checks them, with its wording.

Here: the problems a variable's value has. Not here: coercing it (graphql-core does, once there are none), and
errors of the document (``validation.py``).

The wording and the shape (``INVALID_VARIABLE`` with ``value`` and ``problems``) are those of live answers recorded
2025-01 to 2026-04; @oneOf after graphql-ruby, which Shopify runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    OperationDefinitionNode,
    print_ast,
    type_from_ast,
)

from image_assets.sandbox.shopify.schema import is_one_of, schema

Path = list[str | int]
Problem = dict[str, Any]
_GID = re.compile(r"gid://shopify/\w+/[^/\s]+")
_NUMBERS: dict[str, tuple[type, ...]] = {"Int": (int,), "Float": (int, float)}
NOT_NULL = "Expected value to not be null"


def is_gid(value: Any) -> bool:
    """Whether a value is a global id; everything of type ID is one in this API."""
    return isinstance(value, str) and _GID.fullmatch(value) is not None


def check_variables(operation: OperationDefinitionNode, given: dict[str, Any]) -> list[GraphQLError]:
    """One error for each variable whose value does not fit its type."""
    errors = []
    for definition in operation.variable_definitions:
        name = definition.variable.name.value
        kind = type_from_ast(schema(), definition.type)
        absent = name not in given
        if absent and (definition.default_value is not None or not isinstance(kind, GraphQLNonNull)):
            continue
        value = given.get(name)
        problems = list(_problems(value, kind, []))
        if problems:
            label = f"Variable ${name} of type {print_ast(definition.type)} was provided invalid value"
            extensions = {"code": "INVALID_VARIABLE", "value": value, "problems": problems}
            errors.append(GraphQLError(label + _summary(problems), [definition], extensions=extensions))
    return errors


def _summary(problems: list[Problem]) -> str:
    """E.g. `` for 0.id (Expected value to not be null)``; nothing for problems of the whole value."""
    parts = [f"{'.'.join(map(str, one['path']))} ({one['explanation']})" for one in problems if one["path"]]
    return f" for {', '.join(parts)}" if parts else ""


def _problem(path: Path, explanation: str) -> Problem:
    return {"path": path, "explanation": explanation}


def _problems(value: Any, kind: Any, path: Path) -> Iterator[Problem]:
    if isinstance(kind, GraphQLNonNull):
        if value is None:
            yield _problem(path, NOT_NULL)
            return
        kind = kind.of_type
    if value is None:
        return
    if isinstance(kind, GraphQLList):
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            yield from _problems(item, kind.of_type, [*path, index])
    elif isinstance(kind, GraphQLInputObjectType):
        yield from _object_problems(value, kind, path)
    elif isinstance(kind, GraphQLEnumType):
        if value not in kind.values:
            yield _problem(path, f"Expected {json.dumps(value)} to be one of: {', '.join(kind.values)}")
    elif isinstance(kind, GraphQLScalarType):
        yield from _scalar_problems(value, kind, path)


def _object_problems(value: Any, kind: GraphQLInputObjectType, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _problem(path, f"Expected {json.dumps(value)} to be a key-value object.")
        return
    for key in value:
        if key not in kind.fields:
            yield _problem([*path, key], f"Field is not defined on {kind.name}")
    for name, input_field in kind.fields.items():
        required = isinstance(input_field.type, GraphQLNonNull)
        if name in value or (required and input_field.ast_node and input_field.ast_node.default_value is None):
            yield from _problems(value.get(name), input_field.type, [*path, name])
    if is_one_of(kind):
        yield from (_problem(path, text) for text in one_of_problems(kind.name, value))


def one_of_problems(name: str, value: dict[str, Any]) -> list[str]:
    """What is wrong with the number of fields given to a @oneOf input object."""
    if len(value) != 1:
        return [f"'{name}' requires exactly one argument, but {len(value)} were provided."]
    return [f"'{name}' requires exactly one argument, but '{key}' was `null`." for key in value if value[key] is None]


def _scalar_problems(value: Any, kind: GraphQLScalarType, path: Path) -> Iterator[Problem]:
    if kind.name == "ID":
        if not is_gid(value):
            text = f"Invalid global id '{value}'"
            yield {**_problem(path, text), "message": text}
        return
    if kind.name == "UnsignedInt64":
        try:
            kind.parse_value(value)
        except GraphQLError as error:
            yield _problem(path, error.message)
        return
    if not _fits(value, kind.name):
        yield _problem(path, f"Could not coerce value {json.dumps(value)} to {kind.name}")


def _fits(value: Any, name: str) -> bool:
    if name == "Boolean":
        return isinstance(value, bool)
    if name in _NUMBERS:
        return isinstance(value, _NUMBERS[name]) and not isinstance(value, bool)
    if name in ("Money", "Decimal"):
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return isinstance(value, str)
