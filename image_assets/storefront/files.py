"""Bringing S3 objects into the shop's files, each once.

Here: source addresses, ``fileCreate`` under names that say what they hold, waiting until Shopify has processed them.
Not here: putting files on products (``apply.py``).

A file's name is made of the image's SKU, number and content, and creating it refuses a name that is taken: when an
answer is lost, or a process dies, asking again finds the file instead of making a second one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar

from image_assets.errors import ImageAssetsError, TransientError
from image_assets.parallel import parallel_map
from image_assets.storefront.model import LedgerEntry, LiveMedia, MediaStatus, same_file
from image_assets.storefront.observe.products import ENDED, live_media, poll
from image_assets.storefront.plan import Renewal, Upload
from image_assets.stores.aws import aws_errors
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.client import ShopifyClient, UserError, UserErrors
from image_assets.vendors.shopify.uploads import StagedFile, stage

# "A request with 80+ images gave HTTP 502" (Shopify community, thread 207212): well below it.
FILES_PER_CALL = 25
_NAME_TAKEN = "FILENAME_ALREADY_EXISTS"
# Search is fed from an index: a file made a moment ago may not be found yet.
SEARCH_PATIENCE_S = 30.0
_CHECKERS = 4
_Item = TypeVar("_Item", Upload, Renewal)
_MIME = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class FileFailure:
    """An image that did not get into the shop."""

    key: str
    filename: str
    reason: str
    message: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How Shopify gets at the images.

    Attributes:
        staged: upload them to Shopify's own storage first, instead of handing out presigned addresses.
        url_s: how long a presigned address is valid, in seconds; an hour at most (spec 02).
        patience_s: how long Shopify may take to process what it was given.
    """

    staged: bool = False
    url_s: int = 3600
    patience_s: float = 300.0


@dataclass
class Brought:
    """Files that are ready, by name, and those that failed."""

    ready: dict[str, str] = field(default_factory=dict[str, str])
    failures: list[FileFailure] = field(default_factory=list[FileFailure])
    failed_ids: list[str] = field(default_factory=list[str])


