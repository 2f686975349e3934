"""The rate limit on a virtual clock, against a server that counts arrivals in sliding windows."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.vendors.limits import RateWindows, ThrottledError, Window, shared_windows, wait_for
from image_assets_tests.vendors.shopify.virtual import VirtualTime

PLAN = (Window(20, 10), Window(5000, 3600))


@dataclass
class Arrivals:
    """What a server sees: when requests arrive, and which of them are too many in a window."""

    time: VirtualTime
    windows: tuple[Window, ...]
    at: list[float] = field(default_factory=list[float])
    refused: int = 0

    def arrive(self) -> None:
        """Count a request, refused or not."""
        now = self.time.now
        self.at.append(now)
        self.refused += any(
            sum(now - window.seconds < at for at in self.at[-2 * window.limit :]) > window.limit
            for window in self.windows
        )


@dataclass
class Bench:
    """A rate limit, a server with the same one, and threads between them."""

    windows: tuple[Window, ...]
    time: VirtualTime = field(default_factory=VirtualTime)

    def __post_init__(self) -> None:
        self.limit = RateWindows(self.windows, clock=self.time.clock, wait=self.time.wait)
        self.server = Arrivals(self.time, self.windows)

    def send(self, there_s: float = 0.02, back_s: float = 0.03) -> None:
        """One request."""
        turn = self.limit.take()
        self.time.sleep(there_s)
        self.server.arrive()
        self.time.sleep(back_s)
        turn.answered()

    def threads(self, number: int, each: int, **latency: float) -> list[Callable[[], None]]:
        """So many threads that send so many requests each."""

        def work() -> None:
            for _ in range(each):
                self.send(**latency)

        return [work] * number


@pytest.fixture
def bench() -> Bench:
    return Bench(PLAN)


def test_a_burst_goes_at_once_up_to_the_limit(bench: Bench) -> None:
    assert bench.time.run(*bench.threads(20, 1)) < 0.1


def test_the_next_one_goes_when_the_window_has_passed_and_not_much_later(bench: Bench) -> None:
    took = bench.time.run(*bench.threads(21, 1))
    assert 10 < took < 10.5
    assert bench.server.refused == 0


@pytest.mark.parametrize(("threads", "answer_s"), [(1, 0.05), (4, 0.4), (16, 0.05), (16, 3.0), (64, 5.0)])
def test_the_limit_is_reached_and_never_broken(bench: Bench, threads: int, answer_s: float) -> None:
    took = bench.time.run(*bench.threads(threads, 640 // threads, back_s=answer_s))
    assert bench.server.refused == 0
    assert took <= 1.1 * (640 / 20 - 1) * 10 + answer_s


def test_requests_go_in_the_order_in_which_they_came(bench: Bench) -> None:
    order: list[int] = []

    def asking(number: int) -> Callable[[], None]:
        def ask() -> None:
            bench.time.sleep(0.001 * number)
            bench.send()
            order.append(number)

        return ask

    bench.time.run(*[asking(number) for number in range(100)])
    assert order == list(range(100))


def test_no_thread_is_left_behind(bench: Bench) -> None:
    done: dict[int, list[float]] = {number: [] for number in range(16)}

    def work(number: int) -> Callable[[], None]:
        def send() -> None:
            for _ in range(20):
                bench.send()
                done[number].append(bench.time.now)

        return send

    bench.time.run(*[work(number) for number in done])
    assert max(times[-1] for times in done.values()) - min(times[-1] for times in done.values()) < 11


def test_the_long_window_holds_too() -> None:
    bench = Bench((Window(20, 10), Window(100, 600)))
    took = bench.time.run(*bench.threads(8, 20))
    assert 600 < took < 640
    assert bench.server.refused == 0


def test_a_plan_whose_hour_allows_more_than_its_10_s_is_one_too() -> None:
    bench = Bench((Window(20, 10), Window(15_000, 3600)))
    assert bench.time.run(*bench.threads(8, 10)) < 33


@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from([1.0, 5.0, 30.0])), min_size=1, max_size=3),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_whatever_the_delays_no_window_of_the_server_ever_holds_more_than_the_limit(
    limits: list[tuple[int, float]], threads: int, chance: random.Random
) -> None:
    bench = Bench(tuple(Window(limit, seconds) for limit, seconds in limits))
    margin = 0.05 * min(seconds for _, seconds in limits)

    def work() -> None:
        for _ in range(40 // threads):
            bench.send(chance.uniform(0, margin), chance.choice([0.0, 0.01, 1.0, 20.0]) * chance.random())
            bench.time.sleep(chance.choice([0.0, 0.0, 2.0]))

    bench.time.run(*[work] * threads)
    assert bench.server.refused == 0


def test_a_request_without_an_answer_counts_until_it_must_have_arrived(bench: Bench) -> None:
    def lost() -> None:
        for _ in range(20):
            bench.limit.take()
        bench.limit.take()

    assert 10.5 < bench.time.run(lost) < 10.7


def test_a_request_that_never_left_costs_nothing(bench: Bench) -> None:
    def unsent() -> None:
        for _ in range(200):
            bench.limit.take().unsent()

    assert bench.time.run(unsent) == 0


def test_an_unsent_request_lets_the_next_one_go_at_once(bench: Bench) -> None:
    went: list[float] = []

    def fail_later() -> None:
        turns = [bench.limit.take() for _ in range(20)]
        bench.time.sleep(1)
        turns[0].unsent()

    def follow() -> None:
        bench.time.sleep(0.5)
        bench.limit.take()
        went.append(bench.time.now)

    begin = bench.time.now
    bench.time.run(fail_later, follow)
    assert went == [begin + 1]


def test_who_would_wait_longer_than_its_patience_knows_at_once_and_the_others_go_on(bench: Bench) -> None:
    went: list[float] = []

    def impatient() -> None:
        bench.time.sleep(0.1)
        with pytest.raises(ThrottledError, match="limit of 20 requests per 10 s is used up") as caught:
            bench.limit.take(patience_s=5)
        assert caught.value.hint == "Run it again in 11 s."
        assert not caught.value.permanent
        went.append(bench.time.now)

    def patient() -> None:
        bench.time.sleep(0.2)
        bench.send()

    begin = bench.time.now
    bench.time.run(*bench.threads(20, 1), impatient, patient)
    assert went == [begin + 0.1]
    assert len(bench.server.at) == 21


def test_an_exhausted_hour_is_told_in_minutes() -> None:
    bench = Bench((Window(3, 3600),))
    for _ in range(3):
        bench.send()
    with pytest.raises(ThrottledError) as caught:
        bench.limit.take(patience_s=120)
    assert caught.value.message == "The account's limit of 3 requests per hour is used up."
    assert caught.value.hint == "Run it again in 61 minutes."


def test_a_429_holds_every_thread_back_and_its_own_request_goes_first(bench: Bench) -> None:
    order: list[str] = []

    def refused() -> None:
        turn = bench.limit.take()
        assert turn.throttled(7.0) == 7
        bench.limit.take(again=True).answered()
        order.append("refused")

    def other() -> None:
        bench.time.sleep(1)
        bench.send()
        order.append("other")

    assert 7 < bench.time.run(refused, other, other) < 7.2
    assert order == ["refused", "other", "other"]


def test_a_429_whose_wait_is_too_long_for_anyone_lets_all_of_them_know(bench: Bench) -> None:
    bench.limit.take().throttled(1800)
    for _ in range(3):
        with pytest.raises(ThrottledError, match=r"turns requests away \(HTTP 429\)\. Run it again in 30 minutes"):
            bench.limit.take(patience_s=120)
    assert bench.time.run(bench.limit.take) == 1800


def test_waits_after_429_double_up_to_the_window_and_begin_anew_after_an_answer(bench: Bench) -> None:
    def waits(number: int) -> list[float]:
        return [bench.limit.take().throttled(None) for _ in range(number)]

    assert waits(6) == pytest.approx([1, 2, 4, 8, 10, 10])
    bench.limit.take().answered()
    assert waits(2) == pytest.approx([1, 2])


def test_one_full_window_is_one_strike_however_many_were_refused(bench: Bench) -> None:
    turns = [bench.limit.take() for _ in range(10)]
    waits = [turn.throttled(None) for turn in turns]
    assert waits == [1] * 10
    assert bench.limit.take().throttled(None) == 2


def test_an_answer_to_an_earlier_request_does_not_end_the_backoff(bench: Bench) -> None:
    early, refused = bench.limit.take(), bench.limit.take()
    refused.throttled(None)
    early.answered()
    assert bench.limit.take().throttled(None) == 2


def test_a_wait_of_nothing_is_not_taken_at_its_word(bench: Bench) -> None:
    assert bench.limit.take().throttled(1e-9) == pytest.approx(0.1)


def test_an_interrupted_wait_blocks_nobody(bench: Bench) -> None:
    waits = 0

    def wait(event: Event, seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            raise KeyboardInterrupt
        bench.time.wait(event, seconds)

    bench.limit = RateWindows([Window(1, 10)], clock=bench.time.clock, wait=wait)
    bench.send()
    with pytest.raises(KeyboardInterrupt):
        bench.limit.take()
    assert bench.time.run(bench.send) < 11


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (120, "120 s"), (121, "3 minutes"), (3600, "60 minutes")])
def test_a_throttled_error_says_when_to_run_again(seconds: float, text: str) -> None:
    error = ThrottledError.until_later("Full.", seconds)
    assert (error.hint, error.retry_after_s) == (f"Run it again in {text}.", seconds)


def test_a_throttled_error_keeps_its_seconds_between_processes() -> None:
    error = ThrottledError.until_later("Full.", 7.5)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), twin.retry_after_s) == (ThrottledError, str(error), 7.5)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(20, 10), "20 requests per 10 s"),
        (Window(60, 60), "60 requests per minute"),
        (Window(5000, 3600.0), "5,000 requests per hour"),
    ],
)
def test_a_window_reads_as_people_say_it(window: Window, text: str) -> None:
    assert str(window) == text


def test_a_429_is_told_with_the_name_of_whose_it_is() -> None:
    limit = RateWindows([Window(1, 1)], vendor="Plytix")
    limit.take().throttled(600)
    with pytest.raises(ThrottledError, match=r"^Plytix turns requests away \(HTTP 429\)\."):
        limit.take(patience_s=1)


@pytest.mark.parametrize(("limit", "seconds"), [(0, 10.0), (-1, 10.0), (1, 0.0)])
def test_a_window_without_a_limit_or_a_duration_is_refused(limit: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="a window needs"):
        Window(limit, seconds)


def test_clients_of_one_key_share_a_limit_and_others_do_not() -> None:
    one = shared_windows("http://a", "key", PLAN, "Plytix")
    assert shared_windows("http://a", "key", PLAN, "Plytix") is one
    assert shared_windows("http://b", "key", PLAN, "Plytix") is not one
    assert shared_windows("http://a", "other", PLAN, "Plytix") is not one


def test_waiting_ends_when_the_event_comes() -> None:
    event = Event()
    event.set()
    wait_for(event, float("inf"))
    wait_for(event, 1000.0)
