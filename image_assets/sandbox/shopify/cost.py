"""What a request costs, and the bucket that pays for it.

Here: the requested cost (from the document and its variables), the actual cost (from what was answered), the
bucket. Not here: what a throttled request is answered (``execution.py``).

reference: Shopify docs, "GraphQL Admin API rate limits": an object costs 1, scalars and enums 0, an interface
the maximum of its possible selections, a connection is sized by first/last, a mutation 10; the single request
may cost 1000 at most. How a connection is sized the page does not say. Live answers recorded 2025-01 to 2026-04
(github.com/airhorns/shopify-draft-proxy) fit ``2 + size(first) x cost of a node`` with
``size(n) = max(1, floor(2 ln n))``: size 3 at 5, 4 at 10, 5 at 20, 7 at 50, 9 at 100, 11 at 250. They also show
that a list of objects costs as much as one of them, that what a mutation's payload shows directly is free but for
an operation, that fileCreate and productCreateMedia cost 20, and that the actual cost of a connection is
``2 + ceil(cost of its nodes x size(first) / first)``. ``nodes(ids)`` costs 1 per id here; recorded answers charge
less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)
from graphql.execution.values import get_argument_values

from image_assets.sandbox.shopify.schema import is_connection

MUTATION = 10
OBJECT = 1
CONNECTION = 2
MAX_SINGLE = 1000
SLOW_MUTATIONS = {"fileCreate": 20, "productCreateMedia": 20}
# reference: Shopify Admin API 2026-07, ProductSetInput and ProductVariantSetInput: "Complexity cost".
PER_FILE = 1.9
PER_VARIANT = 0.2
PER_VARIANT_FILE = 0.6
PER_METAFIELD = 0.4
# Of what a payload shows directly, only this is charged for (recorded 2025-01, productSet).
CHARGED_IN_PAYLOADS = {"productSetOperation"}
FREE = {"userErrors", "mediaUserErrors"}


def size(first: int) -> int:
    """What asking for ``first`` children multiplies a child's cost with."""
    return max(1, math.floor(2 * math.log(first))) if first > 0 else 0


@dataclass(frozen=True)
class Selected:
    """A field of a selection: the type it is selected on, and all sub-selections of its response key."""

    node: FieldNode
    parent: Any
    sets: tuple[SelectionSetNode, ...]

    @property
    def name(self) -> str:
        """The field's name."""
        return self.node.name.value

    @property
    def key(self) -> str:
        """Its name in the answer."""
        return self.node.alias.value if self.node.alias else self.name

    @property
    def kind(self) -> Any:
        """The type it answers, without list and non-null; None for ``__typename``."""
        definition = self.parent.fields.get(self.name)
        return get_named_type(definition.type) if definition else None


