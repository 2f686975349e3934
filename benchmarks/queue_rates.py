"""The generation queue against procrastinate: what putting items in, and claiming and ending them, costs each of them.

Here: both on one embedded PostgreSQL, in turns, with items that make nothing. Not here: images, S3 and providers
(``generation.py``), what the counters of the dashboard cost (``dashboard.py``).

Each is used as its users use it. Ours puts in what it finds without an image, with history and counters, and works it
off by `run_due`: claims of 16, a heartbeat, an end for each item in a transaction of its own. procrastinate defers jobs
by its batch API, and its own worker fetches and ends them, with events and heartbeats, as many at a time. Ours has the
prompt of an image in the queue, so it reads the product first; procrastinate is also shown doing that.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from procrastinate import App, Blueprint, PsycopgConnector, SyncPsycopgConnector
from procrastinate.types import JSONDict
from queue_work import CONCURRENCY, Rates, add_products, work_off

from image_assets.generation.config import seed
from image_assets.generation.model import PLACEHOLDER, Attributes
from image_assets.generation.products import attributes_of, attributes_query
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.prompts import PromptBook
from image_assets.generation.queue import NewItem, enqueue, enqueue_missing, put_in
from image_assets.generation.tables import uses_products
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.stores.database import connected, make_engine, migrate

ITEMS, SINGLES, BATCH = 3_000, 500, 1_000
ROUNDS = 5
BATCHES = f"put in, {BATCH:,} at a time"
ALONE = "put in one at a time"
READ = "put in one at a time, the product read first"
WORKED = f"claim and end, {CONCURRENCY} at a time"
TARGETS = {BATCHES: 1.0, READ: 1.0, WORKED: 1.0}
_OURS = "uses_products, image_generation_queue, image_generation_history, image_generation_counts, generated_images"
_THEIRS = "procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers"
_PRODUCT = attributes_query().where(uses_products.c.id == sa.bindparam("number"))
# It warns of programs that hold their tasks themselves.
logging.basicConfig(level=logging.ERROR)
logging.getLogger("procrastinate").setLevel(logging.ERROR)
_tasks = Blueprint()


_NOTHING = "bench:nothing"


@_tasks.task(name="nothing")
async def _nothing(product_id: int, prompt: str = "") -> None:
    """What is to be done with a job."""


class Ours:
    """The generation queue."""

    def __init__(self, engine: sa.Engine, book: PromptBook) -> None:
        self._engine = engine
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._book = book
        self.measures = {BATCHES: self._batches, ALONE: self._one_by_one, READ: self._read, WORKED: self._work}

    def _batches(self, rates: Rates) -> None:
        self._prepare(ITEMS)
        with rates.measured(BATCHES, ITEMS):
            put = enqueue_missing(self._engine, self._book, PLACEHOLDER)
        _expect(put.queued, ITEMS)

    def _one_by_one(self, rates: Rates) -> None:
        self._prepare(SINGLES)
        items = [NewItem(number, 1, self._book.compose(Attributes(number, "Hemp"))) for number in _numbers(SINGLES)]
        with rates.measured(ALONE, SINGLES):
            for item in items:
                with connected(self._alone) as connection:
                    put_in(connection, [item], PLACEHOLDER, 5)

    def _read(self, rates: Rates) -> None:
        self._prepare(SINGLES)
        with rates.measured(READ, SINGLES):
            for number in _numbers(SINGLES):
                enqueue(self._engine, self._book, PLACEHOLDER, [number])

    def _work(self, rates: Rates) -> None:
        self._prepare(ITEMS)
        enqueue_missing(self._engine, self._book, PLACEHOLDER)
        with rates.measured(WORKED, ITEMS):
            done = work_off(self._engine)
        _expect(done, ITEMS)

    def _prepare(self, products: int) -> None:
        _empty(self._engine, _OURS)
        add_products(self._engine, _numbers(products))


class Theirs:
    """procrastinate."""

    def __init__(self, engine: sa.Engine, book: PromptBook, url: str) -> None:
        self._engine = engine
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._book = book
        self._address = url.replace("+psycopg", "")
        self._app = App(connector=PsycopgConnector(conninfo=self._address))
        self._app.add_tasks_from(_tasks, namespace="bench")
        self.measures = {BATCHES: self._batches, ALONE: self._one_by_one, READ: self._read, WORKED: self._work}
        with self._putting() as app:
            app.schema_manager.apply_schema()

    def _batches(self, rates: Rates) -> None:
        self._put_batches(rates)

    def _one_by_one(self, rates: Rates) -> None:
        with self._putting() as app, rates.measured(ALONE, SINGLES):
            for number in _numbers(SINGLES):
                app.tasks[_NOTHING].defer(product_id=number)

    def _read(self, rates: Rates) -> None:
        with self._putting() as app, rates.measured(READ, SINGLES):
            for number in _numbers(SINGLES):
                with connected(self._alone) as connection:
                    row = connection.execute(_PRODUCT, {"number": number}).one()
                prompt = self._book.compose(attributes_of(row))
                app.tasks[_NOTHING].defer(product_id=number, prompt=prompt.text)

    def _work(self, rates: Rates) -> None:
        self._put_batches(Rates())

        async def work() -> None:
            async with self._app.open_async():
                # Its connections are there, as ours are from the round before.
                await self._app.check_connection_async()
                with rates.measured(WORKED, ITEMS):
                    await self._app.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)

        asyncio.run(work())
        with self._engine.connect() as connection:
            done = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'")
            _expect(connection.execute(done).scalar_one(), ITEMS)

    def _put_batches(self, rates: Rates) -> None:
        with self._putting() as app, rates.measured(BATCHES, ITEMS):
            for first in range(1, ITEMS + 1, BATCH):
                jobs: list[JSONDict] = [{"product_id": first + further} for further in range(BATCH)]
                app.tasks[_NOTHING].batch_defer(*jobs)

    @contextmanager
    def _putting(self) -> Iterator[App]:
        """The application with nothing in its queue, and connected."""
        connector = SyncPsycopgConnector(conninfo=self._address)
        with self._app.replace_connector(connector) as app, app.open():
            if self._app.check_connection():
                _empty(self._engine, _THEIRS)
            yield app


def _numbers(count: int) -> range:
    return range(1, count + 1)


def _empty(engine: sa.Engine, tables: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))


def _expect(found: object, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{found} of {wanted} items were put in, or ended")


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    with tempfile.TemporaryDirectory() as scratch, EmbeddedPostgres(Path(scratch)) as postgres:
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        engine = make_engine(url)
        seed(engine)
        book = load_prompt_book("default")
        ours, theirs = _measure(Ours(engine, book), Theirs(engine, book, url))
        engine.dispose()
    print(f"medians of {ROUNDS} rounds in turns, of {ITEMS:,} items each, {SINGLES} where it is one at a time")
    good = [_say(what, ours, theirs) for what in (BATCHES, ALONE, READ, WORKED)]
    print("targets:", "met" if all(good) else "NOT met")
    return 0 if all(good) else 1


def _measure(ours: Ours, theirs: Theirs) -> tuple[Rates, Rates]:
    """Measure one thing after the other, each in turns, after a round that does not count."""
    found = Rates(), Rates()
    for what in (BATCHES, ALONE, READ, WORKED):
        for number in range(ROUNDS + 1):
            sides = list(zip((ours.measures, theirs.measures), found, strict=True))
            for measures, rates in sides if number % 2 else reversed(sides):
                measures[what](rates if number else Rates())
    return found


def _say(what: str, ours: Rates, theirs: Rates) -> bool:
    # Of each round, as both sides then had the same machine.
    ratio = statistics.median(a / b for a, b in zip(ours.found[what], theirs.found[what], strict=True))
    target = TARGETS.get(what)
    wanted = f", at least {target:.1f} wanted" if target else ""
    print(
        f"{what}: ours {ours.median(what):,.0f}/s, procrastinate {theirs.median(what):,.0f}/s, "
        f"{ratio:.2f} times as many{wanted}"
    )
    return target is None or ratio >= target


if __name__ == "__main__":
    sys.exit(main())
