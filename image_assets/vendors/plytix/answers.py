"""From an HTTP answer of Plytix to typed values or a typed error.

Here: statuses, bodies, and the shapes of assets, products and attributes. Not here: sending, waiting and repeating
(``client.py``).

Statuses and what they mean: "HTTP Status Codes" of Plytix's API guide. Every answer with a body is
``{"data": [...]}``, also for one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Self

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from image_assets.vendors.plytix.errors import RefusedError, refusal, sentence

GALLERY = "MediaGalleryAttribute"
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What the settings are called that hints speak of."""

    api_key: str = "PLYTIX_API_KEY"
    api_password: str = "PLYTIX_API_PASSWORD"  # noqa: S105 - a variable's name
    base_url: str = "PLYTIX_BASE_URL"
    auth_url: str = "PLYTIX_AUTH_URL"

    @classmethod
    def of_account(cls, account: str) -> Self:
        """The names for one account among several: ``PLYTIX_<ACCOUNT>_API_KEY`` and ``..._API_PASSWORD``."""
        return cls(f"PLYTIX_{account.upper()}_API_KEY", f"PLYTIX_{account.upper()}_API_PASSWORD")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in Plytix.

    Args:
        id: 24 hexadecimal digits.
        filename: its name, which is not unique; in a product's thumbnail Plytix gives a path, or nothing at all.
        existed: False for one that was just made.
    """

    id: str
    filename: str
    existed: bool = True

    @classmethod
    def of_answer(cls, value: Any, what: str, *, existed: bool = True) -> Self:
        """Read an asset object; where only its id is given, that is all there is to read.

        Raises:
            PermanentError: it is neither.
        """
        if isinstance(value, str) and _OBJECT_ID.fullmatch(value):
            return cls(value, "", existed)
        if not isinstance(value, Mapping):
            raise unexpected(what, f"an asset that is {_kind(value)}")
        filename = value.get("filename")
        return cls(_text(value, "id", what), filename if isinstance(filename, str) else "", existed)


@dataclass(frozen=True, slots=True)
class Product:
    """A product, as far as its images are concerned.

    Args:
        id: 24 hexadecimal digits.
        sku: exactly as Plytix has it.
        label: its name, or empty.
        thumbnail: its main image, or None.
        galleries: the assets of every media attribute that was asked for, in their order; empty where it has none.
        asset_count: how many assets it has, wherever they are linked; Plytix allows 300.
    """

    id: str
    sku: str
    label: str = ""
    thumbnail: Asset | None = None
    galleries: Mapping[str, tuple[Asset, ...]] = field(default_factory=dict)
    asset_count: int = 0

    @classmethod
    def of_answer(cls, value: Mapping[str, Any], galleries: Iterable[str], what: str) -> Self:
        """Read a product object. Plytix leaves empty attributes out.

        Raises:
            PermanentError: it is none, or one of ``galleries`` holds something else than assets.
        """
        attributes = value.get("attributes") or {}
        if not isinstance(attributes, Mapping):
            raise unexpected(what, f"attributes that are {_kind(attributes)}")
        thumbnail, assets = value.get("thumbnail"), value.get("assets") or []
        if not isinstance(assets, list):
            raise unexpected(what, f"assets that are {_kind(assets)}")
        label = value.get("label")
        return cls(
            _text(value, "id", what),
            _text(value, "sku", what),
            label if isinstance(label, str) else "",
            Asset.of_answer(thumbnail, what) if thumbnail else None,
            {name: _gallery(attributes.get(name), what) for name in galleries},
            len(assets),
        )


@dataclass(frozen=True, slots=True)
class Attribute:
    """A product attribute: its label, which requests use, its name for people, and its type."""

    label: str
    name: str
    type_class: str

    @property
    def is_gallery(self) -> bool:
        """Whether it holds any number of assets, in an order."""
        return self.type_class == GALLERY

    @classmethod
    def of_answer(cls, value: Mapping[str, Any], what: str) -> Self:
        """Read an attribute object.

        Raises:
            PermanentError: it is none.
        """
        return cls(*(_text(value, key, what) for key in ("label", "name", "type_class")))


def items(body: Any, what: str) -> list[Mapping[str, Any]]:
    """The objects of an answer.

    Raises:
        PermanentError: it is not ``{"data": [...]}``.
    """
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        raise unexpected(what, "no list of data")
    if not all(isinstance(item, Mapping) for item in data):
        raise unexpected(what, "data that is no object")
    return data


def unexpected(what: str, found: str) -> PermanentError:
    """The error for a successful answer that is not what it should be."""
    return PermanentError(
        f"{what}: Plytix answered with {found}.",
        code="unexpected_answer",
        hint="Check that the address is that of API v1; if it is, the API has changed.",
    )


def status_error(
    status: int, body: Any, what: str, names: SettingNames, *, auth: bool = False
) -> ImageAssetsError | None:
    """The error that an HTTP status other than 2xx means, or None for 2xx.

    Args:
        status: the status; 429 is none of the errors here.
        body: the answer's JSON, or None.
        what: method and path, for the message.
        names: for the hint.
        auth: whether the authentication service answered.
    """
    if 200 <= status < 300:
        return None
    said, fields = refusal(body)
    words = sentence(said, fields)
    explained = f"{what}: {words or 'refused'} (HTTP {status})."
    address = names.auth_url if auth else names.base_url
    if status >= 500:
        return TransientError(f"{what}: {words or 'Plytix failed'} (HTTP {status}).", code="unavailable")
    if status == 401:
        hint = f"Check {names.api_key} and {names.api_password}, and that they belong to {names.auth_url}."
        return AccessDeniedError(explained, hint=hint)
    if status == 403:
        hint = f"Give the API credentials of {names.api_key} the role they need, in Plytix."
        return AccessDeniedError(explained, code="forbidden", hint=hint)
    if 300 <= status < 400:
        return PermanentError(
            f"{what}: redirected elsewhere (HTTP {status}).", code="redirect", hint=f"Check {address}."
        )
    if status == 404 and not fields:  # Plytix names what it does not find; a wrong address has no name for it
        return PermanentError(explained, code="no_api", hint=f"Check {address}.")
    return NotFoundError(explained) if status == 404 else RefusedError(what, status, said, fields)


def asked_wait_s(headers: Mapping[str, str], body: Any) -> float | None:
    """The seconds that a 429 asks to wait: its Retry-After, or its body's ``retry_after``; None where it has neither.

    Plytix documents neither of the two; integrations read both.
    """
    error = body.get("error") if isinstance(body, Mapping) else None
    nested = error.get("retry_after") if isinstance(error, Mapping) else None
    candidates = (headers.get("retry-after"), nested, body.get("retry_after") if isinstance(body, Mapping) else None)
    return next((seconds for value in candidates if (seconds := _seconds(value)) is not None), None)


def _seconds(value: Any) -> float | None:
    """A duration, from a number, its text, or a date; None where it is none, or has passed."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (AttributeError, TypeError, ValueError):
            return None
    return seconds if 0 < seconds < float("inf") else None


def _gallery(value: Any, what: str) -> tuple[Asset, ...]:
    if value is None:
        return ()
    entries = value if isinstance(value, list) else [value]  # a media attribute holds one asset, not a list
    return tuple(Asset.of_answer(entry, what) for entry in entries)


def _text(value: Mapping[str, Any], key: str, what: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise unexpected(what, f"{_kind(text)} as {key}")
    return text


def _kind(value: Any) -> str:
    """What a value is, for messages: never its content."""
    if value is None:
        return "nothing"
    return "an empty text" if value == "" else f"a value of type {type(value).__name__}"
