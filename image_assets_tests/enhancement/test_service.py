"""The area end to end, against real servers: what is requested is analysed, made, stored and awaits review."""

from __future__ import annotations

import hashlib
import socket
from contextlib import closing

import pytest

from image_assets.enhancement.model import OUTBOX, request_body
from image_assets.enhancement.prompts import GUARD
from image_assets.enhancement.proof import prove
from image_assets.enhancement.review import Decision, decide
from image_assets.enhancement.service import analyse_due, process, redrive, settle_crashed
from image_assets.enhancement.tables import analyses, products, requests
from image_assets.errors import NotFoundError
from image_assets.stores import outbox
from image_assets.stores.sqs import Queue
from image_assets_tests.conftest import Aws
from image_assets_tests.enhancement.conftest import COUNT, Saying, Studio, assert_whole
from image_assets_tests.faults import delay, error


def test_a_requested_product_gets_its_images_and_awaits_review(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    report = studio.run()
    assert (report.failed, report.counts["images"]) == (0, COUNT)
    assert_whole(studio, [product])
    [analysis] = studio.rows(analyses)
    assert len(analysis["prompts"]) == COUNT
    for row in studio.images(product):
        body = studio.s3.get_object(Bucket=studio.bucket, Key=row["s3_key"])["Body"].read()
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        assert (row["bytes"], row["source_sha256"]) == (len(body), analysis["source_sha256"])
        assert row["prompt"] == analysis["prompts"][row["ordinal"] - 1]
        assert row["prompt"].endswith(GUARD)
        assert row["model"] == "gemini-3.1-flash-image"
        assert row["image_url"] == f"{studio.env['AWS_ENDPOINT_URL']}/{studio.bucket}/{row['s3_key']}"
    assert not any(found.count for found in prove(studio.engine, min_side=32).values())


def test_a_second_run_asks_nothing_and_writes_nothing(studio: Studio) -> None:
    studio.request(*studio.add(1, 2))
    studio.run()
    asked, keys = len(studio.gemini.requests), studio.keys()
    assert studio.run().total == 0
    assert (len(studio.gemini.requests), studio.keys()) == (asked, keys)


def test_economy_one_analysis_and_one_image_request_per_image(studio: Studio) -> None:
    studio.request(*studio.add(1, 2, 3))
    studio.run()
    counts = studio.gemini.counts
    assert counts["generateContent", "gemini-3.8-flash"] == 3
    assert counts["generateContent", "gemini-3.1-flash-image"] == 3 * COUNT
    spent, calls = studio.work.spend.today()
    assert calls == 3 + 3 * COUNT
    assert float(spent) == pytest.approx(3 * 0.003 + 3 * COUNT * 0.067)


def test_messages_become_requests_once_however_often_they_come(studio: Studio, queue: Queue) -> None:
    first, second = studio.add(1, 2)
    queue.send([f'{{"product_id": {number}}}' for number in (first, second, first, first)])
    assert studio.receive(queue) == 4
    assert [(row["product_id"], row["messages"]) for row in studio.rows(requests)] == [(first, 3), (second, 1)]
    assert queue.depth() == 0
    studio.run()
    queue.send([f'{{"product_id": {first}}}'])
    studio.receive(queue)
    assert studio.run().total == 0
    assert_whole(studio, [first, second])


def test_poison_goes_to_the_dead_letter_queue_and_nothing_else_does(studio: Studio, queue: Queue) -> None:
    [product] = studio.add(1)
    queue.send(['{"product_id": 999999}', "no json", f'{{"product_id": {product}}}', '{"product_id": "7"}'])
    for _ in range(4):
        studio.receive(queue)
    assert [row["product_id"] for row in studio.rows(requests)] == [product]
    assert (queue.depth(), queue.dead_letters().depth()) == (0, 3)


def test_a_raw_image_that_is_none_fails_its_product_with_the_reason_and_no_other(studio: Studio) -> None:
    studio.s3.put_object(Bucket=studio.bucket, Key="raw/text.jpg", Body=b"no image at all")
    good, text, missing = (
        *studio.add(1),
        *studio.add_urls(f"s3://{studio.bucket}/raw/text.jpg", f"s3://{studio.bucket}/raw/missing.jpg"),
    )
    foreign = studio.add_urls("s3://somebody-elses-bucket/raw/1.jpg")[0]
    studio.request(good, text, missing, foreign)
    report = studio.run()
    assert {failure.item: failure.reason for failure in report.failures} == {
        str(text): "not_an_image",
        str(missing): "not_found",
        str(foreign): "forbidden_bucket",
    }
    assert [studio.status(number) for number in (text, missing, foreign)] == ["failed"] * 3
    failed = next(row for row in studio.rows(products) if row["id"] == missing)
    assert (failed["failure_code"], "missing.jpg" in failed["failure_reason"]) == ("not_found", True)
    assert_whole(studio, [good])
    assert prove(studio.engine, min_side=32)["no_failed_products"].count == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https://[::ffff:127.0.0.1]/a.jpg",
        "https://2130706433/a.jpg",
        "https://0x7f000001/a.jpg",
        "https://localhost/a.jpg",
        "file:///etc/passwd",
        "ftp://example.com/a.jpg",
    ],
)
def test_an_address_that_a_user_may_not_reach_fails_its_product(studio: Studio, url: str) -> None:
    [product] = studio.add_urls(url)
    studio.request(product)
    report = studio.run()
    assert [failure.reason for failure in report.failures] in (["forbidden_address"], ["bad_url"])
    assert studio.work.access.turned_away is None
    assert studio.gemini.requests == []


