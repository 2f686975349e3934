"""The verbs of position-zero replacement: replace, restore, preview. Command line, assets and functions only translate.

Here: which images, in which order, how many at a time, and the experiments' record. Not here: the steps of one
replacement (``apply.py``), settings, terminals, Dagster.

Two replacements of one deal are never at work at once: a deal's images are worked off one after the other, and what
other processes do is kept apart by the locked rows of the deals database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace as replace_fields

from image_assets.access import Access
from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.apply import (
    REPLACED,
    RESTORED,
    Bench,
    Step,
    counts,
    place,
    put_back,
    source_and_entry,
)
from image_assets.deals.replacement.experiments import Experiments
from image_assets.deals.replacement.model import (
    NOTHING_MOVED,
    UNKNOWN_ID,
    Candidate,
    Candidates,
    Entry,
    Placed,
    Positions,
    State,
    dense,
)
from image_assets.deals.replacement.plan import order_of, replaced
from image_assets.errors import ImageAssetsError, PermanentError
from image_assets.parallel import parallel_map
from image_assets.report import TURNED_AWAY, Outcome, Status

_log = logging.getLogger(__name__)
# Spec 01: "Main script: 15-25 workers for image replacement".
DEFAULT_WORKERS = 15
# New images the experiments are told of at once: Redshift takes about a second for one as for many.
TOLD_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class ReplacementResult:
    """How one image ended.

    Attributes:
        image_id: the original image.
        outcome: with its reason where it failed.
        deal_id: its deal, 0 where it is not known.
        new_id: the new image, 0 where there is none.
        positions: the deal's rows before and after; equal where nothing was written.
    """

    image_id: int
    outcome: Outcome
    deal_id: int = 0
    new_id: int = 0
    positions: Positions = NOTHING_MOVED


def replace(
    bench: Bench, experiments: Experiments, candidates: Candidates, *, workers: int = DEFAULT_WORKERS
) -> Iterator[ReplacementResult]:
    """Put every candidate's new image in its place; yields each image's result, those with bad rows first.

    Raises:
        ImageAssetsError: the deals database, the ledger or the experiments can't be reached; nothing was written.
    """
    experiments.check()
    refs = yield from _known(bench, candidates)
    ledger = bench.ledger.of([ref.image_id for ref in refs])
    waiting: list[Step] = []
    for ref, ended in _deal_by_deal(refs, lambda ref: place(bench, ref, ledger.get(ref.image_id, [])), workers):
        if isinstance(ended, Exception):
            yield _failed(ref, ended)
        else:
            waiting.append(ended)
        if len(waiting) >= TOLD_AT_ONCE:
            yield from _tell(bench, experiments, waiting)
            waiting = []
    yield from _tell(bench, experiments, waiting)


def restore(bench: Bench, image_ids: Sequence[int], *, workers: int = DEFAULT_WORKERS) -> Iterator[ReplacementResult]:
    """Undo replacements, named by the original or by the new image; of several of one image the latest.

    The experiments' record stays as it is: the image did win, and would be replaced again if it were in test.

    Raises:
        ImageAssetsError: the deals database or the ledger can't be reached at all; nothing was written.
    """
    bench.images.check()
    wanted = list(dict.fromkeys(image_ids))
    by_original, by_new = bench.ledger.of(wanted), bench.ledger.by_new(wanted)
    entries: dict[ImageRef, Entry] = {}
    for image_id in wanted:
        entry = by_new.get(image_id) or _to_undo(by_original.get(image_id, []))
        if entry is None:
            error = PermanentError(
                f"Image {image_id} was not replaced.", code="not_replaced", hint="Name the original or the new image."
            )
            yield ReplacementResult(image_id, Outcome.failed(str(image_id), error))
        elif entry.state is State.RESTORED:
            yield _result(Step(entry), RESTORED)
        else:
            entries[entry.new] = entry
    for ref, ended in _deal_by_deal(entries, lambda new: put_back(bench, entries[new]), workers):
        yield _failed(entries[ref].ref, ended) if isinstance(ended, Exception) else _result(ended, RESTORED)


def preview(bench: Bench, candidates: Candidates) -> Iterator[ReplacementResult]:
    """What `replace` would do to positions, without writing anything; new images have the id `UNKNOWN_ID`.

    Several images of one deal are shown one upon the other, as they would be carried out. Raises as `replace`.
    """
    refs = yield from _known(bench, candidates)
    ledger = bench.ledger.of([ref.image_id for ref in refs])
    deals: dict[int, tuple[Placed, ...]] = {}
    for ref in refs:
        try:
            done = source_and_entry(bench, ref, ledger.get(ref.image_id, []))[1]
            if done is None:
                bench.images.check_original(ref)
        except ImageAssetsError as error:
            yield _failed(ref, error)
            continue
        if done is not None:
            yield _result(Step(done), REPLACED)
            continue
        before = deals.get(ref.deal_id) or bench.images.rows(ref.deal_id)
        new = UNKNOWN_ID - sum(row.image_id <= UNKNOWN_ID for row in before)
        deals[ref.deal_id] = after = dense(replaced(order_of(before), ref.image_id, new))
        outcome = Outcome(str(ref), Status.DONE, {REPLACED: 1})
        yield ReplacementResult(ref.image_id, outcome, ref.deal_id, UNKNOWN_ID, Positions(before, after))


def _known(bench: Bench, candidates: Candidates) -> Generator[ReplacementResult, None, list[ImageRef]]:
    """Yield the failures of candidates the deals database does not have; returns the others."""
    bench.images.check()
    bench.ledger.check()
    deals = bench.images.deals_of([candidate.image_id for candidate in candidates.found])
    for outcome in candidates.rejected:
        yield ReplacementResult(0, outcome)
    refs: list[ImageRef] = []
    for candidate in candidates.found:
        deal_id = deals.get(candidate.image_id)
        if deal_id is not None and candidate.deal_id in (None, deal_id):
            refs.append(ImageRef(deal_id, candidate.image_id))
        else:
            problem = _problem(candidate, deal_id)
            yield ReplacementResult(candidate.image_id, Outcome.failed(str(candidate.image_id), problem))
    return refs


def _problem(candidate: Candidate, deal_id: int | None) -> PermanentError:
    if deal_id is None:
        return PermanentError(
            f"There is no image {candidate.image_id} in the deals database.",
            code="unknown_image",
            hint="Correct the id, or leave it out.",
        )
    return PermanentError(
        f"Image {candidate.image_id} belongs to deal {deal_id}, not to {candidate.deal_id}.",
        code="other_deal",
        hint="Correct the experiment's row.",
    )


def _to_undo(entries: Sequence[Entry]) -> Entry | None:
    """Of an image's replacements the one to undo: the latest that is not undone, else one that is.

    One that has an id and no rows on record was never about to be put in.
    """
    begun = [entry for entry in entries if entry.before or entry.state is not State.TAKEN]
    return next((entry for entry in begun if entry.state is not State.RESTORED), begun[0] if begun else None)


def _deal_by_deal(
    refs: Iterable[ImageRef], do: Callable[[ImageRef], Step], workers: int
) -> Iterator[tuple[ImageRef, Step | Exception]]:
    """Work on deals side by side, on the images of each one after the other; yields each image as its deal ends."""
    deals: dict[int, list[ImageRef]] = {}
    for ref in refs:
        deals.setdefault(ref.deal_id, []).append(ref)
    access = Access(_turns_away, "A system is not to be had")

    def one(ref: ImageRef) -> Step | Exception:
        try:
            with access.attempt():
                return do(ref)
        except Exception as error:  # noqa: BLE001 - one image must not stop the others
            if not isinstance(error, ImageAssetsError):
                _log.exception("Unexpected error in image %s", ref)
            return error

    for result in parallel_map(lambda of_deal: [(ref, one(ref)) for ref in of_deal], deals.values(), workers=workers):
        yield from result.unwrap()


def _turns_away(error: ImageAssetsError) -> bool:
    return error.code in TURNED_AWAY


def _tell(bench: Bench, experiments: Experiments, placed: Sequence[Step]) -> Iterator[ReplacementResult]:
    """Tell the experiments of new images, and yield their results."""
    try:
        experiments.mark_replaced([(step.entry.ref.image_id, step.entry.new_id) for step in placed])
    except ImageAssetsError as error:
        yield from (_told_late(step, error) for step in placed)
        return
    for step in placed:
        try:
            done = bench.ledger.advance(step.entry, State.DONE)
        except ImageAssetsError as error:
            yield _told_late(step, error)
        else:
            # What is done already is told again: its experiment may have come, or come back, since.
            told = step.entry.state is not State.DONE
            yield _result(replace_fields(step, entry=done), REPLACED, told=told)


def _told_late(step: Step, error: ImageAssetsError) -> ReplacementResult:
    """The failure of an image that is in its place, and whose end could not be recorded."""
    ref, new_id = step.entry.ref, step.entry.new_id
    late = type(error)(
        f"Image {ref} was replaced by {new_id}, but its experiment's end is not recorded: {error.message}",
        code=error.code,
        hint="Run again with the same images.",
    )
    outcome = Outcome.failed(str(ref), late, counts=counts(step, REPLACED))
    return ReplacementResult(ref.image_id, outcome, ref.deal_id, new_id, step.positions)


def _result(step: Step, what: str, *, told: bool = False) -> ReplacementResult:
    ref, done = step.entry.ref, told or step.positions.changed or step.generated
    outcome = Outcome(str(ref), Status.DONE if done else Status.UNCHANGED, counts(step, what))
    return ReplacementResult(ref.image_id, outcome, ref.deal_id, step.entry.new_id, step.positions)


def _failed(ref: ImageRef, error: Exception) -> ReplacementResult:
    return ReplacementResult(ref.image_id, Outcome.failed(str(ref), error), ref.deal_id)
