"""A storm over the enhancement area: products come in by the batch while everything around them fails.

Here: what goes wrong and when, with real processes against the stand-ins. Not here: how much of it (``chaos_plan.py``),
the processes (``chaos_crew.py``), SQS's bad days (``chaos_queue.py``), what must be true afterwards and the figures
(``chaos_proof.py``).

Batches are posted, some of them by two clients at once with one Idempotency-Key; messages are sent twice, and some that
are none; SQS is down for a few batches, from a send whose answer is lost; Gemini refuses a share of what it is asked;
processes are killed and stalled while they hold leases; at the end come duplicates for products long done.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import httpx2
import sqlalchemy as sa

from image_assets.enhancement.model import OUTBOX, request_body
from image_assets.sandbox.web import web_server
from image_assets.settings import Settings, settings_for
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets.stores.outbox import waiting
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets_tests.enhancement.chaos_crew import Crew
from image_assets_tests.enhancement.chaos_plan import DOOMS, Doom, Storm, World
from image_assets_tests.enhancement.chaos_queue import Sqs, poison_body
from image_assets_tests.enhancement.conftest import empty, photograph
from image_assets_tests.faults import Environ, WsgiApp

TOKEN = "token-of-the-storm"
PHOTOGRAPHS = 12
# What the vendor of a 429 asks for; a client waits 0.6 s at least.
RETRY_DELAY_S = 0.05
# What S3 and Gemini take at least: the moments between a paid image, its object and its row are what deaths should hit.
OBJECT_S, IMAGE_S = 0.05, 0.05
_POLL_S = 0.05
_ALWAYS = 10**9
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_ENDED = sa.text("SELECT count(*) FROM products WHERE status <> 'pending'")
_WORK = sa.text(
    "SELECT count(*) FROM enhancement_requests WHERE status IN ('pending', 'retry') AND run_after <= now() "
    "OR status = 'processing' AND lease_until <= now()"
)
_UNENDED = sa.text("SELECT count(*) FROM enhancement_requests WHERE status NOT IN ('completed', 'failed')")


@dataclass
class Answer:
    """What the API said to a batch.

    Attributes:
        ids: the products, in order.
        message: the sentence.
        others: ids in the answers that say that they are repeated, the same request having been posted twice.
    """

    ids: list[int]
    message: str
    others: list[list[int]]


@dataclass
class Aftermath:
    """What is left to look at.

    Attributes:
        storm: what it was.
        world: over what.
        settings: of the area.
        bucket: of raw and enhanced images.
        engine: the database.
        s3: a client.
        queue: the request queue.
        sqs: what was asked of it.
        crew: the processes.
        answers: the API's, batch by batch.
        doomed: what products have to fail with, by their numbers.
        poison: bodies of the messages that were none.
        duplicates: messages that were sent again.
        down_s: seconds for which SQS was down.
        posted_s: seconds until the last batch was answered.
        worked_s: seconds from the first request until every product had ended.
        transactions: of the database, about.
    """

    storm: Storm
    world: World
    settings: Settings
    bucket: str
    engine: sa.Engine
    s3: Any
    queue: Queue
    sqs: Sqs
    crew: Crew
    answers: list[Answer] = field(default_factory=list[Answer])
    doomed: dict[int, str] = field(default_factory=dict[int, str])
    poison: list[str] = field(default_factory=list[str])
    duplicates: int = 0
    down_s: float = 0.0
    posted_s: float = 0.0
    worked_s: float = 0.0
    transactions: int = 0


def weather(world: World, storm: Storm, opened: ExitStack) -> Aftermath:
    """Let a storm pass; what it leaves can be looked at until ``opened`` is closed.

    Raises:
        TimeoutError: it did not come to an end.
    """
    found = _prepare(world, storm, opened)
    before, started = _transactions(found.engine), time.monotonic()
    world.gemini.faults.rate(storm.refusals, of=(429, 500), retry_delay_s=RETRY_DELAY_S)
    world.gemini.behaviour.image_latency_s = IMAGE_S
    with web_server(found.settings) as url, ThreadPoolExecutor(2) as clients:
        _Storm(found, started, url, clients).pass_over()
    found.transactions = _transactions(found.engine) - before
    return found


def _prepare(world: World, storm: Storm, opened: ExitStack) -> Aftermath:
    bucket = f"storm-{uuid.uuid4().hex[:12]}"
    env = {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(world.scratch / "state"),
        "AWS_ENDPOINT_URL": world.aws_url,
        "AWS_ACCESS_KEY_ID": "storm",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-storm",
        "AWS_REGION": "us-east-1",
        "ENHANCED_S3_BUCKET": bucket,
        "RAW_S3_BUCKETS": bucket,
        "DATABASE_URL": world.database_url,
        "API_TOKENS": f"storm:{TOKEN}",
        "ENHANCED_IMAGES_COUNT": str(storm.count),
        "ENHANCED_MIN_SIDE": str(storm.min_side),
        "ENHANCEMENT_WORKERS": str(storm.threads),
        "ENHANCEMENT_DAILY_COST_USD": "100000",
        "GEMINI_PER_MINUTE": "1000000",
        **world.gemini.env(),
    }
    sqs = Sqs()
    world.faults.inject("POST", "", sqs, times=_ALWAYS)
    world.faults.inject("PUT", "/enhanced/", _late, times=_ALWAYS)
    queue = Queue.from_settings(settings_for({**env, "SQS_QUEUE_URL": "unnamed"}))
    queue.url = env["SQS_QUEUE_URL"] = ensure_queue(queue.client, f"q-{uuid.uuid4().hex[:12]}")
    # What a process had received when it died, or could not delete while SQS was down, must not take five minutes.
    queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "3"})
    settings = settings_for(env)
    s3 = make_client(settings, "s3")
    s3.create_bucket(Bucket=bucket)
    size = (storm.side, storm.side * 2 // 3)
    for number in range(PHOTOGRAPHS):
        s3.put_object(Bucket=bucket, Key=_raw(number), Body=photograph(number, size))
    whole = photograph(PHOTOGRAPHS, size)
    s3.put_object(Bucket=bucket, Key="raw/broken.jpg", Body=whole[: len(whole) // 2])
    engine = make_engine(world.database_url)
    opened.callback(engine.dispose)
    empty(engine)
    crew = Crew(
        engine, env, storm.lease_s, storm.hasty, storm.processes, list(storm.blows), world.scratch / "processes.log"
    )
    opened.enter_context(closing(crew))
    return Aftermath(storm, world, settings, bucket, engine, s3, queue, sqs, crew)


def _late(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Carry it out, and answer a while later."""
    answer = list(app(environ, start_response))
    time.sleep(OBJECT_S)
    return answer


