"""Windows of the rate limit: what is let in, what is refused, and what was counted."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.plytix import PlytixServer
from image_assets.sandbox.plytix.traffic import Traffic
from image_assets_tests.sandbox.plytix.client import PING, Client
from image_assets_tests.sandbox.shopify.client import Clock

GAPS = st.lists(st.integers(0, 12).map(float), max_size=60)


@given(GAPS, st.integers(1, 5), st.integers(1, 9))
def test_a_request_is_refused_exactly_when_its_window_is_over_the_limit(
    gaps: list[float], limit: int, seconds: int
) -> None:
    clock = Clock()
    traffic, times = Traffic(clock), list[float]()
    for gap in gaps:
        clock.seconds += gap
        times.append(clock.seconds)
        inside = sum(time > clock.seconds - seconds for time in times)
        assert (traffic.arrive({float(seconds): limit}) is not None) == (inside > limit)
    most = max((sum(end - seconds < time <= end for time in times) for end in times), default=0)
    assert traffic.high_water(seconds) == most


@given(GAPS, st.integers(1, 5), st.integers(1, 9))
def test_who_waits_as_long_as_told_is_let_in(gaps: list[float], limit: int, seconds: int) -> None:
    clock = Clock()
    traffic, limits = Traffic(clock), {float(seconds): limit, 3.0 * seconds: 2 * limit}
    for gap in gaps:
        clock.seconds += gap
        wait = traffic.arrive(limits)
        if wait is not None:
            clock.seconds += wait
            assert traffic.arrive(limits) is None


def test_a_clock_that_is_put_back_unsorts_nothing() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    traffic.arrive({})
    clock.seconds -= 100
    traffic.arrive({})
    assert traffic.high_water(1.0) == 2
    traffic.clear()
    assert traffic.high_water(1.0) == 0


def test_the_21st_request_within_ten_seconds_is_refused(timed: PlytixServer, clock: Clock) -> None:
    with Client(timed) as client:
        statuses = [client.call(*PING).status_code for _ in range(21)]
        assert statuses == [200] * 20 + [429]
        clock.seconds += 10
        assert client.call(*PING).status_code == 200
    assert (timed.throttled, timed.high_water(10.0), timed.high_water(3600.0)) == (1, 21, 22)
    assert timed.answers["POST /products/search", 429] == 1


def test_the_hour_counts_too(timed: PlytixServer, clock: Clock) -> None:
    timed.behaviour.limits = {10.0: 20, 3600.0: 3}
    with Client(timed) as client:
        for status in (200, 200, 200, 429):
            answer = client.call(*PING)
            assert answer.status_code == status
            clock.seconds += 20
    assert answer.headers["Retry-After"] == str(3600 - 40)


@pytest.mark.parametrize("where", ["header", "body", ""])
def test_how_long_to_wait_is_said_where_it_was_chosen(timed: PlytixServer, where: str) -> None:
    timed.behaviour.limits, timed.behaviour.retry_after = {10.0: 0}, where  # type: ignore[assignment]
    with Client(timed) as client:
        answer = client.call(*PING)
    error = {"msg": "API rate limit exceeded"}
    assert answer.headers.get("Retry-After") == ("10" if where == "header" else None)
    assert answer.json() == {"error": error | {"retry_after": 10} if where == "body" else error}


def test_the_auth_host_has_a_limit_of_its_own(timed: PlytixServer, clock: Clock) -> None:
    with Client(timed) as client:
        answers = [client.ask_for_token() for _ in range(8)]  # the ninth: the client has a token already
        assert [answer.status_code for answer in answers] == [200] * 7 + [429]
        assert answers[-1].headers["ratelimit-limit"] == "8"
        assert client.call(*PING).status_code == 200
        clock.seconds += 1
        assert client.ask_for_token().status_code == 200


def test_an_account_does_not_use_up_anothers_limit(client: Client, server: PlytixServer) -> None:
    server.behaviour.limits = {10.0: 1}
    with Client(server, "second-shop") as other:
        assert [client.call(*PING).status_code for _ in range(2)] == [200, 429]
        assert other.call(*PING).status_code == 200
    assert (server.high_water(), server.high_water(alias="second-shop")) == (2, 1)