def test_a_strangers_server_that_denies_or_is_down_is_its_products_affair_alone(studio: Studio) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, Saying("403 Forbidden") as denying:
        port = silent.getsockname()[1]
        silent.close()
        urls = [f"http://127.0.0.1:{port}/a.jpg", f"{denying.url}/a.jpg"]
        hosts = ",".join(("*", f"127.0.0.1:{port}", denying.host))
        with studio.another(IMAGE_HOSTS=hosts, ENHANCEMENT_WORKERS="1") as open_minded:
            down, denied = open_minded.add_urls(*urls)
            [good] = open_minded.add(1)
            open_minded.request(down, denied, good)
            first = open_minded.run()
            reasons = {failure.item: (failure.reason, failure.permanent) for failure in first.failures}
            assert reasons == {str(down): ("raw_unreachable", False), str(denied): ("raw_denied", True)}
            assert_whole(open_minded, [good])
            open_minded.run(rounds=2)
            assert (studio.status(down), studio.status(denied)) == ("failed", "failed")


def test_an_object_that_is_denied_to_us_does_not_hold_up_the_others(studio: Studio, aws: Aws) -> None:
    denied, good = studio.add(1, 2)
    studio.request(denied, good)
    aws.faults.inject("GET", "/raw/1.jpg", error("403 Forbidden", "AccessDenied"))
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        report = alone.run()
        assert [(failure.item, failure.reason) for failure in report.failures] == [(str(denied), "raw_denied")]
        assert_whole(alone, [good])
        alone.run()
    assert_whole(studio, [denied, good])


@pytest.mark.parametrize("outcome", ["image_safety", "no_image"])
def test_what_the_model_refuses_fails_the_product_at_once(studio: Studio, outcome: str) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject(outcome, on="image")
    report = studio.run()
    assert [failure.permanent for failure in report.failures] == [True]
    assert studio.status(product) == "failed"
    assert [row["ordinal"] for row in studio.images(product)] == [2]


@pytest.mark.parametrize("outcome", ["blank_image", "unchanged_image", "not_an_image"])
def test_a_bad_picture_is_asked_for_again_and_the_good_ones_are_kept(studio: Studio, outcome: str) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject(outcome, on="image")
    first = studio.run()
    assert [failure.permanent for failure in first.failures] == [False]
    assert (studio.status(product), len(studio.images(product))) == ("pending", COUNT - 1)
    studio.run()
    assert_whole(studio, [product])
    assert studio.gemini.images_made == COUNT + 1


