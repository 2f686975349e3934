"""What can be done with the queue, one function per verb; command line, assets and web only translate.

Here: working off what is due, trying again, moving items between providers. Not here: one image (``apply.py``), putting
products in (``queue.py``), decisions of reviewers (``review.py``).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from image_assets.errors import ImageAssetsError, InputError, TransientError
from image_assets.generation.apply import Attempt, spoilt
from image_assets.generation.config import provider_plans
from image_assets.generation.model import Attributes, check_provider, no_provider
from image_assets.generation.products import find
from image_assets.generation.queue import generation_queue, keys_of, of_products, of_provider
from image_assets.generation.status import due_counts
from image_assets.generation.tables import history, queue
from image_assets.generation.workplace import Workplace, open_workplace
from image_assets.parallel import parallel_map
from image_assets.redaction import redact
from image_assets.report import Outcome, Report, Status
from image_assets.settings import Settings
from image_assets.stores.database import connected, transaction
from image_assets.stores.leases import Lease, LeaseLostError, LeaseQueue
from image_assets.stores.leases.tables import has_status
from image_assets.vendors.paid import turns_away

_log = logging.getLogger(__name__)
# Items a worker is given at once: they are held together, and begun one after the other.
_AHEAD = 4
OnResult = Callable[[Outcome], None]


def run_due(
    work: Workplace,
    *,
    limit: int | None = None,
    budget_s: float = math.inf,
    product_ids: Collection[int] | None = None,
    on_result: OnResult = lambda _: None,
) -> Report:
    """Make the images of a provider's items that are due; one that fails does not stop the others.

    Once a system that all of them need turns one away, a wrong key for instance, nothing further is begun: the items
    stay due, without an attempt used.

    Args:
        work: the provider and its systems.
        limit: at most so many items.
        budget_s: begin with no further items after so many seconds.
        product_ids: only of these products.
        on_result: called with each item's outcome as it ends.

    Raises:
        ImageAssetsError: the database can't be used.
    """
    report, taken, end = Report(), 0, time.monotonic() + budget_s
    where = [of_provider(work.plan.name)]
    if product_ids is not None:
        where.append(of_products(product_ids))
    while work.access.turned_away is None and time.monotonic() < end:
        wanted = _AHEAD * work.workers if limit is None else min(_AHEAD * work.workers, limit - taken)
        if wanted <= 0 or not provider_plans(work.engine)[work.plan.name].active:
            break
        leases = work.leases.claim(wanted, *where)
        if not leases:
            break
        taken += len(leases)
        for outcome in _work_on_batch(work, leases, end):
            report.add(outcome)
            on_result(outcome)
    away = work.access.turned_away
    if away is not None and (wait_s := getattr(away, "retry_after_s", None)):
        postpone(work.engine, work.plan.name, timedelta(seconds=wait_s), str(away))
    return report


@dataclass
class Ran:
    """A run over several providers.

    Attributes:
        report: how all items ended.
        turned_away: by provider, what it was turned away with; also names in the queue that are no provider's.
        paused: providers whose items were left, as they are paused.
    """

    report: Report = field(default_factory=Report)
    turned_away: dict[str, str] = field(default_factory=dict[str, str])
    paused: list[str] = field(default_factory=list[str])


def run_providers(
    settings: Settings,
    engine: sa.Engine,
    names: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    budget_s: float = math.inf,
    product_ids: Collection[int] | None = None,
    on_result: OnResult = lambda _: None,
) -> Ran:
    """Work off what is due of several providers, one after the other; one that is turned away does not stop the others.

    Args:
        settings: buckets and keys.
        engine: the project's own database.
        names: which providers; None for all that have something due, by their priority.
        limit: at most so many items, of all together.
        budget_s: begin with no further items after so many seconds.
        product_ids: only of these products.
        on_result: called with each item's outcome as it ends.

    Raises:
        InputError: there is no such provider.
        ImageAssetsError: the database or the bucket's settings can't be used.
    """
    plans, ran, end = provider_plans(engine), Ran(), time.monotonic() + budget_s
    if names is None:
        due = due_counts(engine)
        names = sorted(set(due) & set(plans), key=lambda name: -plans[name].priority)
        # A row that somebody else wrote; those of the others are made all the same.
        ran.turned_away = {name: no_provider(name).message for name in sorted(set(due) - set(plans))}
    for name in names:
        left = None if limit is None else limit - ran.report.total
        if (left is not None and left <= 0) or time.monotonic() >= end:
            break
        if not plans[check_provider(name)].active:
            ran.paused.append(name)
            continue
        with open_workplace(settings, name, engine=engine) as work:
            left_s = end - time.monotonic()
            done = run_due(work, limit=left, budget_s=left_s, product_ids=product_ids, on_result=on_result)
            ran.report.merge(done)
            if work.access.turned_away is not None:
                ran.turned_away[name] = str(work.access.turned_away)
    return ran


def _work_on_batch(work: Workplace, leases: Sequence[Lease], end: float) -> Iterator[Outcome]:
    """Work on items together; however it ends, those that were not begun are given back at once.

    Args:
        work: the provider and its systems.
        leases: the items.
        end: the monotonic time from which on none is begun.
    """
    begun: set[Any] = set()

    def one(lease: Lease) -> Outcome | None:
        if time.monotonic() >= end:
            return None
        begun.add(lease.key)
        return _work_on(work, lease, products)

    try:
        with work.leases.holding(leases):
            with connected(work.engine) as connection:
                products = find(connection, [lease.row["product_id"] for lease in leases])
            for result in parallel_map(one, leases, workers=work.workers):
                if (outcome := result.unwrap()) is not None:
                    yield outcome
    finally:
        for lease in leases:
            if lease.key not in begun:
                work.leases.release(lease, reason="The run ended before its turn.")


def _work_on(work: Workplace, lease: Lease, products: Mapping[int, Attributes]) -> Outcome:
    product = products[lease.row["product_id"]]
    attempt, name = Attempt(), str(product.id)
    if product.image_url:
        work.leases.cancel([lease.key])
        return Outcome(name, Status.UNCHANGED, notes=("The product has an image by now; its item is cancelled.",))
    try:
        work.maker.make(lease, product, attempt)
    except LeaseLostError as lost:
        return Outcome(name, Status.UNCHANGED, notes=(str(lost),))
    except ImageAssetsError as error:
        return _end(work, lease, attempt, error)
    except Exception as error:  # noqa: BLE001 - our own defect in one item must not stop the others
        _log.exception("Unexpected error in product %s", name)
        text = redact(f"{type(error).__name__}: {error}")
        return _end(work, lease, attempt, TransientError(text, code="unexpected"))
    notes = ("An image that a process had stored before it died was taken over.",) if attempt.took_over else ()
    return Outcome(name, Status.DONE, {"images": 1, "paid_calls": len(attempt.calls)}, notes=notes)


def _end(work: Workplace, lease: Lease, attempt: Attempt, error: ImageAssetsError) -> Outcome:
    """Give an item back, or up, after an error."""
    name = str(lease.row["product_id"])
    outcome = Outcome.failed(name, error, counts={"paid_calls": len(attempt.calls)})
    try:
        with transaction(work.engine) as connection:
            work.maker.write_costs(connection, lease, spoilt(attempt, error))
            if turns_away(error):
                # Not the item's fault: it keeps its attempts, and stays due.
                work.leases.release(lease, reason=str(error), connection=connection)
            elif work.leases.fail(lease, error, connection=connection) == "failed":
                _log.warning("No image for product %s: %s", name, error)
    except LeaseLostError as lost:
        return Outcome(name, Status.UNCHANGED, notes=(str(lost),))
    except Exception:  # noqa: BLE001 - its lease runs out by itself; one item must never end the run
        _log.exception("The end of product %s's attempt could not be written", name)
    return outcome


def postpone(engine: sa.Engine, provider: str, wait: timedelta, reason: str) -> None:
    """Let a provider's items wait at least so long, e.g. for the next day's budget. Raises as `run_due`."""
    until = sa.func.now() + wait
    waiting = (of_provider(provider), has_status(queue, "pending", "retry"), queue.c.run_after < until)
    values = {"run_after": until, "error_code": "released", "error_message": reason, "updated_at": sa.func.now()}
    with transaction(engine) as connection:
        connection.execute(sa.update(queue).where(*waiting).values(values))


def hurry(engine: sa.Engine, provider: str) -> int:
    """Let what was postponed be due now, e.g. as the budget was raised; how many items. Raises as `run_due`."""
    waiting = (of_provider(provider), has_status(queue, "pending", "retry"), queue.c.run_after > sa.func.now())
    values = {"run_after": sa.func.now(), "updated_at": sa.func.now()}
    with transaction(engine) as connection:
        where = (*waiting, queue.c.error_code == "released")
        return connection.execute(sa.update(queue).where(*where).values(values)).rowcount


def retry(engine: sa.Engine, product_ids: Collection[int] | None = None, *, provider: str | None = None) -> int:
    """Have failed items tried again as new ones; of named products those that were cancelled too.

    Args:
        engine: the project's own database.
        product_ids: of which products; None for all that failed.
        provider: only this provider's.

    Returns:
        How many there were.

    Raises:
        InputError: a product that is named has no item, or there is no such provider.
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    return _by_hand(engine, product_ids, provider, lambda leases, keys, where: leases.retry(keys, *where))


