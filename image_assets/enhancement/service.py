"""What can be done with products and their images, one function per verb; command line, assets and sensor translate.

Here: taking in requests, working off what is due, trying again. Not here: the work itself (``apply.py``), decisions of
reviewers (``review.py``), creating products (``intake.py``).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from image_assets.enhancement.model import Product, Stage, parse_request
from image_assets.enhancement.products import ProductStore, at_stage, of_day, of_products
from image_assets.enhancement.tables import products, requests
from image_assets.enhancement.workplace import Workplace
from image_assets.errors import ImageAssetsError, InputError, NotFoundError, TransientError
from image_assets.parallel import work_off
from image_assets.redaction import redact
from image_assets.report import Outcome, Report, Status
from image_assets.stores.database import check_connection, transaction
from image_assets.stores.inbox import BUDGET_S, Drained, Received, drain
from image_assets.stores.leases import Lease, LeaseLostError
from image_assets.stores.sqs import Queue
from image_assets.vendors.paid import turns_away

_log = logging.getLogger(__name__)
# When a system turned the run away and did not say for how long, products are due again after so long.
TURNED_AWAY_WAIT = timedelta(minutes=5)
# A product that was announced longer ago and that nobody asks for: its message is lost.
LOST_AFTER = timedelta(hours=1)
OnResult = Callable[[Outcome], None]


def receive(
    store: ProductStore, queue: Queue, *, max_batches: int = 100, budget_s: float = BUDGET_S, wait_s: int = 1
) -> Drained:
    """Move requests from SQS into the inbox; a message is deleted once its request is committed.

    Poison messages, and those of products that do not exist, stay for the dead-letter queue. Arguments as
    `inbox.drain`.

    Raises:
        ImageAssetsError: SQS or the database can't be used; nothing is lost.
    """

    def accept(messages: Sequence[Received[int]]) -> None:
        for product_id in store.accept([message.value for message in messages]):
            _log.info("Received message for product_id: %s", product_id)

    # Asked first: a message that comes while the database is down has been received once more, and becomes a dead
    # letter when that happens three times.
    check_connection(store.engine)
    return drain(queue, accept, parse=parse_request, max_batches=max_batches, budget_s=budget_s, wait_s=wait_s)


def analyse_due(
    work: Workplace,
    *,
    day: date | None = None,
    product_ids: Collection[int] | None = None,
    budget_s: float = math.inf,
    on_result: OnResult = lambda _: None,
) -> Report:
    """Have every product analysed that waits for it and is due; one that fails does not stop the others.

    Args:
        work: the area's systems.
        day: only requests of this day.
        product_ids: only these products.
        budget_s: begin with no further product after so many seconds.
        on_result: called with each product's outcome as it ends.

    Raises:
        ImageAssetsError: the database can't be used.
    """

    def analyse(lease: Lease, product: Product) -> dict[str, int]:
        return {"prompts": work.enhancer.analyse(lease, product)}

    return _work_off(work, Stage.PROMPTS, analyse, _Share(day, product_ids, budget_s), on_result)


def enhance_due(
    work: Workplace,
    *,
    day: date | None = None,
    product_ids: Collection[int] | None = None,
    budget_s: float = math.inf,
    on_result: OnResult = lambda _: None,
) -> Report:
    """Make the images of every product that waits for them and is due. Arguments and errors as `analyse_due`."""

    def enhance(lease: Lease, product: Product) -> dict[str, int]:
        made = work.enhancer.enhance(lease, product.id)
        _log.info("Successfully processed product %s: %s images made", product.id, made)
        return {"images": made}

    return _work_off(work, Stage.IMAGES, enhance, _Share(day, product_ids, budget_s), on_result)


@dataclass(frozen=True, slots=True)
class _Share:
    """What of the work is done: of a day, of some products, for so many seconds."""

    day: date | None
    product_ids: Collection[int] | None
    budget_s: float


def _work_off(
    work: Workplace,
    stage: Stage,
    do: Callable[[Lease, Product], dict[str, int]],
    share: _Share,
    on_result: OnResult,
) -> Report:
    where = [at_stage(stage), *of_day(share.day)]
    if share.product_ids is not None:
        where.append(of_products(share.product_ids))
    end = time.monotonic() + share.budget_s

    def take() -> Lease | None:
        if work.access.turned_away is not None or time.monotonic() >= end:
            return None
        return next(iter(work.queue.claim(1, *where)), None)

    def one(lease: Lease) -> Outcome:
        return _work_on(work, lease, do)

    report = Report()
    for result in work_off(take, one, workers=work.workers):
        outcome = result.unwrap()
        report.add(outcome)
        on_result(outcome)
    away = work.access.turned_away
    if away is not None:
        work.store.postpone(stage, _wait_of(away), str(away))
    settle_crashed(work.engine)
    return report


def _wait_of(error: ImageAssetsError) -> timedelta:
    asked_s = getattr(error, "retry_after_s", None)
    return timedelta(seconds=asked_s) if asked_s else TURNED_AWAY_WAIT


def _work_on(work: Workplace, lease: Lease, do: Callable[[Lease, Product], dict[str, int]]) -> Outcome:
    """Work on one product under its lease; however it ends, the lease ends with it."""
    name = str(lease.key)
    try:
        with work.queue.holding([lease]):
            product = work.store.find([lease.key])[lease.key]
            counts = do(lease, product)
    except LeaseLostError as lost:
        return Outcome(name, Status.UNCHANGED, notes=(str(lost),))
    except ImageAssetsError as error:
        return _end(work, lease, error)
    except Exception as error:  # noqa: BLE001 - our own defect in one product must not stop the others
        _log.exception("Unexpected error in product %s", name)
        text = redact(f"{type(error).__name__}: {error}")
        return _end(work, lease, TransientError(text, code="unexpected"))
    return Outcome(name, Status.DONE, counts)


def _end(work: Workplace, lease: Lease, error: ImageAssetsError) -> Outcome:
    """Give a product back, or up, after an error."""
    outcome = Outcome.failed(str(lease.key), error)
    try:
        if turns_away(error):
            # Not the product's fault: it keeps its attempts.
            work.queue.release(lease, run_after=_wait_of(error), reason=str(error))
            return outcome
        with transaction(work.engine) as connection:
            if work.queue.fail(lease, error, connection=connection) == "failed":
                work.store.give_up(connection, lease.key, error)
                _log.warning("Product %s failed: %s", lease.key, error)
    except LeaseLostError as lost:
        return Outcome(str(lease.key), Status.UNCHANGED, notes=(str(lost),))
    except Exception:  # noqa: BLE001 - its lease runs out by itself; one product must never end the run
        _log.exception("The end of product %s could not be written", lease.key)
    return outcome


def settle_crashed(engine: sa.Engine) -> int:
    """Say of products that the queue gave up, as their workers died again and again, that they failed."""
    with transaction(engine) as connection:
        gone = connection.execute(
            sa.update(products)
            .where(
                products.c.id == requests.c.product_id,
                products.c.status == "pending",
                requests.c.status == "failed",
            )
            .values(
                status="failed",
                failure_code=requests.c.error_code,
                failure_reason=requests.c.error_message,
                updated_at=sa.func.now(),
            )
        )
        return gone.rowcount


def process(work: Workplace, product_ids: Collection[int], on_result: OnResult = lambda _: None) -> Report:
    """Do everything for some products now, whether or not a message asked for them; all that is due without any.

    Raises:
        NotFoundError: there is no such product.
        ImageAssetsError: the database can't be used.
    """
    chosen = list(dict.fromkeys(product_ids)) or None
    if chosen is not None:
        try:
            work.store.accept(chosen)
        except InputError as error:
            raise NotFoundError(error.message, code=error.code) from None
        redrive(work, chosen)
    last: dict[str, Outcome] = {}

    def note(outcome: Outcome) -> None:
        last[outcome.item] = outcome
        on_result(outcome)

    analyse_due(work, product_ids=chosen, on_result=note)
    enhance_due(work, product_ids=chosen, on_result=note)
    return Report(last.values())


def redrive(work: Workplace, product_ids: Collection[int] | None = None) -> int:
    """Have failed products tried again, as new ones; what they have already is kept. Returns how many there were.

    Those that are named, and those that a system turned away, e.g. a budget that has been raised since, wait no longer.
    Those whose messages SQS lost are taken in.
    """
    with transaction(work.engine) as connection:
        failed = sa.select(requests.c.product_id).where(requests.c.status == "failed")
        if product_ids is not None:
            failed = failed.where(of_products(product_ids))
        chosen = list(connection.scalars(failed.with_for_update()))
        work.store.take_up(connection, chosen)
        count = work.queue.retry(chosen, connection=connection) if chosen else 0
    lost = work.store.lost(LOST_AFTER)
    if lost and product_ids is None:
        work.store.accept(lost)
        count += len(lost)
    turned_away = requests.c.error_code == "released"
    work.store.hurry(turned_away if product_ids is None else of_products(product_ids))
    return count
