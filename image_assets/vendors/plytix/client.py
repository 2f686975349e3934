"""One account's Plytix PIM API v1: assets, products and the links between them.

Here: what can be asked for, and what is repeated. Not here: sending (``transport.py``), reading answers
(``answers.py``), and which images belong where (the caller).

Every request here can be repeated: searching, and setting a thumbnail, say how things should be; an asset that exists,
and one that is linked, are refused with HTTP 409; one that is no longer linked with HTTP 404. Only making an asset is
not repeated blindly, as nowhere is written what makes two uploads the same: its filename is looked up first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import stamina

from image_assets.errors import NotFoundError, TransientError
from image_assets.vendors.http import ATTEMPTS
from image_assets.vendors.limits import RateWindows, shared_windows
from image_assets.vendors.plytix.answers import Asset, Attribute, Product, SettingNames, items, unexpected
from image_assets.vendors.plytix.errors import RefusedError
from image_assets.vendors.plytix.limits import RateLimits
from image_assets.vendors.plytix.tokens import Credentials, Tokens, shared_tokens
from image_assets.vendors.plytix.transport import Call, Transport, may_have_run, may_repeat

if TYPE_CHECKING:
    from image_assets.settings import Settings

__all__ = ["Asset", "Attribute", "Credentials", "PlytixClient", "Product", "RateLimits", "RefusedError", "SettingNames"]

BASE_URL = "https://pim.plytix.com"
AUTH_URL = "https://auth.plytix.com"
# Plytix fetches an image while we wait for the answer to our request to do so.
READ_TIMEOUT_S = 60.0
# A full 10 s window and retries of it pass within this; an exhausted hour does not, and nobody should sleep it away.
PATIENCE_S = 120.0
# "The number of items that can be requested is limited to a maximum of 100" (product search).
PAGE_SIZE = 100
# Values in one search: so many that their results fit on one page and are seen to end on it.
MAX_VALUES = PAGE_SIZE - 1
# Only values that differ in case from one another make a second page; more than this is a server that does not end.
MAX_PAGES = 20


class PlytixClient:
    """The API of one account; may be shared by threads.

    Args:
        base_url: scheme and host, ``https://pim.plytix.com``; ``/api/v1`` at its end is allowed.
        auth_url: scheme and host of the authentication service, ``https://auth.plytix.com``.
        credentials: masked in everything that is printed from now on.
        rates: the limits of the account's plan.
        names: what the settings are called, for hints.
        windows: the rate limit to keep; by default this process's for the key, made from ``rates``.
        tokens: where the access token is; by default this process's for the credentials.
        read_timeout_s: seconds to wait for an answer.
        patience_s: seconds to wait for the rate limit, or after HTTP 429, before a request is given up.
    """

    def __init__(
        self,
        base_url: str,
        auth_url: str,
        credentials: Credentials,
        rates: RateLimits = RateLimits(),
        *,
        names: SettingNames = SettingNames(),
        windows: RateWindows | None = None,
        tokens: Tokens | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/api/v1")
        self.auth_url = auth_url.rstrip("/")
        self._account_id = sha256(f"{self.base_url}\n{credentials.api_key}".encode()).hexdigest()[:16]
        self._transport = Transport(
            self.base_url,
            self.auth_url,
            credentials,
            names=names,
            windows=windows or shared_windows(self.base_url, credentials.api_key, rates.windows, "Plytix"),
            tokens=tokens or shared_tokens(self.auth_url, credentials),
            read_timeout_s=read_timeout_s,
            patience_s=patience_s,
        )

    @property
    def account_id(self) -> str:
        """A name for the account in tables: the same for the same address and key, which it does not tell."""
        return self._account_id

    @classmethod
    def from_settings(cls, settings: Settings, account: str = "") -> Self:
        """A client of the account with an alias; of ``PLYTIX_API_KEY`` without one. Raises SettingsError."""
        settings.require_plytix()
        key, password = settings.plytix_credentials(account)
        return cls(
            settings.plytix_base_url or BASE_URL,
            settings.plytix_auth_url or AUTH_URL,
            Credentials(key, password),
            RateLimits(settings.plytix_per_10_s, settings.plytix_per_hour),
            names=SettingNames.of_account(account) if account else SettingNames(),
        )

    @property
    def requests(self) -> Counter[str]:
        """How many requests were sent, by kind.

        Kinds: ``token``, ``products``, ``product``, ``assets``, ``attributes``, and those of `writes`.
        """
        return self._transport.requests

    @property
    def writes(self) -> Counter[str]:
        """How many of them were sent to change something: ``create``, ``link``, ``gallery``, ``thumbnail``.

        An asset or a link that turned out to be there already, and a write that was repeated, count too.
        """
        return self._transport.writes

    def find_products(self, skus: Iterable[str], galleries: Sequence[str] = ()) -> dict[str, Product]:
        """The products with exactly these SKUs, by SKU; one request per `MAX_VALUES` of them.

        Args:
            skus: what to look for; those that Plytix does not have are not in the result.
            galleries: labels of media attributes to read too (``amazon_images``, without ``attributes.``).

        Raises:
            UnreachableError, TransientError: no usable answer after the retries.
            ThrottledError: the rate limit is used up for longer than our patience.
            AccessDeniedError: the credentials do not allow it.
            RefusedError: there is no such attribute.
            PermanentError: the address is wrong, or the answer is none of Plytix's.
        """
        call = Call("products", "POST", "/products/search")
        columns = ["label", "thumbnail", "assets", *(f"attributes.{label}" for label in galleries)]
        wanted = set(skus)
        results = self._search(call, "sku", wanted, columns)
        found = (Product.of_answer(item, galleries, str(call)) for item in results)
        return {product.sku: product for product in found if product.sku in wanted}

    def product(self, product_id: str, galleries: Sequence[str] = ()) -> Product:
        """One product by its id, with its ``galleries`` in their order.

        Raises:
            NotFoundError: there is no such product.
            As `find_products`.
        """
        call = Call("product", "GET", _path(product_id))
        found = items(self._transport.ask(call), str(call))
        if not found:
            raise NotFoundError(f"Plytix has no product {product_id}.")
        return Product.of_answer(found[0], galleries, str(call))

    def find_assets(self, filenames: Iterable[str]) -> dict[str, Asset]:
        """The assets with exactly these filenames, by filename; of several, the oldest.

        One request per `MAX_VALUES` of them. Plytix cannot search by address or content.

        Raises:
            As `find_products`.
        """
        call = Call("assets", "POST", "/assets/search")
        wanted = set(filenames)
        named: dict[str, Asset] = {}
        for item in self._search(call, "filename", wanted, ["filename"]):
            asset = Asset.of_answer(item, str(call))
            if asset.filename in wanted:
                named[asset.filename] = min(asset, named.get(asset.filename, asset), key=lambda one: one.id)
        return named

    def existing_assets(self, asset_ids: Iterable[str]) -> set[str]:
        """Those of the ids that are assets; one request per `MAX_VALUES` of them.

        Raises:
            As `find_products`.
        """
        call = Call("assets", "POST", "/assets/search")
        found = self._search(call, "id", set(asset_ids), ["filename"], operator="in")
        return {Asset.of_answer(item, str(call)).id for item in found}

    def gallery_attribute(self, label: str) -> Attribute | None:
        """The product attribute with this label, or None; its ``is_gallery`` says whether it is a media gallery.

        Raises:
            As `find_products`.
        """
        call = Call("attributes", "POST", "/attributes/product/search")
        found = self._search(call, "label", {label}, ["name", "label", "type_class"])
        return next((Attribute.of_answer(item, str(call)) for item in found if item.get("label") == label), None)

    def create_asset(self, url: str, filename: str) -> Asset:
        """Have Plytix fetch ``url``, which must be public, as ``filename``.

        Returns:
            The asset; one that Plytix says it has already is ``existed``, with the filename asked for. One that has
            come about by a request of ours whose answer was lost is not.

        Raises:
            RefusedError: Plytix refused it (HTTP 422), e.g. an address it cannot fetch; ``fields`` has its words.
            As `find_products`. After a TransientError the asset may exist; the next search for its filename tells.
        """
        call = Call("create", "POST", "/assets", writes=True)
        body = {"url": url, "filename": filename}
        lost = False
        attempts = stamina.retry_context(on=may_repeat, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None)
        for attempt in attempts:
            with attempt:
                if lost and (made := self.find_assets([filename]).get(filename)):
                    return replace(made, existed=False)
                try:
                    answer = items(self._transport.send(call, body), str(call))
                    return Asset.of_answer(next(iter(answer), None), str(call), existed=False)
                except RefusedError as refused:
                    return self._existing(refused, filename)
                except TransientError as error:
                    lost = lost or may_have_run(error)
                    raise
        raise AssertionError("stamina raises the last attempt's error")

    def link(self, product_id: str, asset_id: str, label: str) -> bool:
        """Add an asset at the end of a product's media gallery; False if it was there already.

        Links of one product must be made one after another: concurrent ones get lost on Plytix's side.

        Raises:
            NotFoundError: there is no such product, or no such asset.
            RefusedError: there is no such attribute, or the product has 300 assets.
            As `find_products`.
        """
        call = Call("link", "POST", f"{_path(product_id)}/assets", writes=True)
        try:
            self._transport.ask(call, {"id": asset_id, "attribute_label": label})
        except RefusedError as refused:
            if refused.status == 409 and "already" in str(refused):
                return refused.after_lost  # what is there already may be there by ourselves
            raise
        return True

    def set_gallery(self, product_id: str, label: str, asset_ids: Sequence[str]) -> None:
        """Make these assets a product's media gallery, in this order; whatever else is in it is taken out.

        For another order of what is there: what others link meanwhile is lost.

        Raises:
            NotFoundError: there is no such product.
            RefusedError: there is no such attribute or asset.
            As `find_products`.
        """
        call = Call("gallery", "PATCH", _path(product_id), writes=True)
        self._transport.ask(call, {"attributes": {label: [{"id": asset_id} for asset_id in asset_ids]}})

    def set_thumbnail(self, product_id: str, asset_id: str | None) -> None:
        """Make an asset the product's main image, or leave it without one.

        Raises:
            NotFoundError: there is no such product.
            RefusedError: there is no such asset.
            As `find_products`.
        """
        call = Call("thumbnail", "PATCH", _path(product_id), writes=True)
        self._transport.ask(call, {"thumbnail": {"id": asset_id} if asset_id is not None else None})

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PlytixClient(base_url={self.base_url!r})"

    def _search(
        self, call: Call, name: str, values: Iterable[str], attributes: list[str], *, operator: str = "eq"
    ) -> Iterator[Mapping[str, Any]]:
        """All that have one of ``values`` as ``name``; with ``eq``, which ignores case, also those that differ in it.

        ``in`` would not, but it is allowed for ids only, not for texts (``/filters/product``, ``/filters/asset``).
        """
        wanted = sorted(value for value in values if value)
        for start in range(0, len(wanted), MAX_VALUES):
            chunk = wanted[start : start + MAX_VALUES]
            operands: list[Any] = [chunk] if operator == "in" else chunk
            # A list of alternatives, each a list of conditions.
            filters = [[{"field": name, "operator": operator, "value": value}] for value in operands]
            for page in range(1, MAX_PAGES + 1):
                pagination = {"page": page, "page_size": PAGE_SIZE}
                body = self._transport.ask(
                    call, {"filters": filters, "attributes": attributes, "pagination": pagination}
                )
                found = items(body, str(call))
                yield from found
                # Its `total_count` is missing in some answers and counts more than the results in others.
                if len(found) < PAGE_SIZE:
                    break
            else:
                raise unexpected(str(call), f"more than {MAX_PAGES} pages for {len(chunk)} values")

    def _existing(self, refused: RefusedError, filename: str) -> Asset:
        """The asset that a refusal says exists; any other refusal is raised."""
        if refused.status == 409:
            if asset_id := refused.field("asset.id"):
                return Asset(asset_id, filename)
            if found := self.find_assets([filename]).get(filename):
                return found
        raise refused


def _path(product_id: str) -> str:
    return f"/products/{quote(product_id, safe='')}"
