"""What the rows say, asked of a real PostgreSQL: what is wrong, how far a run has come, what waits, what was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.errors import AccessDeniedError, TransientError
from image_assets.generation.config import pause
from image_assets.generation.proof import (
    CHECKS,
    EXAMPLES,
    Attempts,
    Progress,
    attempts_of_day,
    first_moment,
    images_made,
    look_for_objects,
    open_items,
    products_to_queue,
    prove,
    raise_if_turned_away,
    read_progress,
)
from image_assets.generation.queue import enqueue_missing
from image_assets.report import Outcome, Report, Status
from image_assets_tests.generation.conftest import Press


def write(press: Press, statement: str, **values: Any) -> None:
    """Change rows behind everybody's back."""
    with press.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def wrong(press: Press) -> dict[str, tuple[int, int]]:
    """What is wrong: how many, and how many of them pass."""
    return {name: (found.count, found.passing) for name, found in prove(press.engine).items() if found.count}


def ended(press: Press, product_id: int, action: str, *, minutes_ago: int = 1) -> None:
    """Note the end of an attempt."""
    write(
        press,
        "INSERT INTO image_generation_history (action, details, created_at, queue_id, product_id) "
        "SELECT :action, '{}', now() - :ago * interval '1 minute', id, product_id FROM image_generation_queue "
        "WHERE product_id = :product_id",
        action=action,
        ago=minutes_ago,
        product_id=product_id,
    )


# --- the checks


def test_nothing_is_wrong_with_an_empty_area_nor_with_work_that_is_young(press: Press) -> None:
    assert set(prove(press.engine)) == set(CHECKS)
    assert wrong(press) == {}
    press.queue("Hemp oil", "Hemp rope", provider="gemini")
    press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    assert wrong(press) == {}


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("status = 'pending', run_after = now() - interval '59 minutes'", None),
        ("status = 'pending', run_after = now() - interval '61 minutes'", (1, 0)),
        ("status = 'retry', run_after = now() - interval '61 minutes'", (1, 0)),
        ("status = 'retry', run_after = now() + interval '9 hours'", None),
        ("status = 'processing', lease_until = now() - interval '4 minutes'", None),
        ("status = 'processing', lease_until = now() - interval '6 minutes'", (1, 0)),
        ("status = 'processing', run_after = now() - interval '9 hours', lease_until = now()", None),
        ("status = 'cancelled', run_after = now() - interval '9 hours'", None),
    ],
)
def test_an_item_is_stuck_that_nobody_takes_up(press: Press, state: str, found: tuple[int, int] | None) -> None:
    press.queue("Hemp oil", provider="gemini")
    write(press, f"UPDATE image_generation_queue SET lease_token = gen_random_uuid(), {state}")
    assert wrong(press).get("nothing_stuck") == found


def test_items_of_a_paused_provider_and_the_end_of_a_long_queue_pass_but_a_dead_workers_do_not(press: Press) -> None:
    (paused,) = press.queue("Hemp oil", provider="gemini")
    moving, held = press.queue("Hemp rope", "Hemp tea", provider="dall_e")
    (still,) = press.queue("Hemp brick")
    write(press, "UPDATE image_generation_queue SET run_after = now() - interval '2 hours'")
    write(
        press,
        "UPDATE image_generation_queue SET status = 'processing', lease_token = gen_random_uuid(), "
        "lease_until = now() - interval '10 minutes' WHERE product_id = :held",
        held=held,
    )
    pause(press.engine, "gemini", "the bill is not paid")
    ended(press, moving, "retry", minutes_ago=50)
    ended(press, still, "retry", minutes_ago=70)
    found = prove(press.engine)["nothing_stuck"]
    assert (found.count, found.passing) == (4, 2)
    said = dict(found.examples)
    assert said[paused].startswith("gemini: due since 20")
    assert said[paused].endswith(" UTC, paused: the bill is not paid")
    assert said[moving].startswith("dall_e: due since ")
    assert said[held].startswith("dall_e: its worker is gone since ")
    assert said[still].startswith("placeholder: due since ")


def test_failed_items_are_named_with_their_reason_and_all_of_them_counted(press: Press) -> None:
    ids = press.queue(*(f"Hemp {number}" for number in range(EXAMPLES + 5)))
    write(
        press, "UPDATE image_generation_queue SET status = 'failed', error_code = 'moderated', error_message = 'Why.'"
    )
    write(press, "UPDATE image_generation_queue SET error_message = NULL WHERE product_id = :id", id=ids[1])
    found = prove(press.engine)["no_failed_items"]
    assert (found.count, found.passing, len(found.examples)) == (EXAMPLES + 5, 0, EXAMPLES)
    assert found.examples[:2] == ((ids[0], "placeholder: Why."), (ids[1], "placeholder: moderated"))


