"""The replacement assets and jobs as Dagster runs them: frames, metadata, check results, and what follows what."""

from __future__ import annotations

import pytest
from dagster import MarkdownMetadataValue

from image_assets.deals.model import Layout
from image_assets.deals.replacement.assets import CANDIDATES_KEY, IMAGES_KEY
from image_assets.errors import FrameError
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import Daemon, Dagster, numbers, rows
from image_assets_tests.deals.replacement.conftest import (
    FIRST_NEW_ID,
    Shop,
    deals_url,
    ledger_url,
    redshift_url,
    replacement_env,
    shop,
)
from image_assets_tests.faults import error

__all__ = ["deals_url", "ledger_url", "redshift_url", "replacement_env", "shop"]

NEW = FIRST_NEW_ID
BOTH = (CANDIDATES_KEY, IMAGES_KEY)
pytestmark = pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)


@pytest.fixture
def deals(shop: Shop, replacement_env: dict[str, str]) -> Shop:
    """A deal with a winner."""
    del replacement_env
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    shop.experiment(5, 10)
    return shop


def test_winners_are_put_first_and_shown(dagster: Dagster, deals: Shop, layout: Layout) -> None:
    run = dagster.materialize(*BOTH)
    assert run.success
    assert deals.order(5) == [NEW, 11, 10, 12]
    candidates = run.materialized(CANDIDATES_KEY)["None"]
    assert numbers(candidates) == {"candidates": 1, "rejected_rows": 0}
    assert [row["image"] for row in rows(candidates["images"])] == [10]
    images = run.materialized(IMAGES_KEY)["None"]
    assert numbers(images)["images_replaced"] == 1
    (row,) = rows(images["positions"])
    assert (row["before"], row["after"]) == ("0:10 1:11 2:12", f"0:{NEW} 1:11 2:10 3:12")
    sheet = images["contact_sheet"]
    assert isinstance(sheet, MarkdownMetadataValue)
    assert len(sheet.md_str or "") < 60_000
    assert run.verdicts == {"positions": True, "complete": True, "no_failed_items": True}


def test_the_same_candidates_again_change_nothing(dagster: Dagster, deals: Shop, aws: Aws) -> None:
    dagster.materialize(*BOTH)
    aws.faults.clear()
    run = dagster.materialize(IMAGES_KEY)
    assert run.success
    assert numbers(run.materialized(IMAGES_KEY)["None"])["unchanged"] == 1
    assert aws.faults.count("PUT", "images/deal") == 0
    assert deals.order(5) == [NEW, 11, 10, 12]


def test_an_image_that_fails_is_named_by_a_check_and_the_others_are_done(dagster: Dagster, deals: Shop) -> None:
    deals.tested(6, 99)
    deals.tested(6, -1)
    run = dagster.materialize(*BOTH)
    assert run.success
    assert run.verdicts == {"positions": True, "complete": True, "no_failed_items": False}
    failures = rows(run.checks["no_failed_items"].metadata["failures"])
    assert {row["reason"] for row in failures} == {"unknown_image", "bad_row"}
    assert deals.order(5) == [NEW, 11, 10, 12]


def test_images_without_candidates_say_what_to_materialise(dagster: Dagster, deals: Shop) -> None:
    del deals
    run = dagster.materialize(IMAGES_KEY)
    assert not run.success
    assert "deals/replacement_candidates" in run.failure
    assert FrameError.__name__ not in run.failure


def test_a_bucket_that_turns_all_away_fails_the_run(dagster: Dagster, deals: Shop, aws: Aws) -> None:
    aws.faults.inject("HEAD", "images/deal", error("403 Forbidden", "AccessDenied"), times=100)
    run = dagster.materialize(*BOTH)
    assert not run.success
    assert deals.order(5) == [10, 11, 12]


def test_images_follow_their_candidates(dagster: Dagster, deals: Shop) -> None:
    del deals
    daemon = Daemon(dagster, "deals_automation")
    daemon.tick()
    dagster.materialize(CANDIDATES_KEY)
    launched = daemon.tick()
    assert [set(run) for run in launched] == [{"position_zero_images"}]


def test_a_job_replaces_named_images_shows_them_first_and_another_restores_them(dagster: Dagster, deals: Shop) -> None:
    def replace(**config: object) -> bool:
        return dagster.run_job(
            "replace_deal_images", ops={"replace_images": {"config": {"image_ids": [10], **config}}}
        ).success

    assert replace(dry_run=True)
    assert deals.order(5) == [10, 11, 12]
    assert replace()
    assert deals.order(5) == [NEW, 11, 10, 12]
    restore = {"restore_images": {"config": {"image_ids": [NEW]}}}
    assert dagster.run_job("restore_deal_images", ops=restore).success
    assert deals.order(5) == [10, 11, 12]


def test_a_job_with_images_that_fail_or_none_fails(dagster: Dagster, deals: Shop) -> None:
    del deals
    refused = f"image_ids must be a positive whole number, not {2**63}"
    for image_ids, said in (([10, 99], "1 of 2 images failed"), ([], "image_ids is empty"), ([2**63], refused)):
        ops = {"replace_images": {"config": {"image_ids": image_ids}}}
        run = dagster.run_job("replace_deal_images", ops=ops)
        assert not run.success
        assert said in run.failure
