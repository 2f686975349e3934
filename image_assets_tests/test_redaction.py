"""Secrets never survive redaction, whatever surrounds them, and log records are redacted whoever logs them.

The registered secrets are process-wide by design: what these tests register, any text Hypothesis thinks of, is
forgotten again after each test and each example, and so is the log record factory they install.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, strategies as st

from image_assets import redaction
from image_assets.redaction import MASK, MIN_SECRET_LENGTH, install_log_redaction, redact, register_secret

PRESIGNED = (
    "https://bucket.s3.amazonaws.com/images/1.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIDEXAMPLEAKID%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z"
    "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLETOKEN&X-Amz-Signature=0123456789abcdef&X-Amz-Expires=300"
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
# Texts that redaction's own mask is no part of; the mask itself would survive, being what is put in.
secret_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET_LENGTH, max_size=40).filter(
    lambda value: value not in MASK
)


@contextmanager
def no_other_secrets() -> Iterator[None]:
    """A process that has registered no secret yet."""
    known, pattern = set(redaction._secrets), redaction._secrets_pattern
    redaction._secrets.clear()
    redaction._secrets_pattern = None
    try:
        yield
    finally:
        redaction._secrets.clear()
        redaction._secrets.update(known)
        redaction._secrets_pattern = pattern


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    with no_other_secrets():
        yield


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a plain handler of the root logger writes, with redaction installed; all put back afterwards."""
    factory, root = logging.getLogRecordFactory(), logging.getLogger()
    level = root.level
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    install_log_redaction()
    yield written
    root.removeHandler(handler)
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


@given(secret_values, text, text)
@example("a+b/c=d", "x", "y")
@example("Bearer abc", "Bearer ", "")
def test_no_registered_secret_survives_in_any_text(secret: str, before: str, after: str) -> None:
    # A secret that begins or ends as the mask does could be spelled by the mask and the text beside it.
    assume(not any(MASK.endswith(secret[:n]) or MASK.startswith(secret[-n:]) for n in range(1, len(secret))))
    with no_other_secrets():
        register_secret(secret)
        plain = redact(f"{before}{secret}{after}")
    assert secret not in plain
    assert MASK in plain


@given(secret_values.filter(lambda value: quote(value, safe="") != value))
@example("pa ss/word+plus")
def test_the_url_encoded_form_of_a_secret_is_masked_too(secret: str) -> None:
    with no_other_secrets():
        register_secret(secret)
        cleaned = redact(f"https://example.com/?token={quote(secret, safe='')}&x=1")
    assert cleaned == f"https://example.com/?token={MASK}&x=1"


def test_a_secret_that_contains_another_one_is_masked_whole() -> None:
    register_secret("inner-secret")
    register_secret("outer-inner-secret-outer")
    assert redact("<outer-inner-secret-outer> <inner-secret>") == f"<{MASK}> <{MASK}>"


@pytest.mark.parametrize("value", ["", "a", "test", "abcde"])
def test_values_shorter_than_any_credential_are_not_masked(value: str) -> None:
    register_secret(value)
    assert redact(f"this is a test of abcde: {value}") == f"this is a test of abcde: {value}"


def test_a_signature_that_botocore_logs_is_masked() -> None:
    assert redact(f"Signature:\n{'0123abcd' * 8}") == f"Signature:\n{MASK}"


