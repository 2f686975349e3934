"""Pages of connections: first, last, after, before, reverse.

Here: cutting a page out of a list, and cursors. Not here: which list, and in what order (``resolvers.py``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from image_assets.sandbox.shopify.context import Args, number_of, refused

# reference: Shopify docs, pagination: up to 250 per page.
MAX_PAGE = 250


def connection(rows: Sequence[Any], args: Args, *, whole: bool = False) -> dict[str, Any]:
    """A connection over ``rows`` in their order.

    Args:
        rows: everything with an ``id``.
        args: the field's arguments.
        whole: answer everything, whatever page is asked for.

    Raises:
        GraphQLError: neither first nor last, both, too many, or a cursor that is none (recorded 2026-04).
    """
    rows = list(reversed(rows)) if args.get("reverse") else list(rows)
    if whole:
        args = {"first": len(rows)}
    else:
        _check(args)
    first, last = args.get("first"), args.get("last")
    start = _place(rows, args["after"]) + 1 if args.get("after") else 0
    stop = _place(rows, args["before"]) if args.get("before") else len(rows)
    if first is not None:
        page = rows[start : min(stop, start + max(first, 0))]
        more = start + len(page) < stop
    else:
        start = max(start, stop - max(last or 0, 0))
        page = rows[start:stop]
        more = stop < len(rows)
    edges = [{"cursor": cursor(place, row), "node": row} for place, row in enumerate(page, start)]
    info = {"hasNextPage": more, "endCursor": edges[-1]["cursor"] if edges else None}
    return {"nodes": page, "edges": edges, "pageInfo": info}


def _check(args: Args) -> None:
    given = {name: args[name] for name in ("first", "last") if args.get(name) is not None}
    if not given:
        raise refused("you must provide one of first or last", "BAD_REQUEST")
    if len(given) > 1:
        raise refused("providing both first and last is not supported", "BAD_REQUEST")
    for name, rows in given.items():
        if rows > MAX_PAGE:
            raise refused(f"{name} cannot exceed {MAX_PAGE}", "BAD_REQUEST")


def cursor(place: int, row: Any) -> str:
    """A cursor as Shopify makes them: base64 of {last_id, last_value}."""
    text = json.dumps({"last_id": number_of(row.id), "last_value": str(place)}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def _place(rows: list[Any], text: str) -> int:
    """Where a cursor's row is, or was before it was removed."""
    try:
        found = json.loads(base64.b64decode(text, validate=True))
        number, place = int(found["last_id"]), int(found["last_value"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise refused("Invalid cursor for current pagination sort.", "BAD_REQUEST") from error
    return next((index for index, row in enumerate(rows) if number_of(row.id) == number), place - 1)
