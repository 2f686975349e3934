"""Plans by properties, and the documented outcome of every edit a merchant may make."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import PermanentError
from image_assets.storefront.model import (
    CatalogRow,
    Ledger,
    LedgerEntry,
    LiveMedia,
    MediaStatus,
    Mode,
    ProductGroup,
    Rejected,
    SkuImage,
    SkuImages,
    desired_images,
    folder,
)
from image_assets.storefront.plan import MAX_MEDIA, MediaPlan, make_plan
from image_assets.storefront.proof import problems
from image_assets_tests.storefront.pure_shop import PureShop

ALT = "{Image_SKU} - Image {n}"
ROWS = (
    CatalogRow("v1", "AA", (("Size", "5"),), "10.00"),
    CatalogRow("v2", "BB", (("Size", "6"),), "11.00"),
    CatalogRow("v3", "AA", (("Size", "7"),), "12.00"),
)
GROUP = ProductGroup("LGD-1", "A ring", "lgd-1", ROWS)


def sku_images(sku: str, *contents: tuple[int, str]) -> SkuImages:
    """Images of a SKU as (number, content)."""
    images = tuple(
        SkuImage(sku, number, f"{folder('m/', sku)}{sku}-{number}a-1.jpg", content.ljust(32, "0"), 10, 500, 500, "jpeg")
        for number, content in sorted(contents)
    )
    return SkuImages(sku, "s3://b/", len(images), images)


def plan_for(shop: PureShop, images: list[SkuImages], mode: Mode = Mode.ADD, group: ProductGroup = GROUP) -> MediaPlan:
    return make_plan(group, images, shop.product, shop.ledger, mode, ALT)


def synced(images: list[SkuImages], mode: Mode = Mode.ADD) -> PureShop:
    shop = PureShop()
    shop.apply(plan_for(shop, images, mode))
    return shop


def filenames(shop: PureShop) -> list[str]:
    assert shop.product is not None
    return [item.filename for item in shop.product.media]


FOUR = [sku_images("AA", (1, "a"), (2, "b")), sku_images("BB", (1, "c"), (3, "d"))]
A1, A2, B1, B3 = (image.filename for image in desired_images(GROUP, FOUR))


def test_a_new_product_gets_its_images_in_order_and_every_variant_its_primary_one() -> None:
    plan = plan_for(PureShop(), FOUR)
    assert plan.creation is not None
    assert [item.filename for item in plan.uploads] == [A1, A2, B1, B3]
    assert [item.alt for item in plan.uploads][:2] == ["AA - Image 1", "AA - Image 2"]
    assert [(item.sku, item.ref) for item in plan.associations] == [("v1", A1), ("v2", B1), ("v3", A1)]
    assert plan.publish


@pytest.mark.parametrize("mode", list(Mode))
def test_a_second_run_has_nothing_to_do(mode: Mode) -> None:
    shop = synced(FOUR, mode)
    assert not plan_for(shop, FOUR, mode).needs_writes


def test_without_the_ledger_images_are_adopted_by_their_names() -> None:
    shop = synced(FOUR)
    shop.entries.clear()
    plan = plan_for(shop, FOUR)
    assert not plan.needs_writes
    assert len(plan.adopt) == 4


def test_a_new_image_is_one_upload_and_a_move_into_its_place() -> None:
    shop = synced(FOUR)
    five = [FOUR[0], sku_images("BB", (1, "c"), (2, "e"), (3, "d"))]
    plan = plan_for(shop, five)
    assert plan.changes == {
        "create": 0, "add": 1, "replace": 0, "restore": 0, "remove": 0, "reorder": 1, "associate": 0, "publish": 0
    }  # fmt: skip
    shop.apply(plan)
    assert filenames(shop) == [image.filename for image in desired_images(GROUP, five)]


def test_a_new_first_image_becomes_the_primary_one_of_its_variants() -> None:
    shop = synced([sku_images("AA", (2, "b")), FOUR[1]])
    plan = plan_for(shop, FOUR)
    assert {item.sku for item in plan.associations} == {"v1", "v3"}
    assert all(item.current is not None for item in plan.associations)


def test_in_mode_add_changed_content_is_noted_and_left() -> None:
    shop = synced(FOUR)
    plan = plan_for(shop, [sku_images("AA", (1, "x"), (2, "b")), FOUR[1]])
    assert not plan.needs_writes
    assert any("changed in S3" in note for note in plan.notes)


def test_in_mode_replace_changed_content_is_renewed_in_place() -> None:
    shop = synced(FOUR)
    before = [item.id for item in shop.product.media] if shop.product else []
    changed = [sku_images("AA", (1, "x"), (2, "b")), FOUR[1]]
    plan = plan_for(shop, changed, Mode.REPLACE)
    assert plan.changes["replace"] == 1
    assert sum(plan.changes.values()) == 1
    shop.apply(plan)
    assert [item.id for item in shop.product.media] == before  # type: ignore[union-attr]
    assert not plan_for(shop, changed, Mode.REPLACE).needs_writes


def test_a_new_file_of_the_same_number_renews_the_old_one() -> None:
    shop = synced(FOUR)
    moved = replace(FOUR[0].images[0], key="m/AA/00/00/AA-1a-2.jpg", etag="x" * 32)
    changed = [replace(FOUR[0], images=(moved, FOUR[0].images[1])), FOUR[1]]
    plan = plan_for(shop, changed, Mode.REPLACE)
    assert [(item.key, item.old_key) for item in plan.renewals] == [(moved.key, FOUR[0].images[0].key)]
    shop.apply(plan)
    assert not plan_for(shop, changed, Mode.MIRROR).needs_writes


def test_an_object_that_only_got_another_key_is_not_uploaded_again() -> None:
    shop = synced(FOUR)
    moved = replace(FOUR[0].images[0], key="m/AA/00/00/AA-1a-2.jpg")
    plan = plan_for(shop, [replace(FOUR[0], images=(moved, FOUR[0].images[1])), FOUR[1]], Mode.MIRROR)
    assert not plan.needs_writes
    assert [entry.key for entry in plan.adopt] == [moved.key]


@pytest.mark.parametrize(("mode", "removed"), [(Mode.ADD, 0), (Mode.REPLACE, 0), (Mode.MIRROR, 1)])
def test_only_mode_mirror_takes_off_what_is_gone_from_s3(mode: Mode, removed: int) -> None:
    shop = synced(FOUR)
    plan = plan_for(shop, [sku_images("AA", (1, "a")), FOUR[1]], mode)
    assert plan.changes["remove"] == removed
    shop.apply(plan)
    assert (A2 in filenames(shop)) == (not removed)


def test_a_listing_with_nothing_at_all_removes_nothing() -> None:
    shop = synced(FOUR)
    plan = plan_for(shop, [sku_images("AA"), sku_images("BB")], Mode.MIRROR)
    assert not plan.needs_writes
    assert any("no image at all" in note for note in plan.notes)


def test_in_mode_add_the_merchants_media_keep_their_places() -> None:
    shop = synced([FOUR[0], sku_images("BB", (3, "d"))])
    shop.merchant_adds("own.jpg", 0)
    shop.merchant_adds("other.jpg", 3)
    shop.apply(plan_for(shop, FOUR))
    assert filenames(shop) == ["own.jpg", A1, A2, "other.jpg", B1, B3]
    assert not plan_for(shop, FOUR).needs_writes


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.MIRROR])
def test_replacing_puts_ours_first_and_keeps_all_of_the_merchants(mode: Mode) -> None:
    shop = synced(FOUR)
    shop.merchant_adds("own.jpg", 0)
    shop.merchant_adds("other.jpg", 2)
    shop.apply(plan_for(shop, FOUR, mode))
    assert filenames(shop) == [A1, A2, B1, B3, "own.jpg", "other.jpg"]


def test_an_image_the_merchant_deleted_comes_back_from_the_file_it_was() -> None:
    shop = synced(FOUR)
    assert shop.product is not None
    deleted = shop.product.media[1]
    shop.product = replace(shop.product, media=tuple(item for item in shop.product.media if item != deleted))
    plan = plan_for(shop, FOUR)
    assert [(item.filename, item.media_id) for item in plan.uploads] == [(A2, deleted.id)]


def test_in_mode_add_a_variants_image_of_the_merchants_own_stays() -> None:
    shop = synced(FOUR)
    own = shop.merchant_adds("own.jpg", 9)
    assert shop.product is not None
    first, *rest = shop.product.variants
    shop.product = replace(shop.product, variants=(replace(first, media_id=own), *rest))
    plan = plan_for(shop, FOUR)
    assert not plan.needs_writes
    assert any("merchant's own image" in note for note in plan.notes)
    replacing = plan_for(shop, FOUR, Mode.REPLACE)
    assert [(item.sku, item.current) for item in replacing.associations] == [("v1", own)]


def test_a_medium_of_ours_that_failed_is_deleted_and_brought_again() -> None:
    shop = synced(FOUR)
    assert shop.product is not None
    first, *rest = shop.product.media
    broken = LiveMedia(first.id, MediaStatus.FAILED, first.alt, error="IMAGE_PROCESSING_FAILURE: no")
    shop.product = replace(shop.product, media=(broken, *rest))
    plan = plan_for(shop, FOUR)
    assert plan.discard == (first.id,)
    assert [(item.filename, item.media_id) for item in plan.uploads] == [(A1, None)]
    assert all(item.current is None for item in plan.associations)


def test_a_merchants_failed_medium_is_none_of_ours() -> None:
    shop = synced(FOUR)
    assert shop.product is not None
    broken = LiveMedia(shop.new_id(), MediaStatus.FAILED, "holiday picture")
    shop.product = replace(shop.product, media=(*shop.product.media, broken))
    assert not plan_for(shop, FOUR, Mode.MIRROR).needs_writes


def test_a_file_another_product_has_is_reused() -> None:
    image = FOUR[0].images[0]
    ledger = Ledger(elsewhere=(LedgerEntry(image.key, image.etag, "gid://shopify/MediaImage/77"),))
    plan = make_plan(GROUP, FOUR, None, ledger, Mode.ADD, ALT)
    assert plan.uploads[0].media_id == "gid://shopify/MediaImage/77"


def test_a_product_killed_before_it_was_published_is_published() -> None:
    shop = synced(FOUR)
    plan = make_plan(GROUP, FOUR, shop.product, replace(shop.ledger, creating=True), Mode.ADD, ALT)
    assert plan.changes["publish"] == 1
    assert sum(plan.changes.values()) == 1


def test_a_single_row_without_options_gets_shopifys_default_option() -> None:
    group = ProductGroup("G", "A ring", "g", (CatalogRow("v1", "AA"),))
    plan = plan_for(PureShop(), FOUR[:1], group=group)
    assert plan.creation is not None
    assert plan.creation.options == (("Title", ("Default Title",)),)


def test_several_rows_without_options_are_told_apart_by_their_sku() -> None:
    group = ProductGroup("G", "A ring", "g", (CatalogRow("v1", "AA"), CatalogRow("v2", "AA")))
    plan = plan_for(PureShop(), FOUR[:1], group=group)
    assert plan.creation is not None
    assert plan.creation.options == (("Item", ("v1", "v2")),)


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (replace(GROUP, title=""), "it has no title"),
        (
            replace(GROUP, rows=(*ROWS, CatalogRow("v4", "AA", (("Colour", "red"),)))),
            "variant v4 has other options than the first",
        ),
        (
            replace(GROUP, rows=(*ROWS, CatalogRow("v4", "AA", (("Size", "5"),)))),
            "variants v1 and v4 have the same option values",
        ),
        (
            replace(GROUP, rows=(CatalogRow("v1", "AA", (("Size", "5"), ("Size", "6"))),)),
            "its options are Size, Size",
        ),
    ],
)
def test_a_catalog_that_describes_no_product_is_refused_by_name(group: ProductGroup, sentence: str) -> None:
    with pytest.raises(PermanentError, match=sentence) as caught:
        plan_for(PureShop(), FOUR, group=group)
    assert caught.value.code == "bad_catalog"


def test_more_media_than_shopify_allows_is_refused_before_any_call() -> None:
    many = sku_images("AA", *((n, f"{n:x}") for n in range(1, MAX_MEDIA + 2)))
    with pytest.raises(PermanentError, match="253 images"):
        plan_for(PureShop(), [many, FOUR[1]])
    shop = synced(FOUR)
    with pytest.raises(PermanentError, match="Shopify allows 250"):
        plan_for(shop, [many, FOUR[1]])


def test_a_variant_that_the_product_lacks_is_noted() -> None:
    shop = synced(FOUR)
    group = replace(GROUP, rows=(*ROWS, CatalogRow("v9", "AA", (("Size", "9"),))))
    assert any("v9 is not in the product" in note for note in plan_for(shop, FOUR, group=group).notes)


def test_a_renamed_key_and_a_new_image_of_its_number_are_two_images() -> None:
    shop = synced(FOUR)
    first, second = FOUR[0].images
    renamed = replace(first, key="m/AA/00/00/AA-1a-2.jpg")
    shop.apply(plan_for(shop, [replace(FOUR[0], images=(renamed, second)), FOUR[1]], Mode.REPLACE))
    other = replace(first, key="m/AA/00/00/AA-1a-3.jpg", etag="x" * 32)
    images = [replace(FOUR[0], images=(renamed, other, second)), FOUR[1]]
    plan = plan_for(shop, images, Mode.REPLACE)
    assert [item.key for item in plan.uploads] == [other.key]
    assert plan.renewals == ()
    shop.apply(plan)
    assert not plan_for(shop, images, Mode.MIRROR).needs_writes


def test_an_object_that_can_not_be_used_any_more_is_not_gone() -> None:
    shop = synced(FOUR)
    bad = Rejected(FOUR[0].images[1].key, "not_an_image", "its bytes are no image")
    plan = plan_for(shop, [replace(FOUR[0], images=FOUR[0].images[:1], rejected=(bad,)), FOUR[1]], Mode.MIRROR)
    assert plan.changes["remove"] == plan.changes["add"] == plan.changes["replace"] == 0
    assert not any("gone from S3" in note for note in plan.notes)


def test_a_group_with_an_unusable_row_loses_nothing_and_is_not_created() -> None:
    shop = synced(FOUR)
    partial = replace(GROUP, rows=GROUP.rows[::2], incomplete=True)
    plan = plan_for(shop, FOUR[:1], Mode.MIRROR, group=partial)
    assert plan.remove == ()
    assert any("unusable row" in note for note in plan.notes)
    with pytest.raises(PermanentError, match="a row of it can't be used"):
        plan_for(PureShop(), FOUR[:1], group=partial)


def test_a_file_of_another_type_is_a_new_image_and_the_old_one_goes_in_mode_mirror() -> None:
    shop = synced(FOUR)
    png = replace(FOUR[0].images[0], key="m/AA/00/00/AA-1a-2.png", etag="x" * 32, format="png")
    images = [replace(FOUR[0], images=(png, FOUR[0].images[1])), FOUR[1]]
    plan = plan_for(shop, images, Mode.REPLACE)
    assert (len(plan.uploads), plan.renewals, plan.remove) == (1, (), ())
    shop.apply(plan_for(shop, images, Mode.MIRROR))
    assert filenames(shop) == [png.filename, A2, B1, B3]
    assert not plan_for(shop, images, Mode.MIRROR).needs_writes


contents = st.dictionaries(st.integers(1, 6), st.sampled_from("abcdef"), max_size=5)
worlds = st.tuples(contents, contents)


def images_of(world: tuple[dict[int, str], dict[int, str]]) -> list[SkuImages]:
    """The same content under two numbers is two images; a content's letter is made unique by its number."""
    return [
        sku_images(sku, *((number, f"{letter}{number}") for number, letter in numbers.items()))
        for sku, numbers in zip(("AA", "BB"), world, strict=True)
    ]


