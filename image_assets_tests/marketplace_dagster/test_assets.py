"""The marketplace assets as Dagster runs them: mapping files in; assets, links, metadata and check results out.

Every test materialises in an ephemeral instance against the stand-ins of S3, Plytix and PostgreSQL, and counts requests
at the servers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from image_assets.marketplace.assets import ASSETS_KEY, LINKS_KEY, REFERENCES_KEY, REPORT_ERRORS
from image_assets.marketplace.frames import ASSET_LINKS, IMAGE_REFERENCES, PLYTIX_ASSETS
from image_assets.marketplace.partitions import MAPPING_FILES
from image_assets.marketplace.proof import CHECKS
from image_assets.sandbox.plytix.state import Account
from image_assets.sandbox.sample_marketplace import (
    EXPECTED_AGAIN,
    EXPECTED_FIRST,
    EXPECTED_PROBLEMS,
    MAPPING_PREFIX,
    PRODUCTS,
    mapping_file,
)
from image_assets.settings import load_settings
from image_assets.stores.frames import FrameStore, FrameType
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import Run, numbers, rows
from image_assets_tests.faults import cut_body
from image_assets_tests.marketplace.conftest import GALLERY, image_url, record
from image_assets_tests.marketplace_dagster.conftest import ALL, APPLY, Area

UPLOAD, LINK, PATCH, SEARCH = (
    "POST /assets",
    "POST /products/{id}/assets",
    "PATCH /products/{id}",
    "POST /products/search",
)
GOOD = {**dict.fromkeys(CHECKS, True), "no_failed_items": True}
PARENT = {"item_classification": "VARIATION_PARENT"}


def frame(kind: FrameType, name: str = "m1") -> list[dict[str, Any]]:
    """The rows of a mapping's frame."""
    found: list[dict[str, Any]] = FrameStore.from_settings(load_settings()).read(kind, name).table.to_pylist()
    return found


def links(run: Run, name: str = "m1") -> dict[str, int]:
    """The counts of a mapping's links."""
    return numbers(run.materialized(LINKS_KEY)[name])


def report(run: Run, name: str = "m1") -> Any:
    """The report of a mapping's links."""
    return run.materialized(LINKS_KEY)[name]["report"].value


def failures(run: Run, name: str = "m1") -> list[tuple[str, str]]:
    """Item and reason of the failures a mapping's links name."""
    metadata = run.materialized(LINKS_KEY)[name]
    return [(row["item"], row["reason"]) for row in rows(metadata["failures"])] if "failures" in metadata else []


def bad_partitions(run: Run, check: str) -> dict[str, int]:
    """The mappings a failed check names, with what was found."""
    metadata = run.checks[check].metadata
    return {row["partition"]: row["found"] for row in rows(metadata["partitions"])} if "partitions" in metadata else {}


def materialized(area: Area, key: dg.AssetKey) -> set[str]:
    """The partitions of an asset that were ever recorded, by a run or beside one that failed."""
    return set(area.dagster.instance.get_materialized_partitions(key))


# --- what the assets do and say


