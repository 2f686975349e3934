"""The report of spec 03: its structure to the letter, and what counts as what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.marketplace.apply import ProductResult, Uploaded
from image_assets.marketplace.model import ImageMapping, Problem
from image_assets.marketplace.plan import ProductPlan, SyncPlan
from image_assets.marketplace.report import SyncReport, report_plan, report_run
from image_assets_tests.marketplace.conftest import image_url, mapping_of, record
from image_assets_tests.marketplace.pure_plytix import PurePlytix

STARTED = datetime(2025, 12, 23, 6, 0, 47, 999_999, tzinfo=UTC)
# Spec 03, "Output Structure", to the letter.
SPEC = """{
  "total_products": 16,
  "products_with_images": 16,
  "total_image_refs": 108,
  "unique_images": 12,
  "images_uploaded": 0,
  "images_skipped": 12,
  "links_created": 108,
  "errors": [],
  "main_image_links": 16,
  "parent_links_created": 0,
  "parent_main_image_links": 0,
  "metadata": {
    "source_file": "../data/mca0032_mapping.json",
    "sync_date": "2025-12-23T06:00:47Z",
    "dry_run": false,
    "skip_existing": true
  }
}"""

# A parent, two products, one that Plytix does not know, and one whose record can't be used.
MAPPING = mapping_of(
    record("P", "a", "b", item_classification="VARIATION_PARENT"),
    record("A", "a", "c"),
    record("B", "c", ("c", "PT03")),
    record("X", "d"),
    record("", "e"),
    record("N"),
)


def spec_report(**changes: Any) -> SyncReport:
    """The report that spec 03 shows."""
    values: dict[str, Any] = {
        "total_products": 16,
        "products_with_images": 16,
        "total_image_refs": 108,
        "unique_images": 12,
        "images_uploaded": 0,
        "images_skipped": 12,
        "links_created": 108,
        "errors": (),
        "main_image_links": 16,
        "parent_links_created": 0,
        "parent_main_image_links": 0,
        "source_file": "../data/mca0032_mapping.json",
        "sync_date": STARTED,
        "dry_run": False,
        "skip_existing": True,
    }
    return SyncReport(**values | changes)


def planned() -> tuple[PurePlytix, SyncPlan]:
    """An account that has one of the images, and the plan for it."""
    plytix = PurePlytix(images={image_url("c"): "c"}, ledger={image_url("c"): "c"})
    for sku in ("P", "A", "B"):
        plytix.add(sku)
    return plytix, plytix.plan(MAPPING)


def of_run(plan: SyncPlan, uploaded: Uploaded, results: Sequence[ProductResult]) -> dict[str, Any]:
    """A run's report as plain values."""
    return report_run(MAPPING, plan, uploaded, results, source="m.json", started=STARTED).as_dict()


# Structure


def test_a_report_is_to_the_letter_what_the_spec_shows() -> None:
    assert json.dumps(spec_report().as_dict(), indent=2) == SPEC


def test_errors_have_the_three_fields_of_the_spec_and_no_secrets() -> None:
    problem = Problem("https://u:hunter22@h/a.jpg", "HTTP 404", "A", "refused")
    assert (
        spec_report(errors=(problem, problem)).as_dict()["errors"]
        == [{"url": "https://u:[redacted]@h/a.jpg", "error": "HTTP 404", "product_sku": "A"}] * 2
    )


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        (datetime(2025, 12, 23, 6, 0, 47, tzinfo=UTC), "2025-12-23T06:00:47Z"),
        (datetime(2025, 12, 23, 1, 0, 47, tzinfo=timezone(timedelta(hours=-5))), "2025-12-23T06:00:47Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:30:00Z"),
    ],
)
def test_the_time_is_utc_whatever_the_zone(started: datetime, shown: str) -> None:
    assert spec_report(sync_date=started).as_dict()["metadata"]["sync_date"] == shown


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_any_time_is_written_so_that_it_is_read_back(started: datetime) -> None:
    shown = spec_report(sync_date=started).as_dict()["metadata"]["sync_date"]
    assert shown.endswith("Z")
    assert datetime.fromisoformat(shown) == started.astimezone(UTC).replace(microsecond=0)


# Counting


