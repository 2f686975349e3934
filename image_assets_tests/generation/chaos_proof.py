"""What must be true when a storm is over, looked at from outside: tables, the bucket, and what the vendors saw.

Here: the promises, each as the sentences that say how it is broken, and the figures. Not here: the storm
(``chaos.py``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from image_assets.generation.config import provider_plans
from image_assets.generation.tables import costs, history, images, queue, uses_products
from image_assets.parallel import parallel_map
from image_assets.stores.spend import provider_spend
from image_assets_tests.generation.chaos import Aftermath, number_in
from image_assets_tests.generation.chaos_plan import OPENAI, STABILITY

Row = dict[str, Any]
SUFFIXES = ("", "-card", "-thumb")
_READERS = 4


class Call(NamedTuple):
    """A call that a vendor got.

    Attributes:
        provider: whose.
        product: the product's number; 0 where the vendor had not read what was asked.
        status: of HTTP, 0 for a connection that was cut.
        made: whether it made a picture, and charges for it.
        good: whether an answer with a good picture was sent.
    """

    provider: str
    product: int
    status: int
    made: bool
    good: bool


class Evidence:
    """Everything there is to look at, read once."""

    def __init__(self, found: Aftermath) -> None:
        self.found = found
        self.storm = found.storm
        with found.engine.connect() as connection:

            def rows(table: sa.Table) -> list[Row]:
                return [row._asdict() for row in connection.execute(sa.select(table).order_by(*table.primary_key))]

            self.items, self.images, self.history = rows(queue), rows(images), rows(history)
            self.costs, self.spend = rows(costs), rows(provider_spend)
            self.shown: dict[int, str | None] = {row["id"]: row["image_url"] for row in rows(uses_products)}
            progress = sa.text("SELECT * FROM image_generation_dashboard")
            self.dashboard: Row = dict(connection.execute(progress).mappings().one())
        self.actions = Counter(str(row["action"]) for row in self.history)

    @cached_property
    def keys(self) -> list[str]:
        """The keys in the bucket."""
        bucket = self.found.settings.require("generation_s3_bucket")
        pages = self.found.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    @cached_property
    def calls(self) -> list[Call]:
        """What the vendors were asked for."""
        world = self.found.world
        stability = [
            Call(STABILITY, number_in(one.prompt), one.status, bool(one.outcome), one.outcome == "good")
            for one in world.stability.requests
        ]
        openai = [
            Call(OPENAI, number_in(one.prompt), one.status, one.images > 0, one.images > 0)
            for one in world.openai.requests
        ]
        return [call._replace(good=call.good and call.status == 200) for call in (*stability, *openai)]

    @cached_property
    def deaths(self) -> Counter[int]:
        """How often a product's worker was killed."""
        return Counter(product for killed in self.found.crew.killed for product in killed.held)

    @cached_property
    def recoveries(self) -> list[float]:
        """Seconds from each kill to the next claim of each item that the dead process held; inf for none."""
        claims: dict[int, list[datetime]] = {}
        for row in self.history:
            if row["action"] == "claimed":
                claims.setdefault(row["product_id"], []).append(row["created_at"])

        def wait_s(product: int, killed: datetime) -> float:
            later = [(at - killed).total_seconds() for at in claims.get(product, ()) if at > killed]
            return min(later, default=float("inf"))

        return [wait_s(product, killed.at) for killed in self.found.crew.killed for product in killed.held]

    @cached_property
    def cut_short(self) -> int:
        """How many calls deaths and the restart can have cut off from the books: one of each thread."""
        struck = len(self.found.crew.killed) + (self.storm.processes if self.found.down else 0)
        return struck * self.storm.threads