def test_the_three_assets_bring_a_mapping_to_plytix_and_say_what_they_did(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2"), record("P", "b1", "a2", **PARENT))
    run = area.run(*ALL)

    assert run.success
    assert run.verdicts == GOOD
    assert (area.market.images("A"), area.market.thumbnail("A")) == (["a1", "a2"], "a1")
    assert (area.market.images("P"), area.market.thumbnail("P")) == (["b1", "a2"], "b1")
    references = run.materialized(REFERENCES_KEY)["m1"]
    assert numbers(references) == {
        "total_products": 2, "products_with_images": 2, "total_image_refs": 4, "unique_images": 3, "parents": 1,
        "problems": 0,
    }  # fmt: skip
    assert [(row["product"], row["slot"], row["image"]) for row in rows(references["references"])] == [
        ("A", "MAIN", image_url("a1")),
        ("A", "PT01", image_url("a2")),
        ("P", "MAIN", image_url("b1")),
        ("P", "PT01", image_url("a2")),
    ]
    assert references["file"].value == f"s3://{area.bucket.name}/requests/amazon-mappings/m1.json"
    assets = run.materialized(ASSETS_KEY)["m1"]
    assert numbers(assets) == {
        "planned_uploads": 3, "planned_links": 4, "planned_reorders": 0, "planned_thumbnails": 2, "products_skipped": 0,
        "uploaded": 3, "existing": 0, "failed": 0,
    }  # fmt: skip
    assert [(row["file"], row["state"], row["asset"]) for row in rows(assets["images"])] == [
        ("amazon_01_MAIN_a1.jpg", "uploaded", area.market.asset("a1")),
        ("amazon_01_MAIN_b1.jpg", "uploaded", area.market.asset("b1")),
        ("amazon_02_PT01_a2.jpg", "uploaded", area.market.asset("a2")),
    ]
    assert assets["account"].value == "default"
    assert links(run) == {
        "items": 2, "done": 2, "unchanged": 0, "failed": 0, "links": 4, "thumbnails": 2, "reorders": 0,
        "total_products": 2, "products_with_images": 2, "total_image_refs": 4, "unique_images": 3,
        "images_uploaded": 3, "images_skipped": 0, "links_created": 2, "main_image_links": 1,
        "parent_links_created": 2, "parent_main_image_links": 1, "errors": 0, **dict.fromkeys(CHECKS, 0),
    }  # fmt: skip
    products = rows(run.materialized(LINKS_KEY)["m1"]["products"])
    assert [tuple(row.values()) for row in products] == [("A", 2, "yes", "done"), ("P", 2, "yes", "done")]


def test_the_report_has_exactly_the_structure_of_the_spec(area: Area) -> None:
    area.open("m1", record("A", "a1", "dead1"))
    told = report(area.run(*ALL))
    assert list(told) == [
        "total_products", "products_with_images", "total_image_refs", "unique_images", "images_uploaded",
        "images_skipped", "links_created", "errors", "main_image_links", "parent_links_created",
        "parent_main_image_links", "metadata",
    ]  # fmt: skip
    assert [(item["url"], item["product_sku"]) for item in told["errors"]] == [(image_url("dead1"), "A")]
    assert list(told["metadata"]) == ["source_file", "sync_date", "dry_run", "skip_existing"]
    assert told["metadata"]["source_file"] == f"s3://{area.bucket.name}/requests/amazon-mappings/m1.json"
    assert told["metadata"]["sync_date"].endswith("Z")
    assert (told["metadata"]["dry_run"], told["metadata"]["skip_existing"]) == (False, False)


def test_the_frames_say_what_each_image_is_and_where_it_is_shown(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2", "dead1"), record("B"))
    assert area.run(*ALL).success
    first, second = area.market.asset("a1"), area.market.asset("a2")
    assert [(row["product_sku"], row["slot"], row["rank"], row["filename"]) for row in frame(IMAGE_REFERENCES)] == [
        ("A", "MAIN", 1, "amazon_01_MAIN_a1.jpg"),
        ("A", "PT01", 2, "amazon_02_PT01_a2.jpg"),
        ("A", "PT02", 3, "amazon_03_PT02_dead1.jpg"),
        ("B", None, None, None),
    ]
    assert [(row["filename"], row["state"], row["asset_id"], row["code"]) for row in frame(PLYTIX_ASSETS)] == [
        ("amazon_01_MAIN_a1.jpg", "uploaded", first, None),
        ("amazon_02_PT01_a2.jpg", "uploaded", second, None),
        ("amazon_03_PT02_dead1.jpg", "failed", None, "refused"),
    ]
    shown = frame(ASSET_LINKS)
    assert [(row["asset_id"], row["place"], row["linked"], row["thumbnail"]) for row in shown] == [
        (first, 1, True, True),
        (second, 2, True, False),
        (None, None, False, False),
    ]
    assert [row["error"] is None for row in shown] == [True, True, False]
    assert "HTTP 404" in shown[2]["error"]


def test_materialising_everything_again_writes_nothing_to_plytix_and_asks_little(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2"), record("B", "b1", "a2"))
    assert area.run(*ALL).success
    before, writes = area.market.plytix.counts, area.market.writes()
    run = area.run(*ALL)
    assert run.success
    assert run.verdicts == GOOD
    assert area.market.writes() == writes
    # Twice to plan, once to prove.
    assert dict(area.market.plytix.counts - before) == {SEARCH: 3, "POST /attributes/product/search": 2}
    assert {row["state"] for row in frame(PLYTIX_ASSETS)} == {"existing"}
    found = links(run)
    assert (found["images_uploaded"], found["images_skipped"], found["links_created"]) == (0, 3, 0)
    assert (found["done"], found["unchanged"], found["main_image_links"]) == (0, 2, 0)


def test_several_mappings_in_one_run_are_synced_each_for_itself_and_share_their_images(area: Area) -> None:
    area.open("m1", record("A", "a1", "s1"))
    area.open("m2", record("B", "b1", "s1"))
    area.open("m3", record("C", "c1"))
    run = area.run(*ALL, names=("m1", "m2"))
    assert run.success
    for key in ALL:
        assert set(run.materialized(key)) == {"m1", "m2"}
    assert (area.market.images("A"), area.market.images("B"), area.market.images("C")) == (
        ["a1", "s1"],
        ["b1", "s1"],
        [],
    )
    assert area.market.plytix.counts[UPLOAD] == 3
    assert (links(run, "m1")["images_uploaded"], links(run, "m2")["images_uploaded"]) == (2, 1)
    assert links(run, "m2")["images_skipped"] == 1
    assert {check.metadata["partitions_checked"].value for check in run.checks.values()} == {2}


def test_drift_in_plytix_is_mended_by_the_next_run(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2"), record("B", "b1"))
    assert area.run(*ALL).success
    account = area.market.account
    account.merchant_unlinks("A", area.market.asset("a1"))
    account.merchant_sets_thumbnail("B", area.market.asset("a2"))
    account.merchant_deletes_asset(area.market.asset("a2"))
    run = area.run(*APPLY)
    assert run.verdicts == GOOD
    assert (area.market.images("A"), area.market.thumbnail("B")) == (["a1", "a2"], "b1")
    assert (links(run)["images_uploaded"], links(run)["links_created"], links(run)["main_image_links"]) == (1, 2, 1)


# --- failed items, and the checks that see them


def test_what_can_not_be_used_is_reported_with_its_reason_and_the_others_are_done(area: Area) -> None:
    area.open("m1", record("A", "a1", "dead1"), record("B", "b1"))
    malformed = {"suggested_sku": "B", "amazon_images": [{"link": "ftp://x/y.jpg"}]}
    area.put("m1", record("A", "a1", "dead1"), record("B", "b1"), record("GONE", "g1", "g2"), malformed)
    run = area.run(*ALL)
    assert run.success
    assert (area.market.images("A"), area.market.images("B")) == (["a1"], ["b1"])
    assert failures(run) == [("B", "bad_link"), ("GONE", "unknown_product"), ("A", "refused")]
    (unusable,) = rows(run.materialized(REFERENCES_KEY)["m1"]["unusable"])
    assert unusable["image"] == "ftp://x/y.jpg"
    assert [row["product"] for row in rows(run.materialized(ASSETS_KEY)["m1"]["unusable"])] == ["GONE"]
    (failed,) = rows(run.materialized(ASSETS_KEY)["m1"]["failures"])
    assert (failed["item"], failed["retry"]) == (image_url("dead1"), "no")
    assert run.verdicts == {
        "every_reference_linked": False,  # dead1, g1, g2
        "one_asset_per_unique_image": False,  # dead1
        "thumbnail_is_main": True,
        "no_failed_items": False,
    }
    assert bad_partitions(run, "every_reference_linked") == {"m1": 3}
    assert bad_partitions(run, "no_failed_items") == {"m1": 3}
    for name in ("every_reference_linked", "one_asset_per_unique_image", "no_failed_items"):
        assert run.checks[name].severity is dg.AssetCheckSeverity.ERROR
        assert run.checks[name].description


def test_a_product_that_fails_does_not_stop_the_others(area: Area) -> None:
    area.open("m1", *(record(f"P{n}", f"m{n}", f"x{n}") for n in range(4)))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    area.market.plytix.faults.inject(LINK, "status", status=422, times=1, msg="No.")
    run = area.run(LINKS_KEY)
    assert run.success
    ((sku, reason),) = failures(run)
    assert reason == "refused"
    assert (links(run)["failed"], links(run)["done"], links(run)["links_created"]) == (1, 3, 7)
    assert [row["product_sku"] for row in frame(ASSET_LINKS) if row["error"]] == [sku]
    assert area.run(LINKS_KEY).verdicts == GOOD


def test_a_mapping_that_is_mostly_unusable_makes_a_small_event(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    area.put("m1", record("A", "a1"), *({"suggested_sku": ""} for _ in range(REPORT_ERRORS + 50)))
    run = area.run(*ALL)
    assert links(run)["errors"] == REPORT_ERRORS + 50
    assert len(report(run)["errors"]) == REPORT_ERRORS
    assert len(rows(run.materialized(REFERENCES_KEY)["m1"]["unusable"])) == 20
    assert len(json.dumps(report(run))) < 30_000


def unlink_first(account: Account) -> None:
    account.merchant_unlinks("A", account.gallery("A")[0])


def reverse(account: Account) -> None:
    account.merchant_reorders("A", account.gallery("A")[::-1])


def take_thumbnail(account: Account) -> None:
    account.merchant_sets_thumbnail("A", None)


def copy_first(account: Account) -> None:
    account.merchant_adds_asset("A", b"x", "amazon_05_PT04_a1_c0ffee.jpg")


@pytest.mark.parametrize(
    ("meddle", "check", "problem"),
    [
        (unlink_first, "every_reference_linked", f"A: {image_url('a1')} is not linked"),
        (reverse, "every_reference_linked", "A: its images are not in the order of their slots"),
        (take_thumbnail, "thumbnail_is_main", f"A: {image_url('a1')} is not the thumbnail"),
        (copy_first, "one_asset_per_unique_image", f"{image_url('a1')} is 2 assets: "),
    ],
)
def test_what_somebody_does_right_after_linking_is_seen_by_the_proof(
    area: Area, meddle: Callable[[Account], None], check: str, problem: str
) -> None:
    area.open("m1", record("A", "a1", "a2"))
    area.market.plytix.faults.inject(PATCH, "call", action=meddle, when="after")
    run = area.run(*ALL)
    assert run.success
    assert failures(run) == []
    assert run.verdicts == {**GOOD, check: False}
    (found,) = rows(run.materialized(LINKS_KEY)["m1"]["problems"])
    assert found["check"] == check
    assert found["problem"].startswith(problem)
    again = area.run(*ALL)
    assert again.verdicts == ({**GOOD, check: False} if meddle is copy_first else GOOD)


def test_checks_count_all_mappings_and_not_only_the_runs(area: Area) -> None:
    area.open("m1", record("A", "a1", "dead1"))
    area.open("m2", record("B", "b1"))
    assert not area.run(*ALL).verdicts["no_failed_items"]
    other = area.run(*ALL, names=("m2",))
    assert bad_partitions(other, "no_failed_items") == bad_partitions(other, "every_reference_linked") == {"m1": 1}
    assert other.checks["no_failed_items"].metadata["partitions_checked"].value == 2
    area.dagster.instance.delete_dynamic_partition("amazon_mapping", "m1")
    assert area.run(*ALL, names=("m2",)).verdicts == GOOD  # what is gone counts no more


def test_a_signature_in_a_link_is_in_no_metadata(area: Area) -> None:
    signed = f"{image_url('dead1')}?X-Amz-Signature=0123456789abcdef0123456789abcdef"
    bad = "https://user:a-password-of-somebody@example.com/a.jpg"
    area.open("m1", record("A", "a1"))
    area.put("m1", {"suggested_sku": "A", "amazon_images": [{"link": link} for link in (signed, bad)]})
    run = area.run(*ALL)
    for key in ALL:
        told = str(run.materialized(key)["m1"])
        assert "dead1" in told
        assert "0123456789abcdef" not in told
        assert "a-password-of-somebody" not in told


def test_no_check_keeps_anything_from_running(area: Area) -> None:
    graph = area.dagster.definitions.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key == LINKS_KEY]
    assert {spec.name for spec in specs} == set(GOOD)
    assert not any(spec.blocking for spec in specs)


# --- one half without the other


def test_linking_uploads_nothing_and_says_what_is_no_asset(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2"))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    assert area.market.images("A") == []
    area.market.account.merchant_deletes_asset(area.market.asset("a2"))
    uploads = area.market.plytix.counts[UPLOAD]
    run = area.run(LINKS_KEY)
    assert run.success
    assert area.market.plytix.counts[UPLOAD] == uploads
    assert area.market.images("A") == ["a1"]
    assert failures(run) == [("A", "not_uploaded")]
    assert report(run)["errors"][0]["error"] == "The image is no asset yet; the next run uploads it."
    assert area.run(*APPLY).verdicts == GOOD


def test_what_was_uploaded_before_a_run_broke_off_is_linked_by_the_next(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    run = area.run(*ALL)
    assert run.verdicts == GOOD
    assert (links(run)["images_uploaded"], links(run)["images_skipped"], links(run)["links_created"]) == (0, 1, 1)


@pytest.mark.parametrize(("key", "missing"), [(ASSETS_KEY, "image_references"), (LINKS_KEY, "plytix_assets")])
def test_without_what_comes_before_the_message_says_what_to_materialise_first(
    area: Area, key: dg.AssetKey, missing: str
) -> None:
    area.open("m1", record("A", "a1"))
    if key == LINKS_KEY:
        assert area.run(REFERENCES_KEY).success
    run = area.run(key)
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure == (
        f"There is no marketplace/{missing} frame for partition m1. Materialise marketplace/{missing} for it first."
    )
    assert not area.market.writes()


def test_assets_of_another_mapping_are_refused_and_of_the_same_one_read_again_are_not(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    assert area.run(REFERENCES_KEY, LINKS_KEY).verdicts == GOOD
    area.put("m1", record("A", "a1", "a2"))
    run = area.run(REFERENCES_KEY, LINKS_KEY)
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("The mapping m1 has changed since its images were uploaded. Materialise ")
    assert area.run(*APPLY).verdicts == GOOD


# --- accounts and options


def test_a_mapping_stays_with_its_account_until_another_one_is_named(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    area.market.plytix.seed([{"sku": "A"}], {GALLERY: "MediaGalleryAttribute"}, alias="outlet")
    outlet = area.market.plytix.account("outlet")
    run = area.run(*ALL, account="OUTLET")
    assert run.verdicts == GOOD
    assert {run.materialized(key)["m1"]["account"].value for key in APPLY} == {"outlet"}
    assert len(outlet.gallery("A")) == 1

    outlet.merchant_unlinks("A", outlet.gallery("A")[0])
    assert area.run(*ALL).verdicts == GOOD  # as the daily sync does it
    assert len(outlet.gallery("A")) == 1
    assert area.market.images("A") == []

    refused = area.run(LINKS_KEY, account="default")
    assert not refused.success
    assert refused.failure.startswith("The images of m1 were uploaded to the account outlet, not default.")
    assert area.run(*APPLY, account="default").verdicts == GOOD
    assert area.market.images("A") == ["a1"]


def test_an_account_that_is_not_set_fails_with_the_name_of_its_variable(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    run = area.run(*ALL, account="nowhere")
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("PLYTIX_NOWHERE_API_KEY is not set.")
    assert area.run(*ALL).verdicts == GOOD  # and it is not kept


def test_products_with_images_are_left_alone_when_that_is_asked_for(area: Area) -> None:
    area.open("m1", record("A", "a1"), record("B", "b1"))
    own = area.market.account.merchant_adds_asset("A", b"x", "own.jpg")
    run = area.run(*ALL, skip_existing=True)
    assert run.verdicts == GOOD
    assert area.market.account.gallery("A") == [own]
    assert area.market.images("B") == ["b1"]
    assert area.market.plytix.counts[UPLOAD] == 1
    assert run.materialized(ASSETS_KEY)["m1"]["products_skipped"].value == 1
    assert report(run)["metadata"]["skip_existing"] is True
    # Linked alone, they are what their images were uploaded for.
    assert area.run(LINKS_KEY).verdicts == GOOD
    assert area.market.account.gallery("A") == [own]
    assert area.run(*APPLY).verdicts == GOOD
    assert area.market.images("A") == ["own.jpg", "a1"]


# --- files that are none


def test_a_file_that_is_no_mapping_fails_the_run_after_the_others_were_read(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    area.open("m2", record("B", "b1"))
    area.bucket.put(MAPPING_FILES.key("m1"), b"[1, 2")
    run = area.run(REFERENCES_KEY, names=("m1", "m2"))
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("m1 is no JSON: ")
    assert materialized(area, REFERENCES_KEY) == {"m2"}
    assert area.run(*APPLY, names=("m2",)).verdicts == GOOD


def test_a_file_that_is_gone_says_what_can_be_done(area: Area) -> None:
    area.dagster.add_partitions("amazon_mapping", "m1")
    run = area.run(REFERENCES_KEY)
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure == (
        f"s3://{area.bucket.name}/requests/amazon-mappings/m1.json is gone. Put it there again, or delete the "
        "partition; the job marketplace_unlink takes its images off."
    )


def test_a_failure_that_may_pass_is_worth_a_retry_whatever_else_is_wrong(area: Area, aws: Aws) -> None:
    for name in ("m1", "m2", "m3"):
        area.open(name, record(name.upper(), "a1"))
    area.bucket.put(MAPPING_FILES.key("m1"), b"{}")
    aws.faults.inject("GET", "m2.json", cut_body, times=99)
    run = area.run(REFERENCES_KEY, names=("m1", "m2", "m3"))
    assert not run.success
    assert run.waits_for_retry
    assert "m2.json" in run.failure
    assert materialized(area, REFERENCES_KEY) == {"m3"}


# --- a whole system that turns us away


@pytest.mark.parametrize("key", APPLY)
def test_a_dead_plytix_fails_the_run_with_a_sentence_and_may_be_tried_again(
    area: Area, key: dg.AssetKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open("m1", record("A", "a1"))
    area.open("m2", record("B", "b1"))
    both = ("m1", "m2")
    assert area.run(REFERENCES_KEY, ASSETS_KEY, names=both).success
    with monkeypatch.context() as patch:
        patch.setenv("PLYTIX_BASE_URL", "http://127.0.0.1:9")
        run = area.run(key, names=both)
    assert not run.success
    assert run.waits_for_retry
    assert "127.0.0.1:9: no answer (ConnectError). Check PLYTIX_BASE_URL." in run.failure
    assert area.run(*APPLY, names=both).verdicts == GOOD


def test_an_account_that_is_down_is_asked_for_one_mapping_only(area: Area) -> None:
    names = ("m1", "m2", "m3")
    for name in names:
        area.open(name, record(name.upper(), "a1"))
    assert area.run(REFERENCES_KEY, names=names).success
    area.market.plytix.faults.inject("*", "status", status=503, times=1000)
    counts = []
    for some in (names[:1], names):
        before = area.market.plytix.counts.total()
        run = area.run(ASSETS_KEY, names=some)
        assert run.waits_for_retry
        counts.append(area.market.plytix.counts.total() - before)
    assert counts[0] == counts[1] > 0


def test_an_account_that_is_denied_does_not_keep_another_from_its_mappings(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open("m1", record("A", "a1"))
    area.open("m2", record("B", "b1"))
    area.market.plytix.seed([{"sku": "A"}], {GALLERY: "MediaGalleryAttribute"}, alias="outlet")
    assert area.run(*ALL, names=("m1",), account="outlet").success
    monkeypatch.setenv("PLYTIX_OUTLET_API_PASSWORD", "wrong-password")
    run = area.run(*ALL, names=("m1", "m2"))
    assert not run.success
    assert not run.waits_for_retry
    assert "PLYTIX_OUTLET_API_KEY" in run.failure
    assert materialized(area, ASSETS_KEY) == {"m1", "m2"}
    assert area.run(LINKS_KEY, names=("m2",)).success
    assert area.market.images("B") == ["b1"]


BREAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "PLYTIX_API_KEY and PLYTIX_API_PASSWORD": lambda patch: patch.setenv("PLYTIX_API_PASSWORD", "wrong-password"),
    "PLYTIX_API_KEY is not set": lambda patch: patch.delenv("PLYTIX_API_KEY"),
    "DATABASE_URL is not set": lambda patch: patch.delenv("DATABASE_URL"),
}


@pytest.mark.parametrize("named", BREAKS)
@pytest.mark.parametrize("key", APPLY)
def test_wrong_credentials_and_a_missing_setting_forbid_retries(
    area: Area, key: dg.AssetKey, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    writes = area.market.writes()
    BREAKS[named](monkeypatch)
    run = area.run(key)
    assert not run.success
    assert not run.waits_for_retry
    assert named in run.failure
    assert "wrong-password" not in run.failure
    assert area.market.writes() == writes


@pytest.mark.parametrize("key", APPLY)
def test_a_missing_gallery_fails_the_run_and_says_what_to_create(area: Area, key: dg.AssetKey) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    writes = area.market.writes()
    with area.market.account.lock:
        del area.market.account.attributes[GALLERY]
    run = area.run(key)
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure == (
        "The product attribute amazon_images does not exist in this Plytix account. Create it in Plytix as a media "
        "gallery, or set MARKETPLACE_GALLERY to the label of another one."
    )
    assert area.market.writes() == writes


@pytest.mark.parametrize(("route", "key"), [(UPLOAD, ASSETS_KEY), (LINK, LINKS_KEY)])
@pytest.mark.parametrize(("status", "again"), [(403, False), (503, True)])
def test_when_nothing_may_be_written_the_run_fails(
    area: Area, route: str, key: dg.AssetKey, status: int, *, again: bool
) -> None:
    area.open("m1", record("A", "a1", "a2"), record("B", "b1"))
    area.market.plytix.faults.inject(route, "status", status=status, times=1000)
    run = area.run(*ALL)
    assert not run.success
    assert run.waits_for_retry is again
    assert f"(HTTP {status})" in run.failure
    assert materialized(area, key) == set()
    if key == LINKS_KEY:
        assert [row["linked"] for row in frame(ASSET_LINKS)] == [False] * 3
    area.market.plytix.faults.clear()
    assert area.run(*APPLY).verdicts == GOOD


def test_products_that_need_nothing_do_not_hide_that_nothing_may_be_written(area: Area) -> None:
    area.open("m1", record("A", "a1"), record("GONE", "g1"))
    assert area.run(*ALL).success
    area.put("m1", record("A", "a1"), record("B", "b1"), record("BAD"), {"suggested_sku": ""})
    area.market.seed("B")
    assert area.run(REFERENCES_KEY, ASSETS_KEY).success
    area.market.plytix.faults.inject(LINK, "status", status=403, times=1000)
    run = area.run(LINKS_KEY)
    assert not run.success
    assert "(HTTP 403)" in run.failure


def test_an_account_that_another_process_syncs_is_tried_again(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(REFERENCES_KEY).success
    with area.market.work.ledger.lock():
        run = area.run(ASSETS_KEY)
    assert not run.success
    assert run.waits_for_retry
    assert run.failure.startswith("This Plytix account is being synced by another process.")
    assert area.run(*APPLY).verdicts == GOOD


# --- the samples


def open_sample(area: Area, name: str) -> None:
    """Put a sample mapping into the bucket, and its products into Plytix."""
    area.bucket.put(MAPPING_FILES.key(name), mapping_file(name).read_bytes())
    area.dagster.add_partitions("amazon_mapping", name)
    area.market.plytix.seed(PRODUCTS)


def test_the_sample_comes_to_the_figures_of_the_spec_and_once_more_to_nothing(area: Area) -> None:
    assert MAPPING_FILES.prefix == MAPPING_PREFIX
    open_sample(area, "mca0032")
    first = area.run(*ALL, names=("mca0032",))
    assert {name: links(first, "mca0032")[name] for name in EXPECTED_FIRST} == EXPECTED_FIRST
    writes = area.market.writes()
    again = area.run(*ALL, names=("mca0032",))
    assert {name: links(again, "mca0032")[name] for name in EXPECTED_AGAIN} == EXPECTED_AGAIN
    assert first.verdicts == again.verdicts == GOOD
    assert area.market.writes() == writes == 12 + 108 + 16


def test_the_awkward_sample_is_done_as_far_as_it_can_be_and_the_rest_is_named(area: Area) -> None:
    open_sample(area, "out0007")
    run = area.run(*ALL, names=("out0007",))
    assert run.success
    assert Counter(reason for _, reason in failures(run, "out0007")) == EXPECTED_PROBLEMS
    assert not run.verdicts["no_failed_items"]
    assert run.verdicts["thumbnail_is_main"]
    assert not area.market.images("OUT0007-LID")
