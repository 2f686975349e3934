"""A sliding window of accepted requests, and the time-out after it."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from image_assets.sandbox.stability.limits import Limiter
from image_assets_tests.sandbox.shopify.client import Clock


@settings(max_examples=40)
@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 4))
def test_no_window_lets_in_more_than_the_limit_and_who_waits_gets_in(gaps: list[int], limit: int) -> None:
    clock, accepted = Clock(), list[float]()
    limiter = Limiter(clock)
    for gap in gaps:
        clock.seconds += gap
        wait = limiter.arrive(limit, 10.0, 60.0)
        if wait is not None:
            clock.seconds += wait
            assert limiter.arrive(limit, 10.0, 60.0) is None
        accepted.append(clock.seconds)
        assert sum(time > clock.seconds - 10.0 for time in accepted) <= limit


def test_a_time_out_outlasts_the_window_and_does_not_grow_by_asking() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    assert [limiter.arrive(1, 10.0, 60.0) for _ in range(2)] == [None, 60.0]
    clock.seconds += 20
    assert [limiter.arrive(1, 10.0, 60.0) for _ in range(2)] == [40.0, 40.0]
    clock.seconds += 40
    assert limiter.arrive(1, 10.0, 60.0) is None


def test_clearing_ends_a_time_out() -> None:
    limiter = Limiter(Clock())
    assert limiter.arrive(0, 10.0, 60.0) == 60.0
    limiter.clear()
    assert limiter.arrive(1, 10.0, 60.0) is None
