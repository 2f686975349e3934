"""The marketplace's tables as Parquet frames: what mappings name, which asset every image is, what is linked where.

Here: schemas, and values to columns and back. Not here: where frames are kept (``stores/frames.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.marketplace.apply import Uploaded
from image_assets.marketplace.model import (
    ImageMapping,
    MappedProduct,
    Problem,
    Reference,
    slot_rank,
    unique_images,
)
from image_assets.marketplace.service import LinkRun, UploadRun
from image_assets.stores.frames import Frame, FrameType

_text = pa.string()


def _schema(required: Mapping[str, pa.DataType], optional: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


# One row per use of an image, in the order of links; one without a link for a product without images; then one per
# record or image that can't be used, which alone has an error.
IMAGE_REFERENCES = FrameType(
    "marketplace/image_references",
    _schema(
        {"product_sku": _text, "is_parent": pa.bool_()},
        {"url": _text, "slot": _text, "rank": pa.int32(), "filename": _text, "error": _text, "code": _text},
    ),
    version=1,
)

# One row per image that products of the account show: existing, uploaded or failed.
PLYTIX_ASSETS = FrameType(
    "marketplace/plytix_assets",
    _schema(
        {"url": _text, "filename": _text, "state": _text},
        {"asset_id": _text, "error": _text, "code": _text, "permanent": pa.bool_()},
    ),
    version=1,
)

# One row per use of an image: where it was found when it was looked for again (`place` in the gallery, from 1).
ASSET_LINKS = FrameType(
    "marketplace/plytix_asset_links",
    _schema(
        {"product_sku": _text, "url": _text, "slot": _text, "linked": pa.bool_(), "thumbnail": pa.bool_()},
        {"asset_id": _text, "place": pa.int32(), "error": _text},
    ),
    version=1,
)

EXISTING, UPLOADED, FAILED = "existing", "uploaded", "failed"
_NAME, _SOURCE = "mapping", "source"
_ACCOUNT, _SKIP_EXISTING = "account", "skip_existing"


def _columns(kind: FrameType, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in kind.schema.names}


def mapping_content(mapping: ImageMapping, source: str) -> dict[str, str]:
    """The context of a footer of `IMAGE_REFERENCES`; ``source`` is the mapping's file."""
    return {_NAME: mapping.name, _SOURCE: source}


def mapping_counts(mapping: ImageMapping) -> dict[str, int]:
    """The counts of a footer of `IMAGE_REFERENCES`."""
    return {
        "total_products": mapping.total_products,
        "products_with_images": mapping.with_images,
        "total_image_refs": mapping.total_references,
        "unique_images": len(unique_images(mapping.products)),
        "parents": sum(item.is_parent for item in mapping.products),
        "problems": len(mapping.problems),
    }


def mapping_columns(mapping: ImageMapping) -> dict[str, list[Any]]:
    """Columns of `IMAGE_REFERENCES`."""
    names = {image.url: image.filename for image in unique_images(mapping.products)}
    rows: list[dict[str, Any]] = []
    for product in mapping.products:
        of_product = {"product_sku": product.sku, "is_parent": product.is_parent}
        rows += [
            of_product | {"url": item.url, "slot": item.slot, "rank": slot_rank(item.slot), "filename": names[item.url]}
            for item in product.references
        ] or [of_product]
    rows += [
        {"product_sku": item.product_sku, "is_parent": False, "url": item.url, "error": item.error, "code": item.code}
        for item in mapping.problems
    ]
    return _columns(IMAGE_REFERENCES, rows)


def mapping_from(frame: Frame) -> tuple[ImageMapping, str]:
    """The mapping of a frame as it was read, and its file."""
    products: dict[str, tuple[bool, list[Reference]]] = {}
    problems: list[Problem] = []
    for row in frame.table.to_pylist():
        if row["error"] is not None:
            problems.append(Problem(row["url"], row["error"], row["product_sku"], row["code"]))
            continue
        _, references = products.setdefault(row["product_sku"], (row["is_parent"], []))
        if row["url"] is not None:
            references.append(Reference(row["url"], row["slot"]))
    context, counts = frame.footer.context, frame.footer.counts
    mapping = ImageMapping(
        context[_NAME],
        tuple(MappedProduct(sku, is_parent, tuple(items)) for sku, (is_parent, items) in products.items()),
        tuple(problems),
        counts["total_products"],
        counts["total_image_refs"],
        counts["products_with_images"],
    )
    return mapping, context[_SOURCE]


def sync_content(account: str, *, skip_existing: bool) -> dict[str, str]:
    """The context of a footer of `PLYTIX_ASSETS` and `ASSET_LINKS`: which account, and how it was synced."""
    return {_ACCOUNT: account, _SKIP_EXISTING: str(skip_existing).lower()}


def synced_with(frame: Frame) -> tuple[str, bool]:
    """The account of such a footer, and whether products with images were left alone."""
    return frame.footer.context[_ACCOUNT], frame.footer.context[_SKIP_EXISTING] == "true"


def asset_columns(run: UploadRun) -> dict[str, list[Any]]:
    """Columns of `PLYTIX_ASSETS`; images that only products show which Plytix does not have are not in it."""
    uploaded, created = run.uploaded, set(run.uploaded.created)
    rows: list[dict[str, Any]] = []
    for image in unique_images(run.mapping.products):
        of_image = {"url": image.url, "filename": image.filename}
        if error := uploaded.failures.get(image.url):
            told = {"error": str(error), "code": error.code, "permanent": error.permanent}
            rows.append({**of_image, "state": FAILED, **told})
        elif asset_id := uploaded.assets.get(image.url):
            state = UPLOADED if image.url in created else EXISTING
            rows.append({**of_image, "state": state, "asset_id": asset_id})
    return _columns(PLYTIX_ASSETS, rows)


def uploaded_from(frame: Frame) -> Uploaded:
    """What became of the images, as it was recorded."""
    found = Uploaded({})
    for row in frame.table.to_pylist():
        url = row["url"]
        if row["state"] == FAILED:
            found.failures[url] = _error(row)
            continue
        found.assets[url] = row["asset_id"]
        (found.created if row["state"] == UPLOADED else found.existed).append(url)
    return found


def _error(row: Mapping[str, Any]) -> ImageAssetsError:
    return (PermanentError if row["permanent"] else TransientError)(row["error"], code=row["code"])


def link_columns(run: LinkRun) -> dict[str, list[Any]]:
    """Columns of `ASSET_LINKS`."""
    unusable = set(run.mapping.problems)
    errors = {(item.product_sku, item.url): item.error for item in run.report.errors if item not in unusable}
    rows: list[dict[str, Any]] = []
    for product in run.mapping.products:
        live = run.shown.get(product.sku)
        gallery = live.asset_ids if live else ()
        for item in product.references:
            asset_id = run.plan.assets.get(item.url)
            place = gallery.index(asset_id) + 1 if asset_id in gallery else None
            thumbnail = live is not None and asset_id is not None and live.thumbnail == asset_id
            right = place is not None and (thumbnail or item.url != product.main)
            rows.append(
                {
                    "product_sku": product.sku,
                    "url": item.url,
                    "slot": item.slot,
                    "asset_id": asset_id,
                    "place": place,
                    "linked": place is not None,
                    "thumbnail": thumbnail,
                    # What failed a product as a whole is said where something is missing.
                    "error": None if right else errors.get((product.sku, item.url)) or errors.get((product.sku, "")),
                }
            )
    return _columns(ASSET_LINKS, rows)