def test_a_dry_run_says_what_an_execution_would_do() -> None:
    _, plan = planned()
    report = report_plan(MAPPING, plan, source="m.json", started=STARTED).as_dict()
    errors = report.pop("errors")
    assert report == {
        "total_products": 6,
        "products_with_images": 5,
        "total_image_refs": 8,
        "unique_images": 4,
        "images_uploaded": 2,
        "images_skipped": 1,
        "links_created": 3,
        "main_image_links": 2,
        "parent_links_created": 2,
        "parent_main_image_links": 1,
        "metadata": {
            "source_file": "m.json", "sync_date": "2025-12-23T06:00:47Z", "dry_run": True, "skip_existing": False
        },
    }  # fmt: skip
    assert [item["product_sku"] for item in errors] == ["", "X"]


def test_an_execution_that_did_all_of_a_plan_has_the_figures_of_the_dry_run() -> None:
    _, plan = planned()
    uploaded = Uploaded({**plan.assets}, created=[item.url for item in plan.uploads])
    results = [ProductResult(item, list(item.links), False, item.thumbnail is not None) for item in plan.products]
    done = of_run(plan, uploaded, results)
    assert done["metadata"].pop("dry_run") is False
    dry = report_plan(MAPPING, plan, source="m.json", started=STARTED).as_dict()
    assert dry["metadata"].pop("dry_run") is True
    assert done == dry


def test_images_that_plytix_turned_out_to_have_are_skipped_ones() -> None:
    _, plan = planned()
    uploaded = Uploaded({}, created=[image_url("a")], existed=[image_url("b")])
    report = of_run(plan, uploaded, [])
    assert (report["images_uploaded"], report["images_skipped"]) == (1, 2)


def test_what_was_not_done_is_not_counted_and_its_errors_follow_the_plans() -> None:
    _, plan = planned()
    parent, one, two = (ProductResult(item) for item in plan.products)
    one.linked = [image_url("c")]
    two.thumbnail = True
    parent.problems = [Problem(image_url("a"), "HTTP 404", "P")]
    report = of_run(plan, Uploaded({}), [parent, one, two])
    counted = (
        "images_uploaded",
        "links_created",
        "main_image_links",
        "parent_links_created",
        "parent_main_image_links",
    )
    assert [report[name] for name in counted] == [0, 1, 1, 0, 0]
    assert [item["product_sku"] for item in report["errors"]] == ["", "X", "P"]


def test_a_second_run_has_uploaded_and_linked_nothing() -> None:
    plytix, plan = planned()
    plytix.apply(plan)
    again = plytix.plan(MAPPING)
    report = of_run(again, Uploaded({}), [ProductResult(item) for item in again.products])
    counted = ("images_uploaded", "images_skipped", "links_created", "main_image_links", "parent_links_created")
    assert [report[name] for name in counted] == [0, 3, 0, 0, 0]


def test_products_that_were_skipped_are_counted_and_the_report_says_that_they_were() -> None:
    plan = SyncPlan("m1", "f", "", "amazon_images", skip_existing=True, skipped=("A",))
    report = of_run(plan, Uploaded({}), [])
    assert (report["total_products"], report["metadata"]["skip_existing"]) == (6, True)


@given(
    st.lists(
        st.builds(
            lambda is_parent, links, thumbnail: ProductResult(
                ProductPlan("A", "1", is_parent), [str(n) for n in range(links)], False, thumbnail
            ),
            st.booleans(),
            st.integers(0, 9),
            st.booleans(),
        )
    )
)
def test_links_and_thumbnails_are_those_of_parents_or_of_the_others(results: list[ProductResult]) -> None:
    plan = SyncPlan("m1", "f", "", "amazon_images")
    report = report_run(ImageMapping("m1", ()), plan, Uploaded({}), results, source="m.json", started=STARTED)
    assert report.links_created + report.parent_links_created == sum(len(item.linked) for item in results)
    assert report.main_image_links + report.parent_main_image_links == sum(item.thumbnail for item in results)
    assert report.parent_links_created == sum(len(item.linked) for item in results if item.plan.is_parent)


# The printed summary


def test_the_summary_is_the_one_the_specs_workflow_prints() -> None:
    assert spec_report().summary() == [
        "Images uploaded: 0",
        "Images reused: 12",
        "Links created: 108",
        "Thumbnails set: 16",
    ]


def test_the_summary_counts_parents_in_and_says_how_many_errors_there_are() -> None:
    report = spec_report(
        images_uploaded=1234, parent_links_created=2, parent_main_image_links=1, errors=(Problem("u", "e", "A"),)
    )
    assert report.summary() == [
        "Images uploaded: 1,234",
        "Images reused: 12",
        "Links created: 110",
        "Thumbnails set: 17",
        "Errors: 1",
    ]
