"""Mapping files as people and programs make them.

Here: what is read from one; everything that may be wrong with a file, a record or an image, and what goes on all the
same.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import InputError
from image_assets.marketplace import mapping as mapping_module
from image_assets.marketplace.mapping import COLUMNS, parse_mapping
from image_assets.marketplace.model import ImageMapping, Problem, unique_images
from image_assets.paths import data_dir
from image_assets_tests.marketplace.conftest import image_url, mapping_of, record

URL = "https://h/a.jpg"


def read(content: object) -> ImageMapping:
    """Read a mapping given as a value."""
    return parse_mapping(json.dumps(content).encode(), "m.json")


def refused(body: bytes) -> InputError:
    """The error of a file that is refused as a whole."""
    with pytest.raises(InputError) as caught:
        parse_mapping(body, "m.json")
    assert caught.value.message.startswith("m.json")
    assert caught.value.hint
    return caught.value


def images(mapping: ImageMapping, sku: str = "A") -> list[tuple[str, str]]:
    """A product's images as (name, slot)."""
    found = next(item for item in mapping.products if item.sku == sku)
    return [(item.url.rsplit("/", 1)[-1].removesuffix(".jpg"), item.slot) for item in found.references]


def problem(mapping: ImageMapping) -> Problem:
    """The only problem there is."""
    (found,) = mapping.problems
    return found


# What is read


def test_both_lists_are_read_in_the_files_order() -> None:
    mapping = read({"unmatched_amazon": [record("C", "c")], "matched": [record("A", "a"), record("B", "b")]})
    assert [item.sku for item in mapping.products] == ["A", "B", "C"]
    assert (mapping.total_products, mapping.with_images, mapping.total_references) == (3, 3, 3)
    assert mapping.problems == ()


@pytest.mark.parametrize(
    "content", [{"matched": []}, {"unmatched_amazon": []}, {"matched": None}, {"matched": [], "x": 1}]
)
def test_one_list_is_enough_and_may_be_empty(content: dict[str, Any]) -> None:
    assert read(content) == ImageMapping("m.json", ())


def test_images_are_in_the_order_of_links_and_addresses_in_one_spelling() -> None:
    item = record("A", ("b", "PT01"), ("s", "SWATCH"), ("a", "MAIN"))
    item["amazon_images"].append({"link": "HTTPS://M.Media-Amazon.com:443/images/I/b.jpg#top", "variant": "PT02"})
    mapping = read({"matched": [item]})
    assert images(mapping) == [("a", "MAIN"), ("b", "PT01"), ("s", "SWATCH")]
    assert mapping.total_references == 4


@pytest.mark.parametrize("variant", [None, "", "  ", float("nan")])
def test_a_missing_variant_means_main(variant: object) -> None:
    assert images(read({"matched": [record("A", ("a", variant))]})) == [("a", "MAIN")]  # type: ignore[arg-type]


def test_no_variant_at_all_means_main() -> None:
    assert images(
        read({"matched": [{"suggested_sku": "A", "amazon_images": [{"link": image_url("a")}]}]})
    ) == [("a", "MAIN")]  # fmt: skip


def test_of_several_main_images_the_last_is_for_the_thumbnail_and_comes_first() -> None:
    mapping = mapping_of(record("A", ("old", "MAIN"), ("b", "PT01"), ("new", None)))
    assert images(mapping) == [("new", "MAIN"), ("old", "MAIN"), ("b", "PT01")]
    assert mapping.products[0].main == image_url("new")


def test_of_several_main_images_the_last_that_can_be_used_wins() -> None:
    item = record("A", ("a", "MAIN"), ("b", "MAIN"))
    item["amazon_images"].append({"link": "nonsense", "variant": "MAIN"})
    mapping = mapping_of(item)
    assert mapping.products[0].main == image_url("b")


