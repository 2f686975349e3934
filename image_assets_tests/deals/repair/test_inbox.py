"""The inbox of touched deals: each waits once, in one batch, and is forgotten only as it was looked up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from image_assets.deals.repair.inbox import TouchedDeals
from image_assets.stores.database import NotMigratedError, make_engine


@pytest.fixture
def inbox(migrated_url: str) -> Iterator[TouchedDeals]:
    engine = make_engine(migrated_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE deal_touches")
    yield TouchedDeals(engine)
    engine.dispose()


def only_batch(inbox: TouchedDeals) -> int:
    (batch,) = inbox.batches()
    return batch


def test_deals_wait_once_and_come_in_batches_of_those_that_wait_longest(inbox: TouchedDeals) -> None:
    inbox.add({3, 1})
    inbox.add({2, 1})
    inbox.add(set())
    assert (inbox.waiting(), inbox.batches()) == (3, {})
    inbox.make_batches(size=2, limit=5)
    first, second = inbox.batches().items()
    assert (first[1], second[1]) == (2, 1)
    # Touched again, a deal waits from then on.
    assert set(inbox.of_batch(first[0])) == {3, 2}
    assert inbox.waiting() == 0


def test_no_more_batches_are_made_than_wanted(inbox: TouchedDeals) -> None:
    inbox.add(set(range(1, 8)))
    inbox.make_batches(size=2, limit=2)
    assert (list(inbox.batches().values()), inbox.waiting()) == ([2, 2], 3)


def test_what_was_looked_up_is_forgotten_and_its_batch_ends(inbox: TouchedDeals) -> None:
    inbox.add({1, 2})
    inbox.make_batches(size=10, limit=1)
    seen = inbox.of_batch(only_batch(inbox))
    inbox.settle({1: seen[1]})
    assert list(inbox.batches().values()) == [1]
    inbox.settle({2: seen[2]})
    inbox.settle({})
    assert (inbox.batches(), inbox.waiting()) == ({}, 0)


def test_a_deal_that_was_touched_meanwhile_waits_for_another_batch(inbox: TouchedDeals) -> None:
    inbox.add({1, 2})
    inbox.make_batches(size=10, limit=1)
    seen = inbox.of_batch(only_batch(inbox))
    inbox.add({1})
    inbox.settle(seen)
    assert (inbox.batches(), inbox.waiting()) == ({}, 1)
    inbox.make_batches(size=10, limit=1)
    assert inbox.of_batch(only_batch(inbox)) == {1: seen[1] + 1}


def test_many_who_add_and_make_batches_at_once_lose_nothing_and_share_nothing(inbox: TouchedDeals) -> None:
    def work(number: int) -> None:
        inbox.add({number, number + 1, 1000 - number})
        inbox.make_batches(size=3, limit=2)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(work, range(1, 41)))
    inbox.make_batches(size=100, limit=10)
    batched = [deal for batch in inbox.batches() for deal in inbox.of_batch(batch)]
    assert sorted(batched) == sorted({*range(1, 42), *range(960, 1000)})


def test_a_database_without_the_table_says_to_migrate_it(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(NotMigratedError):
        TouchedDeals(engine).check()
    engine.dispose()
