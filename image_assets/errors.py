"""The project's typed errors: what went wrong, whether trying again can help, and what to do next.

Here: errors every layer may raise. Not here: a vendor's or a store's own mapping of error codes (beside its client).
Every message passes through redaction when the error is made, so that no later ``str(error)`` can leak a secret.
"""

from __future__ import annotations

import re

from image_assets.redaction import redact

# Control characters but for tabs and line ends, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ImageAssetsError(Exception):
    """Base of all typed errors.

    Args:
        message: one sentence that names the thing and the reason.
        code: a short stable word for tables, counters and tests, e.g. ``missing_source``.
        hint: the next action for a person, or an empty string.
    """

    code = "error"
    permanent = True

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        self.message = _plain(redact(message))
        self.hint = _plain(redact(hint))
        if code is not None:
            self.code = code
        super().__init__(self.message)

    def __str__(self) -> str:
        """The message and, where there is one, the next action."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling between processes with code and hint."""
        return (_rebuild, (type(self), self.message, self.code, self.hint))


def _plain(text: str) -> str:
    """A sentence that every log and database takes: others' words may hold control characters or halves of letters."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _rebuild(cls: type[ImageAssetsError], message: str, code: str, hint: str) -> ImageAssetsError:
    return cls(message, code=code, hint=hint)


class PermanentError(ImageAssetsError):
    """Trying again cannot help: the input, the setting or the permission has to change first."""


class TransientError(ImageAssetsError):
    """The same call may succeed later; clients retry it with backoff before they let it through."""

    code = "transient"
    permanent = False


class SettingsError(PermanentError):
    """A setting is missing or wrong; the message names the environment variable."""

    code = "settings"


class UnreachableError(TransientError):
    """A system did not answer at all, after the client's own retries."""

    code = "unreachable"


class NotFoundError(PermanentError):
    """The object is not there: HTTP 404, and nothing else, means missing."""

    code = "not_found"


class AccessDeniedError(PermanentError):
    """The credentials may not do this: HTTP 401 or 403."""

    code = "access_denied"


class SourceChangedError(TransientError):
    """The object is no longer the one the plan was made from; observing again makes a new plan."""

    code = "source_changed"


class ImageError(PermanentError):
    """The bytes are not an image we can render; ``code`` says why (see ``imaging/decode.py``)."""

    code = "bad_image"


class InputError(PermanentError):
    """A file, an argument or a row that a person gave us is wrong; the message names where."""

    code = "bad_input"


class FrameError(PermanentError):
    """A stored frame is missing, from another schema version, or from another variant set."""

    code = "frame"


class StalePlanError(PermanentError):
    """The plan was made from an inventory that is no longer the one at hand."""

    code = "stale_plan"
