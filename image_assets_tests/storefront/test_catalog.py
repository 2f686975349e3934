"""The catalog: nav_items on a real PostgreSQL, queries of the user's own, and rows that can't be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.errors import InputError, PermanentError, UnreachableError
from image_assets.storefront.model import CatalogRow, ProductGroup
from image_assets.storefront.observe.catalog import OPTIONAL, REQUIRED, read_catalog
from image_assets.stores.database import make_engine

Row = dict[str, object]
Fill = Callable[[list[Row]], None]


@pytest.fixture
def catalog(database_url: str) -> Iterator[sa.Engine]:
    """A catalog database with an empty nav_items."""
    engine = make_engine(database_url)
    columns = [sa.Column(name, sa.Numeric(12, 2) if name == "Price" else sa.Text) for name in (*REQUIRED, *OPTIONAL)]
    sa.Table("nav_items", sa.MetaData(), *columns).create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def fill(catalog: sa.Engine) -> Fill:
    """Puts rows into nav_items; columns left out are null."""
    table = sa.table("nav_items", *(sa.column(name) for name in (*REQUIRED, *OPTIONAL)))

    def put(rows: list[Row]) -> None:
        with catalog.begin() as connection:
            connection.execute(sa.insert(table), [dict.fromkeys((*REQUIRED, *OPTIONAL)) | row for row in rows])

    return put


def row(group: object, sku: object, image_sku: object, **others: object) -> Row:
    return {"Web_Product_Group_ID": group, "No_": sku, "Image_SKU": image_sku, **others}


def test_groups_come_with_their_rows_titles_options_and_prices(catalog: sa.Engine, fill: Fill) -> None:
    fill(
        [
            row("G-2", "22", "A"),
            row("G-1", "12", "B", Title="Other", Price=5),
            row(
                "G-1", "11", "A", Title="Ring", Option1_Name="Size", Option1_Value="5", Option3_Name="Metal", Price=9.5
            ),
        ]
    )
    groups = read_catalog(catalog, "", None).groups
    assert list(groups) == ["G-1", "G-2"]
    assert (groups["G-1"].title, groups["G-1"].handle) == ("Ring", "g-1")
    assert groups["G-1"].rows == (
        CatalogRow("11", "A", (("Size", "5"),), "9.50"),
        CatalogRow("12", "B", (), "5.00"),
    )
    assert groups["G-1"].image_skus == ("A", "B")


COLUMNS = {"Web_Product_Group_ID": "VARCHAR(20)", "No_": "VARCHAR(20)", "Image_SKU": "VARCHAR(20)"}


def make(engine: sa.Engine, columns: Mapping[str, str], *rows: tuple[object, ...]) -> None:
    """Make nav_items anew as somebody would by hand: names as they are given, quotes included."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS nav_items")
        connection.exec_driver_sql(f"CREATE TABLE nav_items ({', '.join(map(' '.join, columns.items()))})")
        for values in rows:
            literals = ", ".join(map(repr, values))
            connection.exec_driver_sql(f"INSERT INTO nav_items VALUES ({literals})")


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database of each kind that is at hand."""
    sqlite = f"sqlite:///{tmp_path / 'catalog.db'}"
    engine = make_engine(sqlite if request.param == "sqlite" else request.getfixturevalue("database_url"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, '"{}"'.format], ids=["as is", "lower", "UPPER", "quoted"])
def test_columns_are_found_however_the_table_spells_them(database: sa.Engine, spell: Callable[[str], str]) -> None:
    columns = {spell(name): kind for name, kind in {**COLUMNS, "Title": "TEXT", "Price": "DECIMAL(12, 2)"}.items()}
    make(database, columns, ("G-2", "21", "B", "Band", 2), ("G-1", "11", "A", "Ring", 1), ("G-1", "10", "A", "Ring", 1))
    groups = read_catalog(database, "", None).groups
    assert list(groups) == ["G-1", "G-2"]
    assert [row.sku for row in groups["G-1"].rows] == ["10", "11"]
    assert (groups["G-1"].title, float(groups["G-1"].rows[0].price or 0)) == ("Ring", 1)
    assert list(read_catalog(database, "", ["G-2", "G-9"]).groups) == ["G-2"]


def test_the_required_columns_are_enough(database: sa.Engine) -> None:
    make(database, COLUMNS, ("G-1", "11", "A"))
    groups = read_catalog(database, "", ["G-1"]).groups
    assert groups == {"G-1": ProductGroup("G-1", "", "g-1", (CatalogRow("11", "A"),))}


def test_of_two_columns_that_differ_in_case_alone_the_documented_one_counts(catalog: sa.Engine) -> None:
    columns = dict.fromkeys(("Image_SKU", '"Image_SKU"', '"No_"', "No_", "Web_Product_Group_ID"), "TEXT")
    make(catalog, columns, ("wrong", "A", "11", "wrong", "G-1"))
    assert read_catalog(catalog, "", None).groups["G-1"].rows == (CatalogRow("11", "A"),)


@pytest.mark.parametrize("kind", ["INTEGER", "BIGINT", "NUMERIC(20)", "VARCHAR(2)", "CHAR(30)", "TEXT"])
@pytest.mark.parametrize(
    "ids",
    [
        ["7", "9"],
        ["7", "x", "", " 7", "7.5", "9" * 30, "-1", "\N{ARABIC-INDIC DIGIT SEVEN}", "NaN", "1e3", "7' --"],
    ],
)
def test_groups_are_found_by_their_ids_whatever_the_columns_type(
    database: sa.Engine, kind: str, ids: list[str]
) -> None:
    rows = [(6, "1", "A"), (7, "2", "A"), (7, "3", "A"), (75, "4", "A")]
    make(database, {**COLUMNS, "Web_Product_Group_ID": kind}, *rows)
    groups = read_catalog(database, "", ids).groups
    assert {group: [row.sku for row in found.rows] for group, found in groups.items()} == {"7": ["2", "3"]}
    assert read_catalog(database, "", ["x"]).is_empty
    assert read_catalog(database, "", []).is_empty


def test_groups_are_found_by_ids_of_types_that_are_neither_text_nor_number(catalog: sa.Engine) -> None:
    first, second = "7ff6ef05-1b9c-4f1a-9f9c-000000000001", "7ff6ef05-1b9c-4f1a-9f9c-000000000002"
    make(catalog, {**COLUMNS, "Web_Product_Group_ID": "UUID"}, (first, "1", "A"), (second, "2", "A"))
    assert list(read_catalog(catalog, "", [second, "no-uuid"]).groups) == [second]
    with catalog.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE size AS ENUM ('small', 'large')")
    make(catalog, {**COLUMNS, "Web_Product_Group_ID": "size"}, ("small", "1", "A"), ("large", "2", "A"))
    assert list(read_catalog(catalog, "", ["large", "huge"]).groups) == ["large"]


@pytest.mark.parametrize("kind", ["INTEGER", "BIGINT", "VARCHAR(20)", "TEXT"])
def test_an_index_on_the_groups_is_used(catalog: sa.Engine, kind: str) -> None:
    make(catalog, {**COLUMNS, "Web_Product_Group_ID": kind})
    with catalog.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX groups ON nav_items (Web_Product_Group_ID)")
    asked: list[tuple[str, Any]] = []
    sa.event.listen(catalog, "before_cursor_execute", lambda *seen: asked.append((seen[2], seen[3])))
    read_catalog(catalog, "", ["7", "9"])
    statement, values = asked[-1]
    with catalog.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values))
    assert "Index Cond: " in plan
    assert "Filter: " not in plan


def test_a_view_will_do_for_the_table(catalog: sa.Engine) -> None:
    make(catalog, COLUMNS, ("G-1", "11", "A"))
    with catalog.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE nav_items RENAME TO items")
        connection.exec_driver_sql("CREATE VIEW nav_items AS SELECT * FROM items")
    assert list(read_catalog(catalog, "", ["G-1"]).groups) == ["G-1"]


def test_a_database_without_the_table_says_so_and_what_to_do(catalog: sa.Engine) -> None:
    with catalog.begin() as connection:
        connection.exec_driver_sql("DROP TABLE nav_items")
    with pytest.raises(PermanentError, match=r'refuses the query: relation "nav_items" does not exist') as caught:
        read_catalog(catalog, "", ["G-1"])
    assert caught.value.code == "catalog_query"
    assert caught.value.hint == "Check the table nav_items, or set CATALOG_QUERY."


def test_a_table_with_other_columns_says_which_it_lacks(database: sa.Engine) -> None:
    make(database, {"no_": "TEXT", "colour": "TEXT"}, ("11", "red"))
    with pytest.raises(InputError, match="lack Web_Product_Group_ID, Image_SKU; they have no_, colour"):
        read_catalog(database, "", ["G-1"])


def test_a_handle_of_its_own_is_taken(catalog: sa.Engine, fill: Fill) -> None:
    fill([row("G-1", "1", "A", Handle="nice-ring")])
    assert read_catalog(catalog, "", ["G-1"]).groups["G-1"].handle == "nice-ring"


def test_only_the_groups_asked_for_are_read(catalog: sa.Engine, fill: Fill) -> None:
    fill([row("G-1", "1", "A"), row("G-2", "2", "A"), row("G-3", "3", "A")])
    assert set(read_catalog(catalog, "", ["G-3", "G-1", "G-9"]).groups) == {"G-1", "G-3"}


@pytest.mark.parametrize(
    ("bad", "item", "sentence"),
    [
        (row("", "1", "A"), "1", "has no Web_Product_Group_ID"),
        (row("G-1", None, "A"), "G-1", "has no No_"),
        (row("G-1", "1", "../x"), "G-1/1", r"has the Image_SKU '\.\./x'"),
    ],
)
def test_a_row_that_can_not_be_used_is_named_and_the_others_go_on(
    catalog: sa.Engine, fill: Fill, bad: Row, item: str, sentence: str
) -> None:
    fill([bad, row("G-1", "9", "A")])
    found = read_catalog(catalog, "", None)
    (rejected,) = found.rejected
    assert rejected.item == item
    assert rejected.reason == "bad_row"
    assert re.search(sentence, rejected.message)
    assert [item.sku for item in found.groups["G-1"].rows] == ["9"]


def test_a_variant_named_twice_counts_once(catalog: sa.Engine, fill: Fill) -> None:
    fill([row("G-1", "1", "A"), row("G-1", "1", "B")])
    found = read_catalog(catalog, "", None)
    assert len(found.groups["G-1"].rows) == 1
    assert [outcome.reason for outcome in found.rejected] == ["bad_row"]


def test_numbers_and_blanks_are_read_as_text(catalog: sa.Engine) -> None:
    query = """SELECT 7 AS "Web_Product_Group_ID", 827748 AS "No_", ' 827749 ' AS "Image_SKU" """
    assert read_catalog(catalog, query, None).groups["7"].rows == (CatalogRow("827748", "827749"),)


def test_a_query_of_ones_own_may_name_columns_in_any_case(catalog: sa.Engine, fill: Fill) -> None:
    fill([row("G-1", "1", "A"), row("G-2", "2", "B")])
    query = (
        'SELECT "Web_Product_Group_ID" AS web_product_group_id, "No_" AS no_, "Image_SKU" AS image_sku FROM nav_items'
    )
    assert list(read_catalog(catalog, query, ["G-2"]).groups) == ["G-2"]


def test_a_query_of_ones_own_may_take_the_group_ids(catalog: sa.Engine, fill: Fill) -> None:
    fill([row("G-1", "1", "A"), row("G-2", "2", "B")])
    query = 'SELECT * FROM nav_items WHERE "Web_Product_Group_ID" IN :group_ids'
    assert list(read_catalog(catalog, query, ["G-2", "'; DROP TABLE nav_items; --"]).groups) == ["G-2"]
    with pytest.raises(InputError, match="can't list all groups"):
        read_catalog(catalog, query, None)


def test_a_query_of_ones_own_compares_a_column_of_numbers_as_text(catalog: sa.Engine) -> None:
    make(catalog, {**COLUMNS, "Web_Product_Group_ID": "INTEGER"}, (7, "1", "A"), (8, "2", "A"))
    query = "SELECT * FROM nav_items WHERE CAST(Web_Product_Group_ID AS varchar) IN :group_ids"
    assert list(read_catalog(catalog, query, ["8", "x"]).groups) == ["8"]


def test_a_missing_column_is_named(catalog: sa.Engine) -> None:
    with pytest.raises(InputError, match="lack Image_SKU; they have web_product_group_id, no_"):
        read_catalog(catalog, 'SELECT 1 AS "Web_Product_Group_ID", 2 AS "No_"', None)


def test_a_query_the_database_refuses_says_so(catalog: sa.Engine) -> None:
    with pytest.raises(PermanentError, match="CATALOG_QUERY") as caught:
        read_catalog(catalog, "SELECT * FROM no_such_table", None)
    assert caught.value.code == "catalog_query"


def test_a_database_that_is_gone_is_unreachable() -> None:
    engine = make_engine("postgresql+psycopg://nobody:secret-word@127.0.0.1:9/catalog")
    with pytest.raises(UnreachableError, match="catalog database") as caught:
        read_catalog(engine, "", None)
    assert "secret-word" not in str(caught.value)
