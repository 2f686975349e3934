"""The generation assets as Dagster runs them: products in; images, metadata and a dashboard out.

Every test materialises in an ephemeral instance against the stand-ins of S3, Stability and PostgreSQL.
"""

from __future__ import annotations

import base64
import io
import json
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pytest
from PIL import Image

from image_assets.generation.assets import DASHBOARD_KEY, IMAGES_KEY, QUEUE_KEY
from image_assets.generation.config import pause
from image_assets.generation.frames import DASHBOARD, DASHBOARD_PARTITION, GENERATED_IMAGES, QUEUE
from image_assets.generation.model import PROVIDERS
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import Run, numbers, rows
from image_assets_tests.faults import error
from image_assets_tests.generation_dagster.conftest import ALL, PAID, WORK, Area

CHECKS = {
    *("daily_budget", "every_product_has_an_image", "failure_rate", "images_exist", "no_failed_items", "nothing_stuck"),
}


def of(run: Run, key: dg.AssetKey, provider: str = PAID) -> dict[str, Any]:
    """A provider's metadata."""
    return dict(run.materialized(key)[provider])


def failing(run: Run) -> dict[str, str]:
    """The checks that failed, with their severities."""
    assert set(run.checks) == CHECKS
    return {name: check.severity.value for name, check in run.checks.items() if not check.passed}


def size(metadata: dict[str, Any]) -> int:
    """How large an event of this metadata is."""
    return len(json.dumps({name: repr(value.value) for name, value in metadata.items()}))


# --- what the assets do and say


def test_products_without_an_image_are_put_in_for_the_default_provider_alone_and_get_their_images(area: Area) -> None:
    oil, rope = area.press.add("Hemp oil", "Hemp rope")
    area.press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    other = area.run(*WORK, provider=PAID)
    assert other.success
    assert numbers(of(other, QUEUE_KEY)) == dict.fromkeys(
        [f"state_{state}" for state in ("pending", "processing", "retry", "completed", "failed", "cancelled")], 0
    )
    assert failing(other) == {"every_product_has_an_image": "WARN"}

    run = area.run(*ALL, provider="placeholder")
    assert run.success
    assert failing(run) == {}
    waiting = of(run, QUEUE_KEY, "placeholder")
    assert (numbers(waiting)["put_in"], numbers(waiting)["state_pending"]) == (2, 2)
    assert sorted((row["product"], row["name"], row["state"]) for row in rows(waiting["first"])) == [
        (oil, "Hemp oil", "pending"),
        (rope, "Hemp rope", "pending"),
    ]
    made = of(run, IMAGES_KEY, "placeholder")
    assert numbers(made) == {
        "items": 2, "done": 2, "unchanged": 0, "failed": 0, "images": 2, "paid_calls": 0, "taken_over": 0,
        "images_of_day": 2, "still_due": 0, "retry_later": 0,
    }  # fmt: skip
    assert made["cost_today_usd"].value == 0.0
    assert "budget_usd" not in made
    urls = area.press.image_urls()
    assert all(urls[row["product_id"]] == row["image_url"] for row in area.press.images())


def test_a_queue_that_is_only_to_be_looked_at_puts_nothing_in(area: Area) -> None:
    area.press.add("Hemp oil")
    run = area.run(QUEUE_KEY, provider="placeholder", missing=False)
    assert run.success
    assert "put_in" not in of(run, QUEUE_KEY, "placeholder")
    assert area.press.items() == {}


def test_the_frames_say_what_waits_and_what_was_made(area: Area) -> None:
    ids = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    assert area.run(*WORK).success
    waiting = area.frame(QUEUE)
    items = area.press.items()
    assert {row["product_id"]: (row["state"], row["prompt"]) for row in waiting} == {
        number: ("pending", items[number]["prompt"]) for number in ids
    }
    stored = {row["product_id"]: row for row in area.press.images()}
    same = ("image_url", "s3_key", "sha256", "width", "height", "bytes", "model", "prompt", "cost_usd", "status")
    made = area.frame(GENERATED_IMAGES)
    assert {row["product_id"]: {name: row[name] for name in same} for row in made} == {
        number: {name: stored[number][name] for name in same} for number in ids
    }
    assert area.run(*WORK).success
    assert area.frame(QUEUE) == []
    assert area.frame(GENERATED_IMAGES) == made, "the images of the day stay"


