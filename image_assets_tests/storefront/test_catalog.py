"""The catalog: nav_items on a real PostgreSQL, queries of the user's own, and rows that can't be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from image_assets.errors import InputError, PermanentError, UnreachableError
from image_assets.storefront.model import CatalogRow
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
