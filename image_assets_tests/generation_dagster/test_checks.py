"""The checks of the generated images, both ways: what each of them says of a good area and of a bad one."""

from __future__ import annotations

from decimal import Decimal

import dagster as dg
import pytest

from image_assets.generation.assets import IMAGES_KEY
from image_assets.generation.checks import Purse, budget_result, image_specs, objects_result, proof_results, rate_result
from image_assets.generation.config import pause
from image_assets.generation.proof import CHECKS, Attempts, Finding, Looked, prove
from image_assets.redaction import register_secret
from image_assets.stores.spend import Spent
from image_assets_tests.dagster_runs import rows
from image_assets_tests.generation_dagster.conftest import PAID, Area

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def of_proof(area: Area, name: str) -> dg.AssetCheckResult:
    """A result, asked of the rows as they are."""
    return {str(result.check_name): result for result in proof_results(prove(area.press.engine))}[name]


# --- those that a run gives


def test_an_image_that_is_gone_fails_its_check_whichever_provider_is_run_until_it_is_back(area: Area) -> None:
    area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    assert area.run(IMAGES_KEY).verdicts == dict.fromkeys(
        [*CHECKS, "failure_rate", "images_exist", "daily_budget"], True
    )
    key = area.press.images()[0]["s3_key"]
    body = area.press.s3.get_object(Bucket=area.press.bucket, Key=key)["Body"].read()
    area.press.s3.delete_object(Bucket=area.press.bucket, Key=key)
    check = area.run(IMAGES_KEY, provider="gemini").checks["images_exist"]
    assert (check.passed, check.severity) == (False, ERROR)
    (example,) = rows(check.metadata["examples"])
    assert (example["provider"], example["object"].endswith(f"{key} is gone")) == (PAID, True)
    assert "versions" in str(check.description)
    area.press.s3.put_object(Bucket=area.press.bucket, Key=key, Body=body)
    assert area.run(IMAGES_KEY, provider="gemini").verdicts["images_exist"]


def test_a_run_whose_attempts_fail_too_often_fails_its_check_and_one_whose_budget_is_for_others_does_not_warn(
    area: Area,
) -> None:
    area.press.queue(*(f"Hemp {number}" for number in range(10)), provider=PAID)
    area.write("UPDATE image_generation_queue SET prompt = 'sandbox-moderated' WHERE product_id > 7")
    area.write("UPDATE ai_provider_config SET daily_budget_usd = 0")
    area.write("UPDATE ai_provider_config SET daily_budget_usd = 1 WHERE provider_name = :name", name=PAID)
    run = area.run(IMAGES_KEY)
    assert run.success
    assert run.verdicts["daily_budget"]
    check = run.checks["failure_rate"]
    assert (check.passed, check.severity) == (False, ERROR)
    assert check.metadata["failed_share"].value == 0.3
    assert "pause" in str(check.description)
    area.press.queue("Hemp for others", provider="dall_e")
    assert not area.run(IMAGES_KEY).verdicts["daily_budget"]
    pause(area.press.engine, "dall_e", "")
    assert area.run(IMAGES_KEY).verdicts["daily_budget"], "nobody waits for the budget of a provider that is paused"


# --- each result, of what was found


def test_what_is_stuck_is_an_error_with_a_hint_and_a_warning_while_its_provider_is_paused(area: Area) -> None:
    assert of_proof(area, "nothing_stuck").passed
    area.press.queue("Hemp oil", provider=PAID)
    area.write("UPDATE image_generation_queue SET run_after = now() - interval '2 hours'")
    stuck = of_proof(area, "nothing_stuck")
    assert (stuck.passed, stuck.severity) == (False, ERROR)
    assert "generation_due" in str(stuck.description)
    pause(area.press.engine, PAID, "the bill is not paid")
    paused = of_proof(area, "nothing_stuck")
    assert (paused.passed, paused.severity) == (False, WARN)
    assert "image-assets generation resume" in str(paused.description)
    area.press.queue("Hemp rope")
    area.write("UPDATE image_generation_queue SET run_after = now() - interval '2 hours'")
    assert of_proof(area, "nothing_stuck").severity == ERROR, "one that is paused excuses no other"


def test_products_that_nobody_queued_are_a_warning_that_says_who_puts_them_in(area: Area) -> None:
    area.press.add("Hemp oil")
    result = of_proof(area, "every_product_has_an_image")
    assert (result.passed, result.severity) == (False, WARN)
    assert "IMAGE_GENERATION_PROVIDER" in str(result.description)


def test_what_failed_is_an_error_and_its_reason_holds_no_secret() -> None:
    register_secret("sk-a-secret-of-ours")
    found = {name: Finding(0, ()) for name in CHECKS}
    found["no_failed_items"] = Finding(1, ((7, "dall_e: sk-a-secret-of-ours is wrong"),))
    result = next(each for each in proof_results(found) if not each.passed)
    assert (result.check_name, result.severity) == ("no_failed_items", ERROR)
    assert rows(result.metadata["examples"]) == [{"product": 7, "what is wrong": "dall_e: [redacted] is wrong"}]


@pytest.mark.parametrize(
    ("attempts", "passed"),
    [
        ([], True),
        ([("gemini", 9, 9)], True),
        ([("gemini", 10, 2)], True),
        ([("gemini", 10, 3)], False),
        ([("placeholder", 1_000, 0), ("gemini", 10, 3)], False),
        ([("dall_e", 9, 3), ("gemini", 9, 3)], False),
        ([("dall_e", 9, 1), ("gemini", 9, 1)], True),
    ],
)
def test_a_fifth_of_the_attempts_may_fail_of_each_provider_and_of_all(
    attempts: list[tuple[str, int, int]], passed: bool
) -> None:
    result = rate_result([Attempts(*each) for each in attempts])
    assert (result.passed, result.severity) == (passed, ERROR)
    assert bool(result.description) is not passed
    assert result.metadata["attempts_ended"].value == sum(ended for _, ended, _ in attempts)


def test_objects_that_are_wrong_are_counted_all_and_shown_first() -> None:
    assert objects_result(Looked(25, ())).passed
    result = objects_result(Looked(25, tuple((PAID, f"{number} is gone") for number in range(25))))
    assert (result.passed, result.severity) == (False, ERROR)
    assert result.metadata["found"].value == 25
    assert len(rows(result.metadata["examples"])) == 20


@pytest.mark.parametrize(
    ("spent", "waiting", "passed"), [("19.97", 1, True), ("19.98", 1, False), ("19.98", 0, True), ("25", 3, False)]
)
def test_a_budget_that_is_not_enough_for_one_more_image_is_a_warning_when_one_waits(
    spent: str, waiting: int, passed: bool
) -> None:
    purse = Purse(PAID, Spent(Decimal(spent), 9), Decimal("0.03"), Decimal(20), waiting)
    result = budget_result([purse, Purse("gemini", Spent(Decimal(0), 0), Decimal("0.067"), Decimal(20), 50)])
    assert (result.passed, result.severity) == (passed, WARN)
    assert result.metadata["waiting"].value == (0 if passed else waiting)
    assert ("daily_budget_usd" in str(result.description)) is not passed


def test_every_check_says_what_it_is() -> None:
    specs = image_specs(IMAGES_KEY)
    assert len({spec.name for spec in specs}) == len(specs) == 6
    assert all(spec.description and not spec.blocking for spec in specs)
