"""Working off the queue: every item ends as an image or as a failure with its reason, whatever happens on the way."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
import sqlalchemy as sa
from PIL import Image

from image_assets.errors import InputError
from image_assets.generation.config import pause, resume
from image_assets.generation.queue import enqueue, enqueue_missing
from image_assets.generation.service import cancel, hurry, move, reprioritise, retry, run_due, run_providers
from image_assets.generation.tables import costs, provider_config, queue, uses_products
from image_assets.report import Status
from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.generation.conftest import Press

SD = "stable_diffusion"


def test_products_without_an_image_get_one_in_three_sizes_and_a_second_run_does_nothing(press: Press) -> None:
    ids = press.add("Hemp oil", "Hemp rope")
    shown = press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    found = enqueue_missing(press.engine, press.book, "placeholder")
    assert (found.queued, found.waiting, found.with_image) == (2, 0, 0)
    report = press.run()
    assert (report.done, report.failed, report.counts["images"]) == (2, 0, 2)
    urls = press.image_urls()
    assert urls[shown[0]] == "https://cdn.example.com/soap.jpg"
    for image in press.images():
        assert urls[image["product_id"]] == image["image_url"]
        assert image["status"] == "pending"
        stored = press.s3.get_object(Bucket=press.bucket, Key=image["s3_key"])
        assert stored["ContentType"] == "image/jpeg"
        body = stored["Body"].read()
        with Image.open(io.BytesIO(body)) as opened:
            assert opened.size == (image["width"], image["height"])
        for suffix, side in (("-card", 512), ("-thumb", 160)):
            small = press.s3.get_object(Bucket=press.bucket, Key=image["s3_key"].replace(".jpg", f"{suffix}.jpg"))
            with Image.open(io.BytesIO(small["Body"].read())) as opened:
                assert opened.size == (side, side)
    assert len(press.keys()) == 6
    items = press.items()
    assert {item["status"] for item in items.values()} == {"completed"}
    assert all(items[number]["generated_image_url"] == urls[number] for number in ids)
    assert all(items[number]["generation_time_ms"] > 0 for number in ids)
    assert press.actions(ids[0]) == ["queued", "claimed", "completed"]
    assert enqueue_missing(press.engine, press.book, "placeholder").queued == 0
    again = press.run()
    assert again.total == 0
    assert len(press.keys()) == 6


def test_the_dashboard_counts_every_product_once(press: Press) -> None:
    press.queue("Hemp oil", "Hemp rope", "Hemp brick")
    press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    press.add("Hemp tea")
    press.run(limit=1)
    (row,) = press.rows(sa.text("SELECT * FROM image_generation_dashboard"))
    expected = {
        "total_products": 5,
        "products_with_images": 2,
        "products_without_images": 3,
        "pending_generation": 2,
        "completed_generation": 1,
        "pending_count": 2,
        "completed_count": 1,
        "last_hour_processed": 1,
        "last_hour_completed": 1,
    }
    assert {name: row[name] for name in expected} == expected
    assert float(row["completion_percentage"]) == 40.0
    assert row["estimated_completion"] == "Estimated completion: 120.00 minutes"
    cancel(press.engine)
    assert press.rows(sa.text("SELECT estimated_completion FROM image_generation_dashboard")) == [
        {"estimated_completion": "Nothing is waiting."}
    ]


def spent(press: Press, provider: str = SD) -> tuple[Decimal, int]:
    """Dollars and calls of today."""
    text = sa.text("SELECT usd, calls FROM provider_spend WHERE provider = :name").bindparams(
        name=f"generation:{provider}"
    )
    (row,) = press.rows(text) or [{"usd": Decimal(0), "calls": 0}]
    return row["usd"], row["calls"]


def test_a_vendor_makes_the_image_and_its_cost_is_written_down_once(press: Press, stability: StabilityServer) -> None:
    (number,) = press.queue("Hemp rope", provider=SD)
    report = press.run(SD)
    assert (report.done, report.counts["paid_calls"]) == (1, 1)
    (image,) = press.images()
    assert (image["provider"], image["model"], image["cost_usd"]) == (SD, "core", Decimal("0.03"))
    assert '"Hemp rope"' in image["prompt"]
    assert stability.images_made == 1
    assert spent(press) == (Decimal("0.03"), 1)
    (cost,) = press.rows(sa.select(costs))
    assert (cost["product_id"], cost["cost"], cost["success"], cost["model"]) == (number, Decimal("0.03"), True, "core")
    assert cost["prompt_variant"] == image["prompt_variant"]


def test_a_failing_provider_never_yields_a_completed_item(press: Press, stability: StabilityServer) -> None:
    (number,) = press.queue("Hemp rope", provider=SD)
    for attempt in (1, 2, 3):
        stability.faults.rate(1.0, of=(500,))
        report = press.run(SD)
        assert (report.done, report.failed) == (0, 1)
        item = press.items()[number]
        assert item["attempt_count"] == attempt
        assert item["status"] == ("failed" if attempt == 3 else "retry")
        assert item["completed_at"] is None
        assert "HTTP 500" in item["error_message"]
        press.due_now()
    stability.faults.clear()
    assert press.run(SD).total == 0  # it was given up
    assert press.image_urls() == {number: None}
    assert (press.images(), press.keys(), stability.images_made) == ([], set(), 0)
    assert spent(press) == (Decimal(0), 0)
    assert press.actions(number) == ["queued", "claimed", "retry", "claimed", "retry", "claimed", "failed"]
    assert retry(press.engine) == 1
    assert press.run(SD).done == 1
    assert press.items()[number]["status"] == "completed"


def test_what_a_vendor_refuses_fails_at_once_and_the_others_get_their_images(
    press: Press, stability: StabilityServer
) -> None:
    bad, good = press.add("Rope sandbox-moderated", "Rope")
    enqueue(press.engine, press.book, SD, [bad, good])
    report = press.run(SD)
    assert (report.done, report.failed, dict(report.reasons)) == (1, 1, {"moderated": 1})
    item = press.items()[bad]
    assert (item["status"], item["attempt_count"], item["error_code"]) == ("failed", 1, "moderated")
    assert press.image_urls()[good]


def test_an_image_that_is_no_good_is_paid_for_and_never_stored(press: Press, stability: StabilityServer) -> None:
    (number,) = press.queue("Rope", provider=SD)
    press.env["GENERATION_MIN_SIDE"] = "512"
    report = press.run(SD)
    assert dict(report.reasons) == {"too_small": 1}
    assert "GENERATION_MIN_SIDE" in press.items()[number]["error_message"]
    assert press.keys() == set()
    assert spent(press) == (Decimal("0.03"), 1)
    (cost,) = press.rows(sa.select(costs))
    assert (cost["success"], cost["error_code"]) == (False, "too_small")
    assert stability.images_made == 1


def test_a_wrong_key_stops_the_provider_with_one_message_and_leaves_its_items_due(
    press: Press, stability: StabilityServer
) -> None:
    ids = press.queue(*(f"Rope {i}" for i in range(12)), provider=SD)
    press.env["STABILITY_API_KEY"] = "sk-of-somebody-else-entirely"
    ran = run_providers(press.settings, press.engine)
    assert list(ran.turned_away) == [SD]
    assert "Check STABILITY_API_KEY." in ran.turned_away[SD]
    assert len(stability.requests) <= press.settings.generation_workers
    items = press.items()
    assert {items[number]["status"] for number in ids} == {"pending"}
    assert {items[number]["attempt_count"] for number in ids} == {0}
    with press.engine.connect() as connection:
        due = sa.select(sa.func.count()).select_from(queue).where(queue.c.run_after <= sa.func.now())
        assert connection.scalar(due) == 12
    assert spent(press) == (Decimal(0), 0)
    press.env.update(stability.env())
    assert press.run(SD).done == 12


def test_a_key_that_is_missing_is_said_once_and_other_providers_go_on(press: Press) -> None:
    mine, other = press.queue("Rope", provider="dall_e") + press.queue("Soap")
    press.env["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    ran = run_providers(press.settings, press.engine)
    assert "OPENAI_API_KEY is not set" in ran.turned_away["dall_e"]
    assert press.items()[mine]["status"] == "pending"
    assert press.items()[other]["status"] == "completed"


def test_a_used_up_budget_lets_all_wait_for_the_next_day_and_resume_ends_the_waiting(
    press: Press, stability: StabilityServer
) -> None:
    ids = press.queue(*(f"Rope {i}" for i in range(5)), provider=SD)
    with press.engine.begin() as connection:
        mine = provider_config.c.provider_name == SD
        connection.execute(sa.update(provider_config).where(mine).values(daily_budget_usd=Decimal("0.06")))
    with press.open(SD) as work:
        report = run_due(work)
        assert work.access.turned_away is not None
        assert "daily_budget_usd of stable_diffusion in ai_provider_config" in str(work.access.turned_away)
    assert report.done == 2
    assert stability.images_made == 2
    assert press.run(SD).total == 0
    waiting = [item for item in press.items().values() if item["status"] == "pending"]
    assert len(waiting) == 3
    assert all(item["attempt_count"] == 0 and "budget" in item["error_message"] for item in waiting)
    with press.engine.begin() as connection:
        connection.execute(sa.update(provider_config).where(mine).values(daily_budget_usd=None))
    assert hurry(press.engine, SD) == 3
    assert press.run(SD).done == 3
    assert {item["status"] for item in press.items().values()} == {"completed"}
    assert len(ids) == stability.images_made == 5


def test_a_paused_provider_is_left_alone_and_goes_on_when_it_is_resumed(press: Press) -> None:
    press.queue("Rope")
    pause(press.engine, "placeholder", "the drawer is on holiday")
    ran = run_providers(press.settings, press.engine)
    assert (ran.paused, ran.report.total) == (["placeholder"], 0)
    with press.open() as work:
        assert work.plan.paused_reason == "the drawer is on holiday"
        assert run_due(work).total == 0
    resume(press.engine, "placeholder")
    assert press.run().done == 1


def test_a_product_that_has_an_image_by_now_costs_nothing(press: Press, stability: StabilityServer) -> None:
    (number,) = press.queue("Rope", provider=SD)
    with press.engine.begin() as connection:
        connection.execute(sa.update(uses_products).values(image_url="https://cdn.example.com/rope.jpg"))
    report = press.run(SD)
    assert (report.unchanged, report.done) == (1, 0)
    assert report.noted[0].notes == ("The product has an image by now; its item is cancelled.",)
    assert press.items()[number]["status"] == "cancelled"
    assert stability.requests == []


def test_an_image_that_a_dead_process_had_stored_is_taken_over_and_not_paid_again(
    press: Press, stability: StabilityServer
) -> None:
    (number,) = press.queue("Rope", provider=SD)
    press.run(SD)
    (before,) = press.images()
    with press.engine.begin() as connection:  # as if its transaction had never been
        connection.execute(sa.text("DELETE FROM generated_images"))
        connection.execute(sa.update(uses_products).values(image_url=None))
        connection.execute(sa.update(queue).values(status="pending", completed_at=None))
    report = press.run(SD)
    assert report.noted[0].notes == ("An image that a process had stored before it died was taken over.",)
    (after,) = press.images()
    assert {name: after[name] for name in ("s3_key", "sha256")} == {name: before[name] for name in ("s3_key", "sha256")}
    assert stability.images_made == 1
    assert press.image_urls()[number] == after["image_url"]


def test_priorities_limits_and_products_choose_what_is_worked_on(press: Press) -> None:
    first, second, third = press.queue("One", "Two", "Three")
    assert reprioritise(press.engine, 9, [third]) == 1
    assert press.run(limit=1).total == 1
    assert press.items()[third]["status"] == "completed"
    press.run(product_ids=[second])
    assert press.items()[second]["status"] == "completed"
    assert press.items()[first]["status"] == "pending"


def test_items_are_cancelled_and_retried_by_hand(press: Press) -> None:
    one, two = press.queue("One", "Two")
    assert cancel(press.engine, [one]) == 1
    assert press.run().done == 1
    assert press.items()[one]["status"] == "cancelled"
    assert cancel(press.engine, [one, two]) == 0  # one is out already, one done
    assert retry(press.engine) == 0  # cancelled ones only when they are named
    assert retry(press.engine, [one]) == 1
    assert press.run().done == 1
    with pytest.raises(InputError, match=r"No item in the queue for product 999\."):
        retry(press.engine, [one, 999])


def test_items_move_to_another_provider_and_are_noted(press: Press, stability: StabilityServer) -> None:
    one, two = press.queue("One", "Two", provider="dall_e")
    assert move(press.engine, SD, product_ids=[one]) == 1
    assert move(press.engine, SD, source="gemini") == 0
    assert press.items()[two]["generation_provider"] == "dall_e"
    assert press.run(SD).done == 1
    assert press.actions(one)[:2] == ["queued", "moved"]
    assert stability.images_made == 1
    with pytest.raises(InputError, match="midjourney is not available"):
        move(press.engine, "midjourney")


def test_a_row_of_a_provider_that_is_none_stops_no_other_one(press: Press) -> None:
    (strange,) = press.queue("Strange")
    with press.engine.begin() as connection:
        connection.execute(sa.text("UPDATE image_generation_queue SET generation_provider = 'midjourney'"))
    press.queue("Hemp oil", "Hemp rope")
    ran = run_providers(press.settings, press.engine)
    assert ran.report.done == 2
    assert "midjourney is not available" in ran.turned_away["midjourney"]
    assert press.items()[strange]["status"] == "pending"


def test_no_item_is_begun_after_the_time_of_a_run_and_those_that_were_claimed_are_given_back(
    press: Press, stability: StabilityServer
) -> None:
    press.queue(*(f"Rope {i}" for i in range(3)), provider=SD)
    stability.faults.inject("delay", seconds=3.0)
    with press.open(SD) as work:
        work.workers = 1
        report = run_due(work, budget_s=2.5)
    assert (report.total, report.done) == (1, 1)
    items = press.items().values()
    assert sorted((item["status"], item["attempt_count"]) for item in items) == [
        ("completed", 1), ("pending", 0), ("pending", 0),
    ]  # fmt: skip


def test_a_run_that_is_stopped_early_gives_back_what_it_had_not_begun(press: Press) -> None:
    press.queue(*(f"Rope {i}" for i in range(16)))

    class Stop(BaseException):
        """Ctrl-C."""

    def stop(_outcome: object) -> None:
        raise Stop

    with press.open() as work, pytest.raises(Stop):
        run_due(work, on_result=stop)
    states = [item["status"] for item in press.items().values()]
    assert "processing" not in states
    assert states.count("pending") >= 1
    assert {item["attempt_count"] for item in press.items().values() if item["status"] == "pending"} == {0}
    report = press.run()
    assert report.statuses[Status.FAILED] == 0
    assert {item["status"] for item in press.items().values()} == {"completed"}
    assert len(press.images()) == 16
