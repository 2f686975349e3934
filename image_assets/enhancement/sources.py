"""Reading raw photographs: from our own buckets with our credentials, from anywhere else as a stranger would.

Here: which of the two an address is. Not here: the guard of the second (``vendors/fetch.py``), decoding
(``quality.py``).
"""

from __future__ import annotations

from typing import Any

from image_assets.access import Access
from image_assets.enhancement.model import S3Address, s3_address
from image_assets.errors import AccessDeniedError, InputError, PermanentError, TransientError, UnreachableError
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.fetch import Fetcher

# A raw photograph; what cameras make stays below it.
MAX_RAW_BYTES = 30 * 1024 * 1024
_MB = 1024 * 1024


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
            TransientError: it could not be read now (``raw_denied``, ``raw_unreachable``, or as the fetch says).
            PermanentError: it never can be, as S3 or the fetch say; ``too_large``: it has more than `MAX_RAW_BYTES`.
            UnreachableError: S3 itself is down, which turns the run away; a stranger's server, or an object that is
                denied, is this product's affair alone, and must not hold up those that come after it.
        """
        found = s3_address(url)
        if found is not None and found.bucket in self._stores:
            return self._read_ours(found)
        if found is not None and url.startswith("s3:"):
            raise InputError(
                f"The bucket {found.bucket} is none that raw images are read from.",
                code="forbidden_bucket",
                hint="Add it to RAW_S3_BUCKETS, or give a public https address.",
            )
        try:
            return self._fetcher.fetch(url).body
        except AccessDeniedError as error:
            raise PermanentError(error.message, code="raw_denied", hint=error.hint) from None
        except UnreachableError as error:
            raise TransientError(error.message, code="raw_unreachable", hint=error.hint) from None

    def _read_ours(self, found: S3Address) -> bytes:
        store = self._stores[found.bucket]
        with self._access.attempt():
            try:
                # Not asked for its size first: S3 answers a HEAD without a body, so that credentials that have expired
                # and a bucket that is missing would look like the object's own fault.
                body = store.get_head(found.key, MAX_RAW_BYTES + 1)
            except AccessDeniedError as error:
                if error.code == "bad_credentials":
                    raise
                # Not permanent: a person can mend the policy without touching the product.
                raise TransientError(error.message, code="raw_denied", hint=error.hint) from None
            except TransientError as error:
                if error.code not in ("unavailable", "connection_cut"):
                    raise
                # S3's own bad minutes, after its client's retries: they are no product's.
                raise UnreachableError(error.message, hint=error.hint) from None
        if len(body) > MAX_RAW_BYTES:
            raise PermanentError(
                f"{store.url(found.key)} has more than {MAX_RAW_BYTES // _MB} MB.",
                code="too_large",
                hint="Put a smaller photograph there, and redrive.",
            )
        return body
