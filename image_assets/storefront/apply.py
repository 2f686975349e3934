"""Carrying a plan out in Shopify: exactly what it says, in an order in which dying at any line loses nothing.

Here: the mutations. Not here: deciding on them (``plan.py``), files (``files.py``), rounds of looking and acting
(``service.py``).

A product that exists is never given a list of its media: `productSet` with ``files`` would take off what a merchant
added since we looked. Files are created beside the product, put on it by reference once they are ready, then moved and
shown by variants. Only a new product gets its files in the `productSet` that creates it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from image_assets.errors import PermanentError
from image_assets.storefront.creation import Creation
from image_assets.storefront.files import (
    FILES_PER_CALL,
    Brought,
    FileFailure,
    Files,
    failed_media,
    refusal,
    refused,
    unfinished,
)
from image_assets.storefront.ledger import LedgerStore
from image_assets.storefront.model import LedgerEntry, LiveMedia, MediaStatus
from image_assets.storefront.moves import moves
from image_assets.storefront.observe.products import ENDED, live_media, poll
from image_assets.storefront.plan import Association, MediaPlan, Renewal, Upload
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.client import ShopifyClient, UserErrors

# Shopify's MAXIMUM_VARIANT_MEDIA_PAIRS_EXCEEDED, and its limit on arrays.
PAIRS_PER_CALL = 100
ITEMS_PER_CALL = 250
ONLINE_STORE = "Online Store"
# Refusals that say no more than that the look we acted on is outdated.
LOOK_AGAIN = {
    "FILE_DOES_NOT_EXIST",
    "HANDLE_NOT_UNIQUE",
    "MEDIA_DOES_NOT_EXIST",
    "MEDIA_DOES_NOT_EXIST_ON_PRODUCT",
    "MEDIA_IS_NOT_ATTACHED_TO_VARIANT",
    "PRODUCT_DOES_NOT_EXIST",
    "PRODUCT_VARIANT_ALREADY_HAS_MEDIA",
    "PRODUCT_VARIANT_DOES_NOT_EXIST_ON_PRODUCT",
    "REFERENCE_TARGET_DOES_NOT_EXIST",
}
# The product may be the one of an earlier attempt whose answer was lost.
_HANDLE_TAKEN = "HANDLE_NOT_UNIQUE"
_Item = TypeVar("_Item", Upload, Renewal)

_log = logging.getLogger(__name__)


@dataclass
class Applied:
    """What has become of a plan so far, also when it broke off.

    Attributes:
        counts: what was done, by the names of `MediaPlan.changes`.
        failures: images that could not be brought; the rest of the plan was carried out.
    """

    counts: dict[str, int] = field(default_factory=dict[str, int])
    failures: list[FileFailure] = field(default_factory=list[FileFailure])


class Applier:
    """Writes to one shop.

    Args:
        client: the shop.
        files: the shop's files, and the bucket they come from.
        ledger: where uploads are remembered.
    """

    def __init__(self, client: ShopifyClient, files: Files, ledger: LedgerStore) -> None:
        self._client = client
        self._files = files
        self._ledger = ledger
        self._publication: str | None = None

    def apply(self, plan: MediaPlan, applied: Applied) -> None:
        """Carry a plan out, and say in ``applied`` how far that went.

        Raises:
            UnknownResultError: an answer was lost; observe and plan again.
            UserErrors: Shopify refused a step; what was done before stays done.
            PermanentError, TransientError: as the names say.
        """
        if plan.creation is not None:
            with self._files.hold(plan.uploads):
                self._create(plan, plan.creation, applied)
            return
        product_id = plan.product_id
        if product_id is None:
            raise PermanentError(f"{plan.group_id}: the plan names no product and creates none.", code="bad_plan")
        self._ledger.record(product_id, plan.adopt, forget=plan.forget)
        self._files.acknowledge(plan.acknowledge)
        applied.counts["restore"] = len(plan.acknowledge)
        ready, stuck = self._update_gallery(plan, product_id, applied)
        self._reorder(plan, product_id, ready, applied)
        self._associate(product_id, _resolved(plan.associations, ready), applied)
        if plan.publish:
            self._publish(plan.group_id, product_id, applied)
        if stuck is not None:
            raise stuck

    def _create(self, plan: MediaPlan, creation: Creation, applied: Applied) -> None:
        """Create a product with its images in one call, then show them and publish it."""
        self._ledger.begin_creation(plan.group_id)
        uploads, payload = self._make_product(plan, creation, applied)
        product = payload["product"]
        product_id = product["id"]
        applied.counts["create"] = 1
        self._ledger.claim(plan.group_id, product_id)
        media = [live_media(node) for node in product["media"]["nodes"]]
        if len(media) != len(uploads):
            raise PermanentError(
                f"{plan.group_id}: Shopify made {len(media)} media of {len(uploads)} files.",
                code="unexpected_answer",
                hint="Run again: the next run looks at the product as it is.",
            )
        made = dict(zip((item.filename for item in uploads), media, strict=True))
        self._files.remember(made)
        entries = [LedgerEntry(item.key, item.etag, made[item.filename].id) for item in uploads]
        self._ledger.record(product_id, entries)
        ready = self._settle(uploads, media, applied)
        applied.counts["add"] = len(ready)
        ids = {node["sku"]: node["id"] for node in product["variants"]["nodes"]}
        named = [replace(item, variant_id=ids[item.sku]) for item in plan.associations if item.sku in ids]
        self._associate(product_id, _resolved(named, ready), applied)
        self._publish(plan.group_id, product_id, applied)

    def _make_product(
        self, plan: MediaPlan, creation: Creation, applied: Applied
    ) -> tuple[list[Upload], Mapping[str, Any]]:
        """Create the product, leaving out files that Shopify refuses.

        Spec 02: "Error recovery allows product creation even if images fail".
        """
        known = self._files.known(plan.uploads)
        there, lost = self._files.still_there([item for item in plan.uploads if item.filename not in known])
        applied.failures += lost
        uploads = [item for item in plan.uploads if item.filename in known or item in there]
        while True:
            try:
                return uploads, self._product_set(creation, self._file_inputs(uploads, known))
            except UserErrors as error:
                about_files = all("files" in item.field for item in error.errors)
                bad = refused(error, len(uploads)) if about_files else {}
                if not bad:
                    if all(item.code != _HANDLE_TAKEN for item in error.errors):
                        self._ledger.published(plan.group_id)  # there is no product of ours to publish
                    raise
                applied.failures += [refusal(uploads[at], reasons) for at, reasons in bad.items()]
                uploads = [item for at, item in enumerate(uploads) if at not in bad]

    def _file_inputs(self, uploads: Sequence[Upload], known: Mapping[str, LiveMedia]) -> list[dict[str, str]]:
        made = self._files.inputs([item for item in uploads if item.filename not in known])
        by_name = {item["filename"]: item for item in made}
        return [
            {"id": known[item.filename].id} if item.filename in known else by_name[item.filename] for item in uploads
        ]

    def _product_set(self, creation: Creation, files: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
        # No identifier: with one, a product that a merchant made of this handle a moment ago would be overwritten.
        # Without, Shopify refuses a handle that is taken.
        return self._client.mutate(
            documents.CREATE_PRODUCT,
            input={
                "title": creation.title,
                "handle": creation.handle,
                "status": "ACTIVE",
                "productOptions": [
                    {"name": name, "values": [{"name": value} for value in values]} for name, values in creation.options
                ],
                "variants": [
                    {
                        "sku": variant.sku,
                        **({"price": variant.price} if variant.price else {}),
                        "optionValues": [{"optionName": name, "name": value} for name, value in variant.options],
                    }
                    for variant in creation.variants
                ],
                **({"files": list(files)} if files else {}),
            },
        )

    def _settle(self, uploads: Sequence[Upload], media: Sequence[LiveMedia], applied: Applied) -> dict[str, str]:
        """Wait for a new product's media; those that failed are deleted, so that nobody sees a broken image."""
        settled = self._files.wait(media)
        brought = Brought()
        for item, found in zip(uploads, media, strict=True):
            now = settled.get(found.id)
            if now is not None and now.status is MediaStatus.READY:
                brought.ready[item.filename] = now.id
            elif now is not None:
                if not now.url:  # it can't be seen anywhere
                    brought.failed_ids.append(now.id)
                brought.failures.append(failed_media(item.key, item.filename, now))
            else:
                brought.failures.append(unfinished(item.key, item.filename))
        self._drop(brought.failed_ids)
        applied.failures += brought.failures
        return brought.ready

    def _update_gallery(
        self, plan: MediaPlan, product_id: str, applied: Applied
    ) -> tuple[dict[str, str], UserErrors | None]:
        """Bring, renew, take off and delete.

        Returns:
            The new media on the product by file name, and why something could not be taken off it.
        """
        brought = self._files.bring(plan.uploads, lambda made: self._ledger.record(product_id, made))
        applied.failures += brought.failures
        self._drop([*brought.failed_ids, *plan.discard])
        uploads = [item for item in plan.uploads if item.filename in brought.ready]
        added = self._update(
            uploads,
            [{"id": brought.ready[item.filename], "referencesToAdd": [product_id]} for item in uploads],
            applied,
        )
        applied.counts["add"] = len(added)
        # What could not be brought may be what is to stand in for them: then they stay until the next run.
        removals = plan.remove if not applied.failures else ()
        refused_ones = self._update_files([{"id": gid, "referencesToRemove": [product_id]} for gid in removals])
        gone = {*(gid for at, gid in enumerate(removals) if at not in refused_ones), *plan.discard}
        applied.counts["remove"] = len(gone)
        entries = [LedgerEntry(item.key, item.etag, brought.ready[item.filename]) for item in added]
        self._ledger.record(product_id, entries, forget_media=gone)
        if plan.renewals:
            self._renew(plan, product_id, applied)
        ready = {item.filename: brought.ready[item.filename] for item in added}
        return ready, next(iter(refused_ones.values()), None)

    def _update(self, items: Sequence[_Item], inputs: Sequence[Mapping[str, Any]], applied: Applied) -> list[_Item]:
        """Change files; returns the images of those that were changed, the others are failures."""
        refused_ones = self._update_files(inputs)
        for at, error in refused_ones.items():
            reasons = "; ".join(str(reason) for reason in error.errors)
            item, permanent = items[at], not error.transient
            applied.failures.append(FileFailure(item.key, item.filename, "refused", reasons, permanent))
        return [item for at, item in enumerate(items) if at not in refused_ones]

    def _update_files(self, inputs: Sequence[Mapping[str, Any]]) -> dict[int, UserErrors]:
        """Change files; returns those that Shopify refuses to change, by position.

        It may refuse one row of a call and carry out the others: then they are asked for one by one, which changes
        nothing for those that were.

        Raises:
            UserErrors: the refusal says that the look we act on is outdated.
        """
        found: dict[int, UserErrors] = {}
        for start in range(0, len(inputs), FILES_PER_CALL):
            part = inputs[start : start + FILES_PER_CALL]
            try:
                self._client.mutate(documents.UPDATE_FILES, files=list(part))
            except UserErrors as error:
                _raise_if_outdated(error)
                for at, one in enumerate(part, start):
                    refusal_of_one = self._update_one(one)
                    if refusal_of_one is not None:
                        found[at] = refusal_of_one
        return found

    def _update_one(self, one: Mapping[str, Any]) -> UserErrors | None:
        """Change a file, waiting for it while Shopify is at work on it: perhaps on what it was asked a moment ago."""
        waiting = poll(self._files.options.patience_s)
        while True:
            try:
                self._client.mutate(documents.UPDATE_FILES, files=[one])
            except UserErrors as error:
                _raise_if_outdated(error)
                if not error.transient or next(waiting, ENDED) is ENDED:
                    return error
            else:
                return None

    def _renew(self, plan: MediaPlan, product_id: str, applied: Applied) -> None:
        """Give media new content, and then the name that says so: never before, as it may fail."""
        there, gone = self._files.still_there(plan.renewals)
        applied.failures += gone
        inputs = [
            {"id": item.media_id, "originalSource": source}
            for item, source in zip(there, self._files.sources(there), strict=True)
        ]
        for item in there:
            self._ledger.renewing(item.media_id)
        asked = self._update(there, inputs, applied)
        settled = self._files.wait(LiveMedia(item.media_id, MediaStatus.READY, renewing=True) for item in asked)
        renewed: list[Renewal] = []
        for item in asked:
            found = settled.get(item.media_id)
            if found is None:
                applied.failures.append(unfinished(item.key, item.filename))
            elif found.status is not MediaStatus.READY:
                applied.failures.append(failed_media(item.key, item.filename, found))
                self._files.acknowledge([item.media_id])
            else:
                forget = [item.old_key] if item.old_key != item.key else []
                entry = LedgerEntry(item.key, item.etag, item.media_id)
                self._ledger.record(product_id, [entry], forget=forget)
                self._ledger.renewed(item.media_id, entry)
                renewed.append(item)
                applied.counts["replace"] = len(renewed)
        # Where Shopify refuses a name, the ledger alone knows what the medium holds.
        unnamed = self._update_files([{"id": item.media_id, "filename": item.filename} for item in renewed])
        if unnamed:
            _log.info("%d of %d media keep their old names.", len(unnamed), len(renewed))

    def _drop(self, media_ids: Sequence[str]) -> None:
        """Delete media that failed; nothing else is ever deleted."""
        if media_ids:
            self._client.mutate(documents.DELETE_FILES, fileIds=list(media_ids))

    def _reorder(self, plan: MediaPlan, product_id: str, ready: Mapping[str, str], applied: Applied) -> None:
        """Move media into order; uploads that failed have no place."""
        failed = {item.filename for item in plan.uploads} - set(ready)
        gallery = [ready.get(ref, ref) for ref in plan.gallery if ref not in failed]
        order = [ready.get(ref, ref) for ref in plan.order if ref not in failed]
        steps = moves(gallery, order)
        if not steps:
            return
        for start in range(0, len(steps), ITEMS_PER_CALL):
            payload = self._client.mutate(
                documents.REORDER_MEDIA,
                id=product_id,
                # UnsignedInt64 is a string on the wire.
                moves=[
                    {"id": media_id, "newPosition": str(position)}
                    for media_id, position in steps[start : start + ITEMS_PER_CALL]
                ],
            )
            self._wait_for_job(payload["job"])
        applied.counts["reorder"] = 1

    def _wait_for_job(self, job: Mapping[str, Any] | None) -> None:
        waiting = poll(self._files.options.patience_s)
        while job is not None and not job["done"] and next(waiting, ENDED) is not ENDED:
            job = self._client.query(documents.JOB, id=job["id"])["job"]

    def _associate(self, product_id: str, wanted: Sequence[Association], applied: Applied) -> None:
        """Show media on variants: one that shows another lets go of it first, as a variant shows one."""
        holding = [item for item in wanted if item.current is not None]
        for start in range(0, len(holding), PAIRS_PER_CALL):
            pairs = [
                {"variantId": item.variant_id, "mediaIds": [item.current]}
                for item in holding[start : start + PAIRS_PER_CALL]
            ]
            self._client.mutate(documents.DETACH_VARIANT_MEDIA, productId=product_id, variantMedia=pairs)
        for start in range(0, len(wanted), PAIRS_PER_CALL):
            pairs = [
                {"variantId": item.variant_id, "mediaIds": [item.ref]}
                for item in wanted[start : start + PAIRS_PER_CALL]
            ]
            self._client.mutate(documents.APPEND_VARIANT_MEDIA, productId=product_id, variantMedia=pairs)
        applied.counts["associate"] = len(wanted)

    def _publish(self, group_id: str, product_id: str, applied: Applied) -> None:
        """Publish to the Online Store; publishing what is published changes nothing."""
        if self._publication is None:
            nodes = self._client.query(documents.PUBLICATIONS)["publications"]["nodes"]
            self._publication = next((node["id"] for node in nodes if node["name"] == ONLINE_STORE), None)
        if self._publication is None:
            raise PermanentError(
                f"The shop has no publication called {ONLINE_STORE}.",
                code="no_publication",
                hint="Install the Online Store channel, and give the token the scope read_publications.",
            )
        target = [{"publicationId": self._publication}]
        self._client.mutate(documents.PUBLISH, id=product_id, input=target)
        self._ledger.published(group_id)
        applied.counts["publish"] = 1


def _raise_if_outdated(error: UserErrors) -> None:
    if any(item.code in LOOK_AGAIN for item in error.errors):
        raise error


def _resolved(wanted: Iterable[Association], ready: Mapping[str, str]) -> list[Association]:
    """Associations with gids for file names; those whose image did not get ready are left for the next run."""
    found: list[Association] = []
    for item in wanted:
        ref = ready.get(item.ref, item.ref)
        if ref.startswith("gid://"):
            found.append(replace(item, ref=ref))
    return found