def test_a_product_whose_images_fail_three_times_is_failed_and_can_be_redriven(studio: Studio) -> None:
    bad, good = studio.add(1, 2)
    studio.request(bad)
    studio.gemini.faults.inject("blank_image", times=3 * COUNT, on="image")
    studio.run(rounds=4)
    assert (studio.status(bad), studio.state(bad)["attempt_count"]) == ("failed", 3)
    assert studio.images(bad) == []
    studio.request(good)
    assert redrive(studio.work) == 1
    assert studio.status(bad) == "pending"
    studio.run()
    assert_whole(studio, [bad, good])
    assert redrive(studio.work) == 0


def test_decisions_on_the_images_of_a_failed_product_count_once_it_is_whole(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("image_safety", on="image")
    studio.run()
    [image] = studio.images(product)
    [result] = decide(studio.engine, [Decision(image["id"], image["sha256"], "approve")], "alice")
    assert (result.ok, result.product_status) == (True, "failed")
    with studio.engine.begin() as connection:  # as if the other one had been made and approved too
        connection.exec_driver_sql("UPDATE enhancement_analyses SET prompts = prompts[2:2]")
        connection.exec_driver_sql("UPDATE product_images SET ordinal = 1")
    redrive(studio.work)
    studio.run()
    assert studio.status(product) == "approved"


def test_a_daily_budget_that_is_used_up_stops_the_run_without_using_attempts(studio: Studio) -> None:
    numbers = studio.add(1, 2, 3)
    studio.request(*numbers)
    with studio.another(ENHANCEMENT_DAILY_COST_USD="0.1", ENHANCEMENT_WORKERS="1") as poor:
        report = poor.run()
        assert poor.work.access.turned_away is not None
        assert {failure.reason for failure in report.failures} == {"budget"}
        assert float(poor.work.spend.today().usd) <= 0.1
    assert {row["attempt_count"] for row in studio.rows(requests)} == {0}
    assert {studio.status(number) for number in numbers} == {"pending"}
    studio.run()
    assert_whole(studio, numbers)


def test_a_wrong_key_stops_the_run_and_no_product_pays_for_it(studio: Studio) -> None:
    numbers = studio.add(1, 2, 3)
    studio.request(*numbers)
    with studio.another(GEMINI_API_KEY="AIzaWrongKeyWrongKeyWrongKeyWrongKeyWrong") as wrong:
        report = wrong.run()
        assert report.turned_away is not None
        assert "GEMINI_API_KEY" in report.turned_away.message
        assert wrong.work.spend.today().calls == 0
    assert {row["status"] for row in studio.rows(requests)} == {"pending"}
    studio.run()
    assert_whole(studio, numbers)


def test_a_model_that_is_not_there_stops_the_run_and_names_the_setting(studio: Studio) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    studio.gemini.behaviour.image_models = ("another-image-model",)
    report = studio.run()
    assert {failure.reason for failure in report.failures} == {"no_model"}
    assert "GEMINI_IMAGE_MODEL" in report.failures[0].message
    assert {row["attempt_count"] for row in studio.rows(requests)} == {0}


def test_a_fault_now_and_then_is_outlived(studio: Studio) -> None:
    numbers = studio.add(*range(8))
    studio.request(*numbers)
    studio.gemini.faults.rate(0.2, seed=7, retry_delay_s=0.01)
    studio.run(rounds=4)
    assert_whole(studio, numbers)


def test_lost_answers_cost_an_attempt_at_most(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("drop_after", times=10, on="image")
    report = studio.run()
    assert [failure.reason for failure in report.failures] == ["no_answer"]
    studio.gemini.faults.clear()
    studio.run()
    assert_whole(studio, [product])


def test_a_process_that_died_after_its_object_leaves_it_to_the_next_which_does_not_pay_again(
    studio: Studio, aws: Aws
) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.run()
    made = studio.gemini.images_made
    rows = studio.images(product)
    studio.again()
    studio.run()
    assert studio.gemini.images_made == made
    assert [(row["s3_key"], row["sha256"]) for row in studio.images(product)] == [
        (row["s3_key"], row["sha256"]) for row in rows
    ]


def test_what_a_dead_process_left_and_no_longer_passes_is_made_anew(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.run()
    key = studio.images(product)[0]["s3_key"]
    studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=b"half an image")
    studio.again(1)
    studio.run()
    assert_whole(studio, [product])
    body = studio.s3.get_object(Bucket=studio.bucket, Key=key)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == studio.images(product)[0]["sha256"]


def test_a_run_with_a_budget_of_time_leaves_the_rest_to_the_next(studio: Studio, aws: Aws) -> None:
    studio.request(*studio.add(1, 2, 3))
    assert analyse_due(studio.work, budget_s=0.0).total == 0
    # The first photograph takes all the time there is.
    aws.faults.inject("GET", "/raw/", delay(1.5))
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        assert analyse_due(alone.work, budget_s=1.5).done == 1
        assert analyse_due(alone.work, budget_s=600.0).done == 2


def test_words_of_others_that_no_database_takes_end_no_run(studio: Studio) -> None:
    bad = studio.add_urls(
        "https://127.0.0.1/a\x07.jpg", "https://a\ud7ff.example/a.jpg", f"s3://{studio.bucket}/raw/a%00b.jpg"
    )
    [good] = studio.add(1)
    studio.request(*bad, good)
    report = studio.run()
    assert report.failed == 3
    assert [studio.status(number) for number in bad] == ["failed"] * 3
    assert_whole(studio, [good])


def test_credentials_that_have_expired_stop_the_run_and_no_product_pays_for_it(studio: Studio, aws: Aws) -> None:
    numbers = studio.add(1, 2, 3)
    studio.request(*numbers)
    aws.faults.inject("GET", "/raw/", error("400 Bad Request", "ExpiredToken"), times=100)
    with studio.another() as expired:
        report = expired.run()
        assert report.turned_away is not None
        assert report.turned_away.reason == "bad_credentials"
    aws.faults.clear()
    assert {row["attempt_count"] for row in studio.rows(requests)} == {0}
    studio.run()
    assert_whole(studio, numbers)


def test_what_turned_one_product_away_makes_all_of_them_wait(studio: Studio) -> None:
    studio.request(*studio.add(*range(8)))
    with studio.another(ENHANCEMENT_DAILY_COST_USD="0", ENHANCEMENT_WORKERS="1") as poor:
        assert poor.run().total == 1
    assert studio.work.store.open_days() == []
    assert studio.work.queue.due().now == 0
    assert redrive(studio.work) == 0
    assert studio.work.queue.due().now == 8


def test_products_whose_messages_are_lost_are_taken_in_when_work_is_redriven(studio: Studio) -> None:
    lost, fresh, unsent = studio.add(1, 2, 3)
    with studio.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE products SET created_at = now() - interval '2 hours' WHERE id <> {fresh}")
        outbox.add(connection, OUTBOX, [request_body(unsent)])
    assert redrive(studio.work) == 1
    assert [row["product_id"] for row in studio.rows(requests)] == [lost]
    studio.run()
    assert_whole(studio, [lost])


def test_a_product_whose_worker_dies_again_and_again_is_failed(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    with studio.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE enhancement_requests SET status = 'processing', lost_count = 4, "
            "lease_token = gen_random_uuid(), lease_until = now() - interval '1 second'"
        )
    studio.run()
    assert studio.status(product) == "failed"
    assert studio.rows(products)[0]["failure_code"] == "crashed"
    assert settle_crashed(studio.engine) == 0


def test_naming_a_product_or_redriving_ends_its_waiting(studio: Studio) -> None:
    named, other = studio.add(1, 2)
    studio.request(named, other)
    with studio.another(ENHANCEMENT_DAILY_COST_USD="0") as poor:
        poor.run()
    assert process(studio.work, ()).total == 0
    assert process(studio.work, [named]).done == 1
    assert redrive(studio.work) == 0
    assert process(studio.work, ()).done == 1
    assert_whole(studio, [named, other])


def test_named_products_are_processed_whether_or_not_they_were_requested(studio: Studio) -> None:
    first, second = studio.add(1, 2)
    report = process(studio.work, [first])
    assert (report.total, report.done) == (1, 1)
    assert_whole(studio, [first])
    assert studio.status(second) == "pending"
    with pytest.raises(NotFoundError, match="999"):
        process(studio.work, [999])
