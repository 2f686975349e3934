"""Requests and answers between HTTP and the handlers.

Here: the envelope of success, the envelope of errors, and a request's parts. Not here: HTTP (``server.py``).

reference: v1 collection, "Successful responses" (``data`` is always a list) and "Handling Errors" (``error.msg``, and
``error.errors`` with ``field`` and ``msg`` where a field is at fault).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.state import Account

Document = dict[str, Any]
SCHEMA_ERROR = "Schema validation error"
DATA_ERROR = "product data validation failed"


@dataclass(frozen=True)
class Answer:
    """A status, a JSON object (None: no content), and headers."""

    status: int
    body: Document | None = None
    headers: tuple[tuple[str, str], ...] = ()


# The second half of a handler: it writes what the first half has read, and answers.
Finish = Callable[[], Answer]


class Refused(Exception):  # noqa: N818  # not an error of ours: what the vendor answers
    """The request is not carried out.

    Args:
        status: of HTTP.
        msg: what is wrong, for a person.
        errors: fields at fault, and what is wrong with each.
        headers: of the answer.
        extra: what else the ``error`` has.
    """

    def __init__(
        self,
        status: int,
        msg: str,
        *errors: tuple[str, Any],
        headers: tuple[tuple[str, str], ...] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        body: Document = {"msg": msg, **(extra or {})}
        if errors:
            body["errors"] = [{"field": name, "msg": text} for name, text in errors]
        self.answer = Answer(status, {"error": body}, headers)
        super().__init__(msg)


@dataclass(frozen=True)
class Request:
    """What a handler needs to know.

    Args:
        account: whose token it was.
        base_url: of the API host, for addresses in answers.
        behaviour: what a test chose.
        ids: the path's variable parts.
        query: the query's parameters.
        body: the JSON object sent, ``{}`` without one.
    """

    account: Account
    base_url: str
    behaviour: Behaviour
    ids: dict[str, str] = field(default_factory=dict[str, str])
    query: dict[str, str] = field(default_factory=dict[str, str])
    body: Document = field(default_factory=dict[str, Any])


def found(*documents: Document, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A success with its documents."""
    return Answer(status, {"data": list(documents)}, headers)


def no_product(product_id: str) -> Refused:
    """404; the space at the text's beginning is the vendor's."""
    return Refused(404, f" No results found for {product_id}", ("id", "product does not exist"))


def no_asset(asset_id: str) -> Refused:
    """404 of requests for an asset of the account."""
    return Refused(404, f" No results found for {asset_id}", ("asset_id", "asset does not exist"))
