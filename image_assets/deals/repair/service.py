"""Repairing touched deals: one LIST each, then what its plan says.

Here: the verb. Not here: which deals (``touched.py``, ``inbox.py``), rendering and uploading (`deals.apply`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from image_assets.access import Access
from image_assets.deals.apply import ApplyOptions, ImageResult, complete_image
from image_assets.deals.model import Layout
from image_assets.deals.observe import observe_deal
from image_assets.deals.plan import make_plan
from image_assets.errors import ImageAssetsError
from image_assets.parallel import parallel_map
from image_assets.report import TURNED_AWAY, Outcome, Status
from image_assets.stores.s3 import ObjectStore


@dataclass(frozen=True)
class Repair:
    """How one deal ended.

    Attributes:
        deal_id: the deal.
        results: of the images that lacked something.
        failure: why it could not be looked up, or None.
        orphans: how many of its images have variants and no main image.
    """

    deal_id: int
    results: list[ImageResult] = field(default_factory=list[ImageResult])
    failure: Outcome | None = None
    orphans: int = 0

    @property
    def outcomes(self) -> list[Outcome]:
        """For reports."""
        return [self.failure] if self.failure else [result.outcome for result in self.results]

    @property
    def is_settled(self) -> bool:
        """Whether looking it up again would find nothing else to do.

        What is wrong with an image is for a person to mend, which is another event; a bucket that is away or denies is
        not the deal's fault.
        """
        failed = (outcome for outcome in self.outcomes if outcome.status is Status.FAILED)
        return all(outcome.permanent and outcome.reason not in TURNED_AWAY for outcome in failed)


def repair(store: ObjectStore, layout: Layout, deal_ids: Iterable[int], options: ApplyOptions) -> Iterator[Repair]:
    """Complete the images of deals, several deals at a time; yields each as it ends, failed ones included."""
    access = Access(lambda error: error.code in TURNED_AWAY, "The bucket is not to be had")

    def one(deal_id: int) -> Repair:
        try:
            with access.attempt():
                plan = make_plan(observe_deal(store, layout, deal_id), layout.variant_set)
        except ImageAssetsError as error:
            return Repair(deal_id, failure=Outcome.failed(str(deal_id), error))
        results = [complete_image(store, layout, work, options) for work in plan.work]
        return Repair(deal_id, results, orphans=len(plan.orphans))

    for result in parallel_map(one, deal_ids, workers=options.workers):
        yield result.unwrap()
