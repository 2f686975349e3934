"""Putting products into the queue: each once, whoever asks how often, and anew only where that is meant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings, strategies as st

from image_assets.errors import InputError
from image_assets.generation.queue import enqueue, enqueue_missing
from image_assets.generation.requeue import queue_again, take_back
from image_assets.generation.service import cancel, run_due
from image_assets.generation.tables import counts, uses_products
from image_assets_tests.generation.conftest import Press


def test_a_product_is_queued_with_its_prompt_and_what_has_an_image_is_not(press: Press) -> None:
    (bare,) = press.add("Hemp rope")
    (shown,) = press.add("Hemp soap", image_url="https://cdn.example.com/soap.jpg")
    found = enqueue(press.engine, press.book, "dall_e", [bare, shown, bare, 999], priority=8)
    assert (found.queued, found.waiting, found.with_image, found.unknown) == (1, 0, 1, [999])
    item = press.items()[bare]
    assert (item["status"], item["priority"], item["generation_provider"], item["round"]) == ("pending", 8, "dall_e", 1)
    assert '"Hemp rope"' in item["prompt"]
    assert item["negative_prompt"].startswith("low quality")
    again = enqueue(press.engine, press.book, "gemini", [bare])
    assert (again.queued, again.waiting) == (0, 1)
    assert press.items()[bare]["generation_provider"] == "dall_e"
    assert press.actions(bare) == ["queued"]


def test_an_empty_address_is_no_image(press: Press) -> None:
    press.add("Hemp rope", image_url="")
    assert enqueue_missing(press.engine, press.book, "placeholder").queued == 1


def test_thousands_are_queued_and_two_who_do_it_at_once_queue_each_once(press: Press) -> None:
    press.add(*(f"Product {i}" for i in range(2_500)))

    def put(_: int) -> int:
        return enqueue_missing(press.engine, press.book, "placeholder").queued

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(put, range(3))) == 2_500
    assert len(press.items()) == 2_500


@pytest.mark.parametrize("priority", [0, 11, -1])
def test_a_priority_that_is_none_is_refused(press: Press, priority: int) -> None:
    with pytest.raises(InputError, match=f"{priority} is no priority"):
        enqueue_missing(press.engine, press.book, "placeholder", priority=priority)


def test_what_failed_or_was_cancelled_is_left_by_missing_and_queued_anew_when_it_is_named(press: Press) -> None:
    (number,) = press.queue("Rope")
    cancel(press.engine, [number])
    assert enqueue_missing(press.engine, press.book, "placeholder").queued == 0
    assert enqueue(press.engine, press.book, "gemini", [number]).queued == 1
    item = press.items()[number]
    assert (item["status"], item["generation_provider"], item["round"]) == ("pending", "gemini", 1)


def rejected(press: Press, number: int) -> None:
    """Take a product's image off it, as a rejection does."""
    with press.engine.begin() as connection:
        connection.execute(sa.update(uses_products).where(uses_products.c.id == number).values(image_url=None))


def test_a_product_whose_image_was_rejected_is_asked_for_another_one(press: Press) -> None:
    (number,) = press.queue("Rope")
    press.run()
    rejected(press, number)
    assert enqueue_missing(press.engine, press.book, "placeholder").queued == 1
    item = press.items()[number]
    assert (item["round"], item["status"], item["completed_at"], item["attempt_count"]) == (2, "pending", None, 0)
    press.run()
    first, second = press.images()
    assert (first["round"], second["round"]) == (1, 2)
    assert first["s3_key"] != second["s3_key"]


def test_a_rejections_reason_is_in_the_next_prompt_and_goes_when_it_is_taken_back(press: Press) -> None:
    (number,) = press.queue("Rope")
    press.run()
    before = press.items()[number]
    rejected(press, number)
    with press.engine.begin() as connection:
        assert queue_again(connection, number, "Too dark", press.book)
        assert not queue_again(connection, number, "Too dark", press.book)  # it waits already
    again = press.items()[number]
    assert '"Too dark"' in again["prompt"]
    assert (again["round"], again["priority"], again["status"]) == (2, before["priority"] + 1, "pending")
    with press.engine.begin() as connection:
        assert take_back(connection, number)
        assert not take_back(connection, number)
    after = press.items()[number]
    for name in ("prompt", "round", "status", "generated_image_url", "generation_provider", "prompt_variant"):
        assert after[name] == before[name], name
    assert press.actions(number)[-2:] == ["queued", "taken_back"]


def test_what_is_being_worked_on_is_not_taken_back(press: Press) -> None:
    (number,) = press.queue("Rope")
    press.run()
    rejected(press, number)
    with press.engine.begin() as connection:
        queue_again(connection, number, "Too dark", press.book)
    with press.open() as work:
        work.leases.claim(1)
        with press.engine.begin() as connection:
            assert not take_back(connection, number)
    assert press.items()[number]["status"] == "processing"


STEPS = {
    "add": "INSERT INTO uses_products (name, image_url) VALUES ('a', NULL), ('b', '')",
    "add one with an image": "INSERT INTO uses_products (name, image_url) VALUES ('c', 'https://x.example/c')",
    "cancel": "UPDATE image_generation_queue SET status = 'cancelled' WHERE status = 'pending'",
    "give to another": "UPDATE image_generation_queue SET status = 'failed', generation_provider = 'gemini'",
    "show": "UPDATE uses_products SET image_url = 'https://x.example/d'",
    "delete": "DELETE FROM image_generation_queue",
    "truncate": "TRUNCATE image_generation_queue",
    "fold": "SELECT image_generation_fold()",
}


# One press for all examples: rows of earlier ones are counted too.
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from([*STEPS, "enqueue", "run"]), max_size=14))
def test_the_counts_are_those_of_the_rows_whatever_happens(press: Press, steps: list[str]) -> None:
    for step in steps:
        if step == "enqueue":
            enqueue_missing(press.engine, press.book, "placeholder")
        elif step == "run":
            with press.open() as work:
                run_due(work, limit=1)
        else:
            with press.engine.begin() as connection:
                connection.execute(sa.text(STEPS[step]))
    rows = press.rows(
        sa.text(
            "SELECT 'item' AS subject, generation_provider AS provider, status AS state, count(*) AS number "
            "FROM image_generation_queue GROUP BY 2, 3 "
            "UNION ALL SELECT 'product', '', 'all', count(*) FROM uses_products HAVING count(*) > 0 "
            "UNION ALL SELECT 'product', '', 'with_image', count(*) FROM uses_products WHERE image_url <> '' "
            "HAVING count(*) > 0"
        )
    )
    c = counts.c
    summed = sa.select(c.subject, c.provider, c.state, sa.cast(sa.func.sum(c.change), sa.BigInteger).label("number"))
    kept = press.rows(summed.group_by(c.subject, c.provider, c.state).having(sa.func.sum(c.change) != 0))
    assert sorted(map(str, map(dict, kept))) == sorted(map(str, map(dict, rows)))
