"""Keys and ranges of keys.

Here: which key is which variant of which image, and which `deal_prefix` partition a key belongs to, for every key there
can be. Ranges are evaluated here in the order S3 lists in (UTF-8 bytes); `test_observe.py` asks a server as well.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, strategies as st

from image_assets.deals.model import (
    DEAL_PREFIXES,
    MAX_ID,
    DealPlan,
    ImageRef,
    KeyRange,
    Layout,
    Work,
    key_ranges,
    partition_of,
)
from image_assets.imaging.variant_set import VariantSet, load_variant_set

PREFIX = "images/deal/"
DEALS = load_variant_set("deals")
MIXED = VariantSet.model_validate(
    {
        "name": "mixed",
        "base": [90, 60],
        "variants": [
            {"name": "thumb", "suffix": "-thumb", "size": [9, 6], "fit": "pad", "format": "webp"},
            {"name": "main", "suffix": "", "size": [90, 60], "fit": "pad"},
            {"name": "thumb-jpeg", "suffix": "-thumb", "size": [9, 6], "fit": "pad"},
            {"name": "odd", "suffix": "-2-per-row_X", "size": [9, 6], "fit": "cover", "format": "avif"},
        ],
    }
)
ids = st.one_of(st.integers(1, 120), st.integers(1, MAX_ID))
refs = st.builds(ImageRef, ids, ids)
layouts = st.sampled_from([Layout(PREFIX, DEALS), Layout(PREFIX, MIXED), Layout("a.b/(c+)/", MIXED)])
# What follows the prefix: mostly characters at which ranges begin and end, in every order.
tails = st.one_of(st.text(alphabet="0123456789/:!a~.-é\U0010ffff", max_size=8), st.text(max_size=6))


def contains(key_range: KeyRange, key: str) -> bool:
    """Whether the key lies in the range, in the order of S3."""
    encoded = key.encode()
    return (
        key.startswith(key_range.prefix)
        and (not key_range.start_after or encoded > key_range.start_after.encode())
        and encoded >= key_range.start_at.encode()
        and (key_range.stop_before is None or encoded < key_range.stop_before.encode())
    )


@given(layouts, refs, st.data())
def test_every_key_of_ours_is_parsed_back_to_its_image_and_variant(
    layout: Layout, ref: ImageRef, data: st.DataObject
) -> None:
    variants = layout.variant_set.variants
    position = data.draw(st.integers(0, len(variants) - 1))
    assert layout.parse(layout.key(ref, variants[position])) == (ref, position)


@given(layouts, refs)
def test_the_source_key_is_the_key_of_the_variant_without_a_suffix(layout: Layout, ref: ImageRef) -> None:
    assert layout.source_key(ref) == f"{layout.prefix}{ref.deal_id}/{ref.image_id}.jpg"
    assert layout.source_key(ref).startswith(layout.deal_prefix(ref.deal_id))


near_keys = st.builds(
    "{}{}{}/{}{}{}".format,
    st.sampled_from(["", "images/deal/", "images/deals/", "/images/deal/"]),
    st.sampled_from(["", "0", "+", " ", "x/"]),
    st.one_of(ids, st.integers(MAX_ID, 10**22)),
    st.one_of(ids, st.integers(MAX_ID, 10**22), st.sampled_from(["", "007", "1_0", "\uff11\uff12", "-1", "1/2"])),
    st.sampled_from(["", "-thumb", "-THUMB", "-thumb-email", "00000", "-", "x"]),
    st.sampled_from([".jpg", ".JPG", ".jpeg", ".webp", "", "/", ".jpg\n", ".jpg/", ".jpg.jpg"]),
)


@given(layouts, st.one_of(near_keys, st.text(), st.builds((PREFIX + "{}").format, tails)))
def test_a_key_is_parsed_only_when_we_would_write_it_exactly_so(layout: Layout, key: str) -> None:
    parsed = layout.parse(key)
    if parsed is not None:
        ref, position = parsed
        assert layout.key(ref, layout.variant_set.variants[position]) == key
        assert 1 <= ref.deal_id <= MAX_ID
        assert 1 <= ref.image_id <= MAX_ID


@pytest.mark.parametrize(
    "key",
    [
        "",
        "images/deal/",
        "images/deal/1",
        "images/deal/1/",
        "images/deal/1/2",
        "images/deal/1/2.JPG",
        "images/deal/1/2.jpeg",
        "images/deal/1/2.png",
        "images/deal/1/2.jpg\n",
        "images/deal/1/2.jpg/",
        "images/deal/1/2-unknown.jpg",
        "images/deal/1/2-thumb.webp",
        "images/deal/1/2-thumb-thumb.jpg",
        "images/deal/1/2/3.jpg",
        "images/deal/1/sub/2.jpg",
        "images/deal//2.jpg",
        "images/deal/0/2.jpg",
        "images/deal/01/2.jpg",
        "images/deal/1/0.jpg",
        "images/deal/1/02.jpg",
        "images/deal/-1/2.jpg",
        "images/deal/1/-2.jpg",
        "images/deal/1/+2.jpg",
        "images/deal/1/1_0.jpg",
        "images/deal/1/2 .jpg",
        "images/deal/\uff11/2.jpg",
        "images/deal/1/٣.jpg",
        f"images/deal/1/{MAX_ID + 1}.jpg",
        f"images/deal/{MAX_ID + 1}/1.jpg",
        f"images/deal/{10**19}/1.jpg",
        "images/deals/1/2.jpg",
        "Images/deal/1/2.jpg",
        "/images/deal/1/2.jpg",
        "other/images/deal/1/2.jpg",
        "1/2.jpg",
    ],
)
def test_a_key_that_is_none_of_ours_is_not_parsed(key: str) -> None:
    assert Layout(PREFIX, DEALS).parse(key) is None


def test_the_largest_id_is_parsed() -> None:
    assert Layout(PREFIX, DEALS).parse(f"images/deal/{MAX_ID}/{MAX_ID}.jpg") == (ImageRef(MAX_ID, MAX_ID), 0)


def test_an_experiment_source_is_parsed_as_an_image_of_its_own() -> None:
    assert Layout(PREFIX, DEALS).parse("images/deal/1/123400000.jpg") == (ImageRef(1, 123400000), 0)


@pytest.mark.parametrize("prefix", [PREFIX, "p/"])
@given(tail=tails)
@example(tail="")
@example(tail="1")
@example(tail="1/")
@example(tail="12")
@example(tail="10")
@example(tail="0/1.jpg")
@example(tail=":x")
@example(tail="9x")
@example(tail="9:")
@example(tail="9/~")
@example(tail="1é")
def test_every_key_belongs_to_exactly_one_range_of_one_partition(prefix: str, tail: str) -> None:
    key = prefix + tail
    owners = [name for name in DEAL_PREFIXES for part in key_ranges(prefix, name) if contains(part, key)]
    assert len(owners) == 1, owners


@given(st.text())
def test_a_key_outside_the_prefix_belongs_to_no_partition(key: str) -> None:
    assume(not key.startswith(PREFIX))
    assert not any(contains(part, key) for name in DEAL_PREFIXES for part in key_ranges(PREFIX, name))


@given(refs, layouts, st.data())
def test_partition_of_names_the_partition_whose_ranges_hold_the_deals_keys(
    ref: ImageRef, layout: Layout, data: st.DataObject
) -> None:
    partition = partition_of(ref.deal_id)
    assert partition in DEAL_PREFIXES
    key = layout.key(ref, data.draw(st.sampled_from(layout.variant_set.variants)))
    assert [contains(part, key) for part in key_ranges(layout.prefix, partition)].count(True) == 1


@pytest.mark.parametrize(("deal_id", "partition"), [(1, "1"), (9, "9"), (10, "10"), (123456, "12"), (MAX_ID, "92")])
def test_a_deal_lies_in_the_partition_of_its_first_two_digits(deal_id: int, partition: str) -> None:
    assert partition_of(deal_id) == partition


def test_there_are_100_different_partitions() -> None:
    assert len(set(DEAL_PREFIXES)) == len(DEAL_PREFIXES) == 100


@pytest.mark.parametrize("partition", ["", "0", "00", "01", "100", "Other", "\uff11\uff12", "1/"])
def test_an_unknown_partition_is_an_error(partition: str) -> None:
    with pytest.raises(ValueError, match="not a deal prefix"):
        list(key_ranges(PREFIX, partition))


def test_an_image_is_written_as_deal_and_image() -> None:
    assert str(ImageRef(12345, 1709952)) == "12345/1709952"


def test_a_plan_counts_its_images_and_missing_variants() -> None:
    one, two, three, four = (ImageRef(1, i) for i in range(1, 5))
    work = (Work(one, 0b1110, 0b0001, "a"), Work(two, 0b1000, 0b0111, "b"))
    plan = DealPlan(work, 5, ((three, 0b10),), (four,), ((one, 0b1),), ("x",))
    assert (plan.missing_variants, plan.images) == (4, 9)
