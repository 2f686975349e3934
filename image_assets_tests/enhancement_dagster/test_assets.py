"""The enhancement assets as Dagster runs them: requests in; prompts, images, metadata and check results out.

Every test materialises in an ephemeral instance against the stand-ins of S3, SQS, Gemini and PostgreSQL.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from image_assets.enhancement.assets import IMAGES_KEY, PROMPTS_KEY, REQUESTS_KEY
from image_assets.enhancement.checks import proof_results
from image_assets.enhancement.frames import ENHANCED_IMAGES, PROMPTS, REQUESTS
from image_assets.enhancement.model import Stage, request_body
from image_assets.enhancement.progress import raise_if_turned_away, read_progress
from image_assets.enhancement.proof import CHECKS, prove
from image_assets.errors import TransientError
from image_assets.report import Report
from image_assets.stores.sqs import Queue
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import Dagster, Run, numbers, rows
from image_assets_tests.enhancement.conftest import COUNT, assert_whole
from image_assets_tests.enhancement_dagster.conftest import ALL, WORK, Area, Ticker
from image_assets_tests.faults import Environ, WsgiApp, error

GOOD = dict.fromkeys((*CHECKS, "objects_exist", "daily_budget"), True)
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
NOBODY = "http://127.0.0.1:9"


def of(run: Run, key: dg.AssetKey, day: str) -> dict[str, dg.MetadataValue]:
    """A day's metadata."""
    return dict(run.materialized(key)[day])


def failing(run: Run) -> dict[str, dg.AssetCheckSeverity]:
    """The checks that failed, with their severities."""
    return {name: check.severity for name, check in run.checks.items() if not check.passed}


def before(day: str, days: int = 1) -> str:
    """An earlier day."""
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


# --- what the assets do and say


def test_the_three_assets_bring_the_days_products_to_their_review_and_say_what_they_did(area: Area) -> None:
    first, second = area.ask(1, 2)
    run = area.run(*ALL)

    assert run.success
    assert run.verdicts == GOOD
    assert_whole(area.studio, [first, second])
    asked = of(run, REQUESTS_KEY, area.today)
    assert numbers(asked) == {"requests": 2, "messages": 2, "state_pending": 2}
    assert [(row["product"], row["category"], row["waits for"]) for row in rows(asked["products"])] == [
        (first, "Shoes", "prompts"),
        (second, "Shoes", "prompts"),
    ]
    written = of(run, PROMPTS_KEY, area.today)
    assert numbers(written) == {
        "items": 2, "done": 2, "unchanged": 0, "failed": 0, "prompts": 2 * COUNT, "products_analysed": 2,
        "prompts_of_day": 2 * COUNT, "still_due": 0, "retry_later": 0,
    }  # fmt: skip
    shown = rows(written["prompts_of_run"])
    assert [(row["product"], row["image"]) for row in shown] == [(first, 1), (first, 2), (second, 1), (second, 2)]
    made = of(run, IMAGES_KEY, area.today)
    assert numbers(made) == {
        "items": 2, "done": 2, "unchanged": 0, "failed": 0, "images": 2 * COUNT, "images_of_day": 2 * COUNT,
        "products_pending_review": 2, "objects_looked_for": 2 * COUNT, "objects_missing": 0, "still_due": 0,
        "retry_later": 0,
    }  # fmt: skip
    assert made["cost_today_usd"].value == pytest.approx(2 * (0.003 + COUNT * 0.067))
    assert [tuple(row.values()) for row in rows(made["products"])] == [(first, "Shoes", 2), (second, "Shoes", 2)]


def test_the_frames_say_what_was_asked_for_what_was_prompted_and_what_was_made(area: Area) -> None:
    [product] = area.ask(1)
    assert area.run(*ALL).success
    [asked] = area.frame(REQUESTS)
    assert (asked["product_id"], asked["state"], asked["product_status"]) == (product, "pending", "pending")
    prompts = area.frame(PROMPTS)
    assert [(row["product_id"], row["ordinal"], row["model"]) for row in prompts] == [
        (product, number, "gemini-3.8-flash") for number in range(1, COUNT + 1)
    ]
    images = area.frame(ENHANCED_IMAGES)
    stored = area.studio.images(product)
    same = ("ordinal", "image_url", "sha256", "width", "height", "prompt", "cost_usd", "status")
    assert [{name: row[name] for name in same} for row in images] == [
        {name: row[name] for name in same} for row in stored
    ]
    assert [row["prompt"] for row in images] == [row["prompt"] for row in prompts]


