"""What a product's work costs, whose fault it is when it fails, and what becomes of objects that are gone or bad."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from image_assets.enhancement.service import analyse_due, enhance_due, redrive
from image_assets.enhancement.tables import analyses, product_images, products, requests
from image_assets.enhancement.workplace import Workplace, open_workplace
from image_assets.settings import settings_for
from image_assets_tests.conftest import Aws
from image_assets_tests.enhancement.conftest import COUNT, Saying, Studio, assert_whole, photograph
from image_assets_tests.faults import Environ, WsgiApp, cut_body, error

ANALYSIS_USD, IMAGE_USD = 0.003, 0.067


def spent(studio: Studio) -> tuple[float, int]:
    """Dollars and calls of the day."""
    found = studio.work.spend.today()
    return float(found.usd), found.calls


def assert_nobodys_fault(studio: Studio, numbers: list[int]) -> None:
    """No product has lost an attempt, and all of them wait."""
    assert {(studio.status(number), studio.state(number)["attempt_count"]) for number in numbers} == {("pending", 0)}


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until something is so, which it is soon."""
    give_up_at = time.monotonic() + 30
    while not happened():
        if time.monotonic() > give_up_at:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.01)


# --- what it costs


def test_an_answer_that_is_lost_costs_what_it_is_asked_for_again_costs_too(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("drop_after", on="text")
    studio.gemini.faults.inject("drop_after", on="image")
    studio.run()
    assert_whole(studio, [product])
    assert studio.gemini.images_made == COUNT + 1
    assert spent(studio) == (round(2 * ANALYSIS_USD + (COUNT + 1) * IMAGE_USD, 6), 2 + COUNT + 1)
    assert {float(row["cost_usd"]) for row in studio.images(product)} == {IMAGE_USD}


def test_a_lost_answer_stays_paid_whatever_is_answered_after_it(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    analyse_due(studio.work)
    studio.gemini.faults.inject("drop_after", on="image")
    studio.gemini.faults.inject("status", times=50, on="image", status=503)
    assert enhance_due(studio.work).reasons == {"unavailable": 1}
    assert studio.gemini.images_made == 1
    assert spent(studio) == (round(ANALYSIS_USD + IMAGE_USD, 6), 2)


@pytest.mark.parametrize("outcome", ["safety", "max_tokens", "truncated_json"])
def test_an_answer_that_is_of_no_use_stays_paid(studio: Studio, outcome: str) -> None:
    studio.request(*studio.add(1))
    studio.gemini.faults.inject(outcome, times=50, on="text")
    assert analyse_due(studio.work).failed == 1
    asked = len(studio.gemini.requests)
    assert spent(studio) == (round(asked * ANALYSIS_USD, 6), asked)


@pytest.mark.parametrize("status", [500, 503])
def test_a_refusal_is_free(studio: Studio, status: int) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("status", times=2, status=status)
    studio.run()
    assert_whole(studio, [product])
    assert spent(studio) == (round(ANALYSIS_USD + COUNT * IMAGE_USD, 6), 1 + COUNT)


def test_the_days_cap_is_one_whatever_is_lost(studio: Studio) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    analyse_due(studio.work)
    cap = 2 * ANALYSIS_USD + IMAGE_USD
    studio.gemini.faults.inject("drop_after", times=50, on="image")
    with studio.another(ENHANCEMENT_DAILY_COST_USD=str(cap), ENHANCEMENT_WORKERS="1") as poor:
        report = enhance_due(poor.work)
        assert report.reasons == {"budget": 1}
        assert "ENHANCEMENT_DAILY_COST_USD" in report.failures[0].message
        assert poor.work.access.turned_away is not None
        assert spent(poor) == (round(cap, 6), 3)
    assert studio.gemini.images_made == 1
    assert_nobodys_fault(studio, numbers)


def test_an_analysis_that_was_paid_for_is_stored_though_another_thread_meets_the_cap(studio: Studio) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    with studio.another(ENHANCEMENT_DAILY_COST_USD=str(ANALYSIS_USD), ENHANCEMENT_WORKERS="2") as poor:
        access = poor.work.access
        studio.gemini.faults.inject("call", on="text", action=lambda: wait_until(lambda: access.turned_away))
        report = analyse_due(poor.work)
    assert (report.done, report.reasons) == (1, {"budget": 1})
    assert len(studio.rows(analyses)) == 1
    studio.run()
    assert_whole(studio, numbers)
    assert spent(studio) == (round(2 * ANALYSIS_USD + 2 * COUNT * IMAGE_USD, 6), 2 + 2 * COUNT)


def test_an_image_that_was_paid_for_is_stored_though_another_thread_meets_the_cap(studio: Studio) -> None:
    with studio.another(ENHANCED_IMAGES_COUNT="1") as sparing:
        numbers = studio.add(1, 2)
        studio.request(*numbers)
        analyse_due(sparing.work)
    cap = 2 * ANALYSIS_USD + IMAGE_USD
    with studio.another(ENHANCEMENT_DAILY_COST_USD=str(cap), ENHANCEMENT_WORKERS="2") as poor:
        access = poor.work.access
        studio.gemini.faults.inject("call", on="image", action=lambda: wait_until(lambda: access.turned_away))
        report = enhance_due(poor.work)
    assert (report.done, report.reasons) == (1, {"budget": 1})
    # As it was its product's last one, that is whole.
    assert len(studio.rows(product_images)) == 1
    assert sorted(studio.status(number) for number in numbers) == ["pending", "pending_review"]
    studio.run()
    assert_whole(studio, numbers, count=1)
    assert studio.gemini.images_made == 2


# --- what the lease is for


@pytest.fixture
def short(studio: Studio) -> Iterator[Workplace]:
    """One worker that learns within 1.2 s that it has lost its lease."""
    settings = settings_for({**studio.env, "ENHANCEMENT_WORKERS": "1"})
    with open_workplace(settings, engine=studio.engine, lease_s=3.6) as work:
        yield work


def lose_lease(work: Workplace, product: int) -> None:
    """Cancel a product that is worked on, and wait until its worker's heartbeat has found out."""
    assert work.queue.cancel([product]) == 1
    beating = f"leases-{requests.name}"
    wait_until(lambda: beating not in {thread.name for thread in threading.enumerate()})


def test_nothing_is_asked_about_a_photograph_once_the_lease_is_lost(studio: Studio, short: Workplace, aws: Aws) -> None:
    [product] = studio.add(1)
    studio.request(product)

    def losing(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        lose_lease(short, product)
        return app(environ, start_response)

    aws.faults.inject("PUT", "/sources/", losing)
    [outcome] = analyse_due(short).noted
    assert "was lost" in outcome.notes[0]
    assert studio.gemini.requests == []


def test_no_further_image_is_made_once_the_lease_is_lost(studio: Studio, short: Workplace) -> None:
    [product] = studio.add(1)
    studio.request(product)
    analyse_due(studio.work)
    studio.gemini.faults.inject("call", on="image", action=lambda: lose_lease(short, product))
    [outcome] = enhance_due(short).noted
    assert "was lost" in outcome.notes[0]
    assert studio.gemini.images_made == 1
    assert studio.status(product) == "pending"


# --- whose fault it is


def test_what_the_account_may_not_do_stops_the_run_and_no_product_pays_for_it(studio: Studio) -> None:
    numbers = studio.add(1, 2, 3)
    studio.request(*numbers)
    studio.gemini.faults.inject("status", times=50, status=400)
    report = studio.run()
    assert set(report.reasons) == {"account"}
    assert studio.work.access.turned_away is not None
    assert_nobodys_fault(studio, numbers)
    assert spent(studio) == (0, 0)
    studio.gemini.faults.clear()
    with studio.another() as later:
        later.run()
    assert_whole(studio, numbers)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_a_page_in_geminis_place_stops_the_run_and_no_product_pays_for_it(studio: Studio, status: str) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    with Saying(status) as gateway, studio.another(GEMINI_BASE_URL=gateway.url) as behind:
        report = analyse_due(behind.work)
        assert set(report.reasons) == {"not_geminis"}
        assert "GEMINI_BASE_URL" in report.failures[0].message
        assert behind.work.access.turned_away is not None
    assert_nobodys_fault(studio, numbers)
    assert spent(studio) == (0, 0)


def test_our_bucket_being_down_stops_the_run_and_no_product_pays_for_it(studio: Studio, aws: Aws) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    aws.faults.inject("PUT", "/sources/", error("503 Service Unavailable", "ServiceUnavailable"), times=100)
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        assert analyse_due(alone.work).reasons == {"unreachable": 1}
        assert alone.work.access.turned_away is not None
    assert_nobodys_fault(studio, numbers)


def test_our_bucket_breaking_off_stops_the_run_and_no_product_pays_for_it(studio: Studio, aws: Aws) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    analyse_due(studio.work)
    aws.faults.inject("GET", "/sources/", cut_body, times=100)
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        assert enhance_due(alone.work).reasons == {"unreachable": 1}
    assert_nobodys_fault(studio, numbers)
    assert studio.gemini.images_made == 0


def test_a_used_up_quota_of_a_day_stops_the_run_and_no_product_pays_for_it(studio: Studio) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    studio.gemini.faults.inject("status", times=50, status=429, retry_delay_s=1.0, quota="day")
    with studio.another(ENHANCEMENT_WORKERS="1") as alone:
        assert analyse_due(alone.work).reasons == {"throttled": 1}
    assert_nobodys_fault(studio, numbers)


def test_a_bucket_of_raw_images_that_does_not_exist_stops_the_run_and_no_product_pays_for_it(studio: Studio) -> None:
    numbers = studio.add_urls("s3://bucket-that-is-gone/1.jpg", "s3://bucket-that-is-gone/2.jpg")
    studio.request(*numbers)
    with studio.another(RAW_S3_BUCKETS="bucket-that-is-gone", ENHANCEMENT_WORKERS="1") as alone:
        assert analyse_due(alone.work).reasons == {"no_bucket": 1}
    assert_nobodys_fault(studio, numbers)


def test_a_strangers_server_in_trouble_is_its_products_affair_alone(studio: Studio) -> None:
    with (
        Saying("503 Service Unavailable") as stranger,
        studio.another(IMAGE_HOSTS=f"*,{stranger.host}", ENHANCEMENT_WORKERS="1") as open_minded,
    ):
        [down] = studio.add_urls(f"{stranger.url}/a.jpg")
        [good] = studio.add(1)
        studio.request(down, good)
        assert open_minded.run().reasons == {"unavailable": 1}
        assert open_minded.work.access.turned_away is None
    assert studio.state(down)["attempt_count"] == 1
    assert_whole(studio, [good])


# --- objects that are gone, or bad


def test_a_redriven_product_keeps_what_it_has_and_only_its_missing_image_is_made(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("image_safety", on="image")
    studio.run()
    [kept] = studio.images(product)
    assert (studio.status(product), studio.gemini.images_made) == ("failed", COUNT - 1)
    assert redrive(studio.work) == 1
    studio.run()
    assert_whole(studio, [product])
    assert studio.images(product)[kept["ordinal"] - 1] == kept
    assert studio.gemini.images_made == COUNT
    assert studio.gemini.counts["generateContent", "gemini-3.8-flash"] == 1


def test_the_picture_that_the_model_was_shown_is_made_anew_from_the_same_photograph(studio: Studio) -> None:
    [product] = studio.add(1)
    studio.request(product)
    analyse_due(studio.work)
    [key] = studio.keys("sources/")
    before = studio.s3.get_object(Bucket=studio.bucket, Key=key)["Body"].read()
    studio.s3.delete_object(Bucket=studio.bucket, Key=key)
    assert enhance_due(studio.work).done == 1
    assert_whole(studio, [product])
    assert studio.s3.get_object(Bucket=studio.bucket, Key=key)["Body"].read() == before


@pytest.mark.parametrize("change", ["another", "gone"])
def test_a_picture_that_is_gone_for_good_fails_its_product_with_what_to_do(studio: Studio, change: str) -> None:
    [product] = studio.add(1)
    studio.request(product)
    analyse_due(studio.work)
    studio.s3.delete_object(Bucket=studio.bucket, Key=studio.keys("sources/")[0])
    if change == "gone":
        studio.s3.delete_object(Bucket=studio.bucket, Key="raw/1.jpg")
    else:
        studio.s3.put_object(Bucket=studio.bucket, Key="raw/1.jpg", Body=photograph(2))
    report = enhance_due(studio.work)
    assert report.reasons == {"source_lost": 1}
    assert "Put the photograph back" in report.failures[0].message
    assert [row["failure_code"] for row in studio.rows(products)] == ["source_lost"]
    assert studio.gemini.images_made == 0


@pytest.mark.parametrize("meanwhile", ["another image", "gone"])
def test_what_another_process_did_to_a_bad_object_meanwhile_is_not_overwritten(
    studio: Studio, aws: Aws, meanwhile: str
) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.run()
    key, other = (row["s3_key"] for row in studio.images(product))
    good = studio.s3.get_object(Bucket=studio.bucket, Key=other)["Body"].read()
    studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=b"half an image")
    studio.again()

    def overtaken(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if "HTTP_IF_MATCH" in environ:
            if meanwhile == "gone":
                studio.s3.delete_object(Bucket=studio.bucket, Key=key)
            else:
                studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=good)
        return app(environ, start_response)

    aws.faults.inject("PUT", key, overtaken, times=2)  # that which finds something, and that which replaces it
    studio.run()
    assert_whole(studio, [product])
    assert studio.gemini.images_made == COUNT + 1
    lies = studio.s3.get_object(Bucket=studio.bucket, Key=key)["Body"].read()
    assert (lies == good) == (meanwhile == "another image")
    assert studio.images(product)[0]["sha256"] == hashlib.sha256(lies).hexdigest()