def cancel(engine: sa.Engine, product_ids: Collection[int] | None = None, *, provider: str | None = None) -> int:
    """Take items out that are not done; workers lose those they have. Arguments and errors as `retry`."""
    return _by_hand(engine, product_ids, provider, lambda leases, keys, where: leases.cancel(keys, *where))


def reprioritise(
    engine: sa.Engine, priority: int, product_ids: Collection[int] | None = None, *, provider: str | None = None
) -> int:
    """Give items that wait another priority, 10 being the first. Arguments and errors as `retry`."""
    return _by_hand(
        engine, product_ids, provider, lambda leases, keys, where: leases.reprioritise(keys, priority, *where)
    )


def _by_hand(
    engine: sa.Engine,
    product_ids: Collection[int] | None,
    provider: str | None,
    change: Callable[[LeaseQueue, list[Any] | None, list[sa.ColumnElement[bool]]], int],
) -> int:
    where = [of_provider(check_provider(provider))] if provider else []
    keys: list[Any] | None = None
    if product_ids is not None:
        found = dict(keys_of(engine, product_ids))
        if unknown := sorted(set(product_ids) - found.keys()):
            named = ", ".join(map(str, unknown[:10]))
            raise InputError(f"No item in the queue for product {named}.", hint="`generation enqueue` puts it in.")
        keys = list(found.values())
    return change(generation_queue(engine), keys, where)


