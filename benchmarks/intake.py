"""The product API under load: products per second in batches, with the real database and a queue.

Here: ``image-assets serve`` as real processes on an embedded PostgreSQL and moto's SQS, and a few clients that post
batches of 100 for ten seconds; afterwards rows, outbox and messages are counted. Not here: making the images.

The queue is emptied all the time, as the sensor does: moto looks at every message it has whenever one more comes, so
that a full queue would measure moto.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import httpx2
import sqlalchemy as sa

from image_assets.enhancement.tables import products
from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.settings import settings_for
from image_assets.stores.database import make_engine, migrate
from image_assets.stores.outbox import outbox
from image_assets.stores.sqs import Queue, ensure_queue

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

BATCH = 100
CLIENTS = 4
WORKERS = 2
SECONDS = 10.0
TARGET_PER_S = 200
TOKEN = "token-of-the-benchmark"
PRODUCT = {
    "category": "Electronics",
    "raw_image": "https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg",
    "mrp": 50000,
    "price": 45000,
    "discount": 5000,
    "gst": 18,
}


@dataclass
class SentMessages:
    """A layer before moto that counts the messages it takes."""

    count: int = 0

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """Put the layer in front of ``app``."""
        lock = Lock()

        def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            answer = b"".join(app(environ, start_response))
            if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.SendMessageBatch":
                with lock:
                    self.count += len(json.loads(answer).get("Successful", ()))
            return [answer]

        return layer


def main() -> int:
    """Measure, print, and say whether the target is met."""
    sent = SentMessages()
    with (
        tempfile.TemporaryDirectory() as scratch,
        AwsServer(middleware=sent.wrap) as aws,
        EmbeddedPostgres(Path(scratch)) as postgres,
    ):
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        env = {
            "IMAGE_ASSETS_ENV": "sandbox",
            "IMAGE_ASSETS_STATE_DIR": scratch,
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "DATABASE_URL": url,
            "API_TOKENS": f"bench:{TOKEN}",
            "SQS_QUEUE_URL": "unnamed",
        }
        queue = Queue.from_settings(settings_for(env))
        env["SQS_QUEUE_URL"] = ensure_queue(queue.client, "bench")
        with _emptied(Queue(queue.client, env["SQS_QUEUE_URL"])), _serve(env, Path(scratch) / "log") as address:
            rate = _measure(address)
        whole = _count(url, sent.count)
    good = rate >= TARGET_PER_S and whole
    print("targets:", "met" if good else "NOT met")
    return 0 if good else 1


@contextmanager
def _emptied(queue: Queue) -> Iterator[None]:
    """Keep the queue empty inside the block."""
    done = Event()

    def empty() -> None:
        while not done.wait(0.25):
            queue.client.purge_queue(QueueUrl=queue.url)

    thread = Thread(target=empty)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _serve(env: dict[str, str], log: Path) -> Iterator[str]:
    """The server's address, inside the block; all its processes have started."""
    command = [str(Path(sys.executable).with_name("image-assets")), "serve", "--port", "0", "--workers", str(WORKERS)]
    with log.open("wb") as errors, subprocess.Popen(command, env=os.environ | env, stderr=errors) as process:
        try:
            # uvicorn's words, one line a process.
            while (text := log.read_text()).count("Application startup complete") < WORKERS:
                if process.poll() is not None:
                    raise RuntimeError(text)
                time.sleep(0.05)
            yield re.findall(r"http://\S+:\d+", text)[0]
        finally:
            process.terminate()


def _warm(address: str) -> None:
    """Have every process answer before it counts; which one takes a connection is chance, and it keeps it."""

    def post(_: int) -> None:
        with _client(address) as client:
            client.post("/api/products/bulk", json={"products": [PRODUCT]}).raise_for_status()

    with ThreadPoolExecutor(4 * WORKERS) as pool:
        list(pool.map(post, range(20 * WORKERS)))


def _measure(address: str) -> float:
    """Post batches from several clients; returns products per second."""
    _warm(address)
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        latencies = [s for one in pool.map(_post, [address] * CLIENTS, [started + SECONDS] * CLIENTS) for s in one]
    seconds = time.perf_counter() - started
    rate = len(latencies) * BATCH / seconds
    percentiles = statistics.quantiles(latencies, n=100)
    print(
        f"{len(latencies)} batches of {BATCH} from {CLIENTS} clients in {seconds:.1f} s, {WORKERS} processes, "
        f"{os.cpu_count()} cores: {rate:,.0f} products/s\n"
        f"a batch takes {percentiles[49] * 1000:.0f} ms (median), {percentiles[94] * 1000:.0f} ms (95%), "
        f"{max(latencies) * 1000:.0f} ms at most"
    )
    return rate


def _post(address: str, until: float) -> list[float]:
    """Post batches until a moment; returns how long each took."""
    latencies: list[float] = []
    with _client(address) as client:
        while (before := time.perf_counter()) < until:
            answer = client.post("/api/products/bulk", json={"products": [PRODUCT] * BATCH})
            latencies.append(time.perf_counter() - before)
            if answer.status_code != 201 or answer.json()["data"]["created"] != BATCH:
                raise RuntimeError(answer.text)
    return latencies


def _client(address: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.Client(base_url=address, headers=headers, timeout=60, trust_env=False)


def _count(url: str, sent: int) -> bool:
    """Whether every product is there, and its message was sent or waits in the outbox."""
    engine = make_engine(url)
    with engine.connect() as connection:
        made, waiting = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (products, outbox)
        )
    engine.dispose()
    print(f"{made:,} products; {sent:,} messages sent, {waiting:,} in the outbox")
    return bool(made == sent + waiting)


if __name__ == "__main__":
    sys.exit(main())
