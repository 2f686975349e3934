"""Deal images: every main image in ``images/deal/`` has all its size variants (spec 01).

`process_single_image` and `process_csv_batch` are the documented Python functions; the rest of the package is
described in ``docs/deals.md``.
"""

from image_assets.deals.functions import process_csv_batch, process_single_image

__all__ = ["process_csv_batch", "process_single_image"]
