"""How a product's work ends: when it is due again, what the log says, and that a defect of ours ends no run.

Here: the ends of ``service.py``, against real servers. Not here: whose fault an error is (``test_apply.py``), products
that end well (``test_service.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.enhancement.service import analyse_due
from image_assets.enhancement.tables import requests
from image_assets.stores.sqs import Queue
from image_assets_tests.enhancement.conftest import Studio, assert_whole


def waits(studio: Studio) -> set[timedelta]:
    """For how long products are not due, from when that was written."""
    return {row["run_after"] - row["updated_at"] for row in studio.rows(requests)}


def database_time(studio: Studio) -> datetime:
    """What time it is for the database."""
    with studio.engine.connect() as connection:
        now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)


@contextmanager
def refusing(engine: sa.Engine, event: str, table: str, when: str) -> Iterator[None]:
    """A database that refuses some changes inside the block, with an error that nobody expects."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'nobody expects this'; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP FUNCTION refuse CASCADE")


# --- when it is due again


@pytest.mark.parametrize(
    ("refusal", "wait_s"),
    [
        ({"status": 400}, 300),
        ({"status": 429, "retry_delay_s": 1000.0}, 1000),
        ({"status": 429, "retry_delay_s": 1.0, "quota": "day"}, 3600),
    ],
    ids=["no time stated", "a time stated", "a day's quota"],
)
def test_what_turned_a_product_away_says_when_all_are_due_again(
    studio: Studio, refusal: dict[str, Any], wait_s: int
) -> None:
    studio.request(*studio.add(1, 2))
    studio.gemini.faults.inject("status", times=50, **refusal)
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        assert analyse_due(alone.work).total == 1
    assert waits(studio) == {timedelta(seconds=wait_s)}


def test_a_budget_that_is_used_up_makes_all_wait_for_the_next_day(studio: Studio) -> None:
    studio.request(*studio.add(1, 2))
    started = database_time(studio)
    with studio.another(ENHANCEMENT_DAILY_COST_USD="0", ENHANCEMENT_WORKERS="1") as poor:
        assert analyse_due(poor.work).reasons == {"budget": 1}
    ended = database_time(studio)
    (wait,) = waits(studio)
    midnights = [datetime.combine(at.date() + timedelta(days=1), time(), UTC) for at in (started, ended)]
    assert any(started < midnight - wait < ended for midnight in midnights)


# --- a defect of ours


def test_an_error_that_nobody_expects_is_its_products_affair_and_may_pass(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = studio.add(1, 2)
    studio.request(bad, good)
    with refusing(studio.engine, "INSERT", "enhancement_analyses", f"NEW.product_id = {bad}"):
        assert studio.run().reasons == {"unexpected": 1}
    state = studio.state(bad)
    assert (studio.status(bad), state["status"], state["attempt_count"]) == ("pending", "retry", 1)
    assert (state["error_code"], "nobody expects this" in state["error_message"]) == ("unexpected", True)
    assert f"Unexpected error in product {bad}" in caplog.text
    assert_whole(studio, [good])
    studio.run()
    assert_whole(studio, [bad, good])


def test_an_end_that_cannot_be_written_leaves_its_product_to_the_next_run_and_stops_no_other(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (*studio.add_urls(f"s3://{studio.bucket}/raw/missing.jpg"), *studio.add(1))
    studio.request(bad, good)
    with refusing(studio.engine, "UPDATE", "products", f"NEW.id = {bad} AND NEW.status = 'failed'"):
        assert analyse_due(studio.work).reasons == {"not_found": 1}
        studio.run()
    assert (studio.status(bad), studio.state(bad)["status"]) == ("pending", "processing")
    assert f"The end of product {bad} could not be written" in caplog.text
    assert_whole(studio, [good])


# --- what the log says


def test_the_log_has_the_lines_that_people_filter_for(
    studio: Studio, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (*studio.add_urls(f"s3://{studio.bucket}/raw/missing.jpg"), *studio.add(1))
    queue.send([f'{{"product_id": {bad}}}', f'{{"product_id": {good}}}', "no json"])
    with caplog.at_level(logging.INFO, "image_assets"):
        assert studio.receive(queue) == 2
        studio.run()
    said = caplog.messages
    assert [f"Received message for product_id: {product}" in said for product in (bad, good)] == [True, True]
    assert any(line.startswith(f"Successfully processed product {good}") for line in said)
    assert any(line.startswith(f"Product {bad} failed: GET s3://{studio.bucket}/raw/missing.jpg") for line in said)
    assert any(line.startswith("Message ") and line.endswith(" is poison: The message is not JSON.") for line in said)
