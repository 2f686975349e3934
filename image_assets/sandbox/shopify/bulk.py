"""bulkOperationRunQuery, bulkOperationRunMutation, bulkOperationCancel.

Here: the operations, their checks and their result files. Not here: executing one query or one line of a mutation
(``execution.py``), and serving the result (``server.py``).

reference: Shopify docs, "Bulk operations" (queries, imports): results are JSONL, a nested object names its parent in
``__parentId``, five operations of a kind at once, a mutation's errors come line by line. The checks and their wording
are recorded 2026-04. Without ``groupObjects`` the order of the result is only that parents come before their
children; here level by level, so that nobody relies on children following their parent at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from graphql import is_list_type, is_non_null_type

from image_assets.sandbox.shopify.context import Args, Context, mutation, user_error
from image_assets.sandbox.shopify.cost import Meter, Selected, objects_at
from image_assets.sandbox.shopify.schema import is_connection, schema
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.staged import MAX_BULK_BYTES
from image_assets.sandbox.shopify.state import BulkOperation, now
from image_assets.sandbox.shopify.validation import Prepared, prepare

MAX_CONNECTIONS = 5
MAX_DEPTH = 2
MAX_AT_ONCE = 5
MAX_DOCUMENT_BYTES = 65_535
CLIENT_IDENTIFIER = (10, 255)
RUNNING = ("CREATED", "RUNNING", "CANCELING")
_NO_FILE = (
    "The JSONL file could not be found. Try uploading the file again, and check that you've entered the URL "
    "correctly for the stagedUploadPath mutation argument."
)


def _meter(prepared: Prepared) -> Meter:
    return Meter(schema(), prepared.operations[0], prepared.fragments, {})


def _start(context: Context, operation: BulkOperation, work: Iterable[bytes]) -> Args:
    """Begin an operation; ``work`` makes its lines when it is its turn."""
    shop, pipeline = context.shop, context.pipeline
    shop.bulk_operations.append(operation)

    def run() -> None:
        with shop.lock:
            if operation.status == "CREATED":
                operation.status = "RUNNING"
        pipeline.after(finish)

    def finish() -> None:
        if operation.status != "RUNNING":
            return  # cancelled
        try:
            lines = list(work)
        except BaseException:
            operation.status, operation.error_code = "FAILED", "INTERNAL_SERVER_ERROR"
            raise
        with shop.lock:
            if operation.status == "RUNNING":
                _complete(shop, operation, lines)

    pipeline.after(run)
    return {"bulkOperation": operation, "userErrors": []}


def _complete(shop: Shop, operation: BulkOperation, lines: list[bytes]) -> None:
    operation.result = b"".join(lines)
    operation.object_count = len(lines)
    operation.root_object_count = sum(b'"__parentId"' not in line for line in lines)
    number = operation.id.rpartition("/")[2]
    # There is no file of nothing.
    operation.url = f"{shop.base_url}/bulk/{number}.jsonl" if lines else None
    operation.status, operation.completed_at = "COMPLETED", now()


def _refuse(*errors: Args) -> Args:
    return {"bulkOperation": None, "userErrors": list(errors)}


def _too_many(shop: Shop, kind: str) -> list[Args]:
    ids = [one.id for one in shop.bulk_operations if one.type == kind and one.status in RUNNING]
    if len(ids) < MAX_AT_ONCE:
        return []
    text = f"A bulk {kind.lower()} operation for this app and shop is already in progress: {', '.join(ids)}."
    return [user_error(None, text, "OPERATION_IN_PROGRESS")]


def _line(row: dict[str, Any]) -> bytes:
    """A line as Shopify writes it, with escaped slashes."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/").encode() + b"\n"


# --- queries


@mutation("bulkOperationRunQuery")
def bulk_operation_run_query(context: Context, args: Args) -> Args:
    """Read everything a query names, in the background."""
    text, shop, run = args["query"], context.shop, context.run_bulk
    size = len(text.encode())
    if size > MAX_DOCUMENT_BYTES:
        problem = f"Query is too large ({size} bytes; maximum is {MAX_DOCUMENT_BYTES} bytes)"
        return _refuse(user_error(["query"], problem, "INVALID"))
    problems = list(_check_query(prepare(text)))
    if problems:
        return _refuse(*(user_error(["query"], problem, "INVALID") for problem in problems))
    busy = _too_many(shop, "QUERY")
    if busy or run is None:
        return _refuse(*busy)
    operation = BulkOperation(shop.new_id("BulkOperation"), "QUERY", text)
    return _start(context, operation, _query_lines(lambda: run(text, {}, True), text, args["groupObjects"]))


