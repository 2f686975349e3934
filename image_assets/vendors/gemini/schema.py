"""The part of JSON Schema that both SDKs can send, and whether a value fits it.

Here: pure checks. Not here: what an area asks for.

Gemini takes "a select subset of an OpenAPI 3.0 schema object" (``Schema`` of its API reference); google-generativeai
knows `KEYWORDS` of it and drops nothing silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

KEYWORDS = frozenset(
    ("type", "description", "enum", "nullable", "properties", "required", "items", "minItems", "maxItems")
)
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def as_sent(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema as Gemini wants it: with its types in capitals.

    Raises:
        ValueError: it has a keyword or a type that Gemini does not know.
    """
    unknown = sorted(set(schema) - KEYWORDS)
    if unknown:
        raise ValueError(f"Gemini's schemas have no {', '.join(unknown)}")
    kind = schema.get("type")
    if kind not in _TYPES:
        raise ValueError(f"a schema's type is one of {', '.join(_TYPES)}, not {kind!r}")
    sent = {**schema, "type": str(kind).upper()}
    if "items" in schema:
        sent["items"] = as_sent(schema["items"])
    if "properties" in schema:
        sent["properties"] = {name: as_sent(inner) for name, inner in schema["properties"].items()}
    return sent


def misfits(value: Any, schema: Mapping[str, Any], where: str = "it") -> Iterator[str]:
    """What does not fit, one phrase each; nothing where all of it does. Properties of no schema are let through."""
    if value is None and schema.get("nullable"):
        return
    kind = schema["type"]
    if not _is_of_type(value, kind):
        yield f"{where} is no {kind}"
    elif kind == "object":
        yield from _object_misfits(value, schema, where)
    elif kind == "array":
        yield from _array_misfits(value, schema, where)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is none of {', '.join(map(str, schema['enum']))}"


def _is_of_type(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _object_misfits(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    inside = "" if where == "it" else f"{where}."
    yield from (f"{inside}{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from misfits(value[name], inner, f"{inside}{name}")


def _array_misfits(value: list[Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{where} has {len(value)} items, not at least {schema['minItems']}"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{where} has {len(value)} items, not at most {schema['maxItems']}"
    for number, item in enumerate(value if "items" in schema else ()):
        yield from misfits(item, schema["items"], f"{where}[{number}]")