def test_what_was_made_is_shown_with_its_prompts_and_stays_small(area: Area) -> None:
    long = "A sentence about hemp that goes on and on. " * 30
    ids = area.press.queue(*(f"{number} {'Hemp' * 20}" for number in range(26)), provider=PAID)
    area.write("UPDATE image_generation_queue SET prompt = :prompt", prompt=long)
    area.write(
        "UPDATE image_generation_queue SET prompt = 'sandbox-moderated ' || prompt WHERE product_id <= :id", id=ids[1]
    )
    made = of(area.run(*WORK), IMAGES_KEY)
    assert (numbers(made)["images"], numbers(made)["failed_moderated"]) == (24, 2)
    assert size(made) < 60_000
    shown = rows(made["prompts"])
    assert len(shown) == 20
    assert {len(row["prompt"]) for row in shown} == {241}
    assert {row["product"] for row in shown} <= set(ids[2:])
    image = Image.open(io.BytesIO(base64.b64decode(made["sheet"].value.partition("base64,")[2].removesuffix(")"))))
    assert image.format == "JPEG"
    # Six tiles in each of four rows.
    assert 1.8 < image.width / image.height < 2.3


def test_a_sheet_that_can_not_be_drawn_fails_nothing(area: Area, aws: Aws) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    aws.faults.inject("GET", "-card.jpg", error("403 Forbidden", "AccessDenied"))
    run = area.run(*WORK)
    assert failing(run) == {}
    made = of(run, IMAGES_KEY)
    assert "sheet" not in made
    assert len(rows(made["prompts"])) == 1


def test_a_second_run_asks_nobody_and_says_so(area: Area) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    assert area.run(*WORK).success
    asked = len(area.stability.requests)
    again = of(area.run(*WORK), IMAGES_KEY)
    assert len(area.stability.requests) == asked
    found = numbers(again)
    assert (found["items"], found["images"], found["images_of_day"]) == (0, 0, 1)
    assert {"sheet", "prompts"}.isdisjoint(again)