def _check_query(prepared: Prepared) -> Iterator[str]:
    if prepared.errors:
        message = prepared.errors[0]["message"].partition(" at [")[0]
        yield f"Invalid bulk query: {message}"
        return
    (operation, *_) = prepared.operations
    if operation.operation.value != "query":
        yield "Invalid operation type. Only `query` operations are supported."
        return
    meter = _meter(prepared)
    for name in sorted({root.name for root in meter.roots} & {"node", "nodes"}):
        yield f"Bulk queries cannot contain a top level `{name}` field."
    found = [connection for root in meter.roots for connection in _connections(meter, root, 0, False)]
    if not found:
        yield "Bulk queries must contain at least one connection."
    yield from _check_connections(meter, found)


def _check_connections(meter: Meter, found: list[tuple[Selected, int, bool]]) -> Iterator[str]:
    plain = [field.name for field, _, _ in found if any(inner.name == "nodes" for inner in _inner(meter, field))]
    if plain:
        names = ", ".join(f"'{name}'" for name in plain)
        yield (
            "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
            f"'{plain[0]} {{ edges {{ node {{'. Selecting via 'nodes' is not supported. "
            f"Invalid connection fields: {names}."
        )
        return
    if len(found) > MAX_CONNECTIONS:
        yield f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections."
    if any(depth > MAX_DEPTH for _, depth, _ in found):
        yield f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_DEPTH}."
    if any(in_list for _, _, in_list in found):
        yield "Queries that contain a connection field within a list field are not currently supported."
    without_id = [field.name for field, _, _ in found if _nests_without_id(meter, field)]
    if without_id:
        yield (
            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be "
            f"of 'ID' return type. Connection fields without 'id': {', '.join(without_id)}."
        )


def _inner(meter: Meter, field: Selected) -> list[Selected]:
    return meter.fields(field.kind, field.sets, every=True)


def _connections(meter: Meter, field: Selected, depth: int, in_list: bool) -> Iterator[tuple[Selected, int, bool]]:
    """Every connection below a field, with how deep it is nested, and whether in a list."""
    if field.kind is None or not field.sets:
        return
    if is_connection(field.kind):
        yield field, depth, in_list
        for child, _ in meter.child_fields(field):
            for inner in _inner(meter, child):
                yield from _connections(meter, inner, depth + 1, in_list)
        return
    for inner in _inner(meter, field):
        yield from _connections(meter, inner, depth, in_list or _is_list(field))


def _is_list(field: Selected) -> bool:
    kind = field.parent.fields[field.name].type
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _nests_without_id(meter: Meter, field: Selected) -> bool:
    for child, _ in meter.child_fields(field):
        inner = _inner(meter, child)
        nests = any(True for one in inner for _ in _connections(meter, one, 0, False))
        if nests and not any(one.key == "id" and one.name == "id" for one in inner):
            return True
    return False


def _query_lines(run: Any, text: str, grouped: bool) -> Iterator[bytes]:
    meter = _meter(prepare(text))
    data = run().get("data") or {}
    level = [row for root in meter.roots for row in _roots(meter, root, data.get(root.key))]
    while level:
        below: list[_Row] = []
        for row in level:
            yield _line(row.own)
            if grouped:
                yield from _grouped(row.children)
            else:
                below += row.children
        level = below


class _Row:
    """An object of the result, and the objects below it."""

    def __init__(self, meter: Meter, field: Selected, value: dict[str, Any], parent: str | None) -> None:
        self.children: list[_Row] = []
        self.own = self._own(meter, field, value, value.get("id"))
        if parent is not None:
            self.own["__parentId"] = parent

    def _own(self, meter: Meter, field: Selected, value: dict[str, Any], gid: str | None) -> dict[str, Any]:
        """The object's fields without its connections, which become its children."""
        own: dict[str, Any] = {}
        for inner in meter.fields(field.kind, field.sets, every=True):
            if inner.key not in value:
                continue
            found = value[inner.key]
            if is_connection(inner.kind):
                self.children += _below(meter, inner, found, gid)
            elif isinstance(found, dict):
                own[inner.key] = self._own(meter, inner, found, gid)
            else:
                own[inner.key] = found
        return own


def _below(meter: Meter, connection: Selected, value: Any, parent: str | None) -> list[_Row]:
    rows = []
    for child, path in meter.child_fields(connection):
        rows += [_Row(meter, child, found, parent) for found in objects_at(value, path)]
    return rows


