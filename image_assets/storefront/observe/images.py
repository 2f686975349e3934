"""The images of Image_SKUs in S3: listed once each, measured by their first bytes, judged.

Here: LIST and ranged GET, and the rules of what is usable. Not here: what they are for (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from image_assets.errors import ImageAssetsError
from image_assets.imaging.probe import probe_from
from image_assets.parallel import parallel_map
from image_assets.storefront.ledger import Measurement, MeasurementStore
from image_assets.storefront.model import ImageName, Rejected, SkuImage, SkuImages, folder, parse_name
from image_assets.stores.s3 import ListedObject, ObjectStore

# Shopify, "Product media": at most 20 megapixels and 20 MB a file.
MAX_PIXELS = 20_000_000
MAX_BYTES = 20 * 1024 * 1024
TOO_SMALL = "too_small"
FORMATS = ("jpeg", "png", "gif", "webp")
# So many SKUs are listed before their measurements are looked up and written: what a killed run measures anew.
BATCH_SKUS = 200


@dataclass(frozen=True, slots=True)
class ImageRules:
    """Where images lie and which are usable.

    Attributes:
        prefix: the key prefix, e.g. ``sorted-media/``.
        min_side: the least width and height in pixels.
        workers: requests at the same time.
    """

    prefix: str
    min_side: int
    workers: int


class ImageObserver:
    """Observes a bucket.

    Args:
        store: the bucket.
        measurements: what is known of its objects.
        rules: where images lie and which are usable.
    """

    def __init__(self, store: ObjectStore, measurements: MeasurementStore, rules: ImageRules) -> None:
        self.store = store
        self.rules = rules
        self._measurements = measurements

    def observe(self, image_skus: Iterable[str]) -> dict[str, SkuImages | ImageAssetsError]:
        """List, measure and judge the images of SKUs; one LIST each, and a GET for each object not yet measured.

        Returns:
            By SKU what S3 has, or why it can't be told: one SKU's error does not stop the others.

        Raises:
            UnreachableError, SettingsError: the project's database can't be used.
        """
        skus = list(dict.fromkeys(image_skus))
        found: dict[str, SkuImages | ImageAssetsError] = {}
        for start in range(0, len(skus), BATCH_SKUS):
            found |= self._observe_batch(skus[start : start + BATCH_SKUS])
        return found

    def _observe_batch(self, skus: Sequence[str]) -> dict[str, SkuImages | ImageAssetsError]:
        listings: dict[str, list[ListedObject]] = {}
        found: dict[str, SkuImages | ImageAssetsError] = {}
        for listing in parallel_map(self._list, skus, workers=self.rules.workers):
            if isinstance(listing.error, ImageAssetsError):
                found[listing.item] = listing.error
            else:
                listings[listing.item] = listing.unwrap()
        named = {sku: [item for item in rows if self._name(item.key, sku)] for sku, rows in listings.items()}
        measured, errors = self._measure([item for rows in named.values() for item in rows])
        for sku, rows in named.items():
            error = next((errors[item.key] for item in rows if item.key in errors), None)
            found[sku] = error or self._judge(sku, len(listings[sku]), rows, measured)
        return found

    def _list(self, sku: str) -> list[ListedObject]:
        # The SKU in the prefix keeps its folder's neighbours, thousands perhaps, out of the answer.
        return list(self.store.list_objects(f"{folder(self.rules.prefix, sku)}{sku}-"))

    def _measure(self, objects: Sequence[ListedObject]) -> tuple[dict[str, Measurement], dict[str, ImageAssetsError]]:
        known = self._measurements.read([item.key for item in objects])
        measured = {
            item.key: known[item.key] for item in objects if item.key in known and known[item.key].etag == item.etag
        }
        fresh: list[Measurement] = []
        errors: dict[str, ImageAssetsError] = {}
        left = [item for item in objects if item.key not in measured]
        for result in parallel_map(self._probe, left, workers=self.rules.workers):
            if isinstance(result.error, ImageAssetsError):
                errors[result.item.key] = result.error
            else:
                fresh.append(result.unwrap())
        self._measurements.write(fresh)
        return measured | {item.key: item for item in fresh}, errors

    def _probe(self, item: ListedObject) -> Measurement:
        info = probe_from(lambda length: self.store.get_head(item.key, length))
        if info is None:
            return Measurement(item.key, item.etag, None, 0, 0)
        return Measurement(item.key, item.etag, info.format, info.width, info.height)

    def _judge(
        self, sku: str, listed: int, rows: Sequence[ListedObject], measured: dict[str, Measurement]
    ) -> SkuImages:
        images: list[SkuImage] = []
        rejected: list[Rejected] = []
        for row in rows:
            item = measured[row.key]
            problem = self._problem(row, item)
            name = self._name(row.key, sku)
            if problem is not None:
                rejected.append(Rejected(row.key, *problem))
            elif name is not None:
                fields = (sku, name.number, row.key, row.etag, row.size, item.width, item.height, item.format or "")
                images.append(SkuImage(*fields))
        images.sort(key=lambda image: (image.number, image.key))
        path = self.store.url(folder(self.rules.prefix, sku))
        return SkuImages(sku, path, listed, tuple(images), tuple(rejected))

    def _problem(self, row: ListedObject, item: Measurement) -> tuple[str, str] | None:
        """Why an object can't be used: a reason code and a sentence."""
        size = f"{item.width}x{item.height}"
        if item.format not in FORMATS:
            return "not_an_image", f"its bytes are {item.format or 'no image'}; Shopify takes {', '.join(FORMATS)}"
        if min(item.width, item.height) < self.rules.min_side:
            return TOO_SMALL, f"{size} pixels; at least {self.rules.min_side}x{self.rules.min_side} are wanted"
        if item.width * item.height > MAX_PIXELS:
            return "too_large", f"Image dimensions too large (exceeded Shopify limit): {size} pixels"
        if row.size > MAX_BYTES:
            return "too_large", f"Image file too large (exceeded Shopify limit): {row.size:,} bytes"
        return None

    def _name(self, key: str, sku: str) -> ImageName | None:
        """What a key says of an image of the SKU; one in a folder below the SKU's is none."""
        return parse_name(key.removeprefix(folder(self.rules.prefix, sku)), sku)