class Files:
    """The shop's files as seen from one bucket."""

    def __init__(self, client: ShopifyClient, store: ObjectStore, options: UploadOptions) -> None:
        self.client = client
        self.store = store
        self.options = options
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._made: dict[str, str] = {}

    @contextmanager
    def hold(self, uploads: Sequence[Upload]) -> Iterator[None]:
        """Be the only thread that brings these files: groups that share an Image_SKU upload its images once."""
        with ExitStack() as held:
            for filename in sorted({item.filename for item in uploads}):  # one order for all: no deadlock
                held.enter_context(self._locks[filename])
            yield

    def remember(self, made: Mapping[str, LiveMedia]) -> None:
        """Tell those who wait in `hold` which files, by name, there are now."""
        self._made |= {filename: media.id for filename, media in made.items()}

    def sources(self, items: Sequence[Upload | Renewal]) -> list[str]:
        """An address per image that Shopify can fetch it from."""
        if self.options.staged:
            return stage(self.client, [self._staged(item) for item in items])
        return [self._presigned(item.key) for item in items]

    def _staged(self, item: Upload | Renewal) -> StagedFile:
        mime = _MIME[item.filename.rsplit(".", 1)[-1].lower()]
        return StagedFile(item.filename, mime, item.size, lambda: self.store.get(item.key, if_match=item.etag).body)

    def _presigned(self, key: str) -> str:
        with aws_errors(f"presign {self.store.url(key)}"):
            return str(
                self.store.client.generate_presigned_url(
                    "get_object", Params={"Bucket": self.store.bucket, "Key": key}, ExpiresIn=self.options.url_s
                )
            )

    def still_there(self, items: Sequence[_Item]) -> tuple[list[_Item], list[FileFailure]]:
        """The images that are in S3 as they were observed, and failures of the others.

        A plan may be hours old, and a file's name must not speak of other content than it holds.
        """
        good: list[_Item] = []
        failures: list[FileFailure] = []
        found = parallel_map(lambda item: self.store.check(item.key, item.etag), items, workers=_CHECKERS)
        errors = {result.item.key: result.error for result in found}
        for item in items:
            error = errors[item.key]
            if error is None:
                good.append(item)
            elif isinstance(error, ImageAssetsError):
                failures.append(FileFailure(item.key, item.filename, error.code, str(error), error.permanent))
            else:
                raise error
        return good, failures

    def inputs(self, uploads: Sequence[Upload]) -> list[dict[str, str]]:
        """``FileCreateInput`` or ``FileSetInput`` of images."""
        return [
            {"originalSource": source, "filename": item.filename, "alt": item.alt, "contentType": "IMAGE"}
            for item, source in zip(uploads, self.sources(uploads), strict=True)
        ]

    def bring(self, uploads: Sequence[Upload], record: Callable[[Sequence[LedgerEntry]], None]) -> Brought:
        """Make sure every image is a ready file of the shop.

        Args:
            uploads: the images; those with a ``media_id`` are looked up before they are uploaded.
            record: called with what was uploaded as soon as its ids are known.

        Raises:
            UnknownResultError: an answer was lost; look again before going on.
        """
        with self.hold(uploads):
            return self._bring(uploads, record)

    def _bring(self, uploads: Sequence[Upload], record: Callable[[Sequence[LedgerEntry]], None]) -> Brought:
        brought = Brought()
        known = self.known(uploads)
        missing, gone = self.still_there([item for item in uploads if item.filename not in known])
        brought.failures += gone
        for start in range(0, len(missing), FILES_PER_CALL):
            created = self._create(missing[start : start + FILES_PER_CALL], brought)
            record(
                [
                    LedgerEntry(item.key, item.etag, created[item.filename].id)
                    for item in uploads
                    if item.filename in created
                ]
            )
            self.remember(created)
            known |= created
        by_id = self.wait(known.values())
        for item in uploads:
            if item.filename in known:
                self._sort(item, by_id.get(known[item.filename].id), brought)
        return brought

    def known(self, uploads: Sequence[Upload]) -> dict[str, LiveMedia]:
        """Which uploads are files already, by the ledger or this process, by name; what shows nothing is none."""
        ids = {item.filename: item.media_id or self._made.get(item.filename) for item in uploads}
        asked = list(dict.fromkeys(gid for gid in ids.values() if gid))
        nodes = self.client.nodes(documents.FILE_STATUS, asked) if asked else []
        found = {node["id"]: self._revived(live_media(node)) for node in nodes if node}
        return {
            filename: media
            for filename, gid in ids.items()
            if gid and (media := found.get(gid)) is not None and media.status is not MediaStatus.FAILED
        }

    def acknowledge(self, media_ids: Sequence[str]) -> None:
        """Have files whose renewal failed show their old content again."""
        if media_ids:
            self.client.mutate(documents.ACKNOWLEDGE_FAILED_UPDATE, fileIds=list(media_ids))

    def _revived(self, media: LiveMedia) -> LiveMedia:
        """A file that has only failed to be renewed, for another product perhaps, shows what its name says again."""
        if media.status is not MediaStatus.FAILED or not media.url:
            return media
        self.acknowledge([media.id])
        return replace(media, status=MediaStatus.READY, error="")

    def wait(self, media: Iterable[LiveMedia]) -> dict[str, LiveMedia]:
        """Poll until Shopify has finished with ``media``, or patience ends; what is not settled by then is absent."""
        found = {item.id: item for item in media}
        waiting = poll(self.options.patience_s)
        while pending := [item.id for item in found.values() if not item.settled]:
            if next(waiting, ENDED) is ENDED:
                break
            for node_id, node in zip(pending, self.client.nodes(documents.FILE_STATUS, pending), strict=True):
                if node:
                    found[node_id] = live_media(node)
                else:
                    del found[node_id]  # deleted meanwhile
        return {item.id: item for item in found.values() if item.settled}

    def _sort(self, item: Upload, media: LiveMedia | None, brought: Brought) -> None:
        if media is None:
            brought.failures.append(unfinished(item.key, item.filename))
        elif media.status is MediaStatus.READY:
            brought.ready[item.filename] = media.id
        else:
            if not media.url:  # nothing that shows something is ever deleted
                brought.failed_ids.append(media.id)
            brought.failures.append(failed_media(item.key, item.filename, media))

    def _create(self, uploads: Sequence[Upload], brought: Brought) -> dict[str, LiveMedia]:
        """Create files; returns them by name. Refused ones become failures, the others go on."""
        created: dict[str, LiveMedia] = {}
        left = list(uploads)
        while left:
            inputs = [{**item, "duplicateResolutionMode": "RAISE_ERROR"} for item in self.inputs(left)]
            try:
                payload = self.client.mutate(documents.CREATE_FILES, files=inputs)
            except UserErrors as error:
                bad = refused(error, len(left))
                if not bad:
                    raise
                for at, reasons in bad.items():
                    self._handle_refusal(left[at], reasons, created, brought)
                left = [item for at, item in enumerate(left) if at not in bad]
            else:
                for item, node in zip(left, payload["files"], strict=True):
                    created[item.filename] = live_media(node)
                left = []
        return created

    def _handle_refusal(
        self, item: Upload, reasons: Sequence[UserError], created: dict[str, LiveMedia], brought: Brought
    ) -> None:
        if any(reason.code == _NAME_TAKEN for reason in reasons):
            try:
                created[item.filename] = self._find(item.filename)
            except ImageAssetsError as error:
                failure = FileFailure(item.key, item.filename, error.code, str(error), error.permanent)
                brought.failures.append(failure)
            return
        brought.failures.append(refusal(item, reasons))

    def _find(self, filename: str) -> LiveMedia:
        """The file with a name that is known to be taken.

        Raises:
            TransientError: search does not show it yet.
        """
        waiting = poll(min(SEARCH_PATIENCE_S, self.options.patience_s))
        while True:
            answer = self.client.query(documents.FIND_FILES, query=f"filename:'{filename}'")
            found = [live_media(node) for node in answer["files"]["nodes"] if node]
            # What is not ready has no name to compare, but the search was for it. A failed one is the last choice: it
            # is reported and deleted, so that the next run can upload the image again.
            named = [item for item in found if not item.filename or same_file(filename, item.filename)]
            if named:
                return self._revived(min(named, key=lambda item: item.status is MediaStatus.FAILED))
            if next(waiting, ENDED) is ENDED:
                raise TransientError(
                    f"The shop has a file {filename}, but its search does not show it yet.",
                    code="not_searchable",
                    hint="Run again in a minute.",
                )


