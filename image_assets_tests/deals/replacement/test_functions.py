"""The two functions spec 01 documents, with the keys it documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_assets.deals import process_batch_with_workers, process_image_replacement
from image_assets.deals.replacement.functions import read_candidates
from image_assets.deals.replacement.model import Candidate
from image_assets.deals.replacement.service import ReplacementResult
from image_assets.errors import InputError, SettingsError
from image_assets_tests.deals.replacement.conftest import FIRST_NEW_ID, Shop


@pytest.fixture(autouse=True)
def _settings(replacement_env: dict[str, str]) -> None:
    """The functions read the environment."""


def test_one_image_is_replaced_and_told_as_documented(shop: Shop) -> None:
    shop.deal(5, [(1234567, 0), (11, 1)])
    shop.experiment(5, 1234567)
    result = process_image_replacement(1234567)
    assert result == {
        "success": True,
        "image_id": 1234567,
        "deal_id": 5,
        "new_image_id": FIRST_NEW_ID,
        "variants_count": 14,
        "error": None,
    }
    assert process_image_replacement(1234567) == result
    assert shop.order(5) == [FIRST_NEW_ID, 11, 1234567]


def test_an_image_that_fails_says_why() -> None:
    result = process_image_replacement(99)
    assert (result["success"], result["variants_count"], result["new_image_id"]) == (False, 0, None)
    assert "99" in (result["error"] or "")


def test_a_batch_is_counted(shop: Shop) -> None:
    for deal_id in (5, 6):
        shop.deal(deal_id, [(deal_id * 10, 0)])
        shop.experiment(deal_id, deal_id * 10)
    process_image_replacement(60)
    seen: list[ReplacementResult] = []
    results = process_batch_with_workers([50, 60, 50, 70], max_workers=25, on_result=seen.append)
    assert (results["total_processed"], results["successful_count"]) == (3, 1)
    assert (results["skipped_count"], results["failed_count"]) == (1, 1)
    assert results["total_variants_generated"] == 14
    assert [item["item"] for item in results["failed_items"]] == ["70"]
    assert {result["image_id"]: result["success"] for result in results["results"]} == {50: True, 60: True, 70: False}
    assert {result.image_id for result in seen} == {50, 60, 70}


@pytest.mark.parametrize("image_id", [0, -1, "12", 1.5, True, 2**63])
def test_what_is_no_id_is_refused_before_anything_is_done(image_id: object) -> None:
    with pytest.raises(InputError, match="image_id must be a positive whole number"):
        process_image_replacement(image_id)  # type: ignore[arg-type]


def test_a_setting_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("DEALS_DATABASE_URL")
    with pytest.raises(SettingsError, match="ORACLE_DSN is not set"):
        process_image_replacement(1)


def test_a_file_needs_the_column_image_id_alone(tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("deal_id,image_id\n5,10\n6,ten\n7,10\n,12\n")
    found = read_candidates(file)
    assert found.found == [Candidate(10), Candidate(12)]
    assert ["line 3" in outcome.item for outcome in found.rejected] == [True]
    file.write_text("deal_id\n5\n")
    with pytest.raises(InputError, match="no column image_id"):
        read_candidates(file)
    with pytest.raises(InputError, match="can't be read"):
        read_candidates(tmp_path / "none.csv")
