"""The budget on a virtual clock, against a simulated bucket of Shopify's: random workloads of virtual threads."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Protocol

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.vendors.shopify.budget import CostBudget
from image_assets.vendors.shopify.costs import MAX_QUERY_COST, Cost
from image_assets_tests.vendors.shopify.virtual import ServerBucket, VirtualTime


@dataclass(frozen=True)
class Job:
    """One request: what it is, what it costs, and how long its way there, its work and its way back take."""

    document: int
    items: int
    used: float
    there: float
    work: float
    back: float


@dataclass(frozen=True)
class Workload:
    """Requests for a number of threads, on a bucket that fills in 20 s, as all of Shopify's do."""

    maximum: int
    level: float
    threads: int
    documents: list[tuple[int, float]]
    jobs: list[Job]

    @property
    def rate(self) -> float:
        return self.maximum / 20

    @property
    def slowest(self) -> float:
        return max(job.there + job.work + job.back for job in self.jobs)

    def requested(self, job: Job) -> float:
        base, per_item = self.documents[job.document]
        return min(self.maximum, MAX_QUERY_COST, math.floor(base + per_item * job.items))

    def bucket(self, time: VirtualTime) -> ServerBucket:
        return ServerBucket(time, self.maximum, self.rate, self.level)


class Turn(Protocol):
    """What a scheduler gives a request; `Spending` is one."""

    def answered(self, cost: Cost) -> None: ...

    def throttled(self, cost: Cost) -> None: ...


Schedule = Callable[[int, int, float, bool], AbstractContextManager[Turn]]


@dataclass
class Oracle:
    """The best scheduler there can be: it looks into Shopify's bucket, and knows every cost beforehand."""

    time: VirtualTime
    bucket: ServerBucket
    queue: deque[Event] = field(default_factory=deque[Event])
    on_the_way: float = 0.0

    @contextmanager
    def spend(self, _document: int, _items: int, requested: float, _again: bool) -> Iterator[Turn]:
        turn = Event()
        self.queue.append(turn)
        while True:
            turn.clear()
            self.bucket.fill()
            missing = self.on_the_way + requested - self.bucket.level
            first = self.queue[0] is turn
            if first and missing <= 0:
                break
            self.time.wait(turn, max(missing / self.bucket.rate, 0.001) if first else math.inf)
        self.queue.popleft()
        self.on_the_way += requested
        self.wake()
        yield self

    def arrived(self, requested: float) -> None:
        self.on_the_way -= requested

    def wake(self) -> None:
        if self.queue:
            self.queue[0].set()

    def answered(self, cost: Cost) -> None:
        pass

    def throttled(self, cost: Cost) -> None:
        raise AssertionError("the oracle errs")


def run(
    workload: Workload,
    time: VirtualTime,
    bucket: ServerBucket,
    schedule: Schedule,
    oracle: Oracle | None = None,
    others: Callable[[], object] = lambda: None,
) -> float:
    """Do a workload's jobs, and what others do meanwhile; return how long that took."""
    jobs = deque(workload.jobs)

    def attempt(job: Job, again: bool) -> bool:
        requested = workload.requested(job)
        with schedule(job.document, job.items, requested, again) as turn:
            time.sleep(job.there)
            if oracle:
                oracle.arrived(requested)
            if not bucket.take(requested):
                cost = bucket.cost(requested, None)
                time.sleep(job.back)
                turn.throttled(cost)
                return False
            time.sleep(job.work)
            actual = math.ceil(requested * job.used)
            bucket.give_back(requested - actual)
            if oracle:
                oracle.wake()
            cost = bucket.cost(requested, actual)
            time.sleep(job.back)
            turn.answered(cost)
        return True

    def worker() -> None:
        while jobs:
            job = jobs.popleft()
            again = False
            while not attempt(job, again):
                again = True

    return time.run(*[worker] * workload.threads, others)


def run_with(
    budget: CostBudget,
    workload: Workload,
    time: VirtualTime,
    bucket: ServerBucket,
    others: Callable[[], object] = lambda: None,
) -> float:
    """Do it with the budget under test."""

    def schedule(document: int, items: int, _requested: float, again: bool) -> AbstractContextManager[Turn]:
        return budget.spend(f"document {document}", {"files": [{}] * items}, again=again)

    return run(workload, time, bucket, schedule, others=others)


def run_ideally(workload: Workload) -> float:
    """Do it as well as it can be done."""
    time = VirtualTime()
    bucket = workload.bucket(time)
    oracle = Oracle(time, bucket)
    return run(workload, time, bucket, oracle.spend, oracle)


def teach(budget: CostBudget, workload: Workload) -> None:
    """Let the budget see each document with one item and with as many as the workload has."""
    for document in range(len(workload.documents)):
        for items in (1, max(job.items for job in workload.jobs)):
            requested = workload.requested(Job(document, items, 1, 0, 0, 0))
            with budget.spend(f"document {document}", {"files": [{}] * items}) as spending:
                spending.answered(Cost(requested, requested, workload.maximum, workload.maximum, workload.rate))


