"""The rate limits of a Plytix plan."""

from __future__ import annotations

import pytest

from image_assets.vendors.limits import Window
from image_assets.vendors.plytix.limits import RateLimits


def test_a_plan_is_a_window_of_10_seconds_and_one_of_an_hour() -> None:
    assert RateLimits(20, 15_000).windows == (Window(20, 10), Window(15_000, 3600))


def test_a_plan_without_requests_is_none() -> None:
    with pytest.raises(ValueError, match="a window needs"):
        _ = RateLimits(20, 0).windows