@pytest.mark.parametrize("variant", ["pt01", " PT01\n", "Pt01"])
def test_a_variants_case_and_spaces_do_not_matter(variant: str) -> None:
    assert images(mapping_of(record("A", ("a", variant)))) == [("a", "PT01")]


def test_a_variant_that_amazon_may_add_is_kept_and_comes_last() -> None:
    assert images(mapping_of(record("A", ("z", "FRNT"), ("b", "BOTT")))) == [("b", "BOTT"), ("z", "FRNT")]


def test_columns_are_images_as_well() -> None:
    columns = {name: image_url(f"i{n}") for n, name in enumerate(COLUMNS)}
    mapping = read({"matched": [{"suggested_sku": "A", **columns}]})
    slots = ["MAIN", *(f"PT0{n}" for n in range(1, 9)), "SWATCH"]
    assert images(mapping) == [(f"i{n}", slot) for n, slot in enumerate(slots)]
    assert mapping.total_references == 10


@pytest.mark.parametrize("empty", ["", "  ", None, float("nan"), float("inf")])
def test_empty_columns_are_no_images(empty: object) -> None:
    item = {"suggested_sku": "A", "amazon_images": empty, "amazon_image_main": image_url("a")}
    mapping = read({"matched": [item | {"amazon_image_variant_1": empty, "amazon_image_swatch": empty}]})
    assert images(mapping) == [("a", "MAIN")]
    assert (mapping.total_references, mapping.problems) == (1, ())


def test_lists_and_columns_of_a_record_belong_together() -> None:
    item = record("A", ("a", "MAIN"), ("b", "PT01")) | {"amazon_image_variant_2": image_url("c")}
    assert images(mapping_of(item)) == [("a", "MAIN"), ("b", "PT01"), ("c", "PT02")]


def test_parents_are_told_apart() -> None:
    mapping = mapping_of(
        record("A", "a", item_classification="VARIATION_PARENT"), record("B", "b", item_classification="BASE_PRODUCT")
    )
    assert [item.is_parent for item in mapping.products] == [True, False]


def test_a_sku_that_several_records_name_is_one_product_with_the_images_of_all() -> None:
    content = {
        "matched": [record("A", "a", ("b", "PT02")), record(" A ", "a", ("c", "PT01"))],
        "unmatched_amazon": [record("A", ("d", "MAIN"), item_classification="VARIATION_PARENT"), record("a", "e")],
    }
    mapping = read(content)
    assert images(mapping) == [("d", "MAIN"), ("a", "MAIN"), ("c", "PT01"), ("b", "PT02")]
    assert [(item.sku, item.is_parent) for item in mapping.products] == [("A", True), ("a", False)]
    assert (mapping.total_products, mapping.with_images, mapping.total_references) == (4, 4, 6)


@pytest.mark.parametrize("classes", [("VARIATION_PARENT", None), (None, "VARIATION_PARENT")])
def test_a_product_is_a_parent_if_any_of_its_records_says_so(classes: tuple[str | None, str | None]) -> None:
    mapping = mapping_of(*(record("A", "a", item_classification=name) for name in classes))
    assert mapping.products[0].is_parent


def test_a_product_without_images_is_a_product() -> None:
    mapping = read({"matched": [record("A"), {"suggested_sku": "B"}]})
    assert [(item.sku, item.references) for item in mapping.products] == [("A", ()), ("B", ())]
    assert (mapping.total_products, mapping.with_images, mapping.problems) == (2, 0, ())


@pytest.mark.parametrize("text", ["\ufeff{}", "{}\n\n", " {}"])
def test_what_editors_add_to_a_file_does_no_harm(text: str) -> None:
    body = text.format(json.dumps({"matched": [record("A", "a")]})).encode()
    assert images(parse_mapping(body, "m.json")) == [("a", "MAIN")]


