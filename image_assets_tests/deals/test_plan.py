"""What is missing, for any inventory.

Here: properties of plans of random inventories, and the special images a plan only reports. Not here: carrying plans
out (``test_apply.py``).
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from image_assets.deals.model import ABSENT, ImageRef, Inventory, ObservedImage
from image_assets.deals.plan import is_experiment_source, make_plan, work_for
from image_assets.imaging.variant_set import VariantSet, load_variant_set

DEALS = load_variant_set("deals")
# The source need not be the first variant.
OTHER = VariantSet.model_validate(
    {
        "name": "other",
        "base": [90, 60],
        "variants": [
            {"name": "thumb", "suffix": "-thumb", "size": [9, 6], "fit": "pad"},
            {"name": "main", "suffix": "", "size": [90, 60], "fit": "pad"},
            {"name": "user", "suffix": "-user", "size": [9, 9], "fit": "pad"},
        ],
    }
)


def observed(ref: ImageRef, present: int, sizes: dict[int, int] | None = None, count: int = 14) -> ObservedImage:
    """An image with the variants of a mask, of 100 bytes each but for those of ``sizes``."""
    found = [(sizes or {}).get(i, 100) if present >> i & 1 else ABSENT for i in range(count)]
    return ObservedImage(ref, present, found, "etag" if present & 1 else "")


@st.composite
def inventories(draw: st.DrawFn, variant_set: VariantSet) -> Inventory:
    """Images of a few deals, some of them experiment sources of others, in any order."""
    width = len(variant_set.variants)
    bases = draw(st.sets(st.builds(ImageRef, st.integers(1, 3), st.integers(1, 12)), max_size=15))
    steps = draw(st.lists(st.integers(0, 2), min_size=len(bases), max_size=len(bases)))
    refs = {ImageRef(ref.deal_id, ref.image_id * 100_000**step) for ref, step in zip(sorted(bases), steps, strict=True)}
    if refs:
        doubled = draw(st.sets(st.sampled_from(sorted(refs))))
        refs |= {ImageRef(ref.deal_id, ref.image_id * 100_000) for ref in doubled}
    masks = st.one_of(st.just(variant_set.full_mask), st.just(variant_set.source_bit), st.integers(1, 2**width - 1))
    images = []
    for ref in draw(st.permutations(sorted(refs))):
        present = draw(masks)
        empty = draw(st.sets(st.integers(0, width - 1), max_size=2))
        image = observed(ref, present, dict.fromkeys(empty, 0), width)
        images.append(replace(image, source_etag=f"etag-{ref}" if present & variant_set.source_bit else ""))
    unknown = draw(st.lists(st.text(), unique=True, max_size=4))
    keys = sum(image.present.bit_count() for image in images) + len(unknown)
    return Inventory(images, unknown, keys)


any_inventory = st.sampled_from([DEALS, OTHER]).flatmap(
    lambda variant_set: st.tuples(st.just(variant_set), inventories(variant_set))
)


@given(any_inventory)
def test_every_image_is_work_or_complete_or_an_orphan_or_an_experiment_source(
    given_: tuple[VariantSet, Inventory],
) -> None:
    variant_set, inventory = given_
    plan = make_plan(inventory, variant_set)
    work = {item.ref for item in plan.work}
    orphans = {ref for ref, _ in plan.orphans}
    experiments = set(plan.experiment_sources)
    every = {image.ref for image in inventory.images}
    assert plan.images == len(plan.work) + plan.complete + len(orphans) + len(experiments) == len(every)
    assert work | orphans | experiments <= every
    assert not work & orphans
    assert not work & experiments
    assert not orphans & experiments


@given(any_inventory)
def test_exactly_the_missing_variants_are_planned_and_never_the_source(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    images = {image.ref: image for image in inventory.images}
    plan = make_plan(inventory, variant_set)
    for item in plan.work:
        assert item.present == images[item.ref].present
        assert item.missing & item.present == 0
        assert item.missing | item.present == variant_set.full_mask
        assert item.missing != 0
        assert not item.missing & variant_set.source_bit
        assert item.source_etag == f"etag-{item.ref}"
    assert plan.missing_variants == sum(len(variant_set.names(item.missing)) for item in plan.work)


@given(any_inventory)
def test_after_applying_a_plan_there_is_no_work_left(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    first = make_plan(inventory, variant_set)
    written = {item.ref: item.missing for item in first.work}
    after = [replace(image, present=image.present | written.get(image.ref, 0)) for image in inventory.images]
    second = make_plan(Inventory(after, inventory.unknown_keys), variant_set)
    assert second.work == ()
    assert second.complete == first.complete + len(first.work)
    assert (second.orphans, second.experiment_sources) == (first.orphans, first.experiment_sources)


@given(any_inventory)
def test_the_plan_does_not_depend_on_the_order_of_the_listing(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    plan = make_plan(inventory, variant_set)
    images, unknown = list(reversed(inventory.images)), list(reversed(inventory.unknown_keys))
    assert make_plan(Inventory(images, unknown), variant_set) == plan
    assert list(plan.work) == sorted(plan.work, key=lambda item: item.ref)


@given(any_inventory)
def test_experiment_sources_are_those_whose_image_is_there(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    names = {str(image.ref) for image in inventory.images}
    plan = make_plan(inventory, variant_set)
    expected = {name for name in names if name.endswith("00000") and name.removesuffix("00000") in names}
    assert {str(ref) for ref in plan.experiment_sources} == expected
    assert not expected & {str(item.ref) for item in plan.work}


@given(any_inventory)
def test_orphans_are_reported_with_what_they_have(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    present = {image.ref: image.present for image in inventory.images}
    for ref, mask in make_plan(inventory, variant_set).orphans:
        assert mask == present[ref] != 0
        assert not mask & variant_set.source_bit


@given(any_inventory)
def test_unknown_keys_are_reported_and_change_nothing_else(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    plan = make_plan(inventory, variant_set)
    assert plan.unknown_keys == tuple(sorted(inventory.unknown_keys))
    assert replace(plan, unknown_keys=()) == make_plan(Inventory(inventory.images), variant_set)


@given(any_inventory)
def test_empty_variants_are_reported_and_never_planned(given_: tuple[VariantSet, Inventory]) -> None:
    variant_set, inventory = given_
    plan = make_plan(inventory, variant_set)
    reported = dict(plan.empty_variants)
    work = {item.ref: item.missing for item in plan.work}
    for image in inventory.images:
        if image.ref not in plan.experiment_sources:
            empty = {i for i, size in enumerate(image.sizes) if size == 0 and not variant_set.source_bit >> i & 1}
            mask = reported.get(image.ref, 0)
            assert {i for i in range(len(image.sizes)) if mask >> i & 1} == empty
            assert work.get(image.ref, 0) & mask == 0


def test_an_empty_bucket_gives_an_empty_plan() -> None:
    plan = make_plan(Inventory(), DEALS)
    assert (plan.images, plan.missing_variants, plan.unknown_keys) == (0, 0, ())


def test_an_empty_main_image_is_left_to_fail_when_it_is_rendered() -> None:
    plan = make_plan(Inventory([observed(ImageRef(1, 1), 1, {0: 0})]), DEALS)
    assert plan.empty_variants == ()
    assert [item.ref for item in plan.work] == [ImageRef(1, 1)]


def test_a_set_of_the_source_alone_leaves_nothing_to_do() -> None:
    alone = VariantSet.model_validate({"name": "alone", "base": [1, 1], "variants": [DEALS.source.model_dump()]})
    assert make_plan(Inventory([observed(ImageRef(1, 1), 1, count=1)]), alone).complete == 1


def test_an_orphan_and_a_complete_image_need_no_work() -> None:
    assert work_for(observed(ImageRef(1, 1), 0b10), DEALS) is None
    assert work_for(observed(ImageRef(1, 1), DEALS.full_mask), DEALS) is None


@pytest.mark.parametrize(
    ("image_id", "known", "answer"),
    [
        (123400000, 1234, True),
        (123400000, 123, False),
        (12340000, 1234, False),
        (1234000000, 1234, False),
        (1234000000, 12340, True),
        (100000, 1, True),
        (1234, 1234, False),
    ],
)
def test_an_experiment_source_is_the_id_with_five_zeros(image_id: int, known: int, answer: bool) -> None:
    assert is_experiment_source(ImageRef(7, image_id), {ImageRef(7, known)}) is answer


def test_an_experiment_source_belongs_to_an_image_of_the_same_deal() -> None:
    assert not is_experiment_source(ImageRef(7, 123400000), {ImageRef(8, 1234)})
