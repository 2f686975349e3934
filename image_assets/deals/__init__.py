"""Deal images: every main image in ``images/deal/`` has all its size variants (spec 01).

`process_single_image`, `process_csv_batch`, `process_image_replacement` and `process_batch_with_workers` are the
documented Python functions; the rest of the package is described in ``docs/deals.md``.
"""

from typing import TYPE_CHECKING, Any

from image_assets.deals.functions import process_csv_batch, process_single_image

if TYPE_CHECKING:
    from image_assets.deals.replacement.functions import process_batch_with_workers, process_image_replacement

__all__ = ["process_batch_with_workers", "process_csv_batch", "process_image_replacement", "process_single_image"]


def __getattr__(name: str) -> Any:
    """Import replacements when they are asked for: databases cost a fifth of a second that an audit need not pay."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from image_assets.deals.replacement import functions

    return getattr(functions, name)
