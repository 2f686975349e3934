"""The queue of the products with its own times: how long one waits, and how long a run that died keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from image_assets.enhancement.tables import request_history
from image_assets.enhancement.workplace import Workplace, open_workplace
from image_assets.errors import TransientError
from image_assets.settings import settings_for
from image_assets_tests.enhancement.conftest import Studio


@pytest.fixture
def work(studio: Studio) -> Iterator[Workplace]:
    """What a run works with, as it is without a test's own times."""
    with open_workplace(settings_for(studio.env), engine=studio.engine) as work:
        yield work


def test_of_three_tries_the_last_comes_after_7_to_15_minutes(studio: Studio, work: Workplace) -> None:
    studio.request(*studio.add(1))
    for _ in range(3):
        studio.due_now()
        [lease] = work.queue.claim(1)
        work.queue.fail(lease, TransientError("The vendor has a bad minute."))
    with studio.engine.connect() as connection:
        rows = connection.execute(
            sa.select(request_history.c.action, request_history.c.details)
            .where(request_history.c.action.in_(("retry", "failed")))
            .order_by(request_history.c.id)
        ).all()
    assert [row.action for row in rows] == ["retry", "retry", "failed"]
    first, second = (row.details["wait_s"] for row in rows[:2])
    assert 150 <= first <= 300 <= second <= 600


def test_a_run_that_dies_keeps_its_product_for_a_minute(studio: Studio, work: Workplace) -> None:
    [product] = studio.add(1)
    studio.request(product)
    assert len(work.queue.claim(1)) == 1
    state = studio.state(product)
    assert state["lease_until"] - state["updated_at"] == timedelta(minutes=1)