def test_a_sheet_shows_each_photograph_beside_its_images_and_stays_small(area: Area) -> None:
    area.ask(1, 2, 3)
    sheet = of(area.run(*ALL), IMAGES_KEY, area.today)["before_and_after"].value
    assert isinstance(sheet, str)
    assert len(sheet) < 60_000
    image = Image.open(io.BytesIO(base64.b64decode(sheet.partition("base64,")[2].removesuffix(")"))))
    assert image.format == "JPEG"
    # A row of a photograph and two images for each of three products: wider tiles than high ones.
    assert 0.8 < image.width / image.height < 1.6


def test_a_sheet_that_can_not_be_drawn_fails_nothing(area: Area, aws: Aws) -> None:
    seen: list[str] = []

    def only_once(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """S3 as it is for the work, and denied for the sheet."""
        seen.append(environ["PATH_INFO"])
        answer = app if len(seen) == 1 else partial(error("403 Forbidden", "AccessDenied"), app)
        return answer(environ, start_response)

    [product] = area.ask(1)
    aws.faults.inject("GET", "/sources/", only_once, times=9)
    run = area.run(*ALL)
    assert run.verdicts == GOOD
    assert len(seen) == 2
    assert "before_and_after" not in of(run, IMAGES_KEY, area.today)
    assert_whole(area.studio, [product])


def test_a_second_run_asks_nothing_and_says_so(area: Area) -> None:
    area.ask(1)
    assert area.run(*ALL).success
    asked = len(area.studio.gemini.requests)
    run = area.run(*ALL)
    assert run.verdicts == GOOD
    assert len(area.studio.gemini.requests) == asked
    again = of(run, IMAGES_KEY, area.today)
    found = numbers(again)
    assert (found["items"], found["images"], found["images_of_day"]) == (0, 0, COUNT)
    assert "before_and_after" not in again
    assert "products" not in again
    [request] = area.frame(REQUESTS)
    assert (request["state"], request["product_status"]) == ("completed", "pending_review")


def test_a_product_that_fails_fails_no_run_and_is_named_with_its_reason(area: Area) -> None:
    [good] = area.ask(1)
    [gone] = area.studio.add_urls(f"s3://{area.studio.bucket}/raw/gone.jpg?versionId=1")
    [missing] = area.studio.add_urls(f"s3://{area.studio.bucket}/raw/missing.jpg")
    area.asked([gone, missing])
    run = area.run(*ALL)
    assert run.success
    assert failing(run) == {"no_failed_products": ERROR}
    assert_whole(area.studio, [good])
    written = of(run, PROMPTS_KEY, area.today)
    found = numbers(written)
    assert (found["done"], found["failed"], found["failed_not_found"]) == (1, 2, 1)
    assert {row["item"] for row in rows(written["failures"])} == {str(gone), str(missing)}
    assert numbers(of(run, IMAGES_KEY, area.today))["products_failed"] == 2
    without = [row for row in area.frame(ENHANCED_IMAGES) if row["image_id"] is None]
    assert [row["product_id"] for row in without] == [gone, missing]
    assert "missing.jpg" in without[1]["error"]
    check = run.checks["no_failed_products"]
    assert check.metadata["found"].value == 2
    assert [row["product"] for row in rows(check.metadata["examples"])] == [str(gone), str(missing)]
    assert "enhancement_redrive" in str(check.description)


def test_images_that_can_not_be_made_yet_wait_for_a_retry_and_the_check_only_warns(area: Area) -> None:
    [product] = area.ask(1)
    area.write("UPDATE enhancement_requests SET max_attempts = 99")  # however often the run itself tries again
    area.studio.gemini.faults.inject("blank_image", times=999, on="image")
    run = area.run(*ALL)
    assert run.success
    assert failing(run) == {"no_pending_without_images": WARN}
    found = numbers(of(run, IMAGES_KEY, area.today))
    assert (found["failed_blank"], found["done"]) == (found["items"], 0)
    assert found["retry_later"] + found["still_due"] == 1
    area.studio.gemini.faults.clear()
    area.studio.due_now()
    assert area.run(*WORK).verdicts == GOOD
    assert_whole(area.studio, [product])


def test_several_days_are_one_run_and_a_run_of_one_day_leaves_the_others(area: Area) -> None:
    today = area.today
    days = [before(today, 2), before(today), today]
    products = [area.ask(number, day=day)[0] for number, day in enumerate(days)]
    assert area.run(*ALL, days=[today]).success
    assert [area.studio.status(number) for number in products] == ["pending", "pending", "pending_review"]
    run = area.run(*ALL, days=days[:2])
    assert run.success
    assert run.verdicts == GOOD
    assert_whole(area.studio, products)
    assert {day: numbers(of(run, IMAGES_KEY, day))["images"] for day in days[:2]} == dict.fromkeys(days[:2], COUNT)
    assert [row["product_id"] for row in area.frame(ENHANCED_IMAGES, days[0])] == [products[0]] * COUNT


def test_a_day_without_requests_is_empty_and_well(area: Area) -> None:
    run = area.run(*ALL, days=["2026-01-01"])
    assert run.success
    assert run.verdicts == GOOD
    assert area.frame(REQUESTS, "2026-01-01") == []
    assert area.studio.gemini.requests == []


def test_signatures_of_raw_images_are_in_no_metadata_and_no_frame(area: Area) -> None:
    secret = "0123456789abcdef"
    area.asked(area.studio.add_urls(f"http://127.0.0.1/raw.jpg?X-Amz-Signature={secret}"))
    run = area.run(*ALL)
    assert run.success
    told = [metadata for key in ALL for metadata in run.materialized(key).values()]
    checks = [check.metadata for check in run.checks.values()]
    assert secret not in repr([told, checks, *(area.frame(kind) for kind in (REQUESTS, PROMPTS, ENHANCED_IMAGES))])


# --- the queue


def test_todays_requests_are_taken_in_first_and_other_days_leave_the_queue_alone(area: Area, queue: Queue) -> None:
    [product] = area.studio.add(1)
    queue.send([request_body(product), "no request"])
    assert area.run(REQUESTS_KEY, days=[before(area.today)]).success
    assert queue.depth() == 2
    asked = of(area.run(REQUESTS_KEY), REQUESTS_KEY, area.today)
    found = numbers(asked)
    assert (found["messages_received"], found["messages_accepted"], found["messages_poison"]) == (2, 1, 1)
    assert (found["requests"], len(rows(asked["poison"]))) == (1, 1)
    assert [row["product_id"] for row in area.frame(REQUESTS)] == [product]


def test_a_queue_that_is_gone_is_a_warning_and_what_is_in_the_inbox_is_worked_on(
    area: Area, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [product] = area.ask(1)
    monkeypatch.setenv("SQS_QUEUE_URL", f"{queue.url}-gone")
    run = area.run(*ALL)
    assert run.success
    assert "-gone" in str(of(run, REQUESTS_KEY, area.today)["queue_problem"].value)
    assert_whole(area.studio, [product])


def test_a_database_that_fails_as_requests_are_taken_in_is_no_problem_of_the_queue(area: Area, queue: Queue) -> None:
    [product] = area.studio.add(1)
    queue.send([request_body(product)])
    area.write(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100'; END$$"
    )
    area.write("CREATE TRIGGER fails BEFORE INSERT ON enhancement_requests EXECUTE FUNCTION fail()")
    try:
        run = area.run(REQUESTS_KEY)
    finally:
        area.write("DROP FUNCTION fail CASCADE")
    assert run.waits_for_retry
    assert run.failure.startswith("The database of DATABASE_URL can't be reached: the disk is full")
    assert queue.receive()[0].receives == 2


# --- when a whole system turns the run away


def test_a_wrong_key_fails_the_step_at_once_and_names_the_setting(area: Area, monkeypatch: pytest.MonkeyPatch) -> None:
    products = area.ask(1, 2)
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaWrongKeyWrongKeyWrongKeyWrongKeyWrong")
    run = area.run(*ALL)
    assert not run.success
    assert not run.waits_for_retry
    assert "GEMINI_API_KEY" in run.failure
    assert {area.studio.state(number)["attempt_count"] for number in products} == {0}


def test_a_gemini_that_is_down_is_tried_again_and_a_database_too(area: Area, monkeypatch: pytest.MonkeyPatch) -> None:
    area.ask(1)
    with monkeypatch.context() as patch:
        patch.setenv("GEMINI_BASE_URL", NOBODY)
        assert area.run(*WORK).waits_for_retry
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://user:password@127.0.0.1:9/none")
    down = area.dagster.materialize(*ALL, partition="2026-01-02")
    assert down.waits_for_retry
    assert down.failure.startswith("The database of DATABASE_URL can't be reached")


def test_a_step_that_is_tried_again_before_its_products_are_due_does_not_pass_for_a_success(area: Area) -> None:
    studio, today = area.studio, date.fromisoformat(area.today)
    area.ask(1)
    nothing = Report()
    raise_if_turned_away(studio.work, Stage.PROMPTS, today, nothing, again=True)
    area.write(
        "UPDATE enhancement_requests SET error_code = 'released', error_message = 'Gemini does not answer.', "
        "run_after = now() + interval '5 seconds'"
    )
    assert read_progress(studio.engine, Stage.PROMPTS, today).turned_away == 1
    with pytest.raises(TransientError, match="1 products wait"):
        raise_if_turned_away(studio.work, Stage.PROMPTS, today, nothing, again=True)
    raise_if_turned_away(studio.work, Stage.PROMPTS, today, nothing, again=False)
    raise_if_turned_away(studio.work, Stage.IMAGES, today, nothing, again=True)
    # Until tomorrow is another matter: no try of today's would help.
    midnight = "(date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'"
    area.write(f"UPDATE enhancement_requests SET run_after = {midnight}")
    raise_if_turned_away(studio.work, Stage.PROMPTS, today, nothing, again=True)


def test_the_end_of_the_days_budget_is_a_normal_end_and_a_warning(area: Area, monkeypatch: pytest.MonkeyPatch) -> None:
    products = area.ask(1, 2)
    with monkeypatch.context() as patch:
        patch.setenv("ENHANCEMENT_DAILY_COST_USD", "0.08")
        patch.setenv("ENHANCEMENT_WORKERS", "1")
        run = area.run(*ALL)
    assert run.success
    assert failing(run) == {"daily_budget": WARN, "no_pending_without_images": WARN}
    made = of(run, IMAGES_KEY, area.today)
    found = numbers(made)
    assert (found["failed_budget"], found["images_of_day"], found["still_due"] + found["retry_later"]) == (1, 1, 2)
    assert "ENHANCEMENT_DAILY_COST_USD" in str(made["turned_away"].value)
    assert made["cost_today_usd"].value == pytest.approx(2 * 0.003 + 0.067)
    area.studio.due_now()
    assert area.run(*ALL).verdicts == GOOD
    assert_whole(area.studio, products)
    assert area.studio.gemini.images_made == 2 * COUNT


# --- checks speak for all days


def test_an_object_that_is_gone_or_another_fails_its_check_until_its_own_day_is_well(area: Area) -> None:
    yesterday = before(area.today)
    [old] = area.ask(1, day=yesterday)
    [new] = area.ask(2)
    assert area.run(*ALL, days=[yesterday, area.today]).verdicts == GOOD
    gone, other = (row["s3_key"] for row in area.studio.images(old))
    body = area.studio.s3.get_object(Bucket=area.studio.bucket, Key=gone)["Body"].read()
    area.studio.s3.delete_object(Bucket=area.studio.bucket, Key=gone)
    kept = area.studio.s3.get_object(Bucket=area.studio.bucket, Key=other)["Body"].read()
    area.studio.s3.put_object(Bucket=area.studio.bucket, Key=other, Body=b"another")

    run = area.run(IMAGES_KEY, days=[yesterday])
    assert run.success
    assert failing(run) == {"objects_exist": ERROR}
    wrong = [row["object"] for row in rows(of(run, IMAGES_KEY, yesterday)["objects_wrong"])]
    assert wrong == [
        f"{old}, image 1: s3://{area.studio.bucket}/{gone} is gone",
        f"{old}, image 2: s3://{area.studio.bucket}/{other} has 7 bytes, not {len(kept):,}",
    ]
    today = area.run(IMAGES_KEY)
    assert failing(today) == {"objects_exist": ERROR}
    assert rows(today.checks["objects_exist"].metadata["partitions"]) == [{"partition": yesterday, "found": 2}]

    for key, content in ((gone, body), (other, kept)):
        area.studio.s3.put_object(Bucket=area.studio.bucket, Key=key, Body=content)
    assert area.run(IMAGES_KEY, days=[yesterday]).verdicts == GOOD
    assert area.studio.status(new) == "pending_review"


def test_too_few_images_too_small_ones_and_products_that_nobody_works_on_fail_their_checks(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, small, never = area.studio.add(1, 2, 3)
    area.asked([short, small], before(area.today))
    assert area.run(*ALL, days=[before(area.today)]).success
    area.write("DELETE FROM product_images WHERE product_id = :id AND ordinal = 1", id=short)
    area.write("UPDATE product_images SET width = 20, height = 64 WHERE product_id = :id AND ordinal = 2", id=small)
    run = area.run(IMAGES_KEY)  # another day than theirs
    assert failing(run) == {"image_count": ERROR, "image_size": ERROR, "no_pending_without_images": WARN}
    found = {name: rows(run.checks[name].metadata["examples"]) for name in failing(run)}
    assert found == {
        "image_count": [{"product": str(short), "what is wrong": f"has {COUNT - 1} images, not {COUNT}"}],
        "image_size": [{"product": str(small), "what is wrong": "image 2 has 20x64 pixels"}],
        "no_pending_without_images": [{"product": str(never), "what is wrong": "was never asked for"}],
    }
    area.write("UPDATE products SET created_at = now() - interval '16 minutes' WHERE id = :id", id=never)
    run = area.run(IMAGES_KEY)
    assert failing(run)["no_pending_without_images"] == ERROR
    hint = str(run.checks["no_pending_without_images"].description)
    assert "enhancement_requests" in hint
    assert "`image-assets enhancement redrive`" in hint
    monkeypatch.setenv("ENHANCED_MIN_SIDE", "16")
    assert "image_size" not in failing(area.run(IMAGES_KEY))


def test_what_has_its_turn_is_a_warning_and_what_nobody_works_on_an_error(area: Area) -> None:
    area.ask(1)
    held = "lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'"
    for state, severity in (
        ("status = 'pending', run_after = now() - interval '14 minutes'", WARN),
        ("status = 'pending', run_after = now() - interval '16 minutes'", ERROR),
        ("status = 'retry', run_after = now() + interval '9 hours'", WARN),
        ("status = 'retry', run_after = now() - interval '16 minutes'", ERROR),
        (f"status = 'processing', run_after = now() - interval '5 hours', {held}", WARN),
        ("status = 'processing', lease_until = now() - interval '1 minute'", ERROR),
        ("status = 'cancelled', run_after = now()", ERROR),
    ):
        area.write(f"UPDATE enhancement_requests SET {state}")
        results = {str(each.check_name): each for each in proof_results(prove(area.studio.engine, min_side=32))}
        result = results["no_pending_without_images"]
        assert (result.passed, result.severity) == (False, severity), state
        assert all(each.passed for each in results.values() if each is not result)


# --- the sensor's run


def test_a_tick_and_its_run_bring_a_message_to_its_review_and_the_next_tick_is_quiet(
    area: Area, queue: Queue, ticker: Ticker, dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    [product] = area.studio.add(1)
    queue.send([request_body(product)])
    [(_, partition)] = ticker.sensor().runs
    assert partition == area.today
    assert queue.depth() == 0
    monkeypatch.delenv("SQS_QUEUE_URL")  # to ask an empty queue takes a second
    job = dagster.definitions.resolve_job_def("enhance_products")
    assert job.execute_in_process(instance=dagster.instance, partition_key=partition).success
    assert_whole(area.studio, [product])
    quiet = ticker.sensor()
    assert quiet.runs == []
    assert quiet.skipped.startswith("No product is due.")


def test_the_job_is_all_three_assets_on_one_day_and_goes_before_other_areas_runs(dagster: Dagster) -> None:
    job: Any = dagster.definitions.resolve_job_def("enhance_products")
    assert job.asset_layer.executable_asset_keys == set(ALL)
    days = job.partitions_def.get_partition_keys()
    assert days[0] == "2026-01-01"
    assert job.tags["dagster/priority"] == "1"