def test_products_that_nobody_queued_are_just_those_that_are_put_in_next(press: Press) -> None:
    lost, cancelled, failed, waiting = press.queue("Hemp oil", "Hemp rope", "Hemp tea", "Hemp brick")
    never, empty = press.add("Hemp soap"), press.add("Hemp paper", image_url="")
    press.add("Hemp milk", image_url="https://cdn.example.com/milk.jpg")
    states = ((lost, "completed"), (cancelled, "cancelled"), (failed, "failed"), (waiting, "pending"))
    for product_id, state in states:
        write(
            press,
            "UPDATE image_generation_queue SET status = :state WHERE product_id = :id",
            state=state,
            id=product_id,
        )
    found = prove(press.engine)["every_product_has_an_image"]
    assert found.examples == (
        (lost, "Hemp oil lost its image"),
        (never[0], "Hemp soap was never queued"),
        (empty[0], "Hemp paper was never queued"),
    )
    assert products_to_queue(press.engine)
    assert enqueue_missing(press.engine, press.book, "placeholder").queued == found.count == 3
    assert not products_to_queue(press.engine)
    assert "every_product_has_an_image" not in wrong(press)


def test_attempts_of_the_last_24_hours_are_counted_by_provider(press: Press) -> None:
    assert attempts_of_day(press.engine) == []
    (first,) = press.queue("Hemp oil", provider="gemini")
    (second,) = press.queue("Hemp rope", provider="dall_e")
    for product_id, actions in ((first, ("completed", "completed", "retry", "failed")), (second, ("completed",))):
        for action in actions:
            ended(press, product_id, action, minutes_ago=23 * 60)
    ended(press, first, "failed", minutes_ago=25 * 60)
    ended(press, first, "claimed")
    assert attempts_of_day(press.engine) == [Attempts("dall_e", 1, 0), Attempts("gemini", 4, 2)]
    assert [each.failed_share for each in attempts_of_day(press.engine)] == [0.0, 0.5]


def test_the_newest_images_of_every_provider_are_looked_for(press: Press) -> None:
    ids = press.queue("Hemp oil", "Hemp rope", "Hemp tea")
    assert press.run().done == 3
    with press.open() as work:
        objects = work.objects
    images = {row["product_id"]: row for row in press.images()}
    newest = sorted(images.values(), key=lambda row: -row["id"])
    assert look_for_objects(press.engine, objects, ("placeholder", "gemini")).wrong == ()
    gone, other, old = newest[0], newest[1], newest[2]
    press.s3.delete_object(Bucket=press.bucket, Key=gone["s3_key"])
    press.s3.put_object(Bucket=press.bucket, Key=other["s3_key"], Body=b"another")
    press.s3.delete_object(Bucket=press.bucket, Key=old["s3_key"])
    found = look_for_objects(press.engine, objects, ("placeholder", "gemini"), limit=2)
    assert found.looked == 2
    assert set(found.wrong) == {
        ("placeholder", f"{gone['product_id']}: s3://{press.bucket}/{gone['s3_key']} is gone"),
        (
            "placeholder",
            f"{other['product_id']}: s3://{press.bucket}/{other['s3_key']} has 7 bytes, not {other['bytes']:,}",
        ),
    }
    write(press, "UPDATE generated_images SET provider = 'gemini' WHERE product_id = :id", id=old["product_id"])
    assert {provider for provider, _ in look_for_objects(press.engine, objects, ("placeholder", "gemini")).wrong} == {
        *("placeholder", "gemini"),
    }
    assert sorted(ids) == sorted(images)


# --- how far a run has come


def test_progress_tells_what_is_due_from_what_waits_and_that_from_what_was_turned_away(press: Press) -> None:
    due, held, later, away, tomorrow = press.queue(*(f"Hemp {number}" for number in range(5)))
    press.queue("Hemp of another", provider="gemini")
    changes = {
        held: "status = 'processing', lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'",
        later: "status = 'retry', run_after = now() + interval '1 hour', error_code = 'blank'",
        away: "run_after = least(now() + interval '1 hour', :midnight - interval '1 microsecond'), "
        "error_code = 'released'",
        tomorrow: "run_after = :midnight, error_code = 'released'",
    }
    midnight = first_moment(press.engine) + timedelta(days=1)
    for product_id, change in changes.items():
        values = {"midnight": midnight} if ":midnight" in change else {}
        write(press, f"UPDATE image_generation_queue SET {change} WHERE product_id = :id", id=product_id, **values)
    assert read_progress(press.engine, "placeholder") == Progress(due=2, later=3, turned_away=1)
    assert read_progress(press.engine, "gemini") == Progress(1, 0, 0)
    assert press.items()[due]["status"] == "pending"


