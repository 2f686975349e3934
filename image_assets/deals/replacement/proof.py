"""Whether replacements came to what they must, looked at anew.

Here: reading rows and listings, and judging them. Not here: writing anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from image_assets.deals.model import ImageRef
from image_assets.deals.observe import observe_deal
from image_assets.deals.replacement.apply import Bench
from image_assets.deals.replacement.service import ReplacementResult
from image_assets.report import Status


@dataclass(frozen=True, slots=True)
class Problem:
    """What is not as it must be: of which deal, and what."""

    deal_id: int
    what: str


def wrong_positions(bench: Bench, results: Iterable[ReplacementResult]) -> list[Problem]:
    """Deals with new images whose positions are not 0, 1, 2 ..., or that begin with none of the new images."""
    problems: list[Problem] = []
    for deal_id, new_ids in _put_in(results).items():
        rows = bench.images.rows(deal_id)
        positions = [row.position for row in rows]
        if positions != list(range(len(rows))):
            problems.append(Problem(deal_id, f"positions are {positions}"))
        if not rows or rows[0].image_id not in new_ids:
            problems.append(Problem(deal_id, f"image {rows[0].image_id if rows else 'none'} is first, not a new one"))
    return problems


def incomplete_images(bench: Bench, results: Iterable[ReplacementResult]) -> list[Problem]:
    """New images that lack variants, by a LIST per deal."""
    variants = bench.layout.variant_set
    problems: list[Problem] = []
    for deal_id, new_ids in _put_in(results).items():
        present = {image.ref: image.present for image in observe_deal(bench.store, bench.layout, deal_id).images}
        for new_id in sorted(new_ids):
            missing = variants.full_mask & ~present.get(ImageRef(deal_id, new_id), 0)
            if missing:
                problems.append(Problem(deal_id, f"image {new_id} lacks {', '.join(variants.names(missing))}"))
    return problems


def _put_in(results: Iterable[ReplacementResult]) -> dict[int, set[int]]:
    deals: dict[int, set[int]] = {}
    for result in results:
        # Also those whose rows an earlier, dead run moved: this one has finished them.
        if result.new_id and result.outcome.status is Status.DONE:
            deals.setdefault(result.deal_id, set()).add(result.new_id)
    return deals
