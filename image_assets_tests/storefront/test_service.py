"""The verbs against the stand-in: which groups, which product, what of a saved plan, and one failure among many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from image_assets.report import Status
from image_assets.settings import settings_for
from image_assets.storefront.ledger import LedgerStore
from image_assets.storefront.model import CatalogRow, LedgerEntry, Missing, Mode, ProductGroup
from image_assets.storefront.plan import Association, MediaPlan, Renewal, Upload, covers
from image_assets.storefront.results import GroupResult, fingerprint, missing_images
from image_assets.storefront.service import SyncOptions, plan_groups, sync
from image_assets.storefront.workplace import open_workplace
from image_assets.stores.database import make_engine
from image_assets_tests.faults import error
from image_assets_tests.storefront.conftest import Storefront, picture
from image_assets_tests.storefront.pure_shop import PureShop
from image_assets_tests.storefront.test_plan import FOUR, GROUP as PURE, plan_for, sku_images, synced

RING = ProductGroup(
    "LGD-1",
    "A ring",
    "lgd-1",
    (CatalogRow("v1", "827749", (("Size", "5"),), "10.00"), CatalogRow("v2", "692978", (("Size", "6"),), "11.00")),
)
BAND = ProductGroup("LGD-2", "A band", "lgd-2", (CatalogRow("v3", "1102192"),))
CHARM = ProductGroup("LGD-3", "A charm", "lgd-3", (CatalogRow("v4", "123"),))
ALL = (RING, BAND, CHARM)
ONE_BY_ONE = SyncOptions(workers=1, patience_s=10.0)


@pytest.fixture
def stocked(storefront: Storefront) -> Storefront:
    """Images for three groups."""
    for sku, number in (("827749", 1), ("827749", 2), ("692978", 1), ("1102192", 1), ("123", 1)):
        storefront.put(sku, number, colour=f"#{sku[:3]}")
    storefront.aws.faults.clear()
    return storefront


def run(storefront: Storefront, *groups: ProductGroup, incremental: bool = False) -> dict[str, GroupResult]:
    """Sync groups one by one; results by group, in the order in which they came."""
    found = sync(storefront.work, groups or ALL, ONE_BY_ONE, incremental=incremental)
    return {result.group.id: result for result in found}


def stems(names: list[str]) -> list[str]:
    return [name.rsplit("-", 1)[0] for name in names]


# --- which groups, and in which order


def test_groups_that_changed_come_first(stocked: Storefront) -> None:
    assert list(run(stocked)) == ["LGD-1", "LGD-2", "LGD-3"]
    stocked.put("123", 2, colour="white")
    results = run(stocked)
    assert list(results) == ["LGD-3", "LGD-1", "LGD-2"]
    assert [result.outcome.status for result in results.values()] == [Status.DONE, Status.UNCHANGED, Status.UNCHANGED]


def test_an_incremental_sync_takes_only_those_that_changed(stocked: Storefront) -> None:
    assert len(run(stocked, incremental=True)) == 3
    assert run(stocked, incremental=True) == {}
    stocked.put("123", 2, colour="white")
    assert list(run(stocked, incremental=True)) == ["LGD-3"]
    renamed = replace(BAND, title="Another band")
    assert list(run(stocked, RING, renamed, CHARM, incremental=True)) == ["LGD-2"]
    assert run(stocked, RING, renamed, CHARM, incremental=True) == {}


def test_an_incremental_sync_does_not_see_what_a_merchant_did_and_a_full_one_mends_it(stocked: Storefront) -> None:
    run(stocked)
    product = stocked.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    stocked.shopify.shop.merchant_deletes_media(product.media[0].id)
    assert run(stocked, incremental=True) == {}
    assert run(stocked)["LGD-1"].outcome.status is Status.DONE
    assert stems(stocked.gallery("lgd-1")) == ["827749-1a", "827749-2a", "692978-1a"]


FINGERPRINTS: dict[str, tuple[ProductGroup, bool]] = {
    "the same": (PURE, False),
    "another price": (replace(PURE, rows=tuple(replace(row, price="1.00") for row in PURE.rows)), False),
    "another title": (replace(PURE, title="B"), True),
    "another handle": (replace(PURE, handle="b"), True),
    "one row less": (replace(PURE, rows=PURE.rows[:-1]), True),
    "rows in another order": (replace(PURE, rows=PURE.rows[::-1]), True),
    "another Image_SKU": (replace(PURE, rows=(replace(PURE.rows[0], image_sku="BB"), *PURE.rows[1:])), True),
}


@pytest.mark.parametrize("change", FINGERPRINTS)
def test_a_fingerprint_changes_with_what_matters_for_images(change: str) -> None:
    group, changed = FINGERPRINTS[change]
    assert (fingerprint(group, FOUR) != fingerprint(PURE, FOUR)) == changed


def test_a_fingerprint_changes_with_the_listing() -> None:
    seen = {
        fingerprint(PURE, images)
        for images in (
            FOUR,
            [sku_images("AA", (1, "a")), FOUR[1]],
            [sku_images("AA", (1, "x"), (2, "b")), FOUR[1]],
            [sku_images("AA", (1, "a"), (3, "b")), FOUR[1]],
            [],
        )
    }
    assert len(seen) == 5


# --- one failure among many


def test_a_group_that_another_process_holds_is_locked_and_the_others_go_on(
    stocked: Storefront, migrated_url: str
) -> None:
    engine = make_engine(migrated_url)  # a session of its own, as another process has
    with LedgerStore(engine, stocked.work.client.shop).lock("LGD-2"):
        results = run(stocked)
    engine.dispose()
    outcome = results["LGD-2"].outcome
    assert (outcome.status, outcome.reason, outcome.permanent) == (Status.FAILED, "locked", False)
    assert "LGD-2 is being synced by another process." in outcome.message
    assert {product.handle for product in stocked.shopify.shop.products} == {"lgd-1", "lgd-3"}
    assert run(stocked)["LGD-2"].outcome.status is Status.DONE


def test_a_group_without_a_title_is_refused_and_the_others_go_on(stocked: Storefront) -> None:
    results = run(stocked, RING, replace(BAND, title=""), CHARM)
    outcome = results["LGD-2"].outcome
    assert (outcome.reason, outcome.permanent) == ("bad_catalog", True)
    assert "it has no title" in outcome.message
    assert [results[group].outcome.status for group in ("LGD-1", "LGD-3")] == [Status.DONE, Status.DONE]


def test_a_group_without_a_title_may_have_a_product_already(stocked: Storefront) -> None:
    stocked.shopify.shop.add_product("lgd-2", "The merchant's title", ["v3"])
    assert run(stocked, replace(BAND, title=""))["LGD-2"].outcome.status is Status.DONE


def test_an_image_sku_that_can_not_be_listed_fails_its_groups_only(stocked: Storefront) -> None:
    stocked.aws.faults.inject("GET", "prefix=sorted-media%2F11", error("403 Forbidden", "AccessDenied"))
    results = run(stocked)
    assert results["LGD-2"].outcome.reason == "access_denied"
    assert results["LGD-2"].plan is None
    assert {product.handle for product in stocked.shopify.shop.products} == {"lgd-1", "lgd-3"}


def test_a_variant_without_an_image_is_no_failure(stocked: Storefront) -> None:
    rows = (*RING.rows, CatalogRow("v7", "799057", (("Size", "7"),)), CatalogRow("v8", "", (("Size", "8"),)))
    result = run(stocked, replace(RING, rows=rows))["LGD-1"]
    assert result.outcome.status is Status.DONE
    assert [(item.sku, item.reason) for item in result.missing] == [
        ("v7", Missing.NO_OBJECTS), ("v8", Missing.NO_SKU)
    ]  # fmt: skip
    assert result.outcome.counts["variants_without_image"] == 2
    assert result.missing[0].path == f"s3://{stocked.bucket.name}/sorted-media/79/90/57/"


def test_a_product_is_made_although_none_of_its_images_can_be_used(stocked: Storefront) -> None:
    stocked.bucket.put("sorted-media/79/90/57/799057-1a-1.jpg", b"<html>")
    result = run(stocked, ProductGroup("LGD-9", "X", "lgd-9", (CatalogRow("v9", "799057"),)))["LGD-9"]
    assert (result.outcome.status, result.outcome.reason) == (Status.FAILED, "images_rejected")
    product = stocked.shopify.shop.product_by_handle("lgd-9")
    assert product is not None
    assert len(product.publications) == 1
    assert missing_images(result.group, result.images)[0].reason is Missing.NONE_USABLE


# --- files that several groups want


def test_two_groups_that_share_an_image_sku_upload_its_files_once(stocked: Storefront) -> None:
    twin = ProductGroup("LGD-9", "A twin", "lgd-9", (CatalogRow("t1", "692978"), CatalogRow("t2", "827749")))
    results = run(stocked, RING, twin)
    assert [result.outcome.status for result in results.values()] == [Status.DONE, Status.DONE]
    assert stems(stocked.gallery("lgd-1")) == ["827749-1a", "827749-2a", "692978-1a"]
    assert stems(stocked.gallery("lgd-9")) == ["692978-1a", "827749-1a", "827749-2a"]
    assert stems(list(stocked.shown("lgd-9").values())) == ["692978-1a", "827749-1a"]
    names = [file.filename for file in stocked.shopify.shop.files]
    assert sorted(stems(names)) == ["692978-1a", "827749-1a", "827749-2a"]
    before = stocked.shopify.mutations
    assert all(result.outcome.status is Status.UNCHANGED for result in run(stocked, RING, twin).values())
    assert stocked.shopify.mutations == before


def test_a_shared_image_sku_is_listed_once(stocked: Storefront) -> None:
    run(stocked, RING, replace(RING, id="LGD-9", handle="lgd-9"))
    assert stocked.aws.faults.count("GET", "list-type=2") == 2


# --- which product


def test_a_product_with_another_handle_is_found_by_its_skus(stocked: Storefront) -> None:
    stocked.shopify.shop.add_product("the-merchants-handle", "The merchant's title", ["v1", "v2"])
    result = run(stocked, RING)["LGD-1"]
    assert result.outcome.status is Status.DONE
    (product,) = stocked.shopify.shop.products
    assert (product.title, product.handle) == ("The merchant's title", "the-merchants-handle")
    assert stems(stocked.gallery("the-merchants-handle")) == ["827749-1a", "827749-2a", "692978-1a"]
    assert stems(list(stocked.shown("the-merchants-handle").values())) == ["827749-1a", "692978-1a"]
    assert not product.publications  # whether a merchant's own product is published is the merchant's matter


def test_skus_on_several_products_are_not_guessed_at(stocked: Storefront) -> None:
    stocked.shopify.shop.add_product("one", "One", ["v1"])
    stocked.shopify.shop.add_product("two", "Two", ["v2"])
    results = run(stocked)
    outcome = results["LGD-1"].outcome
    assert (outcome.reason, outcome.permanent) == ("several_products", True)
    assert "Give the right one the handle lgd-1" in outcome.message
    assert stocked.gallery("one") == stocked.gallery("two") == []
    assert results["LGD-2"].outcome.status is Status.DONE


def test_a_merchants_product_with_the_groups_handle_is_used_and_keeps_what_is_theirs(stocked: Storefront) -> None:
    shop = stocked.shopify.shop
    product = shop.add_product("lgd-1", "The merchant's title", ["v1", "v2", "own-sku"])
    own = shop.merchant_adds_media(product.id, picture(600, 400), "own.jpg", alt="Own")
    shop.merchant_sets_variant_media(product.variants[1].id, own)
    result = run(stocked, RING)["LGD-1"]
    assert result.outcome.status is Status.DONE
    assert shop.products == [product]
    assert stems(stocked.gallery("lgd-1"))[1:] == ["827749-1a", "827749-2a", "692978-1a"]
    assert stocked.gallery("lgd-1")[0] == "own.jpg"
    assert stocked.shown("lgd-1")["v2"] == "own.jpg"
    assert stocked.shown("lgd-1")["own-sku"] == ""
    assert result.outcome.notes == ("variant v2 shows the merchant's own image; left as it is in mode add",)


def test_a_product_that_got_another_handle_is_still_the_groups(stocked: Storefront) -> None:
    run(stocked, RING)
    (product,) = stocked.shopify.shop.products
    product.handle = "renamed"
    for variant in product.variants:
        variant.sku = f"renamed-{variant.sku}"
    stocked.put("827749", 3, colour="white")
    assert run(stocked, RING)["LGD-1"].outcome.status is Status.DONE
    assert stocked.shopify.shop.products == [product]
    assert len(product.media) == 4


# --- ways of uploading


@pytest.fixture
def staged(stocked: Storefront, storefront_env: dict[str, str], engine: sa.Engine) -> Iterator[Storefront]:
    """The same storefront, uploading to Shopify's own storage."""
    with open_workplace(settings_for({**storefront_env, "SHOPIFY_UPLOAD": "staged"}), engine=engine) as work:
        yield replace(stocked, work=work)