def test_a_run_that_came_to_nothing_says_what_turned_it_away_unless_that_was_the_budget(press: Press) -> None:
    nothing, something = Report(), Report([Outcome("1", Status.DONE)])
    with press.open("dall_e") as work:
        raise_if_turned_away(work, nothing, again=False)
        work.access.turned_away = AccessDeniedError("The key is wrong.")
        raise_if_turned_away(work, something, again=False)
        with pytest.raises(AccessDeniedError, match="The key is wrong"):
            raise_if_turned_away(work, nothing, again=False)
        work.access.turned_away = TransientError("The budget is used up.", code="budget")
        raise_if_turned_away(work, nothing, again=False)


def test_a_run_that_is_tried_again_before_its_items_are_due_does_not_pass_for_a_success(press: Press) -> None:
    press.queue("Hemp oil", provider="dall_e")
    with press.open("dall_e") as work:
        raise_if_turned_away(work, Report(), again=True)
        write(
            press,
            "UPDATE image_generation_queue SET error_code = 'released', "
            "run_after = least(now() + interval '1 hour', :midnight - interval '1 microsecond')",
            midnight=first_moment(press.engine) + timedelta(days=1),
        )
        with pytest.raises(TransientError, match="1 items wait"):
            raise_if_turned_away(work, Report(), again=True)
        raise_if_turned_away(work, Report(), again=False)
        raise_if_turned_away(work, Report([Outcome("1", Status.DONE)]), again=True)


# --- rows of frames


def test_open_items_come_in_the_order_of_the_work_and_those_that_ended_are_left_out(press: Press) -> None:
    low, high, done, first = press.queue("Hemp oil", "Hemp rope", "Hemp tea", "Hemp brick")
    press.queue("Hemp of another", provider="gemini")
    for product_id, change in (
        (high, "priority = 9"),
        (first, "priority = 9, created_at = now() - interval '1 hour', status = 'retry', error_message = 'Why.'"),
        (done, "status = 'completed'"),
    ):
        write(press, f"UPDATE image_generation_queue SET {change} WHERE product_id = :id", id=product_id)
    rows = open_items(press.engine, "placeholder")
    assert [row["product_id"] for row in rows] == [first, high, low]
    assert (rows[0]["name"], rows[0]["state"], rows[0]["error"]) == ("Hemp brick", "retry", "Why.")
    assert [row["product_id"] for row in open_items(press.engine, "placeholder", limit=2)] == [first, high]


def test_images_of_the_day_are_those_of_the_provider_since_midnight_each_once(press: Press) -> None:
    today, yesterday = press.queue("Hemp oil", "Hemp rope")
    press.run()
    old = {"id": yesterday, "then": first_moment(press.engine) - timedelta(seconds=1)}
    write(press, "UPDATE generated_images SET created_at = :then WHERE product_id = :id", **old)
    write(press, "UPDATE image_generation_history SET created_at = :then WHERE product_id = :id", **old)
    ended(press, today, "completed", minutes_ago=0)
    since = first_moment(press.engine)
    found = images_made(press.engine, "placeholder", since)
    assert (found.count, [row["product_id"] for row in found.rows]) == (1, [today])
    assert found.rows[0]["name"] == "Hemp oil"
    assert images_made(press.engine, "gemini", since).rows == []
    both = images_made(press.engine, "placeholder", since - timedelta(days=1))
    assert (both.count, len(both.rows)) == (2, 2)
    newest = images_made(press.engine, "placeholder", since - timedelta(days=1), limit=1)
    assert (newest.count, newest.rows) == (2, both.rows[1:])


def test_the_day_begins_at_midnight_in_utc(press: Press) -> None:
    before = datetime.now(UTC)
    found = first_moment(press.engine).astimezone(UTC)
    assert (found.hour, found.minute, found.microsecond) == (0, 0, 0)
    assert found.date() in {before.date(), datetime.now(UTC).date()}
