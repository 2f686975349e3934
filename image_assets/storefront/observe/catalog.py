"""Product groups from the catalog database (``CATALOG_DATABASE_URL``).

Here: the query, its documented columns, and rows that can't be used. Not here: creating or changing the catalog.

Columns, in any case: ``Web_Product_Group_ID``, ``No_`` (the variant's SKU), ``Image_SKU``; and for products that are to
be created ``Title``, ``Handle``, ``Price``, ``Option1_Name``, ``Option1_Value`` ... ``Option3_Value``. The order of the
rows is the order of the variants and of their images.

How ``nav_items`` spells its columns, and of what type they are, is asked of the database: PostgreSQL folds names that
were not quoted to lower case, and compares no number with a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, OperationalError, SQLAlchemyError, UnreflectableTableError

from image_assets.errors import InputError, PermanentError, UnreachableError
from image_assets.report import Outcome
from image_assets.storefront.model import CatalogRow, ProductGroup, default_handle, is_image_sku

REQUIRED = ("Web_Product_Group_ID", "No_", "Image_SKU")
OPTIONS = tuple((f"Option{n}_Name", f"Option{n}_Value") for n in (1, 2, 3))
OPTIONAL = ("Title", "Handle", "Price", *(name for pair in OPTIONS for name in pair))
_PARAMETER = ":group_ids"
# A driver fetches this many rows at a time.
_FETCH_ROWS = 2_000
_NAMED_TWICE = "names a variant that another row has already named"

_TABLE = "nav_items"
# Group ids that a column of numbers can hold: as many digits as fit 64 bits, and what any decimal type takes.
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?")


@dataclass
class Catalog:
    """What the catalog holds: groups by id, in its order, and the rows that can't be used."""

    groups: dict[str, ProductGroup] = field(default_factory=dict[str, ProductGroup])
    rejected: list[Outcome] = field(default_factory=list[Outcome])

    @property
    def is_empty(self) -> bool:
        """Whether it holds no row at all, usable or not."""
        return not self.groups and not self.rejected


def read_catalog(engine: sa.Engine, query: str, group_ids: Sequence[str] | None) -> Catalog:
    """Read groups.

    Args:
        engine: the catalog database.
        query: ``CATALOG_QUERY``, or empty for ``nav_items``; its ``:group_ids`` is bound where it has one.
        group_ids: the groups to read; None for all. Those the catalog lacks are absent from the answer.

    Raises:
        UnreachableError: the database does not answer.
        PermanentError: it refuses the query.
        InputError: the answer lacks a required column.
    """
    try:
        with engine.connect() as connection:
            statement = _own_statement(query, group_ids) if query else _nav_items(connection, group_ids)
            result = connection.execute(statement, execution_options={"yield_per": _FETCH_ROWS})
            names = _columns(result.keys())
            wanted = None if group_ids is None else set(group_ids)
            return _collect(({name: row[at] for name, at in names.items()} for row in result), wanted)
    except OperationalError as error:
        raise UnreachableError(
            f"The catalog database can't be read: {_reason(error)}.",
            hint="Check CATALOG_DATABASE_URL and CATALOG_QUERY.",
        ) from None
    except SQLAlchemyError as error:
        reason = _reason(error) if isinstance(error, DBAPIError) else type(error).__name__
        raise PermanentError(
            f"The catalog database refuses the query: {reason}.",
            code="catalog_query",
            hint="Correct CATALOG_QUERY." if query else f"Check the table {_TABLE}, or set CATALOG_QUERY.",
        ) from None


def _own_statement(query: str, group_ids: Sequence[str] | None) -> sa.Executable:
    text = sa.text(query)
    if _PARAMETER not in query:
        return text
    if group_ids is None:
        raise InputError(
            "CATALOG_QUERY asks for :group_ids, so that it can't list all groups.",
            hint="Leave :group_ids out of it, or name the groups.",
        )
    return text.bindparams(sa.bindparam("group_ids", list(group_ids), expanding=True))


def _nav_items(connection: sa.Connection, group_ids: Sequence[str] | None) -> sa.Executable:
    """The documented columns that the table has, under their documented names. Raises InputError."""
    types = _types(connection)
    spelled = list(types)
    columns: dict[str, sa.ColumnClause[Any]] = {name: sa.column(spelled[at]) for name, at in _columns(spelled).items()}
    group = columns["Web_Product_Group_ID"]
    labelled = [column.label(name) for name, column in columns.items()]
    statement = sa.select(*labelled).select_from(sa.table(_TABLE)).order_by(group, columns["No_"])
    return statement if group_ids is None else statement.where(_is_one_of(group.name, types[group.name], group_ids))


