"""The budget on a virtual clock, one situation at a time; whole workloads are in ``test_budget_workloads.py``."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Event

import pytest

from image_assets.vendors.shopify.budget import CostBudget, shared_budget, wait_for
from image_assets.vendors.shopify.costs import Cost
from image_assets_tests.vendors.shopify.virtual import VirtualTime

NO_LISTS: dict[str, object] = {}


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def budget(time: VirtualTime) -> CostBudget:
    return CostBudget(clock=time.clock, wait=time.wait)


def answer(requested: float = 10, actual: float | None = None, available: float = 2000, maximum: float = 2000) -> Cost:
    return Cost(requested, requested if actual is None else actual, maximum, available, maximum / 20)


def learn(budget: CostBudget, cost: Cost, document: str = "query A { a }") -> None:
    """Let a request be answered."""
    with budget.spend(document, NO_LISTS) as spending:
        spending.answered(cost)


def time_for(time: VirtualTime, budget: CostBudget, document: str = "query A { a }") -> float:
    """How long a request has to wait now; it is not sent."""

    def ask() -> None:
        with budget.spend(document, NO_LISTS) as spending:
            spending.unused()

    return time.run(ask)


def test_requests_go_in_the_order_in_which_they_came(time: VirtualTime, budget: CostBudget) -> None:
    order: list[str] = []

    def asking(name: str, after: float, cost: float) -> Callable[[], None]:
        def ask() -> None:
            time.sleep(after)
            with budget.spend(f"query {name} {{ a }}", NO_LISTS) as spending:
                order.append(name)
                time.sleep(0.1)
                spending.answered(answer(cost, available=0))

        return ask

    for name, cost in (("cheap", 10), ("costly", 1000)):
        learn(budget, answer(cost), f"query {name} {{ a }}")
    learn(budget, answer(10, available=5))
    others = [asking("cheap", 0.001 * number, 10) for number in range(2, 9)]
    took = time.run(asking("cheap", 0, 10), asking("costly", 0.001, 1000), *others)
    assert order == ["cheap", "costly", *["cheap"] * 7]
    assert 10 < took < 12


def test_before_the_first_answer_requests_go_one_at_a_time(time: VirtualTime, budget: CostBudget) -> None:
    sent: list[float] = []

    def ask() -> None:
        with budget.spend("query A { a }", NO_LISTS) as spending:
            sent.append(time.now)
            time.sleep(3)
            spending.answered(answer(10))

    begin = time.now
    time.run(ask, ask, ask)
    assert sent == [begin, begin + 3, begin + 3]


def test_an_answer_without_costs_leaves_the_next_request_alone_as_well(time: VirtualTime, budget: CostBudget) -> None:
    sent: list[float] = []

    def ask() -> None:
        with budget.spend("query A { a }", NO_LISTS):
            sent.append(time.now)
            time.sleep(3)

    begin = time.now
    time.run(ask, ask)
    assert sent == [begin, begin + 3]


def test_what_the_bucket_holds_less_than_expected_is_believed(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(100, available=2000))
    assert time_for(time, budget) == 0
    learn(budget, answer(100, available=30))
    assert 0.6 <= time_for(time, budget) <= 0.8


def test_what_the_bucket_holds_more_than_expected_is_believed(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(100, available=0))
    assert time_for(time, budget) >= 1
    learn(budget, answer(100, available=1500))
    assert time_for(time, budget) == 0
    learn(budget, answer(1000, available=1500), "query B { b }")
    assert time_for(time, budget, "query B { b }") == 0


def test_a_late_answer_does_not_raise_the_balance(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(1000, available=2000))

    def ask() -> None:
        with budget.spend("query A { a }", NO_LISTS) as early:
            with budget.spend("query A { a }", NO_LISTS) as late:
                late.answered(answer(1000, available=0))
            early.answered(answer(1000, available=1000))  # true when it was made: before the other one was run

    time.run(ask)
    assert time_for(time, budget) >= 9.9


def test_a_throttled_request_waits_for_what_is_missing_and_keeps_its_place(
    time: VirtualTime, budget: CostBudget
) -> None:
    learn(budget, answer(500, available=2000))
    order: list[str] = []

    def throttled() -> None:
        with budget.spend("query A { a }", NO_LISTS) as spending:
            time.sleep(0.1)
            spending.throttled(Cost(500, None, 2000, 100, 100))
        time.sleep(0.05)  # others queue up meanwhile
        with budget.spend("query A { a }", NO_LISTS, again=True) as spending:
            order.append("again")
            spending.answered(answer(500, available=0))

    def another() -> None:
        time.sleep(0.12)
        with budget.spend("query A { a }", NO_LISTS) as spending:
            order.append("another")
            spending.answered(answer(500, available=0))

    took = time.run(throttled, another)
    assert order == ["again", "another"]
    # 4 s until there are 500 points, 5 s until there are 500 more, 4 s for the 400 that are left to other processes.
    assert 13.0 <= took <= 13.3


def test_a_lost_request_is_booked_as_if_it_had_cost_all(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(1000, available=1000))
    with budget.spend("query A { a }", NO_LISTS):
        pass
    assert 9.9 <= time_for(time, budget) <= 10.1


def test_a_request_that_was_not_sent_costs_nothing(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(1000, available=1200))
    assert time_for(time, budget) == 0
    assert time_for(time, budget) == 0


def test_a_bucket_that_changes_its_size_is_followed(time: VirtualTime, budget: CostBudget) -> None:
    learn(budget, answer(900, available=2000))
    learn(budget, answer(900, available=1000, maximum=1000))
    with budget.spend("query A { a }", NO_LISTS) as spending:
        spending.answered(answer(900, available=0, maximum=1000))
    assert 17.5 <= time_for(time, budget) <= 18.5, "50 points a second now"
    learn(budget, answer(900, available=1500, maximum=20000))
    assert time_for(time, budget) == 0


def test_a_request_that_costs_more_than_the_bucket_holds_is_sent_when_it_is_full(
    time: VirtualTime, budget: CostBudget
) -> None:
    learn(budget, answer(10, available=300, maximum=400))
    assert 4.9 <= time_for(time, budget, "query Unknown { a }") <= 5.1


def test_an_interrupted_wait_leaves_its_place_to_the_next(time: VirtualTime) -> None:
    def interrupt(event: Event, seconds: float) -> None:
        if interruptions:
            raise interruptions.pop()
        time.wait(event, seconds)

    interruptions: list[BaseException] = []
    budget = CostBudget(clock=time.clock, wait=interrupt)
    learn(budget, answer(1000, available=0))
    interruptions.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), budget.spend("query A { a }", NO_LISTS):
        pass
    assert 9.9 <= time_for(time, budget) <= 10.1


def test_a_request_is_settled_once(budget: CostBudget) -> None:
    with budget.spend("query A { a }", NO_LISTS) as spending:
        spending.answered(answer())
        with pytest.raises(ValueError, match="settled"):
            spending.answered(answer())


def test_clients_of_one_shop_share_a_budget_and_others_do_not() -> None:
    budget = shared_budget("https://a.myshopify.com", "shpat_one")
    assert shared_budget("https://a.myshopify.com", "shpat_one") is budget
    assert shared_budget("https://a.myshopify.com", "shpat_two") is not budget
    assert shared_budget("https://b.myshopify.com", "shpat_one") is not budget


def test_real_waiting_ends_when_the_event_comes() -> None:
    event = Event()
    wait_for(event, 0)
    event.set()
    wait_for(event, math.inf)
