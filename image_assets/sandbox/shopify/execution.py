"""Requests executed: planned, paid for, run, and answered in Shopify's envelope.

Here: the order of refusals, scopes, and the answer's shape. Not here: HTTP (``server.py``), the checks themselves
(``validation.py``, ``variables.py``, ``cost.py``), and the fields (``resolvers.py`` and the mutations).

A refusal before execution (document, variables) costs nothing and has no ``extensions`` (recorded 2025-01 and
2026-04); THROTTLED, MAX_COST_EXCEEDED and MAX_INPUT_SIZE_EXCEEDED have ``extensions.cost`` with a null
``actualQueryCost``. All are HTTP 200.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    execute_sync,
)
from graphql.execution.values import get_argument_values

from image_assets.sandbox.shopify.context import Args, Context, refused
from image_assets.sandbox.shopify.cost import MAX_SINGLE, Bucket, Meter, Selected
from image_assets.sandbox.shopify.media import Pipeline
from image_assets.sandbox.shopify.resolvers import resolve_field, resolve_type
from image_assets.sandbox.shopify.schema import schema
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.validation import prepare
from image_assets.sandbox.shopify.variables import check_variables

_log = logging.getLogger(__name__)
RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"
ACCESS_SCOPES = "https://shopify.dev/api/usage/access-scopes"
# reference: Shopify docs, API limits: arrays of at most 250 inputs; recorded 2025-01: 2048 variants.
MAX_INPUTS = 250
MAX_VARIANTS = 2048
SCOPE_OF = {
    "fileAcknowledgeUpdateFailed": "write_files",
    "fileCreate": "write_files",
    "fileDelete": "write_files",
    "files": "read_files",
    "fileUpdate": "write_files",
    "metafieldsSet": "write_products",
    "product": "read_products",
    "productByIdentifier": "read_products",
    "productCreateMedia": "write_products",
    "productDeleteMedia": "write_products",
    "productReorderMedia": "write_products",
    "products": "read_products",
    "productSet": "write_products",
    "productUpdate": "write_products",
    "productVariantAppendMedia": "write_products",
    "productVariantDetachMedia": "write_products",
    "productVariants": "read_products",
    "productVariantsBulkUpdate": "write_products",
    "publications": "read_publications",
    "publishablePublish": "write_publications",
}


@dataclass
class Request(Context):
    """A context with what the executor itself keeps of a request; ``denied``: refuse every root field."""

    denied: bool = False


@dataclass
class Plan:
    """A request that can be executed, or ``refusal``: the answer to one that cannot."""

    refusal: dict[str, Any] | None = None
    document: DocumentNode | None = None
    operation: OperationDefinitionNode | None = None
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict[str, FragmentDefinitionNode])
    variables: Args = field(default_factory=dict[str, Any])

    @property
    def is_mutation(self) -> bool:
        """Whether it may change the shop."""
        return self.operation is not None and self.operation.operation.value == "mutation"

    @cached_property
    def meter(self) -> Meter:
        """What it costs."""
        if self.operation is None:
            raise LookupError("nothing to execute")
        return Meter(schema(), self.operation, self.fragments, self.variables)

    @cached_property
    def requested(self) -> int:
        """The cost to be paid before it is executed."""
        return self.meter.requested()

    @property
    def roots(self) -> list[Selected]:
        """The root fields; none of a refused request."""
        return self.meter.roots if self.operation is not None else []

    @property
    def root_names(self) -> list[str]:
        """The names of the root fields."""
        return [root.name for root in self.roots]


class Executor:
    """Executes requests on a shop.

    Args:
        shop: the shop.
        pipeline: processes its files.
        bucket: pays.
    """

    def __init__(self, shop: Shop, pipeline: Pipeline, bucket: Bucket) -> None:
        self._shop = shop
        self._pipeline = pipeline
        self._bucket = bucket
        self.throttled_count = 0

    # --- before

    def plan(self, text: str, variables: Args, operation_name: str | None) -> Plan:
        """Check everything that can be checked before execution."""
        prepared = prepare(text)
        if prepared.errors:
            return Plan({"errors": list(prepared.errors)})
        named = [
            operation
            for operation in prepared.operations
            if operation_name is None or (operation.name and operation.name.value == operation_name)
        ]
        if len(named) != 1:
            text = f'No operation named "{operation_name}"' if operation_name else "An operation name is required"
            return Plan({"errors": [{"message": text}]})
        (operation,) = named
        errors = check_variables(operation, variables)
        if errors:
            return Plan({"errors": [error.formatted for error in errors]})
        plan = Plan(None, prepared.document, operation, prepared.fragments, variables)
        oversized = next(_oversized(plan), None)
        if oversized is not None:
            plan.refusal = {"errors": [oversized], "extensions": self._cost(plan, None)}
        return plan

    # --- answers that execute nothing

    def _cost(self, plan: Plan, actual: int | None) -> dict[str, Any]:
        status = self._bucket.status()
        return {"cost": {"requestedQueryCost": plan.requested, "actualQueryCost": actual, "throttleStatus": status}}

    def throttled(self, plan: Plan) -> dict[str, Any]:
        """The answer to a request the bucket cannot pay for."""
        extensions = {"code": "THROTTLED", "documentation": RATE_LIMITS}
        paid = self._cost(plan, None)
        # One that was injected must not show a bucket that could have paid.
        status = paid["cost"]["throttleStatus"]
        status["currentlyAvailable"] = min(status["currentlyAvailable"], max(0, plan.requested - 1))
        return {"errors": [{"message": "Throttled", "extensions": extensions}], "extensions": paid}

    def too_costly(self, plan: Plan) -> dict[str, Any]:
        """The answer to a request no bucket may pay for."""
        text = (
            f"Query cost is {plan.requested}, which exceeds the single query max cost limit ({MAX_SINGLE}).\n\n"
            f"See {RATE_LIMITS} for more information on how the\ncost of a query is calculated.\n\n"
            "To query larger amounts of data with fewer limits, bulk operations should be used instead.\n"
            "See https://shopify.dev/api/usage/bulk-operations/queries for usage details.\n"
        )
        extensions = {
            "code": "MAX_COST_EXCEEDED",
            "cost": plan.requested,
            "maxCost": MAX_SINGLE,
            "documentation": RATE_LIMITS,
        }
        return {"errors": [{"message": text, "extensions": extensions}], "extensions": self._cost(plan, None)}

    def internal_error(self) -> dict[str, Any]:
        """The answer when something of theirs failed."""
        request_id = str(uuid.uuid4())
        text = (
            "Internal error. Looks like something went wrong on our end.\n"
            f"Request ID: {request_id} (include this in support requests)."
        )
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
        return {"errors": [{"message": text, "extensions": extensions}]}

    # --- execution

    def answer(self, plan: Plan, *, denied: bool = False) -> tuple[dict[str, Any], bool]:
        """Pay, execute and answer.

        Args:
            plan: what to execute; no refusal.
            denied: refuse it as for an app without the permission.

        Returns:
            The answer, and whether it was executed.
        """
        if plan.requested > MAX_SINGLE:
            return self.too_costly(plan), False
        if not self._bucket.take(plan.requested):
            with self._shop.lock:
                self.throttled_count += 1
            return self.throttled(plan), False
        request = Request(self._shop, self._pipeline, run_bulk=self.run_bulk, denied=denied)
        result = self._execute(plan, request)
        if any(_is_defect(error) for error in result.errors or ()):
            self._bucket.give_back(plan.requested)
            _log_defects(result)
            return self.internal_error(), False
        actual = plan.meter.actual(result.data)
        self._bucket.give_back(plan.requested - actual)
        answer: dict[str, Any] = {**result.formatted}
        answer["extensions"] = self._cost(plan, actual)
        if request.warnings:
            answer["extensions"]["search"] = request.warnings
        return answer, not denied

    def _execute(self, plan: Plan, request: Request) -> ExecutionResult:
        if plan.document is None or plan.operation is None:
            raise LookupError("nothing to execute")
        with self._shop.lock:
            return execute_sync(
                schema(),
                plan.document,
                context_value=request,
                variable_values=plan.variables,
                operation_name=plan.operation.name.value if plan.operation.name else None,
                field_resolver=_resolve,
                type_resolver=resolve_type,
            )

    def run_bulk(self, text: str, variables: Args, whole: bool) -> dict[str, Any]:
        """Execute a query, or one line of a mutation, inside a bulk operation: free of charge."""
        plan = self.plan(text, variables, None)
        if plan.refusal is not None:
            return plan.refusal
        result = self._execute(plan, Request(self._shop, self._pipeline, bulk=True, whole=whole))
        _log_defects(result)
        return dict(result.formatted)


def _resolve(source: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
    """Root fields need their scope; everything else is as `resolve_field` says."""
    request = info.context
    if info.path.prev is None:
        scope = SCOPE_OF.get(info.field_name)
        if request.denied or (scope is not None and scope not in request.shop.scopes):
            access = f"`{scope}` access scope." if scope else "an access scope this app does not have."
            text = f"Access denied for {info.field_name} field. Required access: {access}"
            raise refused(text, "ACCESS_DENIED", documentation=ACCESS_SCOPES, requiredAccess=access)
    return resolve_field(source, info, **args)


def _is_defect(error: GraphQLError) -> bool:
    """Whether an error is one of this code, and no refusal."""
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


def _log_defects(result: ExecutionResult) -> None:
    for error in result.errors or ():
        if _is_defect(error):
            _log.error("The Shopify stand-in failed: %s", error, exc_info=error.original_error)


def _oversized(plan: Plan) -> Iterator[dict[str, Any]]:
    """Lists that are too long, wherever they are in the arguments."""
    for root in plan.roots:
        given = get_argument_values(root.parent.fields[root.name], root.node, plan.variables)
        for path, length, most in _long_lists(given, [root.key]):
            text = f"The input array size of {length} is greater than the maximum allowed of {most}."
            place = root.node.loc
            line, column = _position(plan, place.start) if place else (1, 1)
            yield {
                "message": text,
                "locations": [{"line": line, "column": column}],
                "path": path,
                "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"},
            }


def _position(plan: Plan, offset: int) -> tuple[int, int]:
    source = plan.document.loc.source.body if plan.document and plan.document.loc else ""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _long_lists(value: Any, path: list[str]) -> Iterator[tuple[list[str], int, int]]:
    """The path (without indices), length and limit of every list that is too long."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _long_lists(inner, [*path, name])
    elif isinstance(value, list):
        most = MAX_VARIANTS if path[-1] == "variants" else MAX_INPUTS
        if len(value) > most:
            yield path, len(value), most
        for inner in value:
            yield from _long_lists(inner, path)
