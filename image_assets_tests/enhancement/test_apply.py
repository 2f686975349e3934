"""What a product's work costs, whose fault it is when it fails, and what becomes of objects that are gone or bad."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest

from image_assets.enhancement.service import analyse_due, enhance_due
from image_assets.enhancement.tables import products
from image_assets.sandbox.wsgi import LoopbackServer
from image_assets_tests.conftest import Aws
from image_assets_tests.enhancement.conftest import COUNT, Studio, assert_whole, photograph
from image_assets_tests.faults import Environ, WsgiApp, cut_body, error

ANALYSIS_USD, IMAGE_USD = 0.003, 0.067


class Saying(LoopbackServer):
    """A server that gives one answer to everything."""

    def __init__(self, status: str) -> None:
        super().__init__("saying", "A server with one answer", None)
        self._status = status

    def make_app(self) -> Any:
        """The application."""

        def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
            page = b"<html>Sign in first.</html>"
            start_response(self._status, [("Content-Length", str(len(page))), ("Content-Type", "text/html")])
            return [page]

        return app


def spent(studio: Studio) -> tuple[float, int]:
    """Dollars and calls of the day."""
    found = studio.work.spend.today()
    return float(found.usd), found.calls


def again(studio: Studio) -> None:
    """Let the products' images be wanted once more, as if whoever made them had died before their rows were written."""
    with studio.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM product_images")
        connection.exec_driver_sql("UPDATE products SET status = 'pending'")
        connection.exec_driver_sql("UPDATE enhancement_requests SET status = 'pending', completed_at = NULL")


def assert_nobodys_fault(studio: Studio, numbers: list[int]) -> None:
    """No product has lost an attempt, and all of them wait."""
    assert {(studio.status(number), studio.state(number)["attempt_count"]) for number in numbers} == {("pending", 0)}


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


def test_a_strangers_server_in_trouble_is_its_products_affair_alone(studio: Studio) -> None:
    with Saying("503 Service Unavailable") as stranger:
        hosts = f"*,{stranger.url.removeprefix('http://')}"
        with studio.another(IMAGE_HOSTS=hosts, ENHANCEMENT_WORKERS="1") as open_minded:
            [down] = studio.add_urls(f"{stranger.url}/a.jpg")
            [good] = studio.add(1)
            studio.request(down, good)
            assert open_minded.run().reasons == {"unavailable": 1}
            assert open_minded.work.access.turned_away is None
    assert studio.state(down)["attempt_count"] == 1
    assert_whole(studio, [good])


# --- objects that are gone, or bad


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
    again(studio)

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