class Meter:
    """Costs of one operation.

    Where a method takes ``values``: the objects that came, for the actual cost; None for the requested one.

    Args:
        schema: what it was validated against.
        operation: what is executed.
        fragments: the document's.
        variables: coerced.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._root = schema.get_root_type(operation.operation)
        self._is_mutation = operation.operation.value == "mutation"
        # The root fields.
        self.roots = self.fields(self._root, (operation.selection_set,))

    def requested(self) -> int:
        """The cost before anything is known of the answer."""
        return round(sum(self._root_field(field, None) for field in self.roots))

    def actual(self, data: dict[str, Any] | None) -> int:
        """The cost of an answer's ``data``."""
        return round(sum(self._root_field(field, [(data or {}).get(field.key)]) for field in self.roots))

    def _root_field(self, field: Selected, values: list[Any] | None) -> float:
        if not self._is_mutation:
            return self._field(field, values)
        inside = self._inside(field.kind, field.sets, values)
        return SLOW_MUTATIONS.get(field.name, MUTATION) + self._input_cost(field) + inside

    def _input_cost(self, field: Selected) -> float:
        if field.name != "productSet":
            return 0
        given = self._arguments(field)["input"]
        variants = given.get("variants") or []
        metafields = [given.get("metafields"), *(variant.get("metafields") for variant in variants)]
        return (
            PER_FILE * len(given.get("files") or [])
            + PER_VARIANT * len(variants)
            + PER_VARIANT_FILE * sum(1 for variant in variants if variant.get("file"))
            + PER_METAFIELD * sum(len(some or []) for some in metafields)
        )

    def _field(self, field: Selected, values: list[Any] | None) -> float:
        if not is_composite_type(field.kind) or (values is not None and values[0] is None):
            return 0
        if is_connection(field.kind):
            return CONNECTION + self._children(field, values)
        return self._own(field, values) + self._inside(field.kind, field.sets, values)

    def _own(self, field: Selected, values: list[Any] | None) -> int:
        if field.name == "nodes" and field.parent is self._root:
            asked = len(self._arguments(field)["ids"])
            return asked if values is None else max(1, sum(value is not None for value in values[0]))
        in_payload = field.parent.name.endswith("Payload") and field.name not in CHARGED_IN_PAYLOADS
        return 0 if in_payload or field.name in FREE else OBJECT

    def _inside(self, kind: Any, sets: Iterable[SelectionSetNode], values: list[Any] | None) -> float:
        """What is selected below an object: the costliest of its possible types, or of the objects of a list."""
        if values is None:
            kinds = self._schema.get_possible_types(kind) if is_abstract_type(kind) else [kind]
            return max(sum(self._field(field, None) for field in self.fields(some, sets)) for some in kinds)
        objects = values[0] if isinstance(values[0], list) else values
        return max((self._came(kind, sets, value) for value in objects if value is not None), default=0)

    def _came(self, kind: Any, sets: Iterable[SelectionSetNode], value: dict[str, Any]) -> float:
        fields = self.fields(kind, sets, every=True)
        return sum(self._field(field, [value.get(field.key)]) for field in fields)

    def _children(self, connection: Selected, values: list[Any] | None) -> float:
        given = self._arguments(connection)
        first = given.get("first") or given.get("last") or 0
        total = 0.0
        for child, path in self.child_fields(connection):
            if values is None:
                total += OBJECT + self._inside(child.kind, child.sets, None)
            else:
                rows = list(objects_at(values[0], path))
                total += OBJECT * len(rows) + sum(self._came(child.kind, child.sets, row) for row in rows)
        total *= size(first)
        return total if values is None else math.ceil(total / max(first, 1))

    def child_fields(self, connection: Selected) -> Iterator[tuple[Selected, list[str]]]:
        """The fields that answer a connection's children, with the response keys that lead to them."""
        for field in self.fields(connection.kind, connection.sets):
            if field.name == "nodes":
                yield field, [field.key]
            elif field.name == "edges":
                inner = self.fields(field.kind, field.sets)
                yield from ((child, [field.key, child.key]) for child in inner if child.name == "node")

    def _arguments(self, field: Selected) -> dict[str, Any]:
        return get_argument_values(field.parent.fields[field.name], field.node, self._variables)

    def fields(self, kind: Any, sets: Iterable[SelectionSetNode], every: bool = False) -> list[Selected]:
        """The fields selected on a type, each response key once.

        Args:
            kind: the type.
            sets: where they are selected.
            every: also those of fragments on other types, as one does not see on an answer what type it has.
        """
        found: dict[str, Selected] = {}
        for selections in sets:
            for field in self._flat(kind, selections.selections, every):
                before = found.get(field.key)
                found[field.key] = Selected(field.node, field.parent, (before.sets if before else ()) + field.sets)
        return list(found.values())

    def _flat(self, kind: Any, nodes: Iterable[SelectionNode], every: bool) -> Iterator[Selected]:
        for node in nodes:
            if isinstance(node, FieldNode):
                yield Selected(node, kind, (node.selection_set,) if node.selection_set else ())
                continue
            fragment: Any = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = fragment.type_condition
            target: Any = self._schema.type_map[condition.name.value] if condition else kind
            below = is_abstract_type(target) and not is_abstract_type(kind) and self._schema.is_sub_type(target, kind)
            if every or below or kind is target:
                yield from self._flat(kind if below else target, fragment.selection_set.selections, every)


def objects_at(value: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """The objects under response keys, through lists."""
    if isinstance(value, list):
        for inner in value:
            yield from objects_at(inner, path)
    elif isinstance(value, dict):
        if path:
            yield from objects_at(value.get(path[0]), path[1:])
        else:
            yield value


class Bucket:
    """The points left: every request takes its requested cost, and gets back what it did not use.

    Args:
        capacity: points it holds at most.
        restore_rate: points that come back per second.
        clock: seconds that never go back.

    Attributes:
        spent: points that requests have cost since it was filled.
    """

    def __init__(self, capacity: int, restore_rate: int, clock: Callable[[], float]) -> None:
        self.capacity = capacity
        self.restore_rate = restore_rate
        self._clock = clock
        self._lock = Lock()
        self.refill()

    def refill(self) -> None:
        """Fill it."""
        with self._lock:
            self._available = float(self.capacity)
            self._seen = self._clock()
            self.spent = 0

    def take(self, points: int) -> bool:
        """Take points, or answer False and leave it as it is."""
        with self._lock:
            self._restore()
            if self._available < points:
                return False
            self._available -= points
            self.spent += points
            return True

    def give_back(self, points: int) -> None:
        """Put back what was taken but not used."""
        with self._lock:
            unused = max(points, 0)
            self._available = min(self.capacity, self._available + unused)
            self.spent -= unused

    def status(self) -> dict[str, float]:
        """A ``throttleStatus``."""
        with self._lock:
            self._restore()
            return {
                "maximumAvailable": float(self.capacity),
                "currentlyAvailable": int(self._available),
                "restoreRate": float(self.restore_rate),
            }

    def _restore(self) -> None:
        elapsed = self._clock() - self._seen
        self._seen += elapsed
        self._available = min(self.capacity, self._available + elapsed * self.restore_rate)