def failed_media(key: str, filename: str, media: LiveMedia) -> FileFailure:
    """A medium that Shopify could not make: what it says, and whether the same file may succeed later."""
    transient = any(code in media.error for code in ("DOWNLOAD_FAILURE", "TIMEOUT", "UNKNOWN", "INVALID_SIGNED_URL"))
    message = media.error or "Shopify gives no reason"
    return FileFailure(key, filename, "media_failed", message, permanent=not transient)


def unfinished(key: str, filename: str) -> FileFailure:
    """An image Shopify has not finished with."""
    message = "Shopify has not finished with it; the next run goes on where this one stopped."
    return FileFailure(key, filename, "still_processing", message, permanent=False)


def refusal(item: Upload, reasons: Sequence[UserError]) -> FileFailure:
    """An image that Shopify does not accept."""
    message = "; ".join(f"{reason.code or 'refused'}: {reason.message}" for reason in reasons)
    return FileFailure(item.key, item.filename, "refused", message, permanent=True)


def refused(error: UserErrors, count: int) -> dict[int, list[UserError]]:
    """The errors by the position of the file they are about; empty when one is about none of them."""
    found: dict[int, list[UserError]] = {}
    for item in error.errors:
        at = next((int(part) for part in item.field if part.isdigit()), None)
        if at is None or at >= count:
            return {}
        found.setdefault(at, []).append(item)
    return found
