"""Products: reading them, linking assets to them and taking them off, and changing their fields.

Here: the handlers under ``/products/{id}``. Not here: searching (``fields.py``), and the merchant (``state.py``).

reference: v1 collection, "products". What it does not say is inferred: the answers to an unknown or unfit
``attribute_label`` and to the 301st asset, an asset the thumbnail of a PATCH does not know, and how much two links that
overlap overwrite (pim-client links one after the other "due to race condition on server side"; here a link or an unlink
writes back all media of the product as they were when it began).
"""

from __future__ import annotations

from typing import Any

from image_assets.sandbox.plytix.answers import (
    DATA_ERROR,
    SCHEMA_ERROR,
    Answer,
    Finish,
    Refused,
    Request,
    found,
    no_product,
)
from image_assets.sandbox.plytix.documents import linked_assets, product_document
from image_assets.sandbox.plytix.state import GALLERY, SINGLE, THUMBNAIL, Product, related

# reference: v1 collection, "Link an existing asset to a product media attribute".
MAX_ASSETS = 300
_STATUSES = ("Draft", "Completed", "Archived")


def _product(request: Request) -> Product:
    product = request.account.products.get(request.ids["id"])
    if product is None:
        raise no_product(request.ids["id"])
    return product


def get_product(request: Request) -> Finish:
    """``GET /products/{id}``."""
    everything = request.query.get("all_attributes") == "true"
    return lambda: found(product_document(request, _product(request), everything))


def get_assets(request: Request) -> Finish:
    """``GET /products/{id}/assets``: all of them in one list, which does not say where they are linked."""
    return lambda: found(*linked_assets(request, related(_product(request).media)))


# --- links


def link_asset(request: Request) -> Finish:
    """``POST /products/{id}/assets``: a gallery appends, the thumbnail and single media replace."""
    product = _product(request)
    asset_id, label = _required(request, "id"), _required(request, "attribute_label")
    if asset_id not in request.account.assets:
        raise Refused(404, f"Asset id {asset_id} does not exist", ("asset.id", "asset does not exist"))
    type_class = _media_type(request, label)
    media = product.media_copy()
    linked = media.setdefault(label, [])
    if asset_id in linked:
        text = f"Asset id {asset_id} is already linked to product attribute"
        raise Refused(409, text, ("asset.id", "already linked"))
    media[label] = [*linked, asset_id] if type_class == GALLERY else [asset_id]
    _check_number(media, "asset.id")

    def finish() -> Answer:
        _write(request, product, media)
        return found({"id": asset_id}, status=201)

    return finish


def unlink_asset(request: Request) -> Finish:
    """``DELETE /products/{id}/assets/{asset_id}``: off the product wherever it is linked; the asset stays."""
    product, asset_id = _product(request), request.ids["asset_id"]
    _check_related(request, product)
    media = {label: [kept for kept in ids if kept != asset_id] for label, ids in product.media.items()}

    def finish() -> Answer:
        _write(request, product, media)
        return Answer(204)

    return finish


def _write(request: Request, product: Product, media: dict[str, list[str]]) -> None:
    product.media, product.modified = media, request.account.now()


def _required(request: Request, name: str) -> str:
    value = request.body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(422, SCHEMA_ERROR, (name, "Missing data for required field."))
    return value


def _media_type(request: Request, label: str) -> str:
    if label == THUMBNAIL:
        return SINGLE
    attribute = request.account.attributes.get(label)
    if attribute is None or not attribute.is_media:
        text = "label does not exist" if attribute is None else "attribute is not a media attribute"
        raise Refused(422, DATA_ERROR, ("attribute_label", text))
    return attribute.type_class


def _check_number(media: dict[str, list[str]], field: str) -> None:
    if len(related(media)) > MAX_ASSETS:
        raise Refused(422, DATA_ERROR, (field, f"A product can't have more than {MAX_ASSETS} assets"))


def _check_related(request: Request, product: Product) -> None:
    asset_id = request.ids["asset_id"]
    if asset_id not in related(product.media):
        text = f"asset id {asset_id} is not related to product id {product.id}"
        raise Refused(404, text, ("asset_id", text))


# --- fields


def patch_product(request: Request) -> Finish:
    """``PATCH /products/{id}``: what is given changes, null clears; what can't be changed here is ignored."""

    def finish() -> Answer:
        product, body = _product(request), request.body
        attributes = body.get("attributes", {})
        if not isinstance(attributes, dict):
            raise Refused(422, DATA_ERROR, ("attributes", "Invalid input type."))
        media, values = product.media_copy(), dict(product.values)
        if THUMBNAIL in body:
            media[THUMBNAIL] = _ids(request, THUMBNAIL, body[THUMBNAIL], SINGLE)
        for label, value in attributes.items():
            attribute = request.account.attributes.get(label)
            if attribute is None:
                raise Refused(422, DATA_ERROR, (label, "label does not exist"))
            if attribute.is_media:
                media[label] = _ids(request, label, value, attribute.type_class)
            else:
                values[label] = value
        _check_number(media, "assets")
        if body.get("status", product.status) not in _STATUSES:
            text = f"Value is not valid, valid values are [{', '.join(_STATUSES)}]"
            raise Refused(422, DATA_ERROR, ("status", text))
        product.label, product.status = body.get("label", product.label), body.get("status", product.status)
        product.values = values
        _write(request, product, media)
        return found(product_document(request, product))

    return finish


def _ids(request: Request, label: str, value: Any, type_class: str) -> list[str]:
    """The assets named by ``{"id": ...}``, or for a gallery by a list of these; none for null."""
    if value is None:
        return []
    objects = value if type_class == GALLERY else [value]
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        # Seen with a bare string as the thumbnail.
        raise Refused(422, DATA_ERROR, (label, {"_schema": ["Invalid input type."]}))
    ids = [item.get("id") for item in objects]
    if any(asset_id not in request.account.assets for asset_id in ids):
        raise Refused(422, DATA_ERROR, (label, "asset does not exist"))
    return list(dict.fromkeys(ids))
