"""The schema the stand-in serves: Shopify's own, with the scalars and the edges the pruned copy leaves out.

Here: loading the SDL once per process, which types are connections, which input types are @oneOf. Not here:
checking a request against it (``validation.py``, ``variables.py``), and what fields answer (``resolvers.py``).

`admin_2026-07.types.graphql` is an unchanged excerpt of the introspection dump in npm @shopify/dev-mcp. It
leaves out the ``edges`` of connections; every connection of the real API has them, and bulk queries accept
nothing else (recorded 2026-04: "Selecting via 'nodes' is not supported."), so they are added back here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from image_assets.errors import PermanentError

try:
    from graphql import (
        GraphQLError,
        GraphQLInputObjectType,
        GraphQLNamedType,
        GraphQLObjectType,
        GraphQLScalarType,
        GraphQLSchema,
        build_schema,
        get_named_type,
    )
except ImportError as error:
    raise PermanentError(
        f"The sandbox's Shopify needs graphql-core: {error}.",
        code="sandbox_extra",
        hint="Run: pip install 'image-assets[sandbox]'.",
    ) from error

API_VERSION = "2026-07"
SDL = Path(__file__).with_name("admin_2026-07.types.graphql")
_CONNECTION = re.compile(r"^type (?P<name>\w+)Connection \{\s+nodes: \[(?P<node>\w+)!\]!", re.MULTILINE)
_EDGES = "extend type {name}Connection {{ edges: [{name}Edge!]! }}\ntype {name}Edge {{ cursor: String! node: {node}! }}"
_DIGITS = re.compile(r"\d+")


@cache
def schema() -> GraphQLSchema:
    """The served schema; built once per process, in about 50 ms."""
    sdl = SDL.read_text(encoding="utf-8")
    edges = [_EDGES.format(**found.groupdict()) for found in _CONNECTION.finditer(sdl)]
    built = build_schema("\n".join([sdl, *edges]))
    unsigned = _scalar(built, "UnsignedInt64")
    # graphql-core's way to give a scalar of an SDL its code.
    unsigned.parse_value = parse_unsigned  # type: ignore[method-assign]
    unsigned.serialize = _digits  # type: ignore[method-assign]
    return built


def _scalar(built: GraphQLSchema, name: str) -> GraphQLScalarType:
    found = built.type_map[name]
    if not isinstance(found, GraphQLScalarType):
        raise TypeError(f"{name} is no scalar")
    return found


def parse_unsigned(value: Any) -> int:
    """An ``UnsignedInt64``: digits in a string on the wire, as numbers of 64 bits do not survive JSON.

    Raises:
        GraphQLError: it is neither digits nor a number of at least 0.
    """
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise GraphQLError(f"Invalid unsigned 64-bit integer '{value}'")


def _digits(value: Any) -> str:
    return str(value)


def is_connection(kind: Any) -> bool:
    """Whether a type, wrapped or not, is a connection."""
    named = get_named_type(kind)
    return isinstance(named, GraphQLObjectType) and named.name.endswith("Connection")


def is_one_of(kind: GraphQLNamedType) -> bool:
    """Whether an input type takes exactly one of its fields; not every graphql-core 3.2 knows the directive."""
    node = kind.ast_node if isinstance(kind, GraphQLInputObjectType) else None
    return node is not None and any(directive.name.value == "oneOf" for directive in node.directives)