def _roots(meter: Meter, root: Selected, value: Any) -> list[_Row]:
    if is_connection(root.kind):
        return _below(meter, root, value, None)
    return [_Row(meter, root, value, None)] if isinstance(value, dict) else []


def _grouped(rows: list[_Row]) -> Iterator[bytes]:
    for row in rows:
        yield _line(row.own)
        yield from _grouped(row.children)


# --- mutations


@mutation("bulkOperationRunMutation")
def bulk_operation_run_mutation(context: Context, args: Args) -> Args:
    """Run a mutation once for each line of an uploaded file, in the background."""
    text, shop, run = args["mutation"], context.shop, context.run_bulk
    problem = _check_mutation(text, args.get("clientIdentifier"))
    if problem is not None:
        return _refuse(problem)
    upload = shop.staged.get(args["stagedUploadPath"])
    content = upload.content if upload is not None else None
    if content is None:
        return _refuse(user_error(None, _NO_FILE, "NO_SUCH_FILE"))
    if not content.strip():
        return _refuse(user_error(None, "The input file is empty.", "INVALID_STAGED_UPLOAD_FILE"))
    if len(content) > MAX_BULK_BYTES:
        problem_text = "The input file size exceeds the maximum allowed size of 100 MB."
        return _refuse(user_error(None, problem_text, "INVALID_STAGED_UPLOAD_FILE"))
    busy = _too_many(shop, "MUTATION")
    if busy or run is None:
        return _refuse(*busy)
    operation = BulkOperation(shop.new_id("BulkOperation"), "MUTATION", text)
    return _start(context, operation, _mutation_lines(lambda variables: run(text, variables, False), content))


def _check_mutation(text: str, identifier: str | None) -> Args | None:
    size = len(text.encode())
    if size > MAX_DOCUMENT_BYTES:
        problem = f"is too large ({size} bytes; maximum is {MAX_DOCUMENT_BYTES} bytes)"
        return user_error(["query"], problem, "INVALID_MUTATION")
    prepared = prepare(text)
    if prepared.errors:
        problem = f"Failed to parse the mutation - {prepared.errors[0]['message']}"
        return user_error(None, problem, "INVALID_MUTATION")
    return _check_operation(prepared) or _check_identifier(identifier)


def _check_operation(prepared: Prepared) -> Args | None:
    if prepared.operations[0].operation.value != "mutation":
        text = "Invalid operation type. Only `mutation` operations are supported."
        return user_error(None, text, "INVALID_MUTATION")
    meter = _meter(prepared)
    if len(meter.roots) != 1:
        return user_error(["mutation"], "You must specify a single top level mutation.")
    (root,) = meter.roots
    if root.name.startswith("bulkOperation"):
        return user_error(["mutation"], "You must use an allowed mutation name.")
    if len(list(_connections(meter, root, 0, False))) > 1:
        return user_error(["mutation"], "Bulk mutations cannot contain more than 1 connection.")
    return None


def _check_identifier(identifier: str | None) -> Args | None:
    least, most = CLIENT_IDENTIFIER
    if identifier is None or least <= len(identifier) <= most:
        return None
    short = len(identifier) < least
    text = f"is too short (minimum is {least} characters)" if short else f"is too long (maximum is {most} characters)"
    return user_error(["clientIdentifier"], text, "INVALID_MUTATION")


def _mutation_lines(run: Any, content: bytes) -> Iterator[bytes]:
    """One result for each line, whatever came of the others; blank lines are skipped but counted."""
    for number, line in enumerate(content.splitlines()):
        if not line.strip():
            continue
        try:
            variables = json.loads(line)
        except ValueError as error:
            answer: dict[str, Any] = {"errors": [{"message": f"Invalid JSON: {error}"}]}
        else:
            answer = run(variables)
        yield _line({**answer, "__lineNumber": number})


# --- cancelling


@mutation("bulkOperationCancel")
def bulk_operation_cancel(context: Context, args: Args) -> Args:
    """Cancel an operation: CANCELING at once, CANCELED a while later; what it did stays done."""
    found = context.shop.find(args["id"])
    if not isinstance(found, BulkOperation):
        return {"bulkOperation": None, "userErrors": [user_error(["id"], "Bulk operation does not exist")]}
    if found.status not in ("CREATED", "RUNNING"):
        text = f"A bulk operation cannot be canceled when it is {found.status.lower()}"
        return {"bulkOperation": found, "userErrors": [user_error(None, text)]}
    found.status = "CANCELING"

    def cancel() -> None:
        with context.shop.lock:
            found.status = "CANCELED"

    context.pipeline.after(cancel)
    return {"bulkOperation": found, "userErrors": []}
