"""The concurrent map: every item once, errors by item, bounded memory, and a clean end whoever ends it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import InputError
from image_assets.parallel import Result, parallel_map, work_off


@given(st.lists(st.integers(), max_size=60), st.integers(1, 8))
def test_every_item_comes_back_exactly_once_with_its_own_value(items: list[int], workers: int) -> None:
    results = list(parallel_map(lambda item: item * 2, items, workers=workers))
    assert Counter(result.item for result in results) == Counter(items)
    assert all(result.unwrap() == result.item * 2 and result.error is None for result in results)


@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(1, 4))
def test_an_items_error_is_its_own_result_and_the_others_go_on(items: list[int], workers: int) -> None:
    def check(item: int) -> int:
        if item < 0:
            raise InputError(f"{item} is negative.")
        return item

    results = list(parallel_map(check, items, workers=workers))
    assert Counter(result.item for result in results) == Counter(items)
    for result in results:
        if result.item < 0:
            assert result.value is None
            with pytest.raises(InputError, match=f"^{result.item} is negative"):
                result.unwrap()
        else:
            assert result.unwrap() == result.item


@pytest.mark.parametrize("workers", [1, 3])
def test_an_endless_iterable_is_read_only_a_little_ahead_of_the_results(workers: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number

    results = parallel_map(lambda item: item, endless(), workers=workers)
    for consumed in range(1, 101):
        next(results)
        assert taken <= consumed - 1 + 2 * workers
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert taken <= 100 + 2 * workers


def test_at_most_as_many_calls_run_at_once_as_there_are_workers() -> None:
    lock, running, most = threading.Lock(), 0, 0
    all_in = threading.Barrier(3)

    def call(_item: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_in.wait(30)  # three at a time, or it breaks
        with lock:
            running -= 1

    assert all(result.error is None for result in parallel_map(call, range(30), workers=3))
    assert most == 3


def test_when_the_consumer_stops_no_further_item_starts_and_running_ones_are_waited_for() -> None:
    started: list[int] = []
    finished: list[int] = []
    go_on = threading.Event()

    def call(item: int) -> int:
        started.append(item)
        if item:
            go_on.wait(30)
        finished.append(item)
        return item

    results = parallel_map(call, itertools.count(), workers=2)
    assert next(results).item == 0
    threading.Timer(0.1, go_on.set).start()
    results.close()  # type: ignore[attr-defined]  # it is a generator
    count = len(started)
    assert sorted(started) == sorted(finished)
    assert count <= 2 * 2 + 1
    assert not any(thread.name.startswith("image-assets") for thread in threading.enumerate())
    assert len(started) == count


@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_is_refused(workers: int) -> None:
    with pytest.raises(ValueError, match=f"workers must be at least 1, not {workers}"):
        next(parallel_map(str, [1], workers=workers))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_inside_a_worker_ends_the_whole_map(kind: type[BaseException]) -> None:
    started: list[int] = []

    def call(item: int) -> None:
        started.append(item)
        if item == 3:
            raise kind

    with pytest.raises(kind):
        for _ in parallel_map(call, itertools.count(), workers=2):
            pass
    assert len(started) <= 3 + 1 + 2 * 2


def test_an_error_of_the_iterable_itself_is_raised_after_the_running_calls_ended() -> None:
    finished: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        raise InputError("line 2 is broken")

    with pytest.raises(InputError, match="line 2 is broken"):
        list(parallel_map(finished.append, items(), workers=2))
    assert finished == [1]


def test_no_items_give_no_results() -> None:
    assert list(parallel_map(str, [], workers=4)) == []


def test_a_value_of_none_is_a_value() -> None:
    (result,) = parallel_map(lambda _item: None, [1], workers=1)
    assert result == Result(1, None, None)
    assert result.unwrap() is None


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(1, 6))
def test_working_off_takes_every_item_once_and_ends_when_there_is_none(items: list[int], workers: int) -> None:
    waiting = list(items)
    lock = threading.Lock()

    def take() -> int | None:
        with lock:
            return waiting.pop() if waiting else None

    results = list(work_off(take, lambda item: item * 2, workers=workers))
    assert Counter(result.item for result in results) == Counter(items)
    assert all(result.unwrap() == result.item * 2 for result in results)


def test_working_off_gives_an_items_error_as_its_result_and_goes_on() -> None:
    waiting = [3, 0, 2]
    results = list(work_off(lambda: waiting.pop() if waiting else None, lambda item: 6 // item, workers=1))
    assert [(result.item, result.value) for result in results] == [(2, 3), (0, None), (3, 2)]
    assert isinstance(results[1].error, ZeroDivisionError)


def test_working_off_ends_with_what_taking_raised_after_the_running_items() -> None:
    waiting = iter([1, 2])

    def take() -> int:
        try:
            return next(waiting)
        except StopIteration:
            raise InputError("The queue is gone.") from None

    done: list[int] = []
    with pytest.raises(InputError, match="gone"):
        done.extend(result.item for result in work_off(take, lambda item: item, workers=1))
    assert done == [1, 2]


def test_working_off_takes_no_more_once_its_consumer_has_stopped() -> None:
    taken = itertools.count()
    for result in work_off(lambda: next(taken), lambda item: item, workers=2):
        if result.item == 3:
            break
    after = next(taken)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("image-assets")]
    assert next(taken) == after + 1
    with pytest.raises(ValueError, match="at least 1"):
        list(work_off(lambda: None, lambda item: item, workers=0))
