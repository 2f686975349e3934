"""An allowance that fills up again steadily."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.sandbox.openai.limits import Limiter
from image_assets_tests.sandbox.shopify.client import Clock


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), max_size=30), st.integers(4, 8))
def test_who_waits_as_long_as_was_said_gets_in_and_no_sooner(asked: list[tuple[int, int]], limit: int) -> None:
    clock, accepted = Clock(), 0
    limiter, start = Limiter(clock), clock.seconds
    for gap, images in asked:
        clock.seconds += gap
        wait_s = limiter.take("a", images, limit, 10.0).wait_s
        if wait_s > 0.02:
            clock.seconds += wait_s - 0.01
            assert limiter.take("a", images, limit, 10.0).wait_s > 0
            clock.seconds += 0.01
        if wait_s:
            clock.seconds += 0.001
            assert limiter.take("a", images, limit, 10.0).wait_s == 0
        accepted += images
        # Never more than a full allowance and what has come since.
        assert accepted <= limit + (clock.seconds - start) * limit / 10.0 + 0.001


@pytest.mark.parametrize(("limit", "wait_s"), [(5, 12.0), (250, 0.24), (4000, 0.015)])
def test_the_next_picture_comes_after_its_part_of_the_minute(limit: int, wait_s: float) -> None:
    limiter = Limiter(Clock())
    assert limiter.take("a", limit, limit, 60.0).wait_s == 0
    state = limiter.take("a", 1, limit, 60.0)
    assert state.wait_s == pytest.approx(wait_s)
    assert state.headers == {
        "x-ratelimit-limit-images": str(limit),
        "x-ratelimit-remaining-images": "0",
        "x-ratelimit-reset-images": "60.000s",
    }


def test_models_have_allowances_of_their_own_until_they_are_cleared() -> None:
    limiter = Limiter(Clock())
    assert [limiter.take(model, 1, 1, 60.0).wait_s for model in ("a", "b", "a")] == [0, 0, 60.0]
    limiter.clear()
    assert limiter.take("a", 1, 1, 60.0).wait_s == 0


def test_an_allowance_of_nothing_lets_nobody_in() -> None:
    assert Limiter(Clock()).take("a", 1, 0, 60.0).wait_s == 60.0