def test_numbers_of_any_length_are_not_read() -> None:
    body = json.dumps({"matched": [record("A", "a", rank=0)]}).replace(
        '"rank": 0', f'"rank": [{"1" * 5000}, 1e999, -0]'
    )
    assert images(parse_mapping(body.encode(), "m.json")) == [("a", "MAIN")]


def test_the_sample_has_the_figures_of_the_spec() -> None:
    mapping = parse_mapping((data_dir() / "amazon_mappings" / "mca0032.json").read_bytes(), "mca0032")
    assert (mapping.total_products, mapping.with_images, mapping.total_references) == (16, 16, 108)
    assert len(unique_images(mapping.products)) == 12
    assert mapping.problems == ()


# Files that are no mapping


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "no JSON: Expecting value in line 1, column 1."),
        (b'{"matched": [\n  {},\n]}', "is no JSON"),
        ("{}".encode("utf-16"), "is no UTF-8 text."),
        (b"[]", "is no mapping: it has neither matched nor unmatched_amazon."),
        (b"{}", "is no mapping: it has neither matched nor unmatched_amazon."),
        (b"null", "is no mapping: it has neither matched nor unmatched_amazon."),
        (b'{"Matched": []}', "is no mapping: it has neither matched nor unmatched_amazon."),
        (b'{"matched": {}}', "m.json: matched is no list, but an object."),
        (b'{"matched": [], "unmatched_amazon": "A"}', "m.json: unmatched_amazon is no list, but a text."),
        (b'{"matched": 1}', "m.json: matched is no list, but a number."),
        (b"[" * 200_000 + b"]" * 200_000, "m.json is nested too deeply to be a mapping."),
        (b'{"matched":' * 200_000, "m.json is nested too deeply to be a mapping."),
    ],
    ids=["empty", "trailing comma", "utf-16", "list", "no lists", "null", "case", "object", "text", "number", "lists",
         "objects"],
)  # fmt: skip
def test_a_file_that_is_no_mapping_is_refused_with_the_reason(body: bytes, text: str) -> None:
    assert text in refused(body).message


def test_the_place_of_bad_json_is_named() -> None:
    assert "in line 3, column 1" in refused(b'{"matched": [\n  {},\n]}').message


def test_a_file_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping_module, "MAX_BYTES", 10)
    assert "is larger than" in refused(b'{"matched": []}').message


# Records


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (None, "a record has to be an object, not null."),
        ([1], "a record has to be an object, not a list."),
        ("A", "a record has to be an object, not a text."),
        (True, "a record has to be an object, not true or false."),
        ({}, "the record has no suggested_sku. Name the Amazon product in Plytix there."),
        ({"suggested_sku": " "}, "the record has no suggested_sku. Name the Amazon product in Plytix there."),
        ({"suggested_sku": float("nan")}, "the record has no suggested_sku. Name the Amazon product in Plytix there."),
        ({"suggested_sku": 1001}, "suggested_sku has to be a text, not a number. Put it in quotation marks."),
        ({"suggested_sku": ["A"]}, "suggested_sku has to be a text, not a list. Put it in quotation marks."),
        ({"suggested_sku": "A" * 256}, f"suggested_sku '{'A' * 60}'... is longer than 255 characters."),
        ({"suggested_sku": "A\x00B"}, "suggested_sku 'A\\x00B' has invisible characters in it."),
        ({"suggested_sku": "A\ud800"}, "suggested_sku 'A\\ud800' has invisible characters in it."),
    ],
)
def test_a_record_that_can_not_be_used_is_a_problem_and_the_others_are_used(item: object, text: str) -> None:
    mapping = read({"matched": [item, record("B", "b")]})
    assert problem(mapping).error.startswith(f"matched[0]: {text}")
    assert problem(mapping).code == "bad_record"
    assert problem(mapping).product_sku.isprintable()
    assert [found.sku for found in mapping.products] == ["B"]
    assert mapping.total_products == 2


