"""Session cookies: whose they are, how long they last, and that nobody else can make one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from image_assets.web.sessions import SESSION_S, SignInBrake, is_form_token, issue, owner_of, read

NOW = 1_800_000_000.0
TOKENS = {"alice": SecretStr("token-of-alice-0123456789"), "bob": SecretStr("token-of-bob-9876543210")}


def cookie_of(owner: str = "alice", now: float = NOW) -> str:
    return issue(owner, TOKENS[owner], now=now)


def test_a_cookie_names_its_owner_for_twelve_hours() -> None:
    session = read(cookie_of(), TOKENS, now=NOW + 1)
    assert session is not None
    assert (session.owner, session.expires_at) == ("alice", NOW + 12 * 3600)
    assert read(cookie_of(), TOKENS, now=NOW + SESSION_S - 1) is not None
    assert read(cookie_of(), TOKENS, now=NOW + SESSION_S) is None


def test_a_token_that_is_gone_or_changed_ends_its_sessions() -> None:
    cookie = cookie_of()
    assert read(cookie, {"bob": TOKENS["bob"]}, now=NOW) is None
    assert read(cookie, {**TOKENS, "alice": SecretStr("another-token-of-alice")}, now=NOW) is None
    assert read(cookie, {**TOKENS, "bob": SecretStr("another-token-of-bob")}, now=NOW) is not None


def test_no_part_of_a_cookie_can_be_changed() -> None:
    payload, _, signature = cookie_of().partition(".")
    owner, expires_at, nonce = json.loads(urlsafe_b64decode(payload))
    for content in ([owner, expires_at + 1, nonce], ["bob", expires_at, nonce], ["carol", expires_at, nonce]):
        forged = urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
        assert read(f"{forged}.{signature}", TOKENS, now=NOW) is None
    assert read(f"{payload}.{cookie_of('bob').partition('.')[2]}", TOKENS, now=NOW) is None


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode() + ".x"), st.integers(0, 200))
def test_whatever_else_a_browser_sends_is_no_session(text: str, cut: int) -> None:
    assert read(text, TOKENS, now=NOW) is None
    good = cookie_of()
    broken = good[:cut] + good[cut + 1 :]
    assert read(broken, TOKENS, now=NOW) is None or broken == good
    assert read(good + text, TOKENS, now=NOW) is None or not text


@pytest.mark.parametrize("content", ["[]", "{}", '["alice"]', '["alice", "x", "n"]', "[" * 5000, "[1, 2, 3]"])
def test_a_payload_of_another_shape_is_no_session(content: str) -> None:
    payload = urlsafe_b64encode(content.encode()).decode()
    assert read(f"{payload}.signature", TOKENS, now=NOW) is None


def test_a_form_token_belongs_to_one_session() -> None:
    session, other = read(cookie_of(), TOKENS, now=NOW), read(cookie_of(), TOKENS, now=NOW)
    assert session is not None
    assert other is not None
    assert is_form_token(session, session.form_token)
    assert not is_form_token(session, other.form_token)
    assert not is_form_token(session, "")
    assert not is_form_token(session, "\ud800é")
    assert session.form_token not in cookie_of()


def test_a_token_finds_its_owner() -> None:
    assert owner_of("token-of-bob-9876543210", TOKENS) == "bob"
    for wrong in ("", "token-of-bob-987654321", "TOKEN-OF-BOB-9876543210", "\ud800", "é" * 20):
        assert owner_of(wrong, TOKENS) is None
    assert owner_of("x", {}) is None


def test_an_address_that_fails_often_has_to_wait() -> None:
    now = 0.0
    brake = SignInBrake(failures=3, window_s=60, clock=lambda: now)
    for _ in range(2):
        brake.failed("1.2.3.4")
    assert brake.wait_s("1.2.3.4") == 0
    now = 10.0
    brake.failed("1.2.3.4")
    assert brake.wait_s("1.2.3.4") == 50
    assert brake.wait_s("5.6.7.8") == 0
    now = 60.0
    assert brake.wait_s("1.2.3.4") == 0


def test_a_good_token_ends_the_counting() -> None:
    brake = SignInBrake(failures=2, clock=lambda: 0.0)
    brake.failed("1.2.3.4")
    brake.succeeded("1.2.3.4")
    brake.failed("1.2.3.4")
    assert brake.wait_s("1.2.3.4") == 0


def test_the_brake_forgets_addresses_rather_than_fill_the_memory() -> None:
    brake = SignInBrake(failures=1, clock=lambda: 0.0)
    for number in range(10_001):
        brake.failed(str(number))
    assert brake.wait_s("0") == 0
    assert brake.wait_s("10000") > 0
