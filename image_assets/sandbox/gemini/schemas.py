"""The two kinds of schema a request may have, as one.

Here: JSON Schema turned into the API's own Schema, and what a Schema must not say. Not here: filling one in
(``filling.py``).

reference: proto (``response_json_schema`` lists what of JSON Schema counts, and says: "Cyclic references are unrolled
to a limited degree and, as such, may only be used within non-required properties"); seen (texts of what is refused).
"""

from __future__ import annotations

from typing import Any

from image_assets.sandbox.gemini.errors import Document, Refused, bad_field
from image_assets.sandbox.gemini.messages import ENUMS

# What is taken over: its name here, and its type.
_KEPT: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "format": ("format", str),
    "title": ("title", str),
    "description": ("description", str),
    "pattern": ("pattern", str),
    "minimum": ("minimum", (int, float)),
    "maximum": ("maximum", (int, float)),
    "minItems": ("min_items", int),
    "maxItems": ("max_items", int),
    "minLength": ("min_length", int),
    "maxLength": ("max_length", int),
    "required": ("required", list),
    "propertyOrdering": ("property_ordering", list),
}
_UNROLLED = 3  # times a reference is followed inside itself; inferred


def check(schema: Document, path: str = "generation_config.response_schema") -> None:
    """Refuse a Schema that says too little or contradicts itself.

    Raises:
        Refused: 400.
    """
    kind = schema.get("type", "")
    if kind in ("", "TYPE_UNSPECIFIED") and not schema.get("any_of"):
        raise bad_field(f"{path}.type", "must be specified")
    if kind == "ARRAY" and "items" not in schema:
        raise bad_field(f"{path}.items", "missing field.")
    if kind == "OBJECT" and not schema.get("properties"):
        raise bad_field(f"{path}.properties", "should be non-empty for OBJECT type")
    if "enum" in schema and kind != "STRING":
        raise bad_field(f"{path}.enum", "only allowed for STRING type")
    for number, name in enumerate(schema.get("required", ())):
        if name not in schema.get("properties", {}):
            raise bad_field(f"{path}.required[{number}]", "property is not defined")
    for name, below in schema.get("properties", {}).items():
        check(below, f"{path}.properties[{name}]")
    for number, below in enumerate(schema.get("any_of", ())):
        check(below, f"{path}.any_of[{number}]")
    if "items" in schema:
        check(schema["items"], f"{path}.items")


def from_json_schema(schema: Any) -> Document:
    """The Schema that says what a JSON Schema says, as far as the API looks.

    Raises:
        Refused: 400, it is no JSON Schema, or a reference leads nowhere or round in a circle that must be gone.
    """
    if not isinstance(schema, dict):
        raise _refused("must be a JSON object")
    definitions: Any = schema.get("$defs") or schema.get("definitions") or {}
    found = _translated(schema, _of_type(definitions, dict, "$defs"), ())
    if found is None:
        raise _refused("the root refers to itself")
    return found


def _of_type(value: Any, kind: type | tuple[type, ...], name: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _refused(f"{name} has the wrong type")
    return value


def _refused(problem: str) -> Refused:
    return bad_field("generation_config.response_json_schema", problem)


def _translated(schema: Any, definitions: Document, followed: tuple[str, ...]) -> Document | None:
    """None: the reference has been followed often enough."""
    if not isinstance(schema, dict):
        raise _refused("a schema must be a JSON object")
    reference = schema.get("$ref")
    if reference is not None:
        name = str(reference).rpartition("/")[2]
        if name not in definitions:
            raise _refused(f"reference to undefined schema: {reference}")
        if followed.count(name) >= _UNROLLED:
            return None
        return _translated(definitions[name], definitions, (*followed, name))
    found: Document = {
        name: _of_type(schema[key], kind, key) for key, (name, kind) in _KEPT.items() if schema.get(key) is not None
    }
    _set_type(found, schema)
    choices = _of_type(schema.get("anyOf") or schema.get("oneOf") or [], list, "anyOf")
    if choices:
        found["any_of"] = [one for choice in choices if (one := _translated(choice, definitions, followed)) is not None]
    if found.get("type") == "ARRAY":
        several = _of_type(schema.get("prefixItems") or [], list, "prefixItems")
        element: Any = schema.get("items") or next(iter(several), {"type": "string"})
        below = _translated(element, definitions, followed)
        found |= {"max_items": 0, "items": {"type": "STRING"}} if below is None else {"items": below}
    if found.get("type") == "OBJECT":
        properties = _of_type(schema.get("properties") or {}, dict, "properties")
        _set_properties(found, properties, definitions, followed)
    return found


def _set_type(found: Document, schema: Document) -> None:
    kinds = schema.get("type") or []
    listed = [kinds] if isinstance(kinds, str) else list(_of_type(kinds, list, "type"))
    if "null" in listed and len(listed) > 1:
        found["nullable"] = True
        listed.remove("null")
    if "const" in schema:
        found["enum"] = [schema["const"]]
    elif "enum" in schema:
        found["enum"] = _of_type(schema["enum"], list, "enum")
    if listed:
        found["type"] = str(listed[0]).upper()
        if found["type"] not in ENUMS["Type"]:
            raise _refused(f"unknown type: {listed[0]}")
    elif "enum" not in found and "anyOf" not in schema and "oneOf" not in schema:
        found["type"] = "OBJECT" if "properties" in schema else "STRING"


def _set_properties(found: Document, properties: Document, definitions: Document, followed: tuple[str, ...]) -> None:
    found["properties"] = {}
    for name, below in properties.items():
        translated = _translated(below, definitions, followed)
        if translated is not None:
            found["properties"][name] = translated
        elif name in found.get("required", ()):
            raise _refused(f"required property {name} refers to itself without end")