def test_staged_uploads_bring_the_same_result(staged: Storefront) -> None:
    assert run(staged, RING)["LGD-1"].outcome.status is Status.DONE
    staged.put("827749", 3, colour="white")
    assert run(staged, RING)["LGD-1"].outcome.status is Status.DONE
    assert stems(staged.gallery("lgd-1")) == ["827749-1a", "827749-2a", "827749-3a", "692978-1a"]
    assert stems(list(staged.shown("lgd-1").values())) == ["827749-1a", "692978-1a"]
    (product,) = staged.shopify.shop.products
    assert product.media[2].bytes == picture(303, 240, colour="white")
    assert staged.shopify.counts["stagedUploadsCreate"] == 2
    assert all(file.source.startswith(f"{staged.shopify.url}/staged/") for file in staged.shopify.shop.files)
    assert run(staged, RING)["LGD-1"].outcome.status is Status.UNCHANGED


def test_staged_uploads_renew_content_too(staged: Storefront) -> None:
    run(staged, BAND)
    staged.put("1102192", 1, colour="white")
    assert staged.sync(BAND, Mode.REPLACE).outcome.counts["replace"] == 1
    (product,) = staged.shopify.shop.products
    assert product.media[0].bytes == picture(301, 240, colour="white")


# --- planning