@pytest.mark.parametrize("column", ["canonical_plytix_sku", "plytix_product_sku", "canonical_sku"])
def test_a_canonical_product_never_gets_images(column: str) -> None:
    mapping = mapping_of(record("MCA-7", "a", **{column: " MCA-7 "}), record("AMZN-US-B0", "b", **{column: "MCA-8"}))
    assert [item.sku for item in mapping.products] == ["AMZN-US-B0"]
    assert problem(mapping) == Problem(
        "",
        "matched[0]: suggested_sku MCA-7 is the canonical product, which gets no images of Amazon's. Name the Amazon "
        "product in Plytix there.",
        "MCA-7",
        "bad_record",
    )


def test_a_canonical_product_that_another_record_names_gets_none_either() -> None:
    content = {"matched": [record("MCA-7", "a")], "unmatched_amazon": [record("B", "b", plytix_product_sku="MCA-7")]}
    mapping = read(content)
    assert [item.sku for item in mapping.products] == ["B"]
    assert "canonical product" in problem(mapping).error


def test_images_of_records_that_can_not_be_used_are_counted() -> None:
    mapping = mapping_of(record("", "a", "b"), record("C", "c", canonical_sku="C"), record("D", "d"))
    assert (mapping.total_products, mapping.with_images, mapping.total_references) == (3, 3, 4)


# Images


@pytest.mark.parametrize("value", [{"link": "x"}, "https://h/a.jpg", 5, True])
def test_images_that_are_no_list_are_a_problem_and_columns_are_used(value: object) -> None:
    mapping = read({"matched": [{"suggested_sku": "A", "amazon_images": value, "amazon_image_main": image_url("a")}]})
    assert images(mapping) == [("a", "MAIN")]
    assert problem(mapping).error.startswith("matched[0]: amazon_images has to be a list, not ")
    assert (problem(mapping).product_sku, problem(mapping).code) == ("A", "bad_record")


@pytest.mark.parametrize(
    ("image", "code", "text"),
    [
        ("https://h/a.jpg", "bad_record", "an image has to be an object with link and variant, not a text."),
        (None, "bad_record", "an image has to be an object with link and variant, not null."),
        ({}, "bad_link", "the image has no link. Add it, or take the image out."),
        ({"link": ""}, "bad_link", "the image has no link. Add it, or take the image out."),
        ({"link": None, "variant": "PT03"}, "bad_link", "the image has no link. Add it, or take the image out."),
        ({"link": 5}, "bad_link", "the link has to be a text, not a number."),
        ({"link": "h/a.jpg"}, "bad_link", "The link 'h/a.jpg' does not begin with https:// or http://."),
        ({"link": "https://h/\ud800"}, "bad_link", "The link 'https://h/\\ud800' has spaces, invisible characters or "),
        (
            {"link": URL, "variant": "a slot"},
            "bad_variant",
            "the variant 'a slot' is none, such as MAIN, PT01 or SWATCH.",
        ),
        ({"link": URL, "variant": "ß"}, "bad_variant", "the variant 'ß' is none, such as MAIN, PT01 or SWATCH."),
        ({"link": URL, "variant": "X" * 99}, "bad_variant", f"the variant '{'X' * 60}'... is none, such as MAIN, PT01"),
        ({"link": URL, "variant": 1}, "bad_variant", "the variant has to be a text, not a number."),
        ({"link": URL, "variant": [[]]}, "bad_variant", "the variant has to be a text, not a list."),
    ],
)
def test_an_image_that_can_not_be_used_is_a_problem_and_the_others_are_used(
    image: object, code: str, text: str
) -> None:
    item = record("A", "a")
    item["amazon_images"].append(image)
    mapping = mapping_of(item)
    assert images(mapping) == [("a", "MAIN")]
    assert (mapping.total_references, mapping.with_images) == (2, 1)
    found = problem(mapping)
    assert found.error.startswith(f"matched[0].amazon_images[1]: {text}")
    assert (found.product_sku, found.code) == ("A", code)


