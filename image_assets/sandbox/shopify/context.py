"""What resolvers and mutations share: the registry, the state of one request, and the errors they answer.

Here: how a field finds its code, and the two shapes of refusal (a top-level error, a user error). Not here: the
fields (``resolvers.py`` and the mutations), and running them (``execution.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLError

from image_assets.sandbox.shopify.media import Pipeline
from image_assets.sandbox.shopify.shop import Shop

Args = dict[str, Any]
UserErrors = list[dict[str, Any]]
# reference: recorded 2026-04, fileCreate: "originalSource is too long (maximum is 2048)".
MAX_SOURCE = 2048
# reference: recorded 2026-04, ALT_VALUE_LIMIT_EXCEEDED.
MAX_ALT = 512
# reference: Shopify Admin API 2026-07, PRODUCT_MEDIA_LIMIT_EXCEEDED; Shopify docs, product media: 250.
MAX_MEDIA = 250


@dataclass
class Context:
    """One request.

    Args:
        shop: whose data; locked while the request is executed.
        pipeline: processes files later.
        bulk: whether it runs inside a bulk operation, where nothing is asynchronous.
        whole: whether connections come whole, whatever page is asked for (bulk queries).
    """

    shop: Shop
    pipeline: Pipeline
    bulk: bool = False
    whole: bool = False
    # Runs a document inside a bulk operation (text, variables, whole connections); set by the executor.
    run_bulk: Callable[[str, Args, bool], dict[str, Any]] | None = None
    # ``extensions.search``: what searches did not understand.
    warnings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


Resolver = Callable[[Any, Context, Args], Any]
RESOLVERS: dict[tuple[str, str], Resolver] = {}
Mutation = Callable[[Context, Args], dict[str, Any]]


def resolves(kind: str, name: str) -> Callable[[Resolver], Resolver]:
    """Register what a field of a type answers; others answer the attribute of their name."""

    def register(function: Resolver) -> Resolver:
        RESOLVERS[kind, name] = function
        return function

    return register


def mutation(name: str) -> Callable[[Mutation], Mutation]:
    """Register a mutation: it takes its arguments and answers its payload."""

    def register(function: Mutation) -> Mutation:
        RESOLVERS["Mutation", name] = lambda _root, context, args: function(context, args)
        return function

    return register


def refused(message: str, code: str, **extensions: Any) -> GraphQLError:
    """A top-level error of a field, which answers null."""
    return GraphQLError(message, extensions={"code": code, **extensions})


def user_error(field: list[str] | None, message: str, code: str | None = None) -> dict[str, Any]:
    """An entry of ``userErrors``; indices in ``field`` are strings."""
    return {"field": field, "message": message, "code": code}


def is_source(url: str | None) -> bool:
    """Whether something can be an ``originalSource``: an http address with a host."""
    parts = urlsplit(url or "")
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def check_source_length(url: str | None) -> None:
    """Refuse what is no length for an address.

    Raises:
        GraphQLError: the whole request is refused (recorded 2026-04, fileCreate and fileUpdate).
    """
    if url is not None and not url:
        raise refused("originalSource is too short (minimum is 1)", "INVALID_FIELD_ARGUMENTS")
    if url is not None and len(url) > MAX_SOURCE:
        raise refused(f"originalSource is too long (maximum is {MAX_SOURCE})", "INVALID_FIELD_ARGUMENTS")


def number_of(gid: str) -> int:
    """The number of a global id; 0 where there is none."""
    tail = gid.rpartition("/")[2]
    return int(tail) if tail.isdigit() else 0
