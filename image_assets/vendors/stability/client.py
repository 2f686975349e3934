"""Stability for the rest of the project: within a rate limit, counted, and asked again where that can help.

Here: what can be asked, and how it is sent. Not here: when, and when once more (``vendors/paid.py``), what an answer
means (``answers.py``, ``errors.py``), what to ask (the caller).

Every request is ``multipart/form-data``, also without a file; with ``Accept: image/*`` the body of a good answer is the
picture (https://platform.stability.ai/docs/api-reference).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import httpx2
from pydantic import SecretStr

from image_assets.errors import InputError, PermanentError, SettingsError, UnreachableError
from image_assets.redaction import register_secret
from image_assets.vendors.http import TIMEOUT_S, NotSentError, make_client, send
from image_assets.vendors.limits import RateWindows, Window, shared_windows
from image_assets.vendors.paid import (
    LOST_IMAGES,
    PATIENCE_S,
    AccountError,
    NoModelError,
    NotTheVendorError,
    PaidClient,
    Paying,
    Picture,
)
from image_assets.vendors.stability.answers import credits_of, json_of, picture_of
from image_assets.vendors.stability.errors import ACCOUNT_HINT, KEY_HINT, URL_HINT, status_error

if TYPE_CHECKING:
    from image_assets.settings import Settings

BASE_URL = "https://api.stability.ai"
DEFAULT_MODEL = "core"
# "prompt: string [1 .. 10000] characters", "negative_prompt: string <= 10000 characters" (API reference)
PROMPT_LIMIT = 10_000
_ENDPOINTS = ("core", "ultra")
_WINDOW_S = 10.0


class StabilityClient(PaidClient):
    """One key's Stability; may be shared by threads.

    Args:
        api_key: masked in every message and log from then on.
        windows: the rate limit to keep; `shared_windows` makes one per key and process.
        base_url: scheme and host; by default the vendor's.
        model: ``core`` or ``ultra``, or one that ``sd3`` has, e.g. ``sd3.5-large``.
        timeout_s: seconds to wait for an answer.
        patience_s: seconds to wait for the rate limit, or after HTTP 429, before a request is given up.

    Raises:
        SettingsError: the key is empty, or has characters that no HTTP header can have.
    """

    def __init__(
        self,
        api_key: SecretStr,
        *,
        windows: RateWindows,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        timeout_s: float = 120.0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(windows, patience_s=patience_s)
        key = api_key.get_secret_value()
        register_secret(key)
        if not key or not key.isascii() or not key.isprintable() or key.strip() != key:
            raise SettingsError(
                "STABILITY_API_KEY is no key: it is empty, or has characters that no HTTP header can have.",
                hint=KEY_HINT,
            )
        self.model = model
        self._headers = {"Authorization": f"Bearer {key}"}
        self._base_url = _address(base_url)
        self._timeout = httpx2.Timeout(TIMEOUT_S, read=timeout_s)
        self._http = make_client()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client of ``STABILITY_API_KEY``.

        Raises:
            SettingsError: a setting is missing, ``STABILITY_BASE_URL`` does not belong to the environment, or there is
                no sandbox.
        """
        settings.require_stability()
        key = settings.require("stability_api_key")
        limit = Window(settings.stability_per_10_s, _WINDOW_S)
        return cls(
            SecretStr(key),
            windows=shared_windows(_address(settings.stability_base_url), key, [limit], "Stability"),
            base_url=settings.stability_base_url,
            model=settings.stability_model,
            timeout_s=settings.stability_timeout_s,
        )

    def make_image(
        self,
        prompt: str,
        *,
        negative_prompt: str = "",
        aspect_ratio: str | None = None,
        seed: int | None = None,
        paying: Paying = nullcontext,
    ) -> Picture:
        """A JPEG of about one megapixel, from a text, by `model`; counted as ``image``.

        Args:
            prompt: what to make; 1 to 10,000 characters, sent as they are.
            negative_prompt: what not to show; at most 10,000 characters.
            aspect_ratio: width to height: 16:9, 1:1, 21:9, 2:3, 3:2, 4:5, 5:4, 9:16 or 9:21; None means 1:1.
            seed: 1 to 4294967294, for the same picture again; 0 and None leave it to chance.
            paying: entered around every single request; what it raises itself comes out at once and unchanged.

        Returns:
            The picture as it came.

        Raises:
            InputError: a prompt is empty, too long or no text; nothing was sent.
            ModerationError: Stability blocked the request, or blurred what it made.
            NoModelError: there is no such model; the hint names the setting.
            AccessDeniedError: the key is wrong, or may not do this.
            AccountError: no credits are left.
            ThrottledError: the rate limit is used up for longer than our patience.
            NotTheVendorError: somebody else answered.
            BadAnswerError, UnreachableError, TransientError: no usable answer after the retries.
            PermanentError: refused for another reason.
            SettingsError: ``STABILITY_BASE_URL`` is not an address.
        """
        if not prompt.strip():
            raise InputError("The prompt is empty.", hint="Say what the picture is to show.")
        _check("prompt", prompt)
        _check("negative prompt", negative_prompt)
        fields = {"prompt": prompt, "output_format": "jpeg"}
        if self.model not in _ENDPOINTS:
            fields["model"] = self.model
        optional = {"negative_prompt": negative_prompt, "aspect_ratio": aspect_ratio, "seed": seed}
        fields.update({name: str(value) for name, value in optional.items() if value not in (None, "")})
        return self._ask("image", partial(self._draw, fields), lost=LOST_IMAGES, paying=paying)

    def check_account(self) -> float:
        """Ask for the credits that are left, a cent of a dollar each; costs nothing, counted as ``account``.

        Raises:
            AccountError: none is left.
            NotTheVendorError: somebody else answered, or there is no such address.
            As `make_image`, but for what concerns pictures.
        """
        left = self._ask("account", self._balance)
        if left <= 0:
            raise AccountError("Stability: the account has no credits left.", hint=ACCOUNT_HINT)
        return left

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"StabilityClient(model={self.model!r})"

    def _draw(self, fields: dict[str, str]) -> Picture:
        what = f"Stability ({self.model})"
        endpoint = self.model if self.model in _ENDPOINTS else "sd3"
        # A part without a file name each: given as plain data they would be sent as a URL-encoded form.
        parts = {name: (None, value.encode()) for name, value in fields.items()}
        path = f"/v2beta/stable-image/generate/{endpoint}"
        return picture_of(what, self._exchange(what, "POST", path, "image/*", files=parts))

    def _balance(self) -> float:
        what = "Stability"
        try:
            return credits_of(what, self._exchange(what, "GET", "/v1/user/balance", "application/json"))
        except NoModelError as error:  # no model was asked for
            raise NotTheVendorError(error.message, hint=URL_HINT) from None

    def _exchange(self, what: str, method: str, path: str, accept: str, **arguments: Any) -> httpx2.Response:
        """Send one request once; return its answer, if it is none of HTTP 300 and more.

        Raises:
            ImageAssetsError: there was no answer, or it is a refusal.
        """
        headers = {**self._headers, "Accept": accept}
        try:
            response = send(
                self._http, method, f"{self._base_url}{path}", headers=headers, timeout=self._timeout, **arguments
            )
        except NotSentError as error:
            raise NotSentError(f"{what}: {error.message}", hint=URL_HINT) from None
        except UnreachableError as error:
            # One answer that was lost says nothing of the next one; where there is no connection, there will be none.
            raise UnreachableError(f"{what}: {error.message}", code="no_answer", hint=URL_HINT) from None
        except PermanentError as error:
            raise SettingsError(f"{what}: {error.message}", code=error.code, hint=URL_HINT) from None
        if not response.is_success:
            raise status_error(what, response.status_code, json_of(response), response.headers)
        return response


def _check(name: str, text: str) -> None:
    """Refuse what Stability would refuse, or could not be sent."""
    if len(text) > PROMPT_LIMIT:
        raise InputError(
            f"The {name} has {len(text):,} characters; Stability takes {PROMPT_LIMIT:,}.", hint="Shorten it."
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"The {name} has half of a letter in it.", hint="Write it anew.") from None


def _address(base_url: str | None) -> str:
    return (base_url or BASE_URL).rstrip("/")
