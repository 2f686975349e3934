"""What clients of paid image makers share: a picture, typed refusals, the books, and when to ask again.

Here: `PaidClient`, which sends within a rate limit and repeats where that can help. Not here: any vendor's requests and
answers (their own packages).

An image is paid for when the vendor has made it, whether we get it or not. So after an answer that was lost or useless
an image is asked for once more, not again and again; after a refusal (HTTP 429, 5xx) and a request that never left, as
often as anything else. Whoever keeps the books is called around every single request, as each may cost something.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeVar

import stamina

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.redaction import redact
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import RateWindows, ThrottledError

ATTEMPTS = 5
# An overloaded model (HTTP 503) is so for seconds to minutes: the four waits add up to about half a minute.
WAIT_INITIAL_S = 1.0
WAIT_MAX_S = 20.0
# How often an image is asked for after an answer that may have been paid for in vain.
LOST_IMAGES = 2
# A full window of a minute and retries of it pass within this; a used-up quota of a day does not.
PATIENCE_S = 120.0
_SENTENCE_LIMIT = 500

_T = TypeVar("_T")
# Entered around every request that is sent, and told by its error how it ended. What it raises itself is not repeated.
Paying = Callable[[], AbstractContextManager[object]]


class _NotBooked(Exception):  # noqa: N818  # carries what `Paying` raised past the retries
    """The books could not be kept."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image: its bytes as they are in a file, and their media type, e.g. ``image/jpeg``."""

    data: bytes
    media_type: str

    def __repr__(self) -> str:
        """Without the bytes."""
        return f"Picture({len(self.data)} bytes of {self.media_type})"


class ModerationError(PermanentError):
    """The vendor blocked the request or its answer; the message has its reason.

    Attributes:
        free: whether the vendor says that it charges nothing for such a refusal.
    """

    code = "moderated"
    free = False


class NoImageError(PermanentError):
    """The model answered without an image; the message has what it said instead."""

    code = "no_image"


class NoModelError(PermanentError):
    """There is no such model, or it cannot do this."""

    code = "no_model"


class AccountError(PermanentError):
    """The vendor refuses whatever the account asks for: billing is off, credit used up, the location not served."""

    code = "account"


class NotTheVendorError(PermanentError):
    """Somebody else answered, e.g. a gateway with a page or a redirect; nothing was carried out."""

    code = "not_the_vendor"


class BadAnswerError(TransientError):
    """An answer that is cut short, or not what was asked for; another one may be. It was paid for."""

    code = "bad_answer"


# What vendors don't charge for: Google ("If your request fails with a 400 or 500 error, you won't be charged",
# ai.google.dev, billing FAQs), Stability ("failed generations" cost no credits); for the rest it is inferred.
_FREE = (
    *(NotSentError, ThrottledError, AccessDeniedError, SettingsError),
    *(NoModelError, AccountError, NotTheVendorError),
)
_FREE_CODES = frozenset({"unavailable", "refused"})
# The vendor, the day's budget, the bucket or the database, for everything that would come next.
_TURNS_AWAY = frozenset(
    {"throttled", "budget", "no_model", "account", "not_geminis", "not_the_vendor", "no_bucket", "unreachable"}
)


def may_be_charged(error: Exception) -> bool:
    """Whether the request that ended so may have cost something: whatever is not surely free."""
    if isinstance(error, ModerationError):
        return not error.free
    return not (isinstance(error, _FREE) or getattr(error, "code", None) in _FREE_CODES)


def turns_away(error: ImageAssetsError) -> bool:
    """Whether an error is none of one item: whatever comes next, a whole system would refuse it too."""
    return isinstance(error, AccessDeniedError | SettingsError | NotSentError) or error.code in _TURNS_AWAY


def clean(text: object) -> str:
    """Text of an answer: redacted, in one line, printable, not endless and without a full stop."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(text or ""))
    line = redact(" ".join(printable.split())).rstrip(".")
    return line if len(line) <= _SENTENCE_LIMIT else f"{line[:_SENTENCE_LIMIT]}..."


class PaidClient:
    """One key's client: within a rate limit, counted, asking again where that can help. May be shared by threads.

    Args:
        windows: the rate limit to keep; `limits.shared_windows` makes one per key and process.
        patience_s: seconds to wait for the rate limit, or after HTTP 429, before a request is given up.

    Attributes:
        requests: sent so far, by kind.
    """

    def __init__(self, windows: RateWindows, *, patience_s: float = PATIENCE_S) -> None:
        self.requests: Counter[str] = Counter()
        self._windows = windows
        self._patience_s = patience_s
        self._lock = Lock()

    def _ask(self, kind: str, send: Callable[[], _T], lost: int = ATTEMPTS, paying: Paying = nullcontext) -> _T:
        """Send, and again after errors that pass; at most ``lost`` times after answers that may have been paid for."""

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, TransientError) and not isinstance(error, ThrottledError) and lost > 0

        attempts = stamina.retry_context(
            on=may_repeat, attempts=ATTEMPTS, wait_initial=WAIT_INITIAL_S, wait_max=WAIT_MAX_S, timeout=None
        )
        try:
            for attempt in attempts:
                with attempt:
                    try:
                        return self._in_turn(kind, partial(_booked, paying, send))
                    except NotSentError:
                        raise
                    except (UnreachableError, BadAnswerError):
                        lost -= 1
                        raise
        except _NotBooked as failure:
            raise failure.error from None
        raise AssertionError("stamina raises the last attempt's error")

    def _in_turn(self, kind: str, send: Callable[[], _T]) -> _T:
        """Send when the rate limit allows it, until the answer is another one than 429."""
        give_up_at = math.inf
        for attempt in itertools.count():
            turn = self._windows.take(self._patience_s, again=attempt > 0)
            try:
                answer = send()
            except ThrottledError as error:
                self._count(kind)
                asked = error.retry_after_s
                if asked is not None and asked > self._patience_s:
                    turn.answered()  # quotas are per model: the other one may go on
                    raise ThrottledError.until_later(error.message, asked) from None
                seconds = turn.throttled(asked)
                give_up_at = min(give_up_at, time.monotonic() + self._patience_s)
                if time.monotonic() + seconds > give_up_at:
                    raise ThrottledError.until_later(error.message, seconds) from None
                continue
            except NotSentError:
                turn.unsent()
                raise
            except ImageAssetsError as error:
                self._count(kind)
                if not isinstance(error, UnreachableError):
                    turn.answered()
                raise
            except (ValueError, _NotBooked):  # a schema that is none; books that do not allow it
                turn.unsent()
                raise
            break
        self._count(kind)
        turn.answered()
        return answer

    def _count(self, kind: str) -> None:
        with self._lock:
            self.requests[kind] += 1


def _booked(paying: Paying, send: Callable[[], _T]) -> _T:
    """Send between entering and leaving the books.

    Raises:
        _NotBooked: what the books raised themselves.
        Exception: what sending raised.
    """
    sending: Exception | None = None
    try:
        with paying():
            try:
                return send()
            except Exception as error:
                sending = error
                raise
    except Exception as error:
        if error is sending:
            raise
        raise _NotBooked(error) from None
    raise AssertionError("the books hide no error")
