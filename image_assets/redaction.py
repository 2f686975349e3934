"""Keeps secrets out of everything the project prints, stores or raises.

Here: the process-wide list of secret values, the patterns of secrets that come and go (presigned URLs, bearer tokens),
and their removal from log records. Not here: deciding what is a secret (``settings.py`` registers every ``SecretStr``).
"""

from __future__ import annotations

import logging
import re
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"

# Shorter values ("test", "a") would mask ordinary words of a message; no real credential is that short.
MIN_SECRET_LENGTH = 6

_PATTERNS = (
    # AWS SigV4 presigned URLs and SAS-like query arguments (reference: S3 "Authenticating Requests: Query Parameters").
    re.compile(r"(?i)((?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|[?&]Signature)=)[^&\s\"'<>]+"),
    re.compile(r"(?i)(Authorization['\"]?\s*[:=]\s*['\"]?)(?:Bearer|Basic)?\s*[^\s'\",}]+"),
    re.compile(r"(?i)(\bBearer\s+)[A-Za-z0-9._~+/=-]+"),
    # botocore.auth at level DEBUG: with the canonical request, logged beside it, it makes a presigned URL.
    re.compile(r"(Signature:\s+)[0-9a-f]{64}\b"),
    # The password of a URL's user-info part: postgresql+psycopg://user:password@host/db.
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)"),
)

_log = logging.getLogger(__name__)
_secrets: set[str] = set()
_lock = Lock()
_secrets_pattern: re.Pattern[str] | None = None


def register_secret(value: str) -> None:
    """Mask ``value``, and its URL-encoded forms, in every text that passes through `redact` from now on."""
    global _secrets_pattern
    if len(value) < MIN_SECRET_LENGTH:
        return
    with _lock:
        known = len(_secrets)
        _secrets.update({value, quote(value), quote(value, safe=""), quote_plus(value)})
        if len(_secrets) != known:
            # Longest first: a secret that contains another one must be masked whole.
            ordered = sorted(_secrets, key=len, reverse=True)
            _secrets_pattern = re.compile("|".join(re.escape(secret) for secret in ordered))


def redact(text: str) -> str:
    """Return ``text`` with every registered secret and every known token pattern masked."""
    if _secrets_pattern is not None:
        text = _secrets_pattern.sub(MASK, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def install_log_redaction() -> None:
    """Mask secrets in every log record of this process, whoever logs it and whatever handler writes it.

    Entry points call it (command line, code location, servers); importing the package as a library changes nothing.
    """
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "redacts", False):
        return
    formatter = logging.Formatter()

    def make_redacted_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            # Handlers print exc_text when it is there, and never format the traceback again.
            record.exc_text = redact(formatter.formatException(record.exc_info))
        return record

    make_redacted_record.redacts = True  # type: ignore[attr-defined]  # marks the factory as installed
    logging.setLogRecordFactory(make_redacted_record)


def log_retries_without_arguments() -> None:
    """Have stamina log a retry's name and cause only; modules that use it call this when they are imported.

    By itself it prints every argument of the retried call, on standard output where structlog is installed (Dagster
    brings it): the address of a webhook, the bytes of an upload, in the middle of ``--json``.
    """
    from stamina.instrumentation import RetryDetails, set_on_retry_hooks  # `--help` needs neither

    def log_retry(details: RetryDetails) -> None:
        _log.info(
            "%s failed (%s); attempt %d follows in %.1f s.",
            details.name,
            redact(str(details.caused_by)),
            details.retry_num + 1,
            details.wait_for,
        )

    set_on_retry_hooks([log_retry])