def _types(connection: sa.Connection) -> Mapping[str, sa.types.TypeEngine[Any]]:
    """The table's columns as they are spelled; those documented where the database tells nothing of such a table."""
    try:
        return {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(_TABLE)}
    except (NoSuchTableError, UnreflectableTableError, DBAPIError):
        connection.rollback()  # PostgreSQL refuses everything after an error; what is wrong, the query will say
        return dict.fromkeys((*REQUIRED, *OPTIONAL), sa.Text())


def _is_one_of(name: str, kind: sa.types.TypeEngine[Any], group_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a column holds one of the ids, compared in its own type, so that an index on it can be used."""
    if isinstance(kind, sa.Integer):
        return sa.column(name, sa.BigInteger()).in_([int(key) for key in group_ids if _INTEGER.fullmatch(key)])
    if isinstance(kind, sa.Numeric):
        return sa.column(name, sa.Numeric()).in_([Decimal(key) for key in group_ids if _DECIMAL.fullmatch(key)])
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum):
        return sa.column(name, sa.Text()).in_(group_ids)
    return sa.cast(sa.column(name), sa.Text).in_(group_ids)


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".")


def _columns(names: Iterable[str]) -> dict[str, int]:
    """Where each known column is."""
    found = _positions(names)
    missing = [name for name in REQUIRED if name.lower() not in found]
    if missing:
        raise InputError(
            f"The catalog's rows lack {', '.join(missing)}; they have {', '.join(found) or 'no column'}.",
            hint='Name the columns so in CATALOG_QUERY, e.g. SELECT sku AS "No_" ...',
        )
    return {name: found[name.lower()] for name in (*REQUIRED, *OPTIONAL) if name.lower() in found}


def _positions(names: Iterable[str]) -> dict[str, int]:
    """Positions by the name in lower case; of two that differ in case alone, the documented spelling counts."""
    places = list(enumerate(names))
    found = {name.lower(): at for at, name in places}
    return found | {name.lower(): at for at, name in places if name in REQUIRED or name in OPTIONAL}


def _collect(rows: Iterable[Mapping[str, Any]], wanted: set[str] | None) -> Catalog:
    catalog = Catalog()
    collected: dict[str, dict[str, CatalogRow]] = {}
    first: dict[str, Mapping[str, Any]] = {}
    incomplete: set[str] = set()
    for number, row in enumerate(rows, start=1):
        group_id, sku = _text(row, "Web_Product_Group_ID"), _text(row, "No_")
        if wanted is not None and group_id not in wanted:
            continue
        problem = _problem(group_id, sku, _text(row, "Image_SKU"), collected)
        if problem:
            catalog.rejected.append(_rejected(number, group_id, sku, problem))
            if problem != _NAMED_TWICE:
                incomplete.add(group_id)
            continue
        first.setdefault(group_id, row)
        collected.setdefault(group_id, {})[sku] = CatalogRow(sku, _text(row, "Image_SKU"), _options(row), _price(row))
    for group_id, variants in collected.items():
        row = first[group_id]
        handle = "-".join(_text(row, "Handle").lower().split()) or default_handle(group_id)
        catalog.groups[group_id] = ProductGroup(
            group_id, _text(row, "Title"), handle, tuple(variants.values()), group_id in incomplete
        )
    return catalog


def _problem(group_id: str, sku: str, image_sku: str, collected: Mapping[str, Mapping[str, CatalogRow]]) -> str:
    if not group_id:
        return "has no Web_Product_Group_ID"
    if not sku:
        return "has no No_"
    if image_sku and not is_image_sku(image_sku):
        return f"has the Image_SKU {image_sku!r}, which may hold letters, digits, - and _ only"
    known = collected.get(group_id, {}).get(sku)
    return _NAMED_TWICE if known else ""


def _rejected(number: int, group_id: str, sku: str, problem: str) -> Outcome:
    item = "/".join(filter(None, (group_id, sku))) or f"catalog row {number}"
    error = InputError(f"Catalog row {number} {problem}.", code="bad_row", hint="Correct it in the catalog.")
    return Outcome.failed(item, error)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _options(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = ((_text(row, name), _text(row, value)) for name, value in OPTIONS)
    return tuple((name, value) for name, value in pairs if name and value)


def _price(row: Mapping[str, Any]) -> str | None:
    return _text(row, "Price") or None
