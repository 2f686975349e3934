"""A sliding window of accepted requests."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from image_assets.sandbox.gemini.limits import Limiter
from image_assets_tests.sandbox.shopify.client import Clock


@settings(max_examples=40)
@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 4))
def test_no_window_lets_in_more_than_the_limit_and_who_waits_gets_in(gaps: list[int], limit: int) -> None:
    clock, accepted = Clock(), list[float]()
    limiter = Limiter(clock)
    for gap in gaps:
        clock.seconds += gap
        wait = limiter.arrive("a", limit, 10.0)
        if wait is not None:
            clock.seconds += wait
            assert limiter.arrive("a", limit, 10.0) is None
        accepted.append(clock.seconds)
        assert sum(time > clock.seconds - 10.0 for time in accepted) <= limit


def test_models_have_windows_of_their_own_until_they_are_cleared() -> None:
    limiter = Limiter(Clock())
    assert [limiter.arrive(model, 1, 60.0) for model in ("a", "b", "a")] == [None, None, 60.0]
    limiter.clear()
    assert limiter.arrive("a", 1, 60.0) is None
    assert limiter.arrive("a", 0, 60.0) == 60.0
