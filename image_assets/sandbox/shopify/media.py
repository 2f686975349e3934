"""Files after they were created: fetched, looked at, and READY or FAILED a while later.

Here: the way UPLOADED -> PROCESSING -> READY | FAILED, and downloads. Not here: creating files (``files.py``,
``products.py``), the limits of images (``probe.py``), and serving them (``cdn.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from urllib.parse import urljoin, urlsplit

import httpx2

from image_assets.sandbox.shopify.probe import MAX_BYTES, MediaFailure
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.state import Media
from image_assets.sandbox.shopify.timeline import Timeline

# Longer than any local source needs; the real service's patience is not documented.
DOWNLOAD_TIMEOUT_S = 5.0
_MAX_REDIRECTS = 3
STAGED_PATH = "/staged/"


class Pipeline:
    """Processes files in the background.

    Args:
        shop: whose files.
        timeline: does the steps.
        processing_s: how long a file takes at least, in seconds of the shop's clock.
        planned_failure: says with which error code a file of this name must fail, or None.
    """

    def __init__(
        self, shop: Shop, timeline: Timeline, processing_s: float, planned_failure: Callable[[str], str | None]
    ) -> None:
        self.processing_s = processing_s
        self._shop = shop
        self._timeline = timeline
        self._planned_failure = planned_failure
        self._client: httpx2.Client | None = None
        self._client_lock = Lock()

    def stop(self) -> None:
        """Close the connections to sources."""
        with self._client_lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def begin(self, media: Media) -> None:
        """Process a new file."""
        self._timeline.after(self.processing_s / 2, lambda: self._fetch(media, media.source))

    def replace(self, media: Media, source: str) -> None:
        """Give a READY file other content; it keeps its id and name, and stays READY meanwhile."""
        media.replacing, media.source = True, source
        self._timeline.after(self.processing_s / 2, lambda: self._fetch(media, source))

    def after(self, action: Callable[[], None]) -> None:
        """Have something else done when a file begun now would be ready."""
        self._timeline.after(self.processing_s, action)

    def _fetch(self, media: Media, source: str) -> None:
        """The second half of the processing time starts with the download, so that slow sources take longer."""
        with self._shop.lock:
            if not media.replacing:
                media.status = "PROCESSING"
        outcome: bytes | MediaFailure
        try:
            code = self._planned_failure(media.filename)
            if code:
                raise MediaFailure(code, "injected")
            outcome = self.download(source)
        except MediaFailure as failure:
            outcome = failure
        self._timeline.after(self.processing_s / 2, lambda: self._finish(media, outcome))

    def _finish(self, media: Media, outcome: bytes | MediaFailure) -> None:
        with self._shop.lock:
            if media not in self._shop.files:
                return  # deleted meanwhile
            try:
                if isinstance(outcome, MediaFailure):
                    raise outcome
                self._shop.fill(media, outcome)
            except MediaFailure as failure:
                media.status, media.errors, media.replacing = "FAILED", [_for_kind(media, failure).as_error()], False
                media.touch()
            else:
                self._show_on_waiting_variants(media)

    def _show_on_waiting_variants(self, media: Media) -> None:
        """What productVariantsBulkUpdate(mediaSrc) promised: the image of a variant, once there is one."""
        for variant in self._shop.variants:
            if variant.id in media.waiting_variants and variant.media_id is None and media in variant.product.media:
                variant.media_id = media.id
        media.waiting_variants.clear()

    def download(self, source: str) -> bytes:
        """The content of an ``originalSource``; follows redirects within one host only.

        Raises:
            MediaFailure: nothing there, not allowed, no answer, or too large.
        """
        if source.startswith(f"{self._shop.base_url}{STAGED_PATH}"):
            return self._uploaded(source)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._get(source)
            if isinstance(answer, bytes):
                return answer
            if urlsplit(answer).netloc != urlsplit(source).netloc:
                raise MediaFailure("IMAGE_DOWNLOAD_FAILURE", "redirected to another host")
            source = answer
        raise MediaFailure("IMAGE_DOWNLOAD_FAILURE", "too many redirects")

    def _uploaded(self, source: str) -> bytes:
        key = urlsplit(source).path.removeprefix(STAGED_PATH)
        with self._shop.lock:
            upload = self._shop.staged.get(key)
            if upload is None:
                raise MediaFailure("INVALID_SIGNED_URL", "no such upload")
            if upload.content is None:
                raise MediaFailure("IMAGE_DOWNLOAD_FAILURE", "nothing was uploaded")
            return upload.content

    def _get(self, url: str) -> bytes | str:
        """The content, or where it was redirected to."""
        try:
            with self._http().stream("GET", url) as answer:
                if answer.is_redirect:
                    return urljoin(url, answer.headers.get("Location", ""))
                if answer.status_code != httpx2.codes.OK:
                    raise MediaFailure("IMAGE_DOWNLOAD_FAILURE", f"HTTP {answer.status_code}")
                content = bytearray()
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise MediaFailure("INVALID_IMAGE_FILE_SIZE", f"more than {MAX_BYTES} bytes")
                return bytes(content)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise MediaFailure("IMAGE_DOWNLOAD_FAILURE", type(error).__name__) from error

    def _http(self) -> httpx2.Client:
        with self._client_lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=DOWNLOAD_TIMEOUT_S, follow_redirects=False, trust_env=False)
            return self._client


def _for_kind(media: Media, failure: MediaFailure) -> MediaFailure:
    """Files that are no images have error codes of their own."""
    if media.typename == "GenericFile" and failure.code == "IMAGE_DOWNLOAD_FAILURE":
        return MediaFailure("GENERIC_FILE_DOWNLOAD_FAILURE", failure.details)
    return failure
