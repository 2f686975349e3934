"""What must be true when a storm is over, looked at from outside: tables, buckets, queues, and what Gemini saw.

Here: the promises, each as the sentences that say how it is broken, and the figures. Not here: the storm
(``chaos.py``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from image_assets.enhancement.proof import prove
from image_assets.enhancement.tables import analyses, api_requests, product_images, products, request_history, requests
from image_assets.parallel import parallel_map
from image_assets.sandbox.gemini import Seen
from image_assets.stores.outbox import outbox
from image_assets.stores.spend import provider_spend
from image_assets_tests.enhancement.chaos import Aftermath
from image_assets_tests.stores.sqs_faults import receive_all

Row = dict[str, Any]
_READERS = 4


@dataclass(frozen=True)
class Charged:
    """What Gemini did, as it counts what it charges for.

    Attributes:
        analyses: answers in text.
        images: images that were made.
        words: answers of an image model without an image.
        blank: of the images, those of one colour, which no product can have.
        refused: requests by the HTTP status they were refused with.
    """

    analyses: int
    images: int
    words: int
    blank: int
    refused: Counter[int]


class Evidence:
    """Everything there is to look at, read once."""

    def __init__(self, found: Aftermath) -> None:
        self.found = found
        self.storm = found.storm
        with found.engine.connect() as connection:

            def rows(table: sa.Table) -> list[Row]:
                return [row._asdict() for row in connection.execute(sa.select(table).order_by(*table.primary_key))]

            self.products, self.images, self.requests = rows(products), rows(product_images), rows(requests)
            self.analyses, self.history, self.spend = rows(analyses), rows(request_history), rows(provider_spend)
            self.outbox, self.answers = rows(outbox), rows(api_requests)
        self.actions = Counter(str(row["action"]) for row in self.history)

    @cached_property
    def ids(self) -> set[int]:
        """The products that the API said it had created."""
        return {product_id for answer in self.found.answers for product_id in answer.ids}

    @cached_property
    def keys(self) -> list[str]:
        """The keys in the bucket, but for the raw photographs."""
        pages = self.found.s3.get_paginator("list_objects_v2").paginate(Bucket=self.found.bucket)
        found = [row["Key"] for page in pages for row in page.get("Contents", ())]
        return [key for key in found if not key.startswith("raw/")]

    @cached_property
    def dead_letters(self) -> list[str]:
        """Bodies in the dead-letter queue, sorted; they are taken off it for a while."""
        return sorted(message.body for message in receive_all(self.found.queue.dead_letters()))

    @cached_property
    def charged(self) -> Charged:
        """What Gemini did."""
        seen, image_model = self.found.world.gemini.requests, self.found.settings.gemini_image_model

        def count(test: Callable[[Seen], bool]) -> int:
            return sum(test(one) for one in seen)

        return Charged(
            analyses=count(lambda one: one.model != image_model and one.outcome == "good"),
            images=count(lambda one: one.made_image),
            words=count(lambda one: one.model == image_model and one.outcome in ("text_only", "image_safety")),
            blank=count(lambda one: one.made_image and one.outcome == "blank_image"),
            refused=Counter(one.status for one in seen if one.status not in (0, 200)),
        )

    @cached_property
    def calls(self) -> int:
        """Calls that were counted as paid."""
        return sum(int(row["calls"]) for row in self.spend)

    @cached_property
    def usd(self) -> Decimal:
        """Dollars that were counted as spent."""
        return sum((row["usd"] for row in self.spend), Decimal(0))

    @cached_property
    def broken_off(self) -> int:
        """How many calls the deaths of processes can have cut short: one of each of their threads."""
        kills = sum(one.blow.kind == "kill" for one in self.found.crew.struck)
        return kills * self.storm.threads

    @cached_property
    def in_vain(self) -> int:
        """Images that Gemini made and no product has, but for those that are no good."""
        return self.charged.images - self.charged.blank - len(self.images)


def _all_came_in(it: Evidence) -> Iterator[str]:
    if len(it.products) != it.storm.products or {row["id"] for row in it.products} != it.ids:
        yield f"{len(it.products)} products are there, the API created {len(it.ids)} of {it.storm.products}"
    for answer in it.found.answers:
        if any(other != answer.ids for other in answer.others):
            yield f"a batch that was posted twice created {answer.others} beside {answer.ids}"
    if len(it.answers) != len(it.found.answers):
        yield f"{len(it.answers)} answers are remembered, not {len(it.found.answers)}"
    first, last = it.storm.outage
    for number in range(first, last + 1):
        if not it.found.answers[number].message.endswith("; queueing follows"):
            yield f"SQS was down, and batch {number} was answered {it.found.answers[number].message}"


def _all_ended(it: Evidence) -> Iterator[str]:
    ordinals: dict[int, list[int]] = {row["id"]: [] for row in it.products}
    for image in it.images:
        ordinals[image["product_id"]].append(image["ordinal"])
    wanted = list(range(1, it.storm.count + 1))
    for row in it.products:
        doom, has = it.found.doomed.get(row["id"]), sorted(ordinals[row["id"]])
        state = row["status"], row["failure_code"]
        if doom is None and (state != ("pending_review", None) or has != wanted):
            yield f"product {row['id']} is {state} with images {has}: {row['failure_reason']}"
        if doom is not None and (state != ("failed", doom) or not row["failure_reason"] or has):
            yield f"product {row['id']} should have failed as {doom}, and is {state} with images {has}"
    for name, finding in prove(it.found.engine, min_side=it.storm.min_side).items():
        if finding.count != (len(it.found.doomed) if name == "no_failed_products" else 0):
            yield f"the check {name} finds {finding.count}: {finding.examples}"


def _nothing_is_doubled(it: Evidence) -> Iterator[str]:
    keys = [row["s3_key"] for row in it.images]
    enhanced = [key for key in it.keys if key.startswith("enhanced/")]
    if len(set(keys)) != len(keys):
        yield "two rows name the same object"
    yield from (f"{key} has no row" for key in sorted(set(enhanced) - set(keys)))
    yield from (f"{key} is not in S3" for key in sorted(set(keys) - set(enhanced)))
    sources = Counter(key.split("/")[1] for key in it.keys if key.startswith("sources/"))
    yield from (f"product {name} has {number} sources" for name, number in sources.items() if number != 1)
    yield from (f"{row['source_key']} is not in S3" for row in it.analyses if row["source_key"] not in set(it.keys))
    if len(enhanced) + sources.total() != len(it.keys):
        yield "the bucket has objects that are neither enhanced images nor their sources"

    def differs(row: Row) -> bool:
        body = it.found.s3.get_object(Bucket=it.found.bucket, Key=row["s3_key"])["Body"].read()
        return (hashlib.sha256(body).hexdigest(), len(body)) != (row["sha256"], row["bytes"])

    there = [row for row in it.images if row["s3_key"] in set(enhanced)]
    for result in parallel_map(differs, there, workers=_READERS):
        if result.unwrap():
            yield f"{result.item['s3_key']} is not what its row says"


def _no_message_is_lost(it: Evidence) -> Iterator[str]:
    if {row["product_id"] for row in it.requests} != it.ids:
        yield "the inbox does not have exactly the products"
    messages = sum(row["messages"] for row in it.requests)
    if messages < len(it.ids) + it.found.duplicates:
        yield f"{messages} messages were taken in, fewer than {len(it.ids)} and {it.found.duplicates} duplicates"
    if it.outbox:
        yield f"{len(it.outbox)} messages are still in the outbox"
    if it.dead_letters != sorted(it.found.poison):
        odd = Counter(it.dead_letters)
        odd.subtract(it.found.poison)
        yield f"dead letters too many (+) or missing (-): {[one for one in odd.items() if one[1]]}"


def _no_work_is_left(it: Evidence) -> Iterator[str]:
    for row in it.requests:
        state = "failed" if row["product_id"] in it.found.doomed else "completed"
        if row["status"] != state or row["lease_token"] or row["lease_until"]:
            yield f"the request of product {row['product_id']} is {row['status']}, not {state}"
        if not 1 <= row["attempt_count"] <= row["max_attempts"]:
            yield f"product {row['product_id']} had {row['attempt_count']} attempts"
    for row in it.history:
        if row["details"].get("code") in ("unexpected", "crashed", "lease_lost"):
            yield f"product {row['product_id']}: {row['details']}"
    # Of a product that has been taken over by then, the history does not speak.
    for line in it.found.crew.log.read_text().splitlines():
        if "Unexpected error" in line:
            yield line


def _little_is_paid_in_vain(it: Evidence) -> Iterator[str]:
    # What was made by a process that died before it was in S3, or by two at once, one having been taken for dead.
    allowed = it.storm.threads * len(it.found.crew.struck) + it.actions["lost"]
    if not 0 <= it.in_vain <= allowed:
        yield f"{it.in_vain} images were paid in vain; {allowed} can be explained"
    unused = it.calls - it.charged.analyses - it.charged.images - it.charged.words
    if not 0 <= unused <= it.broken_off:
        yield f"{it.calls} calls are counted, {unused} more than were charged; {it.broken_off} can be explained"
    settings = it.found.settings
    analysis, image = (Decimal(str(usd)) for usd in (settings.gemini_analysis_cost_usd, settings.gemini_image_cost_usd))
    usd = it.charged.analyses * analysis + (it.charged.images + it.charged.words) * image
    if not usd <= it.usd <= usd + it.broken_off * image:
        yield f"${it.usd} are counted, and ${usd} were charged"
    kept = sum((row["cost_usd"] for row in (*it.images, *it.analyses)), Decimal(0))
    if kept != len(it.images) * image + len(it.analyses) * analysis:
        yield f"rows say that they cost ${kept}"


def _it_was_a_storm(it: Evidence) -> Iterator[str]:
    crew, wanted = it.found.crew, list(it.storm.blows)
    if [one.blow for one in crew.struck] != wanted:
        yield f"of {wanted} the processes met {[one.blow for one in crew.struck]}"
    lost = {row["product_id"] for row in it.history if row["action"] == "lost"}
    for one in crew.struck:
        if not lost & set(one.held):
            yield f"nobody took over what process {one.pid} held: {one.held}"
        code = crew.exit_codes.get(one.pid)
        if code != (-9 if one.blow.kind == "kill" else 0):
            yield f"process {one.pid} was to {one.blow.kind} and ended with {code}"
    struck = {one.pid for one in crew.struck}
    yield from (
        f"process {pid} ended with {code}" for pid, code in crew.exit_codes.items() if code and pid not in struck
    )
    if crew.most < it.storm.processes:
        yield f"at most {crew.most} processes worked at once"
    if set(it.charged.refused) != {429, 500}:
        yield f"Gemini refused requests with {dict(it.charged.refused)}"
    if not it.actions["retry"] or not it.found.doomed or not it.found.poison or not it.found.duplicates:
        yield "nothing was retried, doomed, poison, or sent twice"


PROMISES: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "every product that was posted came in, once": _all_came_in,
    "every product has its images or a recorded failure": _all_ended,
    "no row and no object is doubled or missing": _nothing_is_doubled,
    "no message is lost, and poison is in the dead-letter queue": _no_message_is_lost,
    "no work is left": _no_work_is_left,
    "little is paid in vain, and the books are right": _little_is_paid_in_vain,
    "it was a storm": _it_was_a_storm,
}


def figures(it: Evidence) -> Iterator[str]:
    """What a storm came to, in lines."""
    found, storm, charged, actions = it.found, it.storm, it.charged, it.actions
    failed, seconds = Counter(found.doomed.values()), found.worked_s
    yield (
        f"{len(it.products):,} products in batches of {storm.batch}, {storm.count} images each: "
        f"{seconds:.1f} s, {len(it.products) / seconds:.1f} products/s, {len(it.images) / seconds:.1f} images/s"
    )
    first, last = storm.outage
    yield (
        f"posted in {found.posted_s:.1f} s, SQS being down for {found.down_s:.1f} s, "
        f"batches {first + 1} to {last + 1} of {len(found.answers)}"
    )
    yield (
        f"{len(it.images):,} images as rows and objects; {len(found.doomed)} products failed as they had to: "
        + ", ".join(f"{number} {code}" for code, number in sorted(failed.items()))
    )
    yield (
        f"{found.duplicates} messages sent twice by us, {sum(row['messages'] for row in it.requests):,} taken in; "
        f"{len(found.poison)} of poison, {len(it.dead_letters)} dead letters"
    )
    blows = ", ".join(f"{one.blow.kind} in {one.blow.stage} with {len(one.held)} leases" for one in found.crew.struck)
    yield f"{len(found.crew.exit_codes)} runs, {found.crew.most} at once: {blows}"
    yield (
        f"leases: {actions['claimed']:,} taken, {actions['lost']} taken over from the dead or the slow; "
        f"{actions['retry']} attempts retried, {actions['released']} given back"
    )
    asked, kept_usd = found.world.gemini.counts.total(), sum(row["cost_usd"] for row in it.images)
    refused = ", ".join(f"{number} with {status}" for status, number in sorted(charged.refused.items()))
    yield (
        f"Gemini: {asked:,} requests, {refused} ({charged.refused.total() / asked:.1%}); "
        f"{charged.analyses:,} analyses made, {len(it.analyses):,} kept; "
        f"{charged.images:,} images made, {len(it.images):,} kept, {charged.blank} blank by order, {it.in_vain} in vain"
    )
    yield f"spend: ${it.usd:.3f} in {it.calls:,} calls, of it ${kept_usd:.3f} for images kept"
    s3 = sum(number for (method, _), number in found.world.faults.requests.items() if method != "POST")
    yield (
        f"requests: {s3:,} of S3, {found.sqs.asked.total():,} of SQS ({found.sqs.refused.total()} unanswered); "
        f"about {found.transactions:,} transactions of the database"
    )
