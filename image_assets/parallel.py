"""A bounded concurrent map for I/O-bound work with per-item errors.

Here: threads, back-pressure and cancellation. Not here: retries (clients do them) and progress bars (the caller sees
every result as it comes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Result(Generic[Item, Value]):
    """One item with what its call returned, or the exception it raised (then ``value`` is None)."""

    item: Item
    value: Value | None
    error: Exception | None

    def unwrap(self) -> Value:
        """Return the value, or raise the item's exception."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None only where Value itself allows it


def parallel_map(
    function: Callable[[Item], Value], items: Iterable[Item], *, workers: int
) -> Iterator[Result[Item, Value]]:
    """Yield a `Result` per item as the calls finish, in no particular order.

    At most ``2 * workers`` items are taken from ``items`` ahead of the results, so an endless or huge iterable needs
    little memory. An exception of one item is that item's result; the others go on. When the consumer stops early, or
    is interrupted, no further item is started and the running ones are waited for.

    Raises:
        ValueError: ``workers`` is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    source = iter(items)
    running: dict[Future[Value], Item] = {}
    executor = ThreadPoolExecutor(workers, thread_name_prefix="image-assets")
    try:
        while True:
            while len(running) < 2 * workers:
                try:
                    item = next(source)
                except StopIteration:
                    break
                running[executor.submit(function, item)] = item
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                item = running.pop(future)
                error = future.exception()
                if error is None:
                    yield Result(item, future.result(), None)
                elif isinstance(error, Exception):
                    yield Result(item, None, error)
                else:  # KeyboardInterrupt or SystemExit inside a worker: not an item's error
                    raise error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def work_off(
    take: Callable[[], Item | None], do: Callable[[Item], Value], *, workers: int
) -> Iterator[Result[Item, Value]]:
    """Yield a `Result` per item as the calls finish; each worker takes an item when it is free, until there is none.

    So an item that has to be worked on soon after it was taken, e.g. under a lease, never waits for its turn. When the
    consumer stops early no further item is taken, and the running ones are waited for.

    Raises:
        ValueError: ``workers`` is below 1.
        Exception: what ``take`` raised, once the running items are done.
    """
    results: SimpleQueue[Result[Item, Value] | None] = SimpleQueue()
    stopped = Event()

    def work() -> None:
        try:
            while not stopped.is_set() and (item := take()) is not None:
                try:
                    results.put(Result(item, do(item), None))
                except Exception as error:  # noqa: BLE001 - it is the item's result
                    results.put(Result(item, None, error))
        finally:
            results.put(None)

    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    with ThreadPoolExecutor(workers, thread_name_prefix="image-assets") as executor:
        running = [executor.submit(work) for _ in range(workers)]
        try:
            for _ in running:
                while (result := results.get()) is not None:
                    yield result
        finally:
            stopped.set()
        for future in running:
            future.result()
