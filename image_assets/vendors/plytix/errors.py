"""What Plytix can refuse, as typed errors, and its own words for it.

Here: errors that carry more than a sentence, and reading the bodies of refusals. Not here: which status means which
error (``answers.py``), and when to ask again (``client.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from image_assets.errors import PermanentError, TransientError
from image_assets.redaction import redact
from image_assets.vendors.limits import ThrottledError

__all__ = ["BusyError", "FieldError", "RefusedError", "ThrottledError", "refusal", "sentence"]

_SENTENCE_LIMIT = 500


class BusyError(TransientError):
    """The authentication service turns us away for a moment.

    ``retry_after_s``: the seconds it asked to wait, or None.
    """

    code = "throttled"
    retry_after_s: float | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Survive copying with the seconds."""
        return (*super().__reduce__(), {"retry_after_s": self.retry_after_s})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of a refusal's ``error.errors``: the field and what is wrong with it, in Plytix's words."""

    field: str
    message: str

    def __str__(self) -> str:
        """Field and sentence, as far as there are any."""
        return f"{self.field}: {self.message}" if self.field and self.message else self.field or self.message


class RefusedError(PermanentError):
    """Plytix understood a request and refused it: HTTP 400, 409, 422 and the like.

    Args:
        what: method and path.
        status: the HTTP status.
        said: Plytix's general sentence, or empty.
        fields: what it says of single fields.

    ``after_lost``: an earlier try's answer was lost, so what it refuses to do again may have been done by ourselves.
    """

    code = "refused"
    after_lost: bool = False

    def __init__(self, what: str, status: int, said: str = "", fields: tuple[FieldError, ...] = ()) -> None:
        self.what = what
        self.status = status
        self.said = said
        self.fields = fields
        super().__init__(f"{what}: {sentence(said, fields) or 'refused'} (HTTP {status}).")

    def field(self, name: str) -> str | None:
        """What Plytix says of a field, or None."""
        return next((entry.message for entry in self.fields if entry.field == name), None)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with the fields."""
        return (type(self), (self.what, self.status, self.said, self.fields), {"after_lost": self.after_lost})


def refusal(body: Any) -> tuple[str, tuple[FieldError, ...]]:
    """Plytix's general sentence and its field errors, both redacted; empty where the body has none.

    Its guide documents ``{"error": {"msg", "errors": [{"field", "msg"}]}}``; some of its endpoints answer
    ``{"msg"}``, ``{"detail": "..."}`` or ``{"detail": [{"loc", "msg"}]}``.
    """
    if not isinstance(body, Mapping):
        return "", ()
    error = body.get("error", body)
    if isinstance(error, str):
        return _clean(error), ()
    if not isinstance(error, Mapping):
        return "", ()
    detail = error.get("detail")
    said = error.get("msg") or (detail if isinstance(detail, str) else "")
    return _clean(said), tuple(_field_errors(error.get("errors") or detail))


def sentence(said: str, fields: tuple[FieldError, ...]) -> str:
    """A refusal in one line."""
    details = "; ".join(str(entry) for entry in fields if entry.message != said)
    return _shorten(f"{said} ({details})" if said and details else said or details)


def _field_errors(entries: Any) -> Iterator[FieldError]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping):
            where = entry.get("field") or entry.get("loc") or ""
            name = ".".join(map(str, where)) if isinstance(where, list) else str(where)
            if name == "http_status_code":  # not a field: the status once more
                continue
            yield FieldError(_clean(name), _clean(entry.get("msg")))


def _clean(value: Any) -> str:
    """Text of an answer, whatever its type (``msg`` can be an object): redacted, in one line and not endless."""
    text = "" if value is None else str(value)
    return _shorten(redact(" ".join(text.split()))).rstrip(".")


def _shorten(text: str) -> str:
    return text if len(text) <= _SENTENCE_LIMIT else f"{text[:_SENTENCE_LIMIT]}..."
