"""The search body all resources share: filters, columns, order and pages.

Here: reading it, refusing what the vendor refuses, and answering it over any rows. Not here: which fields there are
(``fields.py``).

reference: v1 collection, "Filtered searches" and "Product search". ``filters`` is a list (OR) of lists (AND). 422: a
field that does not exist, an operator the field does not allow, a value that means nothing to the operator, more than
50 columns, ``page_size`` over 100. 428: an order over more than 10,000 matches. ``count`` is how many records match on
all pages, ``total_count`` how many there are without filters: so in the collection's saved answers and in a live test
of pim-client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar

from image_assets.sandbox.plytix.answers import SCHEMA_ERROR, Document, Refused

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 25
MAX_COLUMNS = 50
MAX_ORDERED = 10_000
# Always answered, so they do not count as columns.
_ALWAYS = ("id", "sku")
_UNARY = ("exists", "!exists")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: bool(value == wanted),
    "gt": lambda value, wanted: bool(value > wanted),
    "gte": lambda value, wanted: bool(value >= wanted),
    "lt": lambda value, wanted: bool(value < wanted),
    "lte": lambda value, wanted: bool(value <= wanted),
}
Row = TypeVar("Row")


@dataclass(frozen=True)
class Field(Generic[Row]):
    """A column of a resource.

    Args:
        filter_type: as ``GET /filters/...`` calls it; it decides how values compare.
        operators: what a filter may do with it.
        read: the value filters and order go by.
        show: the value answers have; `read` without it.
    """

    filter_type: str
    operators: tuple[str, ...]
    read: Callable[[Row], Any]
    show: Callable[[Row], Any] | None = None


def search(
    body: Document,
    rows: Iterable[Row],
    fields: Mapping[str, Field[Row]],
    start: Callable[[Row], Document],
    now: float,
) -> Document:
    """The answer's body.

    Args:
        body: as it was sent.
        rows: all records of the account, in their own order.
        fields: the resource's columns by key.
        start: what every record of the answer has.
        now: seconds since 1970; ``last_days`` goes by it.

    Raises:
        Refused: 422 or 428.
    """
    matches = _filters(body.get("filters"), fields, now)
    columns = _columns(body.get("attributes"), fields)
    page, page_size, order = _pagination(body.get("pagination"), fields)
    everything = list(rows)
    matching = [row for row in everything if matches(row)]
    if order:
        if len(matching) > MAX_ORDERED:
            raise Refused(428, f"Results can't be ordered: more than {MAX_ORDERED} match")
        key = fields[order.removeprefix("-")].read
        matching.sort(key=lambda row: _sortable(key(row)), reverse=order.startswith("-"))
    shown = matching[(page - 1) * page_size : page * page_size]
    pagination = {"page": page, "page_size": page_size, "order": order}
    pagination |= {"count": len(matching), "total_count": len(everything)}
    return {"data": [_document(row, start(row), columns) for row in shown], "pagination": pagination}


def _document(row: Row, document: Document, columns: Mapping[str, Field[Row]]) -> Document:
    for key, field in columns.items():
        value = (field.show or field.read)(row)
        prefix, _, label = key.partition(".")
        if not label:
            document[prefix] = value
        elif not _is_empty(value):  # an attribute without a value is left out, as in GET /products/{id}
            document[prefix][label] = value
    return document


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else "")


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _invalid(field: str, text: str) -> Refused:
    return Refused(422, SCHEMA_ERROR, (field, text))


# --- columns and pages


def _columns(given: Any, fields: Mapping[str, Field[Row]]) -> dict[str, Field[Row]]:
    if given is None:
        return {}
    if not isinstance(given, list):
        raise _invalid("attributes", "Not a valid list.")
    names = [str(name) for name in dict.fromkeys(given) if name not in _ALWAYS]
    if len(names) > MAX_COLUMNS:
        raise _invalid("schema", f"columns limit exceeded, current limit is {MAX_COLUMNS}")
    for name in names:
        if name not in fields:
            raise _invalid(name, "unknown field")
    return {name: fields[name] for name in names}


def _pagination(given: Any, fields: Mapping[str, Field[Row]]) -> tuple[int, int, str | None]:
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise _invalid("pagination", "Invalid input type.")
    page, page_size = given.get("page", 1), given.get("page_size", DEFAULT_PAGE_SIZE)
    for name, number, most in (("page", page, None), ("page_size", page_size, MAX_PAGE_SIZE)):
        if type(number) is not int or number < 1 or (most is not None and number > most):
            raise _invalid(f"pagination.{name}", "Not a valid value.")
    order = given.get("order") or None
    if order is not None and (not isinstance(order, str) or order.removeprefix("-") not in fields):
        raise _invalid("pagination.order", "unknown field")
    return page, page_size, order


# --- filters


def _filters(given: Any, fields: Mapping[str, Field[Row]], now: float) -> Callable[[Row], bool]:
    if given is None or given == []:
        return lambda _row: True
    if not isinstance(given, list) or not all(isinstance(group, list) for group in given):
        raise _invalid("filters", "Unable to decode filters properly")
    groups = [[_condition(item, fields, now) for item in group] for group in given]
    return lambda row: any(all(condition(row) for condition in group) for group in groups)


def _condition(item: Any, fields: Mapping[str, Field[Row]], now: float) -> Callable[[Row], bool]:
    if not isinstance(item, dict) or "operator" not in item:
        raise _invalid("filters", "Unable to decode filters properly")
    name, operator, wanted = item.get("field"), item["operator"], item.get("value")
    if operator == "text_search":
        return _text_search(name, wanted, fields)
    field = fields.get(name) if isinstance(name, str) else None
    if field is None:
        raise _invalid(str(name), "unknown field")
    if operator not in field.operators:
        raise _invalid(str(name), f"Operator {operator} is not allowed for the given field")
    read = field.read
    if operator in _UNARY:
        return lambda row: _is_empty(read(row)) == (operator == "!exists")
    test = _test(str(name), operator, wanted, field.filter_type, now)
    return lambda row: test(read(row))


def _text_search(names: Any, wanted: Any, fields: Mapping[str, Field[Row]]) -> Callable[[Row], bool]:
    """Its ``field`` is a list; only resources with a field that allows it have it (assets have not)."""
    searched = [fields.get(name) for name in names] if isinstance(names, list) else []
    allowed = [field for field in searched if field is not None and "text_search" in field.operators]
    if not searched or len(allowed) != len(searched) or not isinstance(wanted, str):
        raise _invalid("text_search", "Not a valid value.")
    text = wanted.casefold()
    return lambda row: any(text in str(field.read(row) or "").casefold() for field in allowed)


def _test(name: str, operator: str, wanted: Any, filter_type: str, now: float) -> Callable[[Any], bool]:
    """A test of one value.

    Raises:
        Refused: the operator can't use what it is compared with.
    """
    if operator.startswith("!"):
        positive = _test(name, operator[1:], wanted, filter_type, now)
        return lambda value: not positive(value)
    if operator == "in":
        return _is_in(name, wanted)
    if operator == "like":
        text = _of_type(name, wanted, str).casefold()
        return lambda value: text in str(value or "").casefold()
    if operator == "last_days":
        first = datetime.fromtimestamp(now, UTC).date() - timedelta(days=_of_type(name, wanted, int))
        return lambda value: bool(value) and str(value)[:10] >= first.isoformat()
    compare = _COMPARISONS[operator.removeprefix("len_")]
    if operator.startswith("len_"):
        length = _of_type(name, wanted, int)
        return lambda value: compare(len(value or []), length)
    adapt = _comparable(name, wanted, filter_type)
    target = adapt(wanted)
    return lambda value: value is not None and compare(adapt(value), target)


def _is_in(name: str, wanted: Any) -> Callable[[Any], bool]:
    """Letter by letter, as documented of multiselects; a list matches when it has one of the values."""
    choices = _of_type(name, wanted, list)
    return lambda value: any(item in choices for item in (value if isinstance(value, list) else [value]))


def _comparable(name: str, wanted: Any, filter_type: str) -> Callable[[Any], Any]:
    """How both sides are made comparable: text without case, dates as exact as the one that was asked for."""
    if filter_type == "BooleanAttribute":
        _of_type(name, wanted, bool)
        return lambda value: value
    try:
        if filter_type in ("IntAttribute", "DecimalAttribute"):
            float(wanted)
            return float
        if filter_type == "DateAttribute":
            date.fromisoformat(str(wanted)[:10])
            return lambda value: str(value)[: len(str(wanted))]
    except (TypeError, ValueError) as error:
        raise _invalid(name, "Not a valid value.") from error
    _of_type(name, wanted, str)
    return lambda value: str(value).casefold()


_Wanted = TypeVar("_Wanted")


def _of_type(name: str, wanted: Any, kind: type[_Wanted]) -> _Wanted:
    if type(wanted) is not kind:
        raise _invalid(name, "Not a valid value.")
    return wanted