def _raw(number: int) -> str:
    return f"raw/{number % PHOTOGRAPHS}.jpg"


def _transactions(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(found.scalar_one())


class _Storm:
    """One storm on its way."""

    def __init__(self, found: Aftermath, started: float, url: str, clients: ThreadPoolExecutor) -> None:
        self.found = found
        self.storm = found.storm
        self.started = started
        self.url = url
        self.clients = clients
        self.down_at = 0.0
        self.unsent: list[str] = []
        dooms = max(len(DOOMS), round(self.storm.doomed * self.storm.products))
        every = self.storm.products // dooms
        self.dooms = {every * number: DOOMS[number % len(DOOMS)] for number in range(dooms)}

    def pass_over(self) -> None:
        """All of it."""
        batches = list(self._batches())
        copies = self._copies()
        first, last = self.storm.outage
        for number, batch in enumerate(batches):
            if number == first:
                self.found.sqs.go_down()
                self.down_at = time.monotonic()
            self._post(number, batch)
            if number == last:
                self._wait(self._was_missed)
                self.found.sqs.come_back()
                self.found.down_s = time.monotonic() - self.down_at
            self.unsent += next(copies)
            self._send()
            self._tick()
        self.found.posted_s = time.monotonic() - self.started
        self._wait(self._is_worked_off)
        self.found.worked_s = time.monotonic() - self.started
        late = [request_body(answer.ids[-1]) for answer in self.found.answers]
        self.found.duplicates += len(late)
        self.unsent += late
        self._send()
        self._wait(self._is_over)

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        items = [self._product(number) for number in range(self.storm.products)]
        return (items[start : start + self.storm.batch] for start in range(0, len(items), self.storm.batch))

    def _product(self, number: int) -> dict[str, Any]:
        doom = self.dooms.get(number, Doom(""))
        raw = f"s3://{self.found.bucket}/{doom.raw or _raw(number)}"
        return {"category": doom.category, "raw_image": raw, "mrp": 10, "price": 9, "discount": 1, "gst": 18}

    def _copies(self) -> Iterator[list[str]]:
        """After each batch, the messages that are sent beside it: duplicates of its own, and some that are none."""
        poison = made = 0
        while True:
            answer, made = self.found.answers[-1], made + len(self.found.answers[-1].ids)
            # One of each batch follows when all is done.
            again = answer.ids[: max(1, round(self.storm.duplicates * len(answer.ids))) - 1]
            until = round(self.storm.poison * made)
            bad = [poison_body(number) for number in range(poison, until)]
            poison = until
            self.found.duplicates += len(again)
            self.found.poison += bad
            yield [*map(request_body, again), *bad]

    def _post(self, number: int, batch: Sequence[dict[str, Any]]) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": f"batch-{number}"}
        times = 2 if number % self.storm.twice == 0 else 1

        def post() -> httpx2.Response:
            url = f"{self.url}/api/products/bulk"
            response = httpx2.post(url, json={"products": batch}, headers=headers, timeout=60, trust_env=False)
            return response.raise_for_status()

        answers = [future.result() for future in [self.clients.submit(post) for _ in range(times)]]
        answers.sort(key=lambda answer: "Idempotent-Replay" in answer.headers)
        contents = [answer.json() for answer in answers]
        ids, *others = ([product["id"] for product in content["data"]["products"]] for content in contents)
        if times - sum("Idempotent-Replay" in answer.headers for answer in answers) != 1:
            raise AssertionError(f"batch {number} was carried out {times} times, or never")
        self.found.answers.append(Answer(ids, contents[0]["message"], others))
        offset = number * self.storm.batch
        for place, product_id in enumerate(ids):
            if doom := self.dooms.get(offset + place):
                self.found.doomed[product_id] = doom.code

    def _send(self) -> None:
        if not self.found.sqs.is_down:
            self.found.queue.send(self.unsent)
            self.unsent = []

    def _wait(self, until: Any) -> None:
        while not until():
            if time.monotonic() - self.started > self.storm.patience_s:
                raise TimeoutError(f"{until.__name__} was not true after {self.storm.patience_s:g} s: {self._state()}")
            self._tick()
            time.sleep(_POLL_S)

    def _tick(self) -> None:
        """What the sensor and the schedule do, and what happens to the processes."""
        if self._count(_WORK) or waiting(self.found.engine, OUTBOX).messages or self._messages(_COUNTS[:1]):
            self.found.crew.keep_going()
        self.found.crew.strike(self._count(_ENDED) / self.storm.products)

    def _was_missed(self) -> bool:
        """Whether SQS was down for long enough, and both the API and the processes have asked for it in vain."""
        refused, long = self.found.sqs.refused, time.monotonic() - self.down_at >= self.storm.outage_s
        return long and refused["SendMessageBatch"] > 1 and refused["ReceiveMessage"] > 0

    def _is_worked_off(self) -> bool:
        return self._count(_ENDED) == self.storm.products and not self._count(_UNENDED)

    def _is_over(self) -> bool:
        return (
            not waiting(self.found.engine, OUTBOX).messages and not self._messages(_COUNTS) and self.found.crew.is_idle
        )

    def _count(self, query: sa.TextClause) -> int:
        with self.found.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _messages(self, names: Sequence[str]) -> int:
        """Messages in the queue; 1 when it can't be asked."""
        if self.found.sqs.is_down:
            return 1
        queue = self.found.queue
        found = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(names))["Attributes"]
        return sum(int(found[name]) for name in names)

    def _state(self) -> str:
        counts = {"ended": self._count(_ENDED), "due": self._count(_WORK), "messages": self._messages(_COUNTS)}
        return f"{counts}, ended {self.found.crew.exit_codes}, to strike {self.found.crew.blows}"
