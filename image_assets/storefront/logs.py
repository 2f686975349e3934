"""The two log files of spec 02, in its line format.

Here: lines and files. Not here: what is reported (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from image_assets.redaction import redact
from image_assets.storefront.observe.images import TOO_SMALL
from image_assets.storefront.results import GroupResult

# Spec 02, "Error Logging": file names and time stamps, in local time as its examples.
_FILE_TIME = "%Y%m%d_%H%M%S"
_LINE_TIME = "%Y-%m-%d %H:%M:%S"


def _field(text: str) -> str:
    """A value as it may stand in a line: no secret, no line break, no control character, no separator of fields."""
    words = " ".join(word for word in redact(text).split() if word != "|")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)


def missing_lines(results: Iterable[GroupResult], now: datetime) -> Iterator[str]:
    """One line per variant without an image; the path that was searched ends it."""
    for result in results:
        for item in result.missing:
            path = f" | S3 Path: {_field(item.path)}" if item.path else ""
            yield (
                f"[{now.strftime(_LINE_TIME)}] Product Group: {_field(item.group_id)} | "
                f"Product SKU: {_field(item.sku)} | Image SKU: {_field(item.image_sku)} | "
                f"Error: {_field(item.error)}{path}"
            )


def failure_lines(results: Iterable[GroupResult], bucket_url: str, now: datetime) -> Iterator[str]:
    """One line per image that could not be used or brought to Shopify; its S3 address ends it."""
    for result in results:
        product = result.product.id if result.product else f"(group {_field(result.group.id)})"
        failed = [(item.key, item.message) for item in result.failures]
        failed += [
            (item.key, item.message) for found in result.images for item in found.rejected if item.reason != TOO_SMALL
        ]
        for key, message in failed:
            yield (
                f"[{now.strftime(_LINE_TIME)}] Product: {product} | Image: {_field(key.rsplit('/', 1)[-1])} | "
                f"Error: {_field(message)} | S3 URL: {_field(bucket_url + key)}"
            )


def write_logs(folder: Path, results: Sequence[GroupResult], bucket_url: str, now: datetime) -> list[Path]:
    """Write the logs that have a line; returns their paths."""
    written: list[Path] = []
    for name, lines in (
        ("missing_images", list(missing_lines(results, now))),
        ("image_upload_failures", list(failure_lines(results, bucket_url, now))),
    ):
        if lines:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}_{now.strftime(_FILE_TIME)}.log"
            with path.open("a", encoding="utf-8") as file:  # two runs of one second share the file
                file.write("\n".join(lines) + "\n")
            written.append(path)
    return written