@given(
    st.lists(st.tuples(worlds, st.sampled_from(list(Mode))), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=4),
    st.booleans(),
)
def test_after_any_history_a_plan_brings_the_product_right_and_the_next_one_is_empty(
    history: list[tuple[tuple[dict[int, str], dict[int, str]], Mode]], merchant: list[tuple[int, int]], lost: bool
) -> None:
    shop = PureShop()
    own: list[str] = []
    for at, (world, mode) in enumerate(history):
        images = images_of(world)
        shop.apply(plan_for(shop, images, mode))
        again = plan_for(shop, images, mode)
        assert not again.needs_writes
        assert shop.product is not None
        media_ids = [item.id for item in shop.product.media]
        assert len(set(media_ids)) == len(media_ids)
        assert [item for item in media_ids if item in own] == own
        if mode is not Mode.ADD:
            wanted = [image.filename for image in desired_images(GROUP, images)]
            assert filenames(shop)[: len(wanted)] == wanted
        assert problems(GROUP, images, shop.product, shop.ledger)["order"] == []
        assert problems(GROUP, images, shop.product, shop.ledger)["variants_have_primary_image"] == []
        for step, position in merchant:
            if step == at:
                shop.merchant_adds(f"own-{len(own)}.jpg", position)
                own = [item.id for item in shop.product.media if item.filename.startswith("own-")]
    if lost and mode is not Mode.ADD:  # adding leaves older versions, which nothing but the ledger knows
        shop.entries.clear()
        changes = plan_for(shop, images, mode).changes
        assert changes["add"] == changes["replace"] == changes["remove"] == 0
