"""Searches: filters, columns, order and pages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets.sandbox.plytix.answers import Refused
from image_assets.sandbox.plytix.search import Field, search
from image_assets_tests.sandbox.plytix.client import ATTRIBUTES, GALLERY, Client, first_error
from image_assets_tests.sandbox.shopify.client import Clock

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
Row = dict[str, Any]


def reader(key: str) -> Any:
    return lambda row: row[key]


EVERY = ("exists", "!exists", "like", "eq", "!eq", "in", "!in", "gt", "gte", "lt", "lte", "text_search", "last_days")
LENGTHS = ("exists", "in", "!in", "len_eq", "!len_eq", "len_gt", "len_lte")
FIELDS: dict[str, Field[Row]] = {
    "name": Field("TextAttribute", EVERY, reader("name")),
    "note": Field("TextAttribute", EVERY, reader("note")),
    "stock": Field("IntAttribute", EVERY, reader("stock")),
    "live": Field("BooleanAttribute", EVERY, reader("live")),
    "made": Field("DateAttribute", EVERY, reader("made")),
    "tags": Field("MultiSelectAttribute", LENGTHS, reader("tags")),
    "fixed": Field("TextAttribute", (), reader("name")),
}
ROWS: list[Row] = [
    {"name": "Blue Mug", "note": "", "stock": 3, "live": True, "made": "2023-11-01T10:00:00.000000+00:00", "tags": []},
    {"name": "red mug", "note": "Hot", "stock": 10, "live": False, "made": "2023-11-14T10:00:00+00:00", "tags": ["A"]},
    {"name": "Plate", "note": None, "stock": None, "live": True, "made": "2023-11-13T00:00:00+00:00", "tags": ["a"]},
]


def find(*groups: list[dict[str, Any]], **body: Any) -> list[str]:
    answer = search({"filters": list(groups), **body}, ROWS, FIELDS, lambda row: {"name": row["name"]}, NOW)
    return [row["name"] for row in answer["data"]]


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("name", "eq", "BLUE MUG", ["Blue Mug"]),
        ("name", "eq", "Blue", []),
        ("name", "!eq", "blue mug", ["red mug", "Plate"]),
        ("name", "like", "MUG", ["Blue Mug", "red mug"]),
        ("name", "in", ["Plate", "RED MUG"], ["Plate"]),
        ("name", "!in", ["Plate"], ["Blue Mug", "red mug"]),
        ("note", "exists", None, ["red mug"]),
        ("note", "!exists", None, ["Blue Mug", "Plate"]),
        ("note", "eq", "hot", ["red mug"]),
        ("stock", "gt", 3, ["red mug"]),
        ("stock", "gte", "3", ["Blue Mug", "red mug"]),
        ("stock", "lt", 4.5, ["Blue Mug"]),
        ("stock", "lte", 2, []),
        ("stock", "eq", 10, ["red mug"]),
        ("live", "eq", True, ["Blue Mug", "Plate"]),
        ("made", "gt", "2023-11-13", ["red mug"]),
        ("made", "gte", "2023-11-13", ["red mug", "Plate"]),
        ("made", "lte", "2023-11-13", ["Blue Mug", "Plate"]),
        ("made", "eq", "2023-11-01", ["Blue Mug"]),
        ("made", "last_days", 1, ["red mug", "Plate"]),
        ("tags", "in", ["a", "b"], ["Plate"]),
        ("tags", "!in", ["a"], ["Blue Mug", "red mug"]),
        ("tags", "len_eq", 1, ["red mug", "Plate"]),
        ("tags", "!len_eq", 1, ["Blue Mug"]),
        ("tags", "len_gt", 0, ["red mug", "Plate"]),
        ("tags", "len_lte", 0, ["Blue Mug"]),
        (["name", "note"], "text_search", "hot", ["red mug"]),
        (["name", "note"], "text_search", "UE M", ["Blue Mug"]),
    ],
)
def test_an_operator_finds_what_it_says(field: Any, operator: str, value: Any, found: list[str]) -> None:
    assert find([{"field": field, "operator": operator, "value": value}]) == found


def test_filters_are_an_or_of_ands() -> None:
    mug, few = ({"field": "name", "operator": "like", "value": "mug"}, {"field": "stock", "operator": "lt", "value": 5})
    plate = {"field": "name", "operator": "eq", "value": "plate"}
    assert find([mug, few]) == ["Blue Mug"]
    assert find([mug, few], [plate]) == ["Blue Mug", "Plate"]
    assert find([mug], [few]) == ["Blue Mug", "red mug"]
    assert find([]) == find() == ["Blue Mug", "red mug", "Plate"]


@pytest.mark.parametrize(
    "body",
    [
        {"filters": {"field": "name"}},
        {"filters": [{"field": "name", "operator": "eq", "value": "x"}]},
        {"filters": [["name"]]},
        {"filters": [[{"field": "name"}]]},
        {"filters": [[{"field": "nothing", "operator": "exists"}]]},
        {"filters": [[{"field": "fixed", "operator": "eq", "value": "x"}]]},
        {"filters": [[{"field": "name", "operator": "contains", "value": "x"}]]},
        {"filters": [[{"field": "name", "operator": "in", "value": "x"}]]},
        {"filters": [[{"field": "name", "operator": "eq", "value": ["x"]}]]},
        {"filters": [[{"field": "name", "operator": "like"}]]},
        {"filters": [[{"field": "stock", "operator": "gt", "value": "many"}]]},
        {"filters": [[{"field": "live", "operator": "eq", "value": "yes"}]]},
        {"filters": [[{"field": "made", "operator": "gt", "value": "yesterday"}]]},
        {"filters": [[{"field": "tags", "operator": "len_gt", "value": "1"}]]},
        {"filters": [[{"field": "name", "operator": "text_search", "value": "x"}]]},
        {"filters": [[{"field": ["name", "tags"], "operator": "text_search", "value": "x"}]]},
        {"attributes": "name"},
        {"attributes": ["nothing"]},
        {"pagination": []},
        {"pagination": {"page": 0}},
        {"pagination": {"page": "1"}},
        {"pagination": {"page_size": 101}},
        {"pagination": {"page_size": 0}},
        {"pagination": {"order": "nothing"}},
        {"pagination": {"order": 1}},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        search(body, ROWS, FIELDS, lambda _row: {}, NOW)
    assert refused.value.answer.status == 422


def test_fifty_columns_are_the_most() -> None:
    fields = {f"f{number}": Field[Row]("TextAttribute", (), lambda _row: 1) for number in range(51)}
    fifty = [f"f{number}" for number in range(50)]
    answer = search({"attributes": ["id", "sku", *fifty, "f0"]}, ROWS, fields, lambda _row: {}, NOW)
    assert list(answer["data"][0]) == fifty
    with pytest.raises(Refused, match="Schema"):
        search({"attributes": [*fifty, "f50"]}, ROWS, fields, lambda _row: {}, NOW)


@given(st.integers(0, 60), st.integers(1, 25), st.sampled_from(["", "-number", "number", None]))
def test_the_pages_together_are_everything_once(rows: int, page_size: int, order: str | None) -> None:
    fields = {"number": Field[int]("IntAttribute", (), lambda row: row)}
    seen: list[int] = []
    for page in range(1, rows // page_size + 2):
        pagination = {"page": page, "page_size": page_size, "order": order}
        body = {"pagination": pagination, "attributes": ["number"]}
        answer = search(body, range(rows), fields, lambda _row: {}, NOW)
        assert (answer["pagination"]["count"], answer["pagination"]["total_count"]) == (rows, rows)
        seen += [row["number"] for row in answer["data"]]
    assert seen == sorted(range(rows), reverse=order == "-number")


def test_a_search_without_pages_has_25_records() -> None:
    answer = search({}, range(30), {}, lambda _row: {}, NOW)
    assert len(answer["data"]) == 25
    assert answer["pagination"] == {"page": 1, "page_size": 25, "order": None, "count": 30, "total_count": 30}


def test_ordering_too_many_is_refused_with_428() -> None:
    fields = {"number": Field[int]("IntAttribute", (), lambda row: row)}
    body = {"pagination": {"order": "number"}}
    assert search(body, range(10_000), fields, lambda _row: {}, NOW)["data"]
    with pytest.raises(Refused) as refused:
        search(body, range(10_001), fields, lambda _row: {}, NOW)
    assert refused.value.answer.status == 428
    assert search({}, range(10_001), fields, lambda _row: {}, NOW)["data"]


# --- the three resources


def test_a_product_is_found_by_its_sku_whatever_its_case(client: Client, account: Account) -> None:
    body = {"filters": [[{"field": "sku", "operator": "eq", "value": "amzn-1"}]], "attributes": ["sku"]}
    answer = client.call("POST", "/products/search", body).json()
    product = account.product("AMZN-1")
    assert answer["data"] == [{"id": product.id, "sku": "AMZN-1", "num_variations": 0, "attributes": {}}]
    # count: what matches; total_count: what there is.
    assert (answer["pagination"]["count"], answer["pagination"]["total_count"]) == (1, 2)


def test_a_product_shows_the_columns_that_were_asked_for(client: Client) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    for asset, label in ((b, GALLERY), (a, GALLERY), (a, "thumbnail")):
        client.link("AMZN-2", asset, label)
    names = ["label", "thumbnail", "assets", f"attributes.{GALLERY}", "attributes.colour", "attributes.stock"]
    one, two = client.data("POST", "/products/search", {"attributes": names})
    assert (one["label"], one["thumbnail"], one["assets"], one["attributes"]) == ("Blue mug", None, [], {})
    assert (two["label"], two["thumbnail"]["id"]) == ("Red mug", a)
    assert [asset["id"] for asset in two["attributes"].pop(GALLERY)] == [b, a]
    assert two["attributes"] == {"colour": "red"}


def test_products_are_filtered_by_what_they_have(client: Client) -> None:
    (asset,) = client.assets("a.jpg")
    client.link("AMZN-2", asset)

    def skus(field: str, operator: str, value: Any = None) -> list[str]:
        body = {"filters": [[{"field": field, "operator": operator, "value": value}]]}
        return [row["sku"] for row in client.data("POST", "/products/search", body)]

    assert skus(f"attributes.{GALLERY}", "exists") == ["AMZN-2"]
    assert skus("assets", "len_gte", 1) == ["AMZN-2"]
    assert skus("thumbnail", "!exists") == ["AMZN-1", "AMZN-2"]
    assert skus("attributes.colour", "like", "RED") == ["AMZN-2"]
    assert skus("status", "in", ["Draft"]) == ["AMZN-1", "AMZN-2"]


@pytest.mark.parametrize(
    ("resource", "field", "operator", "value"),
    [
        ("products", "sku", "in", ["AMZN-1"]),
        ("products", "id", "eq", "x"),
        ("products", "colour", "eq", "red"),
        ("assets", "url", "eq", "http://x"),
        ("assets", "filename", "in", ["a.jpg"]),
        ("assets", "filename", "exists", None),
        ("assets", ["filename"], "text_search", "a"),
    ],
)
def test_what_the_vendor_does_not_search_by_is_refused(
    client: Client, resource: str, field: Any, operator: str, value: Any
) -> None:
    filters = [[{"field": field, "operator": operator, "value": value}]]
    assert first_error(client.call("POST", f"/{resource}/search", {"filters": filters}))[0] == 422


def test_an_asset_is_found_by_its_name_and_id(client: Client, timed: PlytixServer, clock: Clock) -> None:
    a, b = client.assets("front.jpg", "front.png")
    body = {"filters": [[{"field": "filename", "operator": "eq", "value": "FRONT.JPG"}]], "attributes": ["filename"]}
    assert client.data("POST", "/assets/search", body) == [{"id": a, "filename": "front.jpg"}]
    by_id = {"filters": [[{"field": "id", "operator": "in", "value": [a, b]}]], "pagination": {"order": "-filename"}}
    assert client.data("POST", "/assets/search", by_id) == [{"id": b}, {"id": a}]
    client.link("AMZN-1", b)
    used = {"filters": [[{"field": "assigned", "operator": "eq", "value": True}]]}
    assert client.data("POST", "/assets/search", used) == [{"id": b}]


def test_an_attributes_type_is_found_by_its_label(client: Client, account: Account) -> None:
    body = {
        "filters": [[{"field": "label", "operator": "eq", "value": GALLERY}]],
        "attributes": ["name", "label", "type_class"],
    }
    (found,) = client.data("POST", "/attributes/product/search", body)
    assert found.pop("id") == account.attributes[GALLERY].id
    assert found == {"name": "Amazon Images", "label": GALLERY, "type_class": "MediaGalleryAttribute"}
    everything = client.data("POST", "/attributes/product/search", {"attributes": ["label"]})
    assert [one["label"] for one in everything] == list(ATTRIBUTES)