def test_planning_writes_nothing_and_says_how_much_there_is_to_do(stocked: Storefront) -> None:
    run(stocked, BAND)
    stocked.shopify.mutations = 0
    results = {result.group.id: result for result in plan_groups(stocked.work, ALL, ONE_BY_ONE)}
    assert results["LGD-1"].outcome.counts == {
        "create_planned": 1, "add_planned": 3, "associate_planned": 2, "publish_planned": 1
    }  # fmt: skip
    assert results["LGD-2"].outcome.counts == {}
    assert {result.outcome.status for result in results.values()} == {Status.UNCHANGED}
    assert stocked.shopify.mutations == 0


def test_a_plan_that_can_not_be_made_is_a_failed_outcome(stocked: Storefront) -> None:
    (result,) = plan_groups(stocked.work, [replace(BAND, title="")], ONE_BY_ONE)
    assert (result.outcome.reason, result.plan) == ("bad_catalog", None)


# --- saved plans


NEW = plan_for(PureShop(), FOUR)
U1, U2 = Upload("k1", "e1", 1, "AA-1a-e1.jpg", "a"), Upload("k2", "e2", 1, "AA-2a-e2.jpg", "b")
R1 = Renewal("gid://m/1", "k1", "e1", 1, "AA-1a-e1.jpg", "k0")
SAVED = MediaPlan("G", Mode.MIRROR, "gid://p/1", uploads=(U1, U2), remove=("gid://m/8", "gid://m/9"))
RENEWING = MediaPlan("G", Mode.MIRROR, "gid://p/1", renewals=(R1,), discard=("gid://m/5",))
COVERED: dict[str, tuple[MediaPlan, MediaPlan, bool]] = {
    "itself": (SAVED, SAVED, True),
    "nothing left to do": (SAVED, MediaPlan("G", Mode.MIRROR, "gid://p/1"), True),
    "part of it": (SAVED, replace(SAVED, uploads=(U2,), remove=("gid://m/9",)), True),
    "another image": (SAVED, replace(SAVED, uploads=(U1, U2, replace(U1, key="k3"))), False),
    "another version of an image": (SAVED, replace(SAVED, uploads=(U1, replace(U2, etag="e9"))), False),
    "an image that is in the shop by now": (
        SAVED,
        replace(SAVED, uploads=(U1, replace(U2, media_id="gid://m/2"))),
        True,
    ),
    "one more to take off": (SAVED, replace(SAVED, remove=(*SAVED.remove, "gid://m/7")), False),
    "another group": (SAVED, replace(SAVED, group_id="H"), False),
    "another mode": (SAVED, replace(SAVED, mode=Mode.ADD), False),
    "another product": (SAVED, replace(SAVED, product_id="gid://p/2"), False),
    "another order": (SAVED, replace(SAVED, gallery=("a", "b"), order=("b", "a")), True),
    "other variants": (SAVED, replace(SAVED, associations=(Association("gid://v/1", "v1", "gid://m/1"),)), False),
    "the medium of a variant it has": (
        replace(SAVED, associations=(Association("gid://v/1", "v1", "AA-1a-e1.jpg"),)),
        replace(SAVED, associations=(Association("gid://v/1", "v1", "gid://m/1"),)),
        True,
    ),
    "an order it does not change": (
        replace(SAVED, uploads=()),
        replace(SAVED, uploads=(), gallery=("a", "b"), order=("b", "a")),
        False,
    ),
    "other bookkeeping": (SAVED, replace(SAVED, keep=(LedgerEntry("k", "e", "m"),), publish=True, notes=("n",)), True),
    "what failed of its uploads": (SAVED, replace(SAVED, discard=("gid://m/6",)), True),
    "a failed one it does not know": (RENEWING, replace(RENEWING, discard=("gid://m/5", "gid://m/6")), False),
    "a renewal it has": (RENEWING, RENEWING, True),
    "a renewal of another version": (RENEWING, replace(RENEWING, renewals=(replace(R1, etag="e9"),)), False),
    "a renewal in place of an upload": (SAVED, replace(SAVED, renewals=(R1,)), False),
    "an upload in place of a renewal": (RENEWING, replace(RENEWING, renewals=(), uploads=(U1,)), True),
    "a creation it has": (NEW, NEW, True),
    "its creation that was carried out": (NEW, replace(NEW, creation=None, product_id="gid://p/1", uploads=()), True),
    "a creation it lacks": (SAVED, replace(SAVED, product_id=None, creation=NEW.creation), False),
    "a creation from other rows": (
        NEW,
        plan_for(PureShop(), FOUR, group=replace(PURE, rows=PURE.rows[:-1])),
        False,
    ),
}