def test_presigned_urls_lose_their_signature_credential_and_token() -> None:
    cleaned = redact(f'GET "{PRESIGNED}" failed')
    for part in ("AKIDEXAMPLEAKID", "FwoGZXIvYXdzEXAMPLETOKEN", "0123456789abcdef"):
        assert part not in cleaned
    assert cleaned.count(MASK) == 3
    assert "X-Amz-Expires=300" in cleaned
    assert cleaned.startswith('GET "https://bucket.s3.amazonaws.com/images/1.jpg?')


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer abc.def-ghi_123",
        "authorization: Basic dXNlcjpwYXNz",
        "{'Authorization': 'Bearer abc.def-ghi_123'}",
        '{"authorization": "dXNlcjpwYXNz"}',
        "sent Bearer abc.def-ghi_123 to it",
        "Authorization=abc.def-ghi_123",
    ],
)
def test_tokens_of_authorization_headers_are_masked(line: str) -> None:
    cleaned = redact(line)
    assert "abc.def" not in cleaned
    assert "dXNlcjpwYXNz" not in cleaned
    assert MASK in cleaned


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "https", "redis", "POSTGRESQL"])
def test_passwords_in_urls_are_masked_and_the_rest_is_kept(scheme: str) -> None:
    assert redact(f"can't reach {scheme}://user:hunter2@host:5432/db?x=1") == (
        f"can't reach {scheme}://user:{MASK}@host:5432/db?x=1"
    )


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789!$&'()*+,;=_.~-%", min_size=1, max_size=30))
def test_any_password_of_a_url_is_masked(password: str) -> None:
    assert redact(f"postgresql://user:{password}@host/db") == f"postgresql://user:{MASK}@host/db"


def test_ordinary_text_is_left_as_it_is() -> None:
    for line in (
        "s3://bucket/images/deal/12345/1709952.jpg: not found.",
        "Image 12345/1709952 at http://127.0.0.1:4566/path?list-type=2: 503",
        "mail someone@example.com about it",
    ):
        assert redact(line) == line


@given(text)
def test_redacting_twice_changes_nothing_more(line: str) -> None:
    once = redact(f"{line} Bearer abcdef {PRESIGNED} postgresql://u:pw@h/d")
    assert redact(once) == once


def test_log_messages_and_their_arguments_are_redacted(log: io.StringIO) -> None:
    register_secret("log-secret-value")
    logging.getLogger("somebody.else").warning("token %s of %d", "log-secret-value", 7)
    logging.getLogger("somebody.else").debug("in the text: log-secret-value")
    logging.getLogger("somebody.else").info("a mapping %(key)s", {"key": "log-secret-value"})
    assert log.getvalue().splitlines() == [
        f"WARNING token {MASK} of 7",
        f"DEBUG in the text: {MASK}",
        f"INFO a mapping {MASK}",
    ]


def test_tracebacks_in_logs_are_redacted(log: io.StringIO) -> None:
    register_secret("traceback-secret-value")
    try:
        try:
            raise ValueError("inner traceback-secret-value")
        except ValueError as inner:
            raise RuntimeError("outer traceback-secret-value") from inner
    except RuntimeError:
        logging.getLogger("somebody.else").exception("it broke")
    written = log.getvalue()
    assert "traceback-secret-value" not in written
    assert f"ValueError: inner {MASK}" in written
    assert f"RuntimeError: outer {MASK}" in written
    assert written.count("Traceback") == 2


def test_a_log_call_outside_of_an_exception_may_ask_for_a_traceback(log: io.StringIO) -> None:
    logging.getLogger("somebody.else").error("no exception here", exc_info=True)
    assert log.getvalue().startswith("ERROR no exception here")


def test_installing_twice_wraps_once(log: io.StringIO) -> None:
    factory = logging.getLogRecordFactory()
    install_log_redaction()
    assert logging.getLogRecordFactory() is factory
    logging.getLogger("somebody.else").warning("100%% of %s", "it")
    assert log.getvalue() == "WARNING 100% of it\n"


@pytest.mark.parametrize("encode", [quote, quote_plus])
def test_the_usual_ways_to_encode_a_password_in_a_url_are_all_masked(encode: Callable[[str], str]) -> None:
    secret = "p@ss/word with spaces"
    register_secret(secret)
    encoded = encode(secret)
    assert redact(f"https://example.com/?password={encoded}&x=1") == f"https://example.com/?password={MASK}&x=1"
