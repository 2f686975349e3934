"""Reading raw photographs: from our own buckets with our credentials, from anywhere else as a stranger would.

Here: which of the two an address is. Not here: the guard of the second (``vendors/fetch.py``), decoding
(``quality.py``).
"""

from __future__ import annotations

from typing import Any

from image_assets.access import Access
from image_assets.enhancement.model import s3_address
from image_assets.errors import InputError
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.fetch import Fetcher


class SourceReader:
    """Reads raw images; shared by threads.

    Args:
        client: an S3 client.
        buckets: those whose objects may be raw images; the credentials are good for more than a user may see.
        fetcher: for every other address.
        access: whether S3 lets the run go on.
    """

    def __init__(self, client: Any, buckets: tuple[str, ...], fetcher: Fetcher, access: Access) -> None:
        self._stores = {name: ObjectStore(client, name) for name in buckets}
        self._fetcher = fetcher
        self._access = access

    def read(self, url: str) -> bytes:
        """The bytes at a raw image's address.

        Raises:
            InputError: it is an ``s3://`` address of a bucket that is none of ours.
            ImageAssetsError: what S3 or the fetch said; S3 being down turns the run away, a stranger's server does not.
        """
        found = s3_address(url)
        if found is not None and found.bucket in self._stores:
            store = self._stores[found.bucket]
            with self._access.attempt():
                return store.get(found.key).body
        if found is not None and url.startswith("s3:"):
            raise InputError(
                f"The bucket {found.bucket} is none that raw images are read from.",
                code="forbidden_bucket",
                hint="Add it to RAW_S3_BUCKETS, or give a public https address.",
            )
        return self._fetcher.fetch(url).body