def move(
    engine: sa.Engine,
    to: str,
    *,
    source: str | None = None,
    product_ids: Collection[int] | None = None,
    limit: int | None = None,
    due: bool = False,
) -> int:
    """Give items that wait to another provider, the first ones first.

    Args:
        engine: the project's own database.
        to: the provider that is to make them.
        source: only those of this provider; None for all others'.
        product_ids: only of these products.
        limit: at most so many.
        due: only those that may be worked on now.

    Returns:
        How many were moved.

    Raises:
        InputError: there is no such provider.
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    check_provider(to)
    where = [has_status(queue, "pending", "retry"), queue.c.generation_provider != to]
    if source is not None:
        where.append(of_provider(check_provider(source)))
    if product_ids is not None:
        where.append(of_products(product_ids))
    if due:
        where.append(queue.c.run_after <= sa.func.now())
    chosen = sa.select(queue.c.id).where(*where).order_by(queue.c.priority.desc(), queue.c.created_at, queue.c.id)
    picked = chosen.limit(limit).with_for_update(skip_locked=True).cte("picked")
    moved = (
        sa.update(queue)
        .where(queue.c.id == picked.c.id)
        .values(generation_provider=to, run_after=sa.func.now(), updated_at=sa.func.now())
        .returning(queue.c.id, queue.c.product_id)
        .cte("moved")
    )
    noted = sa.insert(history).from_select(
        ["queue_id", "product_id", "action", "details"],
        sa.select(
            moved.c.id, moved.c.product_id, sa.literal("moved"), sa.func.jsonb_build_object("provider", sa.literal(to))
        ),
    )
    with transaction(engine) as connection:
        return connection.execute(noted, execution_options={"preserve_rowcount": True}).rowcount