def test_several_providers_are_one_run_and_one_that_turns_it_away_stops_no_other(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, paid = area.press.queue("Hemp oil"), area.press.queue("Hemp rope", provider=PAID)
    unkeyed = area.press.queue("Hemp tea", provider="dall_e")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run = area.run(*WORK, providers=["placeholder", "dall_e"], missing=False)
    assert not run.success
    assert not run.waits_for_retry
    assert "OPENAI_" in run.failure
    states = {number: item["status"] for number, item in area.press.items().items()}
    assert states == {free[0]: "completed", paid[0]: "completed", unkeyed[0]: "pending"}
    assert area.press.items()[unkeyed[0]]["attempt_count"] == 0
    assert area.frame(GENERATED_IMAGES)[0]["product_id"] == paid[0]
    stored = area.dagster.instance.get_materialized_partitions(IMAGES_KEY)
    assert stored == {"placeholder", PAID}


def test_a_range_over_all_providers_is_one_event_each(area: Area) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    run = area.run(*WORK, providers=PROVIDERS)
    assert run.success
    assert failing(run) == {}
    assert set(run.materialized(IMAGES_KEY)) == set(PROVIDERS)
    assert {name: numbers(of(run, IMAGES_KEY, name))["images"] for name in PROVIDERS} == {
        **dict.fromkeys(PROVIDERS, 0),
        PAID: 1,
    }


def test_an_item_that_fails_fails_no_run_and_is_named_with_its_reason(area: Area) -> None:
    good, bad = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    area.write("UPDATE image_generation_queue SET prompt = 'sandbox-moderated' WHERE product_id = :id", id=bad)
    run = area.run(*WORK)
    assert run.success
    assert failing(run) == {"no_failed_items": "ERROR"}
    made = of(run, IMAGES_KEY)
    found = numbers(made)
    assert (found["images"], found["failed"], found["failed_moderated"], found["still_due"]) == (1, 1, 1, 0)
    assert [row["item"] for row in rows(made["failures"])] == [str(bad)]
    check = run.checks["no_failed_items"]
    assert [row["product"] for row in rows(check.metadata["examples"])] == [bad]
    assert "generation_retry_failed" in str(check.description)
    assert area.press.image_urls()[good] is not None


def test_an_attempt_that_may_be_repeated_waits_and_no_check_fails(area: Area) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.stability.faults.inject("blank_image", times=9)
    run = area.run(*WORK)
    assert failing(run) == {}
    found = numbers(of(run, IMAGES_KEY))
    assert (found["failed_blank"], found["retry_later"] + found["still_due"]) == (found["items"], 1)


# --- providers that are paused, poor, or turn a run away


def test_a_paused_provider_does_nothing_and_says_so(area: Area) -> None:
    (product,) = area.press.queue("Hemp oil", provider=PAID)
    pause(area.press.engine, PAID, "the bill is not paid")
    run = area.run(*WORK)
    assert run.success
    assert failing(run) == {}
    made = of(run, IMAGES_KEY)
    assert made["paused"].value == "the bill is not paid"
    assert (numbers(made)["items"], numbers(made)["still_due"]) == (0, 1)
    assert area.stability.requests == []
    assert area.press.items()[product]["status"] == "pending"


def test_a_wrong_key_fails_the_step_at_once_with_one_message_that_names_the_setting_and_not_the_key(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    secret = "sk-wrong0123456789wrong0123456789"
    monkeypatch.setenv("STABILITY_API_KEY", secret)
    run = area.run(*WORK)
    assert not run.success
    assert not run.waits_for_retry
    assert "STABILITY_API_KEY" in run.failure
    assert secret not in repr(run.events)
    items = area.press.items()
    assert {(items[number]["status"], items[number]["attempt_count"]) for number in ids} == {("pending", 0)}


def test_a_provider_that_has_no_time_fails_the_step_which_is_tried_again_and_its_items_wait(area: Area) -> None:
    (product,) = area.press.queue("Hemp oil", provider=PAID)
    area.stability.faults.inject("status", times=9, status=429, retry_after_s=600)
    run = area.run(*WORK)
    assert run.waits_for_retry
    assert "Run it again in 10 minutes" in run.failure
    item = area.press.items()[product]
    assert (item["status"], item["attempt_count"], item["error_code"]) == ("pending", 0, "released")


@pytest.mark.parametrize("key", ALL)
def test_a_database_that_is_down_is_tried_again(area: Area, monkeypatch: pytest.MonkeyPatch, key: dg.AssetKey) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://user:password@127.0.0.1:9/none")
    run = area.dagster.materialize(key) if key == DASHBOARD_KEY else area.run(key)
    assert run.waits_for_retry
    assert run.failure.startswith("The database of DATABASE_URL can't be reached")


def test_the_end_of_the_days_budget_is_a_normal_end_and_a_warning(area: Area, monkeypatch: pytest.MonkeyPatch) -> None:
    area.press.queue("Hemp oil", "Hemp rope", "Hemp tea", provider=PAID)
    area.write("UPDATE ai_provider_config SET daily_budget_usd = 0.05 WHERE provider_name = :name", name=PAID)
    monkeypatch.setenv("GENERATION_WORKERS", "1")
    run = area.run(*ALL)
    assert run.success
    assert failing(run) == {"daily_budget": "WARN"}
    made = of(run, IMAGES_KEY)
    found = numbers(made)
    assert (found["images"], found["failed_budget"], found["retry_later"], found["still_due"]) == (1, 2, 2, 0)
    assert "daily_budget_usd of stable_diffusion" in made["turned_away"].value
    assert (made["cost_today_usd"].value, made["budget_usd"].value) == (0.03, 0.05)
    check = run.checks["daily_budget"]
    assert check.metadata["waiting"].value == 2
    assert rows(check.metadata["providers"])[0] == {
        "provider": PAID, "cost today": "$0.03", "budget": "$0.05", "calls today": 1, "waiting": 2,
    }  # fmt: skip
    (reason,) = rows(run.materialized(DASHBOARD_KEY)["None"]["waiting"])
    assert (reason["items"], "budget" in reason["reason"]) == (2, True)


def test_a_default_provider_that_is_none_is_refused_with_the_name_of_its_setting(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_GENERATION_PROVIDER", "midjourney")
    run = area.run(QUEUE_KEY)
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("IMAGE_GENERATION_PROVIDER can't be used. midjourney is not available: ")
    assert "placeholder" in run.failure
    assert area.run(QUEUE_KEY, missing=False).success


# --- runs that die


# --- the dashboard


def test_the_dashboard_may_be_made_by_itself_and_says_all_numbers_and_draws_them(area: Area) -> None:
    done, waiting = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    area.press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    area.press.run(PAID, product_ids=[done])
    area.write(
        "UPDATE image_generation_queue SET status = 'failed', error_code = 'blank' WHERE product_id = :id", id=waiting
    )
    run = area.dagster.materialize(DASHBOARD_KEY)
    assert run.success
    metadata = dict(run.materialized(DASHBOARD_KEY)["None"])
    (row,) = area.frame(DASHBOARD, DASHBOARD_PARTITION)
    said = {name: value.value for name, value in metadata.items() if name in row}
    assert said == {name: value for name, value in row.items() if value is not None}
    assert (said["total_products"], said["products_with_images"], said["completion_percentage"]) == (3, 2, 66.67)
    providers = {each["provider"]: each for each in rows(metadata["providers"])}
    assert set(providers) == set(PROVIDERS)
    assert providers[PAID] == {
        "provider": PAID, "pending": 0, "processing": 0, "retry": 0, "completed": 1, "failed": 1, "cancelled": 0,
        "due": 0, "cost today": "$0.03", "budget": "$20.00", "paused": "",
    }  # fmt: skip
    (outcome,) = rows(metadata["prompt_outcomes"])
    assert (outcome["images"], outcome["approval"], outcome["cost"]) == (1, "", "$0.03")
    assert rows(metadata["failures"]) == [{"reason": "blank", "items": 1}]
    picture = metadata["plot"].value
    assert isinstance(picture, str)
    assert size(metadata) < 60_000
    encoded = picture.partition("data:image/svg+xml;base64,")[2].removesuffix(")")
    svg = ElementTree.fromstring(base64.b64decode(encoded))
    assert "66.6 %  (2 of 3)" in [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_an_empty_area_has_a_dashboard_too(area: Area) -> None:
    run = area.dagster.materialize(DASHBOARD_KEY)
    assert run.success
    metadata = run.materialized(DASHBOARD_KEY)["None"]
    assert metadata["estimated_completion"].value == "All images generated!"
    assert {"prompt_outcomes", "failures", "waiting", "last_run"}.isdisjoint(metadata)


def test_costs_of_wordings_are_those_of_images_and_of_calls_in_vain(area: Area) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.stability.faults.inject("blank_image", times=1)
    assert area.run(*WORK).success
    area.press.due_now()
    run = area.run(*ALL)
    assert run.success
    (outcome,) = rows(run.materialized(DASHBOARD_KEY)["None"]["prompt_outcomes"])
    spent = sum(row["cost_usd"] for row in area.press.images()) + Decimal("0.03") * outcome["failed calls"]
    assert (outcome["failed calls"], outcome["cost"]) == (1, f"${spent:.2f}")
