"""Images in a bucket of ours, under keys that say what they are: each stored once, whoever is first.

Here: storing what was made, and taking over what a process that died had stored. Not here: what makes an image good
(the caller's check), keys (areas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from image_assets.access import Access
from image_assets.errors import NotFoundError, SourceChangedError, TransientError, UnreachableError
from image_assets.stores.s3 import ObjectStore, StoredObject

JPEG = "image/jpeg"
# The bucket is down when it still says so after the client's retries.
_BUCKET_DOWN = frozenset({"unavailable", "connection_cut"})
# How often another process may be quicker to write the same key before an attempt is given up.
_RACES = 3


class HasData(Protocol):
    """An image in whatever form, with its file's bytes."""

    @property
    def data(self) -> bytes:
        """The bytes."""
        ...


Image = TypeVar("Image", bound=HasData)


class ImageBucket:
    """A bucket of JPEGs whose keys follow from what they are made of. Thread-safe.

    When it is down, that is no single image's affair: every method then raises UnreachableError, which ends the run.

    Args:
        objects: the bucket.
        access: whether the run may go on.
        cache_control: of the objects.
    """

    def __init__(self, objects: ObjectStore, access: Access, *, cache_control: str) -> None:
        self.objects = objects
        self._access = access
        self._cache_control = cache_control

    def get(self, key: str) -> StoredObject:
        """Read an object. Raises NotFoundError, ImageAssetsError."""
        with self._reachable():
            return self.objects.get(key)

    def lying_at(self, key: str) -> StoredObject | None:
        """What lies under a key, if anything does. Raises ImageAssetsError."""
        try:
            return self.get(key)
        except NotFoundError:
            return None

    def put(self, key: str, body: bytes) -> bool:
        """Store an image unless the key is taken; whether it was stored. Raises ImageAssetsError."""
        with self._reachable():
            return self.objects.create(key, body, content_type=JPEG, cache_control=self._cache_control, metadata={})

    def keep(self, key: str, image: Image, passing: Callable[[bytes], Image | None]) -> Image:
        """Store an image, and return what lies there then: one that another process put there counts, if it passes.

        Args:
            key: that no row names yet, or nobody would want to make it.
            image: what was made.
            passing: other bytes that lie there as an image, or None where they are no good one.

        Raises:
            TransientError: others write it again and again (``conflict``).
            ImageAssetsError: as the bucket says.
        """
        for _ in range(_RACES):
            if self.put(key, image.data):
                return image
            lying = self.lying_at(key)
            if lying is None:
                continue
            found = passing(lying.body)
            if found is not None:
                return found
            if self._replace(lying, image.data):
                return image
        raise TransientError(f"{self.objects.url(key)} is being written by others.", code="conflict")

    def _replace(self, lying: StoredObject, body: bytes) -> bool:
        """Replace an object; False where it is no longer the one that was looked at."""
        try:
            with self._reachable():
                self.objects.replace(lying.key, body, content_type=JPEG, if_match=lying.etag)
        except (SourceChangedError, NotFoundError):
            return False
        return True

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        with self._access.attempt(finishing=True):
            try:
                yield
            except TransientError as error:
                if error.code not in _BUCKET_DOWN:
                    raise
                raise UnreachableError(error.message, hint=error.hint) from None