@pytest.mark.parametrize("case", COVERED)
def test_a_saved_plan_covers_what_it_names_and_no_more(case: str) -> None:
    saved, now, expected = COVERED[case]
    assert covers(saved, now) is expected


def test_a_plan_of_a_product_covers_what_is_left_of_it_step_by_step() -> None:
    shop = synced(FOUR[:1])
    saved = plan_for(shop, FOUR)
    shop.apply(saved)
    assert covers(saved, plan_for(shop, FOUR))
    more = [FOUR[0], sku_images("BB", (1, "c"), (2, "e"), (3, "d"))]
    assert not covers(saved, plan_for(shop, more))


CHANGES: dict[str, Callable[[Storefront], object]] = {
    "S3 got another image": lambda storefront: storefront.put("827749", 3, colour="white"),
    "an image changed in S3": lambda storefront: storefront.put("827749", 1, colour="white"),
    "a merchant made the product": lambda storefront: storefront.shopify.shop.add_product("lgd-1", "Own", ["v1"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_saved_plan_does_not_outlive_a_change(stocked: Storefront, change: str) -> None:
    (planned,) = plan_groups(stocked.work, [RING], ONE_BY_ONE)
    assert planned.plan is not None
    CHANGES[change](stocked)
    (result,) = sync(stocked.work, [RING], ONE_BY_ONE, plans={"LGD-1": planned.plan})
    stale = change != "a merchant made the product"
    assert (result.outcome.reason == "stale_plan") == stale, result.outcome
    if stale:
        assert stocked.shopify.mutations == 0


def test_a_group_that_a_plan_file_does_not_name_is_stale(stocked: Storefront) -> None:
    (result,) = sync(stocked.work, [RING], ONE_BY_ONE, plans={})
    assert result.outcome.reason == "stale_plan"
    assert stocked.shopify.mutations == 0