def test_a_column_that_can_not_be_used_is_named() -> None:
    mapping = read({"unmatched_amazon": [{"suggested_sku": "A", "amazon_image_swatch": "x.jpg"}]})
    assert problem(mapping).error.startswith(
        "unmatched_amazon[0].amazon_image_swatch: The link 'x.jpg' does not begin "
    )
    assert problem(mapping).url == "x.jpg"


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        (" h/a.jpg ", "h/a.jpg"),
        ("https://h/a\x1b[2Jb", "https://h/a\\x1b[2Jb"),
        ("https://h/\ud800", "https://h/\\ud800"),
        ("h/" + "a" * 5_000_000, "h/" + "a" * 2046),
    ],
    ids=["spaces", "terminal", "surrogate", "megabytes"],
)
def test_a_link_that_can_not_be_used_is_reported_as_far_as_it_can_be_shown(link: str, shown: str) -> None:
    mapping = read({"matched": [{"suggested_sku": "A", "amazon_image_main": link}]})
    assert problem(mapping).url == shown
    assert len(problem(mapping).error) < 400
    json.dumps(problem(mapping).as_dict(), ensure_ascii=False).encode()


def test_a_password_in_a_link_does_not_reach_the_report() -> None:
    mapping = read({"matched": [{"suggested_sku": "A", "amazon_image_main": "https://user:hunter22@h/a.jpg"}]})
    assert "hunter22" not in json.dumps(problem(mapping).as_dict())


# Anything

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("https://h/a.jpg")
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
odd_images = st.one_of(anything, st.fixed_dictionaries({}, optional={"link": anything, "variant": anything}))
odd_records = st.one_of(
    anything,
    st.fixed_dictionaries(
        {},
        optional={
            "suggested_sku": st.one_of(anything, st.sampled_from(["A", "B", " A"])),
            "amazon_images": st.one_of(anything, st.lists(odd_images, max_size=3)),
            "amazon_image_main": anything,
            "plytix_product_sku": st.one_of(anything, st.just("B")),
            "item_classification": st.one_of(anything, st.just("VARIATION_PARENT")),
        },
    ),
)


@given(st.lists(odd_records, max_size=4), st.lists(odd_records, max_size=2))
def test_whatever_is_in_the_lists_every_record_is_a_product_or_a_problem(matched: list[Any], rest: list[Any]) -> None:
    mapping = read({"matched": matched, "unmatched_amazon": rest})
    assert mapping.total_products == len(matched) + len(rest)
    assert mapping.with_images <= mapping.total_products
    assert mapping.with_images <= mapping.total_references
    unusable = sum(item.code != "bad_record" or "has to be an object with" in item.error for item in mapping.problems)
    used = sum(len(item.references) for item in mapping.products)
    assert used + unusable <= mapping.total_references
    assert len({item.sku for item in mapping.products}) == len(mapping.products)
    for item in mapping.problems:
        assert item.error.startswith(("matched[", "unmatched_amazon["))
        json.dumps(item.as_dict(), ensure_ascii=False).encode()


slots = st.sampled_from(["MAIN", "PT01", "PT02", "SWATCH", "FRNT"])
good = st.lists(
    st.tuples(st.sampled_from("AB"), st.lists(st.tuples(st.sampled_from("abcd"), slots), max_size=4)), max_size=4
)


@given(good)
def test_every_image_of_a_good_mapping_is_in_its_product_once(
    records: list[tuple[str, list[tuple[str, str | None]]]],
) -> None:
    mapping = mapping_of(*(record(sku, *pairs) for sku, pairs in records))
    assert mapping.problems == ()
    assert {item.sku: {name for name, _ in images(mapping, item.sku)} for item in mapping.products} == {
        sku: {name for other, pairs in records if other == sku for name, _ in pairs} for sku, _ in records
    }
    assert mapping.total_references == sum(len(pairs) for _, pairs in records)
