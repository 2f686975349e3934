"""Event-driven repair as Dagster runs it: S3's own notifications in, complete images out, nothing lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from image_assets.deals.model import ImageRef, Layout
from image_assets.deals.repair.automation import (
    ASK_AGAIN,
    BATCH_TAG,
    MAX_RUNS_PER_TICK,
    deal_object_events,
    repair_touched_deals,
    runs_to_ask_for,
)
from image_assets.orchestration.resources import default_resources
from image_assets.settings import load_settings
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.dagster_runs import Dagster, Run, numbers
from image_assets_tests.faults import after, error

GOOD, OTHER = ImageRef(12345, 1709952), ImageRef(777, 5)
NOON = datetime(2026, 6, 1, 12, 3, tzinfo=UTC)


@dataclass
class Events:
    """A bucket that tells a queue of every change, and what starts and does repairs."""

    dagster: Dagster
    queue: Queue
    engine: sa.Engine

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """What a tick of the sensor asks for, and why it asks for nothing."""
        found = default_resources()
        resources: dict[str, Any] = {name: found[name] for name in ("settings", "database", "sqs")}
        definitions, instance = self.dagster.definitions, self.dagster.instance
        with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
            data = definitions.resolve_sensor_def(deal_object_events.name).evaluate_tick(context)
        return list(data.run_requests or ()), data.skip_message or ""

    def run(self, request: dg.RunRequest) -> Run:
        """Carry out what a tick asked for."""
        return self.dagster.run_job(repair_touched_deals.name, **request.run_config)

    def waiting(self) -> dict[int, int | None]:
        """Deals that wait, and their batches."""
        with self.engine.begin() as connection:
            rows = connection.execute(sa.text("SELECT deal_id, batch FROM deal_touches"))
            return {row.deal_id: row.batch for row in rows}


@pytest.fixture
def events(
    dagster: Dagster, bucket: Bucket, s3: Any, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Events]:
    client = make_client(load_settings(), "sqs")
    url = ensure_queue(client, f"events-{bucket.name}")
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": [wanted]}
    )
    monkeypatch.setenv("DEALS_EVENTS_QUEUE_URL", url)
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    engine = make_engine(migrated_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE deal_touches")
    yield Events(dagster, Queue(client, url), engine)
    engine.dispose()


def keys_of(layout: Layout, ref: ImageRef) -> set[str]:
    return {layout.key(ref, variant) for variant in layout.variant_set.variants}


def test_a_new_image_is_completed_and_a_variant_that_was_deleted_is_back(
    events: Events, bucket: Bucket, layout: Layout, s3: Any, aws: Aws, photograph: bytes
) -> None:
    assert events.tick() == ([], "No deal was touched.")  # S3's test message is none
    bucket.put_image(GOOD, photograph)
    bucket.put("images/deal/12345/notes.txt")
    (request,), _ = events.tick()
    aws.faults.clear()
    run = events.run(request)
    assert run.success
    assert bucket.keys("images/deal/12345/17") == keys_of(layout, GOOD)
    assert aws.faults.count("GET", "list-type=2") == 1 + 1  # the deal's, and the assertion's
    # What was uploaded is 13 events of ours, which say nothing.
    assert events.tick() == ([], "No deal was touched.")
    thumb = layout.key(GOOD, layout.variant_set.variant("thumb"))
    s3.delete_object(Bucket=bucket.name, Key=thumb)
    (request,), _ = events.tick()
    assert events.run(request).success
    assert bucket.keys(thumb) == {thumb}
    assert events.tick() == ([], "No deal was touched.")
    assert (events.waiting(), events.queue.depth()) == ({}, 0)


def test_a_hundred_changes_of_two_deals_are_one_run_with_a_list_for_each(
    events: Events, bucket: Bucket, photograph: bytes
) -> None:
    for _ in range(10):
        for ref in (GOOD, OTHER):
            bucket.put_image(ref, photograph)
    (request,), _ = events.tick()
    run = events.run(request)
    (shown,) = (numbers(event.step_output_data.metadata) for event in run.events if event.is_successful_output)
    assert (shown["deals"], shown["list_requests"], shown["variants_generated"]) == (2, 2, 26)


def test_a_batch_that_a_run_is_at_is_not_asked_for_and_one_whose_run_is_lost_is_again(
    events: Events, bucket: Bucket, photograph: bytes
) -> None:
    bucket.put_image(GOOD, photograph)
    (request,), _ = events.tick()
    job, instance = events.dagster.definitions.resolve_job_def(repair_touched_deals.name), events.dagster.instance
    started = dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(job, run_config=request.run_config, tags=dict(request.tags), status=started)
    assert events.tick() == ([], "Runs are in progress for 1 deals.")
    instance.report_run_failed(run)
    (again,), _ = events.tick()
    assert again.run_config == request.run_config


def test_a_deal_that_changes_while_it_is_repaired_is_looked_up_once_more(
    events: Events, bucket: Bucket, s3: Any, aws: Aws, photograph: bytes, layout: Layout
) -> None:
    bucket.put_image(GOOD, photograph)
    (first,), _ = events.tick()

    # While the run looks at the deal, its last variant goes, and a tick takes that in.
    last = layout.variant_set.variants[-1]

    def meanwhile() -> None:
        s3.delete_object(Bucket=bucket.name, Key=layout.key(GOOD, last))
        events.tick()

    aws.faults.inject("PUT", layout.key(GOOD, last), after(meanwhile))
    assert events.run(first).success
    assert events.waiting() == {GOOD.deal_id: None}
    assert bucket.keys(layout.key(GOOD, last)) == set()
    (second,), _ = events.tick()
    assert second.run_config != first.run_config
    assert events.run(second).success
    assert events.waiting() == {}


def test_an_image_that_can_not_be_completed_fails_the_run_and_is_not_tried_for_ever(
    events: Events, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    bucket.put_image(OTHER, b"<html>")
    bucket.put_image(GOOD, photograph)
    (request,), _ = events.tick()
    run = events.run(request)
    assert not run.success
    assert "1 images or deals failed; 0 deals will be looked up again." in run.failure
    assert bucket.keys("images/deal/12345/") == keys_of(layout, GOOD)
    assert events.waiting() == {}


@pytest.mark.usefixtures("one_attempt")
def test_a_bucket_that_denies_or_is_away_leaves_the_deals_in_their_batch(
    events: Events, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    bucket.put_image(GOOD, photograph)
    (request,), _ = events.tick()
    for answer in (error("403 Forbidden", "AccessDenied"), error("503 Service Unavailable", "ServiceUnavailable")):
        aws.faults.inject("GET", "list-type=2", answer)
        run = events.run(request)
        assert "1 images or deals failed; 1 deals will be looked up again." in run.failure
        assert list(events.waiting()) == [GOOD.deal_id]
    assert events.run(request).success
    assert events.waiting() == {}


def test_messages_of_others_are_poison_and_the_rest_is_taken_in(
    events: Events, bucket: Bucket, photograph: bytes
) -> None:
    events.queue.send(["hello", '{"product_ids": [1]}'])
    bucket.put_image(GOOD, photograph)
    requests, _ = events.tick()
    assert len(requests) == 1
    assert events.queue.depth() == 2


def test_a_database_that_is_away_costs_no_message_a_receive(
    events: Events, bucket: Bucket, photograph: bytes, monkeypatch: pytest.MonkeyPatch, migrated_url: str
) -> None:
    bucket.put_image(GOOD, photograph)
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://user:password@127.0.0.1:9/none")
    with pytest.raises(Exception, match="can't be reached"):
        events.tick()
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    messages = events.queue.receive(wait_s=1)
    assert messages
    assert {message.receives for message in messages} == {1}


def test_without_a_queue_the_tick_says_which_setting_is_missing(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEALS_EVENTS_QUEUE_URL")
    with pytest.raises(Exception, match="DEALS_EVENTS_QUEUE_URL"):
        events.tick()


# --- which runs, pure


def asked(batches: Mapping[int, int], busy: tuple[str, ...] = (), now: datetime = NOON) -> list[tuple[str, str]]:
    return [(str(found.run_key), found.tags[BATCH_TAG]) for found in runs_to_ask_for(batches, busy, now)]


def test_open_batches_are_asked_for_the_oldest_first_and_again_after_ten_minutes() -> None:
    batches = dict.fromkeys(range(20, 0, -1), 5)
    found = asked(batches, busy=("1", "3"))
    assert [batch for _, batch in found] == ["2", *map(str, range(4, 4 + MAX_RUNS_PER_TICK - 1))]
    assert asked(batches, busy=("1", "3"), now=NOON + timedelta(minutes=1)) == found
    assert {key for key, _ in found}.isdisjoint(key for key, _ in asked(batches, now=NOON + ASK_AGAIN))
