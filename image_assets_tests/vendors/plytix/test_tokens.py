"""When a token is asked for: once, early enough, and not again and again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from image_assets.errors import AccessDeniedError, TransientError, UnreachableError
from image_assets.vendors.plytix.errors import BusyError
from image_assets.vendors.plytix.tokens import Credentials, Tokens, lifetime_s, shared_tokens
from image_assets_tests.vendors.plytix.scripted import jwt


class Issuer:
    """Issues tokens that live for ``life_s``, or fails; knows how many were asked for. Its clock stands still."""

    def __init__(self, life_s: float = 900) -> None:
        self.now = 5000.0
        self.asked = 0
        self.life_s = life_s
        self.failure: Exception | None = None
        self.tokens = Tokens(clock=lambda: self.now)

    def fetch(self) -> str:
        """Ask."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return jwt(self.asked, iat=1_700_000_000, exp=1_700_000_000 + self.life_s)

    def current(self) -> str:
        """The token to use now."""
        return self.tokens.current(self.fetch)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def together(*functions: Callable[[], object]) -> None:
    """Run them in threads that begin at once."""
    barrier = Barrier(len(functions))

    def body(function: Callable[[], object]) -> None:
        barrier.wait()
        function()

    threads = [Thread(target=body, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_token_is_asked_for_when_it_is_first_needed_and_then_kept(issuer: Issuer) -> None:
    assert issuer.asked == 0
    assert issuer.current() == issuer.current()
    assert issuer.asked == 1


@pytest.mark.parametrize(("life_s", "used_s"), [(900, 840), (100, 50), (61, 30.5)])
def test_a_token_is_renewed_a_minute_before_it_expires_or_at_half_its_life(life_s: float, used_s: float) -> None:
    issuer = Issuer(life_s)
    first = issuer.current()
    issuer.now += used_s - 0.01
    assert issuer.current() == first
    issuer.now += 0.02
    assert issuer.current() != first


def test_a_refused_token_is_replaced_once_however_many_threads_were_refused(issuer: Issuer) -> None:
    refused = issuer.current()
    got: list[str] = []
    together(*[lambda: got.append(issuer.tokens.instead_of(refused, issuer.fetch))] * 16)
    assert issuer.asked == 2
    assert set(got) == {issuer.current()}


def test_threads_that_need_a_first_token_ask_for_one(issuer: Issuer) -> None:
    together(*[issuer.current] * 16)
    assert issuer.asked == 1


def test_refused_credentials_are_not_tried_again_for_a_while(issuer: Issuer) -> None:
    issuer.failure = AccessDeniedError("No.", hint="Check PLYTIX_API_KEY.")
    for _ in range(3):
        with pytest.raises(AccessDeniedError, match=r"No\. Check PLYTIX_API_KEY\."):
            issuer.current()
    assert issuer.asked == 1
    issuer.failure = None
    issuer.now += 31
    assert issuer.current() == issuer.current()
    assert issuer.asked == 2


def test_a_new_token_that_is_refused_too_ends_the_asking(issuer: Issuer) -> None:
    issuer.tokens.instead_of(issuer.current(), issuer.fetch)
    issuer.tokens.give_up(AccessDeniedError("Still no."))
    with pytest.raises(AccessDeniedError, match="Still no"):
        issuer.current()
    assert issuer.asked == 2


def test_a_failure_that_may_pass_is_tried_again_by_whoever_comes_later(issuer: Issuer) -> None:
    issuer.failure = UnreachableError("Down.")
    with pytest.raises(UnreachableError):
        issuer.current()
    issuer.failure = None
    assert issuer.current()


def test_threads_that_waited_for_a_failing_request_fail_with_it() -> None:
    waiting, answering = Barrier(2), Barrier(2)
    looks: list[float] = []

    def clock() -> float:
        looks.append(len(looks))
        return looks[-1]

    tokens = Tokens(clock=clock)
    asked: list[int] = []
    failures: list[Exception] = []

    def fetch() -> str:
        asked.append(1)
        waiting.wait()
        answering.wait()
        busy = BusyError("Slow down.")
        busy.retry_after_s = 3.0
        raise busy

    def need() -> None:
        try:
            tokens.current(fetch)
        except TransientError as error:
            failures.append(error)

    first = Thread(target=need)
    first.start()
    waiting.wait()
    second = Thread(target=need)
    second.start()
    while len(looks) < 3:  # then the second one has looked at the clock, and waits
        time.sleep(0.001)
    answering.wait()
    first.join()
    second.join()
    assert len(asked) == 1
    assert [getattr(error, "retry_after_s", None) for error in failures] == [3.0, 3.0]


def test_a_token_says_how_long_it_lives() -> None:
    assert lifetime_s(jwt(iat=1000, exp=1900)) == 900
    assert lifetime_s(jwt(iat=1000, exp=1010.5)) == 10.5


@pytest.mark.parametrize("claims", [{}, {"exp": 9e9}, {"iat": 5, "exp": 5}, {"iat": "a", "exp": "b"}, {"iat": None}])
def test_a_token_that_does_not_is_taken_to_live_15_minutes(claims: dict[str, Any]) -> None:
    assert lifetime_s(jwt(**claims)) == 900


@given(st.one_of(st.text(), st.binary().map(lambda raw: f"a.{base64.urlsafe_b64encode(raw).decode()}.b")))
def test_any_text_may_be_a_token(token: str) -> None:
    assert lifetime_s(token) > 0


def test_a_token_whose_claims_are_no_object_is_one() -> None:
    assert lifetime_s(f"a.{base64.urlsafe_b64encode(json.dumps([1]).encode()).decode()}.b") == 900


def test_clients_with_the_same_credentials_share_a_token_and_others_do_not() -> None:
    credentials = Credentials("key", SecretStr("password"))
    one = shared_tokens("http://a", credentials)
    assert shared_tokens("http://a", Credentials("key", SecretStr("password"))) is one
    assert shared_tokens("http://b", credentials) is not one
    assert shared_tokens("http://a", Credentials("key", SecretStr("other"))) is not one


def test_credentials_do_not_show_themselves() -> None:
    shown = repr(Credentials("the-api-key", SecretStr("the-password")))
    assert "the-api-key" not in shown
    assert "the-password" not in shown
