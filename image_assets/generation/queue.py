"""The queue of products whose images are to be made.

Here: putting products in, and naming items. Not here: claiming and ending them (``stores/leases``), queueing anew after
a rejection (``requeue.py``), making images (``apply.py``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert, psycopg

from image_assets.errors import InputError
from image_assets.generation.model import Prompt, check_provider
from image_assets.generation.products import WITHOUT_IMAGE, attributes_of, attributes_query, one_of
from image_assets.generation.prompts import PromptBook
from image_assets.generation.tables import history, queue, uses_products as products
from image_assets.stores.database import connected
from image_assets.stores.leases import Backoff, LeaseQueue

# An item of a worker that died is taken over after so long, and what the next claim takes to come: within a minute.
LEASE_S = 45.0
# After a failed attempt 15 to 30 s, then 30 to 60 s.
BACKOFF = Backoff(base_s=30.0, cap_s=600.0, floor=0.5)
# Products put in by one statement.
_BATCH = 1_000
OPEN = ("pending", "processing", "retry")


def generation_queue(engine: sa.Engine, *, lease_s: float = LEASE_S, backoff: Backoff = BACKOFF) -> LeaseQueue:
    """The queue's leases; the key of an item is its id and its product's number."""
    return LeaseQueue(
        engine,
        queue,
        key=("id", "product_id"),
        history=history,
        history_key=("queue_id", "product_id"),
        lease_s=lease_s,
        backoff=backoff,
    )


@dataclass
class Enqueued:
    """What became of products that were to be queued.

    Attributes:
        queued: put in.
        waiting: in the queue already.
        with_image: need none.
        unknown: numbers of no product.
    """

    queued: int = 0
    waiting: int = 0
    with_image: int = 0
    unknown: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class NewItem:
    """A product to be put in: in which round, and with which prompt."""

    product_id: int
    round: int
    prompt: Prompt


def enqueue_missing(engine: sa.Engine, book: PromptBook, provider: str, *, priority: int = 5) -> Enqueued:
    """Queue every product that has no image and is not in the queue.

    Items that failed or were cancelled are left: `QueueControl.retry` is for those. A completed product that has no
    image all the same, as it was rejected, is queued for another one.

    Args:
        engine: the project's own database.
        book: what prompts are made by.
        provider: who is to make the images.
        priority: 1 to 10, 10 being the first.

    Raises:
        InputError: there is no such provider or priority.
        UnreachableError, SettingsError: as `stores.database.connected`; what was put in before stays.
    """
    _check(provider, priority)
    found, after = Enqueued(), 0
    while True:
        with _each_alone(engine) as connection:
            rows = connection.execute(_missing(), {"after": after}).all()
            if not rows:
                return found
            put = put_in(connection, [_new_item(row, book) for row in rows], provider, priority)
        found.queued += put
        found.waiting += len(rows) - put  # somebody else was quicker
        after = rows[-1].id


def enqueue(
    engine: sa.Engine, book: PromptBook, provider: str, product_ids: Collection[int], *, priority: int = 5
) -> Enqueued:
    """Queue some products, those that failed or were cancelled too. Arguments and errors as `enqueue_missing`."""
    _check(provider, priority)
    found = Enqueued()
    wanted = list(dict.fromkeys(product_ids))
    for start in range(0, len(wanted), _BATCH):
        ids = wanted[start : start + _BATCH]
        with _each_alone(engine) as connection:
            rows = connection.execute(*_named(ids)).all()
            bare = [row for row in rows if not row.image_url]
            free = [row for row in bare if row.status not in OPEN]
            put = put_in(connection, [_new_item(row, book) for row in free], provider, priority)
        found.unknown += sorted(set(ids) - {row.id for row in rows})
        found.with_image += len(rows) - len(bare)
        found.queued += put
        found.waiting += len(bare) - put
    return found


def put_in(
    connection: sa.Connection, items: Sequence[NewItem], provider: str, priority: int, *, reason: str = ""
) -> int:
    """Put products into the queue, or back into it as new ones; how many were put in.

    One that is in it and not done stays as it is, and so does one that somebody else has put in meanwhile.
    """
    if not items:
        return 0
    rows = [
        {
            "product_id": item.product_id,
            "round": item.round,
            "prompt": item.prompt.text,
            "negative_prompt": item.prompt.negative,
            "style_preset": item.prompt.preset,
            "prompt_variant": item.prompt.variant,
        }
        for item in items
    ]
    said = {"provider": provider, "priority": priority} | ({"reason": reason} if reason else {})
    text, fixed = _put_in_sql()
    given = {"rows": json.dumps(rows), "one_provider": provider, "one_priority": priority, "said": json.dumps(said)}
    done = connection.exec_driver_sql(text, {**fixed, **given}, execution_options={"preserve_rowcount": True})
    return int(done.rowcount)


@cache
def _put_in_sql() -> tuple[str, dict[str, Any]]:
    """The statement as the driver takes it, with the values that are always the same.

    SQLAlchemy looks a whole statement over whenever it is carried out, which for this one takes as long as PostgreSQL.
    """
    driver: sa.Dialect = psycopg.dialect()  # type: ignore[no-untyped-call]
    compiled = _put_in().compile(dialect=driver)
    return str(compiled), dict(compiled.params)


def _put_in() -> sa.Insert:
    """The statement of `put_in`: the items, and what the history says of them, at once."""
    names = ("product_id", "round", "prompt", "negative_prompt", "style_preset", "prompt_variant")
    # As JSON, which is written and read several times faster than arrays of texts.
    found = sa.func.json_to_recordset(sa.bindparam("rows", type_=sa.JSON()))
    rows = found.table_valued(*(sa.column(name, queue.c[name].type) for name in names)).render_derived(with_types=True)
    given = [sa.bindparam("one_provider", type_=sa.Text()), sa.bindparam("one_priority", type_=sa.Integer())]
    columns = [*names, "generation_provider", "priority"]
    statement = insert(queue).from_select(columns, sa.select(*rows.c, *given).order_by(rows.c.product_id))
    new = statement.excluded
    done = sa.case((queue.c.status == "completed", 1), else_=0)
    put = (
        statement.on_conflict_do_update(
            index_elements=[queue.c.product_id],
            set_={
                **{name: new[name] for name in columns},
                "status": "pending",
                "attempt_count": 0,
                "lost_count": 0,
                "run_after": sa.func.now(),
                "created_at": sa.func.now(),
                "updated_at": sa.func.now(),
                **dict.fromkeys(("error_code", "error_message", "completed_at"), None),
                **dict.fromkeys(("generated_image_url", "generation_time_ms"), None),
            },
            where=sa.and_(*(queue.c.status != state for state in OPEN), queue.c.round + done == new.round),
        )
        .returning(queue.c.id, queue.c.product_id, queue.c.round, queue.c.prompt_variant)
        .cte("put")
    )
    own = sa.func.jsonb_build_object("variant", put.c.prompt_variant, "round", put.c.round, type_=JSONB)
    details = own.op("||")(sa.bindparam("said", type_=JSONB))
    return sa.insert(history).from_select(
        ["queue_id", "product_id", "action", "details"],
        sa.select(put.c.id, put.c.product_id, sa.literal("queued"), details),
    )


def _check(provider: str, priority: int) -> None:
    check_provider(provider)
    if not 1 <= priority <= 10:
        raise InputError(f"{priority} is no priority.", hint="Use 1 to 10, the highest.")


def _each_alone(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """A connection whose statements commit by themselves: `put_in` is one, and looks at what it finds by itself."""
    return connected(engine.execution_options(isolation_level="AUTOCOMMIT"))


@cache
def _missing() -> sa.Select[Any]:
    free = sa.or_(queue.c.id.is_(None), queue.c.status == "completed")
    further = products.c.id > sa.bindparam("after", type_=sa.BigInteger())
    return _candidates().where(WITHOUT_IMAGE, free, further).order_by(products.c.id).limit(_BATCH)


def _named(ids: Sequence[int]) -> tuple[sa.Select[Any], dict[str, Any]]:
    """The statement, and its values, that finds products by their numbers."""
    # PostgreSQL keeps its plan for one number, and makes a new one each time for any of several.
    return (_of_one(), {"id": ids[0]}) if len(ids) == 1 else (_of_several(), {"ids": list(ids)})


@cache
def _of_one() -> sa.Select[Any]:
    return _candidates().where(products.c.id == sa.bindparam("id", type_=sa.BigInteger()))


@cache
def _of_several() -> sa.Select[Any]:
    return _candidates().where(products.c.id == sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger))))


def _candidates() -> sa.Select[Any]:
    return attributes_query(queue.c.status, queue.c.round).outerjoin(queue, queue.c.product_id == products.c.id)


def _new_item(row: Any, book: PromptBook) -> NewItem:
    round_ = (row.round or 1) + (row.status == "completed")
    return NewItem(row.id, round_, book.compose(attributes_of(row), round_=round_))


def of_provider(provider: str) -> sa.ColumnElement[bool]:
    """The items of a provider."""
    return queue.c.generation_provider == provider


def of_products(product_ids: Collection[int]) -> sa.ColumnElement[bool]:
    """The items of these products."""
    return one_of(queue.c.product_id, product_ids)


def keys_of(engine: sa.Engine, product_ids: Collection[int]) -> Iterator[tuple[int, Any]]:
    """Numbers of products with the keys of their items; those without one are left out. Raises as `provider_plans`."""
    query = sa.select(queue.c.product_id, queue.c.id).where(of_products(product_ids)).order_by(queue.c.product_id)
    with connected(engine) as connection:
        rows = connection.execute(query).all()
    for row in rows:
        yield row.product_id, (row.id, row.product_id)