def _none_is_lost(it: Evidence) -> Iterator[str]:
    if {row["product_id"] for row in it.items} != set(it.found.providers):
        yield f"{len(it.items)} items are there, not {it.storm.total}"
    made = {row["product_id"]: row["image_url"] for row in it.images}
    for row in it.items:
        product, doom = row["product_id"], it.found.doomed.get(row["product_id"])
        state = row["status"], row["error_code"]
        if row["lease_token"] or row["lease_until"] or not 1 <= row["attempt_count"] <= row["max_attempts"]:
            yield f"the item of product {product} is held, or had {row['attempt_count']} attempts"
        if doom is None and state != ("completed", None):
            yield f"the item of product {product} is {state}: {row['error_message']}"
        if doom is not None and (state != ("failed", doom) or not row["error_message"]):
            yield f"the item of product {product} should have failed as {doom}, and is {state}"
        wanted = None if doom else made.get(product)
        if (doom is None) != (product in made) or not row["generated_image_url"] == it.shown[product] == wanted:
            yield f"product {product} shows {it.shown[product]}, its item says {row['generated_image_url']}"
    for row in it.history:
        if row["details"].get("code") in ("unexpected", "crashed", "lease_lost"):
            yield f"product {row['product_id']}: {row['details']}"


def _nothing_is_doubled(it: Evidence) -> Iterator[str]:
    rounds = Counter((row["product_id"], row["round"]) for row in it.images)
    yield from (f"{one} has {number} images" for one, number in rounds.items() if number != 1)
    ends = Counter(row["product_id"] for row in it.history if row["action"] in ("completed", "failed"))
    yield from (f"product {one} ended {ends[one]} times" for one in it.found.providers if ends[one] != 1)
    wanted = [row["s3_key"].replace(".jpg", f"{suffix}.jpg") for row in it.images for suffix in SUFFIXES]
    if sorted(wanted) != sorted(it.keys):
        odd = set(wanted) ^ set(it.keys)
        yield f"{len(it.images)} images in {len(SUFFIXES)} sizes, {len(it.keys)} objects: {sorted(odd)[:5]}"
    bucket, there = it.found.settings.require("generation_s3_bucket"), set(it.keys)

    def differs(row: Row) -> bool:
        body = it.found.s3.get_object(Bucket=bucket, Key=row["s3_key"])["Body"].read()
        return (hashlib.sha256(body).hexdigest(), len(body)) != (row["sha256"], row["bytes"])

    for result in parallel_map(differs, [row for row in it.images if row["s3_key"] in there], workers=_READERS):
        if result.unwrap():
            yield f"{result.item['s3_key']} is not what its row says"


def _nobody_is_asked_twice(it: Evidence) -> Iterator[str]:
    good = Counter(call.product for call in it.calls if call.good)
    for product, number in good.items():
        if number > 1 + it.deaths[product]:
            yield f"product {product} got {number} good answers, its worker was killed {it.deaths[product]} times"
    completed = {row["product_id"] for row in it.images if row["provider"] in (STABILITY, OPENAI)}
    yield from (f"product {one} has an image that nobody made" for one in sorted(completed - good.keys()))


def _the_dead_are_followed(it: Evidence) -> Iterator[str]:
    late = [seconds for seconds in it.recoveries if seconds > it.storm.recovery_s]
    if late:
        yield f"{len(late)} items of killed processes were claimed again only after {max(late):.1f} s"


def _the_books_are_right(it: Evidence) -> Iterator[str]:
    for provider in (STABILITY, OPENAI):
        calls = [call for call in it.calls if call.provider == provider]
        made = sum(call.made for call in calls)
        counted = sum(row["calls"] for row in it.spend if row["provider"] == f"generation:{provider}")
        usd = sum(row["usd"] for row in it.spend if row["provider"] == f"generation:{provider}")
        # Of an answer that was cut off, or a prompt that is not allowed, nobody knows whether it was charged.
        unsure = sum(not call.made and call.status in (0, 400, 403) for call in calls)
        if not made <= counted <= made + unsure + it.cut_short:
            yield f"{counted} calls of {provider} are counted; {made} were charged, {unsure} may have been"
        if usd != counted * provider_plans(it.found.engine)[provider].cost_usd:
            yield f"{counted} calls of {provider} are counted as ${usd}"
        noted = sum(row["provider_name"] == provider for row in it.costs)
        if not counted - it.cut_short <= noted <= counted:
            yield f"{noted} calls of {provider} are noted one by one, {counted} are counted"
    for before, after in pairwise(sorted(row["product_id"] for row in it.costs if row["success"])):
        if before == after:
            yield f"product {after} was paid for twice with success"
    ended = Counter(str(row["status"]) for row in it.items)
    plain = {f"{status}_count": ended[status] for status in ("pending", "processing", "completed", "failed", "retry")}
    plain["total_products"] = it.storm.total
    plain["products_with_images"] = sum(bool(url) for url in it.shown.values())
    said = {name: it.dashboard[name] for name in plain}
    if said != plain:
        yield f"the dashboard says {said}, and {plain} is true"


