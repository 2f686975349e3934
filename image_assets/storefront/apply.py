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
    """What became of a plan.

    Attributes:
        product_id: the product.
        counts: what was done, by the names of `MediaPlan.changes`.
        failures: images that could not be brought; the rest of the plan was carried out.
    """

    product_id: str
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

    def apply(self, plan: MediaPlan) -> Applied:
        """Carry a plan out.

        Raises:
            UnknownResultError: an answer was lost; observe and plan again.
            UserErrors: Shopify refused a step; what was done before stays done.
            PermanentError, TransientError: as the names say.
        """
        if plan.creation is not None:
            return self._create(plan, plan.creation)
        if plan.product_id is None:
            raise PermanentError(f"{plan.group_id}: the plan names no product and creates none.", code="bad_plan")
        applied = Applied(plan.product_id)
        self._ledger.set_product(plan.group_id, plan.product_id)
        self._ledger.record(plan.product_id, plan.adopt, forget=plan.forget)
        self._acknowledge(plan.acknowledge)
        ready = self._update_gallery(plan, applied)
        self._reorder(plan, ready, applied)
        self._associate(applied, _resolved(plan.associations, ready))
        if plan.publish:
            self._publish(plan.group_id, applied)
        return applied

    def _create(self, plan: MediaPlan, creation: Creation) -> Applied:
        """Create a product with its images in one call, then show them and publish it."""
        self._ledger.begin_creation(plan.group_id)
        uploads, lost, payload = self._make_product(plan, creation)
        product = payload["product"]
        applied = Applied(product["id"], {"create": 1}, lost)
        self._ledger.set_product(plan.group_id, applied.product_id)
        media = [live_media(node) for node in product["media"]["nodes"]]
        if len(media) != len(uploads):
            raise PermanentError(
                f"{plan.group_id}: Shopify made {len(media)} media of {len(uploads)} files.",
                code="unexpected_answer",
                hint="Run again: the next run looks at the product as it is.",
            )
        self._ledger.record(
            applied.product_id,
            [LedgerEntry(item.key, item.etag, found.id) for item, found in zip(uploads, media, strict=True)],
        )
        ready = self._settle(uploads, media, applied)
        applied.counts["add"] = len(ready)
        ids = {node["sku"]: node["id"] for node in product["variants"]["nodes"]}
        named = [replace(item, variant_id=ids[item.sku]) for item in plan.associations if item.sku in ids]
        self._associate(applied, _resolved(named, ready))
        self._publish(plan.group_id, applied)
        return applied

    def _make_product(
        self, plan: MediaPlan, creation: Creation
    ) -> tuple[list[Upload], list[FileFailure], Mapping[str, Any]]:
        """Create the product, leaving out files that Shopify refuses.

        Spec 02: "Error recovery allows product creation even if images fail".
        """
        known = self._files.known([item for item in plan.uploads if item.media_id])
        there, lost = self._files.still_there([item for item in plan.uploads if item.filename not in known])
        uploads = [item for item in plan.uploads if item.filename in known or item in there]
        while True:
            try:
                return uploads, lost, self._product_set(creation, self._file_inputs(uploads, known))
            except UserErrors as error:
                about_files = all("files" in item.field for item in error.errors)
                bad = refused(error, len(uploads)) if about_files else {}
                if not bad:
                    if all(item.code != _HANDLE_TAKEN for item in error.errors):
                        self._ledger.published(plan.group_id)  # there is no product of ours to publish
                    raise
                lost += [refusal(uploads[at], reasons) for at, reasons in bad.items()]
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
                brought.failed_ids.append(now.id)
                brought.failures.append(failed_media(item.key, item.filename, now))
            else:
                brought.failures.append(unfinished(item.key, item.filename))
        self._drop(brought.failed_ids)
        applied.failures += brought.failures
        return brought.ready

    def _update_gallery(self, plan: MediaPlan, applied: Applied) -> dict[str, str]:
        """Bring, renew, take off and delete; returns the new media on the product by file name."""
        brought = self._files.bring(plan.uploads, lambda made: self._ledger.record(applied.product_id, made))
        applied.failures += brought.failures
        self._drop([*brought.failed_ids, *plan.discard])
        product = [applied.product_id]
        ready = [item for item in plan.uploads if item.filename in brought.ready]
        added, lost = self._update(
            ready, [{"id": brought.ready[item.filename], "referencesToAdd": product} for item in ready]
        )
        applied.failures += lost
        # What could not be brought may be what is to stand in for them: then they stay until the next run.
        removals = plan.remove if not applied.failures else ()
        if removals:
            changes = [{"id": media_id, "referencesToRemove": product} for media_id in removals]
            self._client.mutate(documents.UPDATE_FILES, files=changes)
        gone = {*removals, *plan.discard}
        entries = [LedgerEntry(item.key, item.etag, brought.ready[item.filename]) for item in added]
        self._ledger.record(applied.product_id, entries, forget_media=gone)
        applied.counts |= {"add": len(entries), "remove": len(gone)}
        if plan.renewals:
            self._renew(plan, applied)
        return {item.filename: brought.ready[item.filename] for item in added}

    def _update(
        self, items: Sequence[_Item], inputs: Sequence[Mapping[str, Any]]
    ) -> tuple[list[_Item], list[FileFailure]]:
        """Change files, and say which were changed and why the others were not.

        Shopify may refuse one row of a call and carry out the others: then they are asked for one by one, which
        changes nothing for those that were.
        """
        done: list[_Item] = []
        failures: list[FileFailure] = []
        for start in range(0, len(items), FILES_PER_CALL):
            part, asked = items[start : start + FILES_PER_CALL], list(inputs[start : start + FILES_PER_CALL])
            try:
                self._client.mutate(documents.UPDATE_FILES, files=asked)
                done += part
            except UserErrors as error:
                if any(item.code in LOOK_AGAIN for item in error.errors):
                    raise
                if len(part) == 1:
                    reasons = "; ".join(str(reason) for reason in error.errors)
                    permanent = not error.transient
                    failures.append(FileFailure(part[0].key, part[0].filename, "refused", reasons, permanent))
                    continue
                for item, one in zip(part, asked, strict=True):
                    changed, refused_one = self._update([item], [one])
                    done += changed
                    failures += refused_one
        return done, failures

    def _renew(self, plan: MediaPlan, applied: Applied) -> None:
        """Give media new content, and then the name that says so: never before, as it may fail."""
        there, gone = self._files.still_there(plan.renewals)
        inputs = [
            {"id": item.media_id, "originalSource": source}
            for item, source in zip(there, self._files.sources(there), strict=True)
        ]
        for item in there:
            self._ledger.renewing(item.media_id)
        asked, lost = self._update(there, inputs)
        applied.failures += [*gone, *lost]
        settled = self._files.wait(LiveMedia(item.media_id, MediaStatus.READY, renewing=True) for item in asked)
        renewed: list[Renewal] = []
        for item in asked:
            found = settled.get(item.media_id)
            if found is None:
                applied.failures.append(unfinished(item.key, item.filename))
            elif found.status is not MediaStatus.READY:
                applied.failures.append(failed_media(item.key, item.filename, found))
                self._acknowledge([item.media_id])
            else:
                forget = [item.old_key] if item.old_key != item.key else []
                entry = LedgerEntry(item.key, item.etag, item.media_id)
                self._ledger.record(applied.product_id, [entry], forget=forget)
                self._ledger.renewed(item.media_id, entry)
                renewed.append(item)
        # Where Shopify refuses a name, the ledger alone knows what the medium holds.
        named, unnamed = self._update(renewed, [{"id": item.media_id, "filename": item.filename} for item in renewed])
        if unnamed:
            _log.info("%d of %d media keep their old names.", len(unnamed), len(named) + len(unnamed))
        applied.counts["replace"] = len(renewed)

    def _acknowledge(self, media_ids: Sequence[str]) -> None:
        """Have media whose renewal failed show their old content again."""
        if media_ids:
            self._client.mutate(documents.ACKNOWLEDGE_FAILED_UPDATE, fileIds=list(media_ids))

    def _drop(self, media_ids: Sequence[str]) -> None:
        """Delete media that failed; nothing else is ever deleted."""
        if media_ids:
            self._client.mutate(documents.DELETE_FILES, fileIds=list(media_ids))

    def _reorder(self, plan: MediaPlan, ready: Mapping[str, str], applied: Applied) -> None:
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
                id=applied.product_id,
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

    def _associate(self, applied: Applied, wanted: Sequence[Association]) -> None:
        """Show media on variants: one that shows another lets go of it first, as a variant shows one."""
        holding = [item for item in wanted if item.current is not None]
        for start in range(0, len(holding), PAIRS_PER_CALL):
            pairs = [
                {"variantId": item.variant_id, "mediaIds": [item.current]}
                for item in holding[start : start + PAIRS_PER_CALL]
            ]
            self._client.mutate(documents.DETACH_VARIANT_MEDIA, productId=applied.product_id, variantMedia=pairs)
        for start in range(0, len(wanted), PAIRS_PER_CALL):
            pairs = [
                {"variantId": item.variant_id, "mediaIds": [item.ref]}
                for item in wanted[start : start + PAIRS_PER_CALL]
            ]
            self._client.mutate(documents.APPEND_VARIANT_MEDIA, productId=applied.product_id, variantMedia=pairs)
        applied.counts["associate"] = len(wanted)

    def _publish(self, group_id: str, applied: Applied) -> None:
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
        self._client.mutate(documents.PUBLISH, id=applied.product_id, input=target)
        self._ledger.published(group_id)
        applied.counts["publish"] = 1


def _resolved(wanted: Iterable[Association], ready: Mapping[str, str]) -> list[Association]:
    """Associations with gids for file names; those whose image did not get ready are left for the next run."""
    found: list[Association] = []
    for item in wanted:
        ref = ready.get(item.ref, item.ref)
        if ref.startswith("gid://"):
            found.append(replace(item, ref=ref))
    return found