@st.composite
def workloads(draw: st.DrawFn, min_jobs: int = 40) -> Workload:
    maximum = draw(st.sampled_from([400, 1000, 2000, 4000, 20000]))
    documents = draw(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 0.6, 1.9, 4])), min_size=1, max_size=4))
    job = st.builds(
        Job,
        document=st.integers(0, len(documents) - 1),
        items=st.integers(0, 60),
        used=st.sampled_from([1, 1, 0.5, 0.1]),
        there=st.floats(0.01, 0.1),
        work=st.floats(0.01, 1.5),
        back=st.floats(0.01, 0.1),
    )
    return Workload(
        maximum,
        level=draw(st.floats(0, maximum)),
        threads=draw(st.integers(1, 8)),
        documents=documents,
        jobs=draw(st.lists(job, min_size=min_jobs, max_size=150)),
    )


@given(workloads())
@settings(max_examples=60)
def test_whatever_the_workload_nothing_is_throttled_and_hardly_any_time_is_lost(workload: Workload) -> None:
    time = VirtualTime()
    budget = CostBudget(clock=time.clock, wait=time.wait)
    teach(budget, workload)
    bucket = ServerBucket(time, workload.maximum, workload.rate, workload.maximum)
    took = run_with(budget, workload, time, bucket)
    assert bucket.throttled == 0
    full = Workload(workload.maximum, workload.maximum, workload.threads, workload.documents, workload.jobs)
    # One answer more than the oracle it may have to wait for: it cannot see when a request arrives at Shopify.
    assert took <= 1.1 * run_ideally(full) + workload.slowest


@given(workloads())
@settings(max_examples=60)
def test_while_everything_is_unknown_only_the_first_request_can_be_throttled(workload: Workload) -> None:
    time = VirtualTime()
    budget = CostBudget(clock=time.clock, wait=time.wait)
    bucket = workload.bucket(time)
    took = run_with(budget, workload, time, bucket)
    assert bucket.throttled <= 1, "the first one cannot know how empty others left the bucket"
    # The first request goes alone, and each document once when the bucket holds the most that it might cost.
    learning = 2 * workload.slowest + len(workload.documents) * (
        min(MAX_QUERY_COST, workload.maximum) / workload.rate + workload.slowest
    )
    assert took <= 1.1 * run_ideally(workload) + learning


@given(workloads(), st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3000)), max_size=8))
@settings(max_examples=40)
def test_other_processes_that_spend_too_delay_requests_but_lose_none(
    workload: Workload, thefts: list[tuple[float, float]]
) -> None:
    time = VirtualTime()
    budget = CostBudget(clock=time.clock, wait=time.wait)
    bucket = workload.bucket(time)

    def other_process() -> None:
        for pause, points in thefts:
            time.sleep(pause)
            bucket.drain(points)

    run_with(budget, workload, time, bucket, other_process)
    # One that others' spending finds on its way is told of it; those that wait are not sent into an empty bucket.
    assert bucket.throttled <= 1 + 2 * workload.threads * len(thefts)


def test_a_saturated_bucket_is_used_to_the_last_percent() -> None:
    time = VirtualTime()
    jobs = [Job(0, 0, 1, 0.02, 0.2, 0.02)] * 2000
    workload = Workload(2000, 2000, 8, [(25, 0)], jobs)
    took = run_with(CostBudget(clock=time.clock, wait=time.wait), workload, time, workload.bucket(time))
    assert took <= 1.01 * (2000 * 25 - 2000) / 100


@pytest.mark.parametrize(("processes", "cost"), [(2, 25), (4, 25), (2, 300)])
def test_processes_that_share_a_bucket_use_it_up_without_getting_in_each_others_way(processes: int, cost: int) -> None:
    time = VirtualTime()
    workload = Workload(2000, 2000, 4, [(cost, 0)], [])
    bucket = workload.bucket(time)
    count = 10_000 // cost

    def worker(budget: CostBudget, jobs: list[int]) -> None:
        while jobs:
            number = jobs.pop()
            again = False
            while True:
                with budget.spend("document", {}, again=again) as spending:
                    time.sleep(0.02 + number % 7 / 100)
                    again = not bucket.take(cost)
                    if again:
                        spending.throttled(bucket.cost(cost, None))
                        continue
                    time.sleep(0.05 + number % 11 / 30)
                    spending.answered(bucket.cost(cost, cost))
                    break

    threads = []
    for _ in range(processes):
        budget, jobs = CostBudget(clock=time.clock, wait=time.wait), list(range(count))
        threads += [partial(worker, budget, jobs)] * 4
    took = time.run(*threads)
    assert took <= 1.05 * (processes * 10_000 - 2000) / workload.rate
    assert bucket.throttled <= 0.15 * processes * count