def _it_was_a_storm(it: Evidence) -> Iterator[str]:
    crew, calls = it.found.crew, it.calls
    if len(crew.killed) != it.storm.kills:
        yield f"{len(crew.killed)} processes were killed, not {it.storm.kills}"
    dead = {killed.pid for killed in crew.killed}
    for pid, code in crew.exit_codes.items():
        if code != (-9 if pid in dead else 0):
            yield f"process {pid} ended with {code}"
    if len(crew.started) != it.storm.processes + it.storm.kills:
        yield f"{len(crew.started)} processes were started"
    if it.found.down is None:
        yield "the database was never stopped"
    for provider in (STABILITY, OPENAI):
        met = {(call.status, call.made) for call in calls if call.provider == provider}
        if missing := {(429, False), (500, False), (0, False), (0, True)} - met:
            yield f"no call of {provider} ended as {missing} (status, made)"
    if not it.actions["lost"] or not it.found.doomed:
        yield "nothing was lost, or doomed"


PROMISES: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "every item is completed, or failed with its reason": _none_is_lost,
    "nothing is stored or completed twice": _nothing_is_doubled,
    "no provider is asked again without need": _nobody_is_asked_twice,
    "what a killed worker held is claimed again in time": _the_dead_are_followed,
    "the books and the dashboard are right": _the_books_are_right,
    "it was a storm": _it_was_a_storm,
}


def figures(it: Evidence) -> dict[str, str]:
    """What a storm came to, by what it is."""
    found, calls, crew = it.found, it.calls, it.found.crew
    ended, failed = Counter(str(row["status"]) for row in it.items), Counter(it.found.doomed.values())
    down_s = found.down[1] - found.down[0] if found.down else 0.0
    bad = Counter(call.status for call in calls if call.status in (0, 429, 500))
    good = Counter(call.product for call in calls if call.good)
    waits = sorted(it.recoveries)
    counts = ", ".join(f"{number:,} {provider}" for provider, number in it.storm.products.items())
    held = sum(len(killed.held) for killed in crew.killed)
    return {
        "items": f"{it.storm.total:,} ({counts})",
        "worked off in": f"{found.worked_s:.1f} s, {it.storm.total / found.worked_s:.1f} items/s",
        "ended": ", ".join(f"{number:,} {status}" for status, number in ended.most_common())
        + f" ({', '.join(f'{number} {code}' for code, number in failed.items())}, as they had to)",
        "stored": f"{len(it.images):,} image rows, {len(it.keys):,} objects",
        "processes": f"{it.storm.processes} at a time, {len(crew.started)} in all, {len(crew.killed)} killed",
        "held by those": f"{held} items, claimed again after {waits[len(waits) // 2]:.1f} s (median), "
        f"{waits[-1]:.1f} s at most",
        "database": f"stopped once, away for {down_s:.1f} s",
        "leases": f"{it.actions['claimed']:,} taken, {it.actions['lost']} of them that had run out; "
        f"{it.actions['retry']} attempts retried, {it.actions['released']} given back",
        "calls of vendors": f"{len(calls):,}, of them failed {bad.total()} ({bad.total() / len(calls):.1%}): "
        + ", ".join(f"{number} {status or 'cut off'}" for status, number in sorted(bad.items())),
        "pictures": f"{sum(call.made for call in calls):,} made; {good.total() - len(good)} good answers had to be "
        "asked for again, as a worker was killed before it had stored them",
        "spend": f"${sum(row['usd'] for row in it.spend):.2f} in {sum(row['calls'] for row in it.spend):,} calls",
    }
