"""What Shopify can refuse, as typed errors.

Here: errors that carry more than a sentence. Not here: when they are raised (``answers.py``, ``client.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from image_assets.errors import PermanentError, TransientError
from image_assets.redaction import redact

# Codes that mean "not now" (FilesErrorCode and MediaUserErrorCode, Admin API 2026-07); NON_READY_* as well.
_PASSING = {"FILE_LOCKED", "MEDIA_CANNOT_BE_MODIFIED"}


@dataclass(frozen=True, slots=True)
class UserError:
    """One entry of ``userErrors`` or ``mediaUserErrors``.

    Args:
        field: the path to the input that is wrong, with indexes as text, or empty.
        code: Shopify's code, or empty where its type has none.
        message: Shopify's own sentence.
    """

    field: tuple[str, ...]
    code: str
    message: str

    @classmethod
    def of_answer(cls, entry: Mapping[str, Any]) -> UserError:
        """Read an entry; sentences can quote presigned URLs, so they are redacted."""
        path = tuple(str(part) for part in entry.get("field") or ())
        return cls(path, str(entry.get("code") or ""), redact(str(entry.get("message") or "")))

    @property
    def transient(self) -> bool:
        """Whether the same input can succeed later: the file is locked, or not processed yet."""
        return self.code in _PASSING or self.code.startswith("NON_READY_")

    def __str__(self) -> str:
        """Path, sentence and code, as far as there are any."""
        where = f"{'.'.join(self.field)}: " if self.field else ""
        return f"{where}{self.message}{f' ({self.code})' if self.code else ''}"


class UserErrors(PermanentError):  # noqa: N818 - it is several
    """Shopify refused a mutation's input; ``code`` is the first error's in lower case, or ``user_error``.

    Args:
        root: the mutation's root field.
        errors: what was refused; at least one.
        payload: the root field's payload, for mutations that do part of what they are asked.
    """

    def __init__(self, root: str, errors: tuple[UserError, ...], payload: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.errors = errors
        self.payload = dict(payload or {})
        more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
        super().__init__(f"{root}: {errors[0]}{more}", code=errors[0].code.lower() or "user_error")

    @property
    def transient(self) -> bool:
        """Whether every error is transient."""
        return all(error.transient for error in self.errors)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with the errors."""
        return (type(self), (self.root, self.errors, self.payload))


class UnknownResultError(TransientError):
    """A mutation was sent and its answer lost: read back what it did before sending it again."""

    code = "unknown_result"

    @classmethod
    def of(cls, root: str) -> UnknownResultError:
        """The error for a root field."""
        return cls(f"The answer to {root} was lost; it may have been applied.")


class NotRunError(TransientError):
    """Shopify turned a request away before running it, so that even a mutation can be sent again.

    ``retry_after``: the seconds it asked to wait for, or None.
    """

    retry_after: float | None = None


class ThrottledError(NotRunError):
    """Shopify turns the app away for longer than our patience: others use the shop's budget up."""

    code = "throttled"
