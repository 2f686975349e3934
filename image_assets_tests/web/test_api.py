"""The product API over HTTP: what is answered, and that it is true of the database and the queue."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.enhancement.tables import product_images, products, requests
from image_assets.stores import outbox
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.web.conftest import RAW_BUCKET, Site, a_product

BULK = "/api/products/bulk"
DOWN = error("503 Service Unavailable", "ServiceUnavailable")
INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def error_of(answer: Any, status: int) -> dict[str, Any]:
    """The error of an answer, which has the one shape all errors have."""
    assert answer.status_code == status, answer.text
    content = answer.json()
    assert content["success"] is False
    assert content["error"].keys() == {"code", "message"}
    return dict(content["error"])


# Creating


def test_five_products_are_created_and_queued_as_in_the_spec(site: Site) -> None:
    answer = site.create(*[a_product() for _ in range(5)])
    assert answer.status_code == 201
    content = answer.json()
    assert content.keys() == {"success", "message", "data"}
    assert content["success"] is True
    assert content["message"] == "Successfully created 5 products and queued for processing"
    assert content["data"].keys() == {"created", "total", "products"}
    assert (content["data"]["created"], content["data"]["total"]) == (5, 5)
    made = content["data"]["products"]
    assert [product["status"] for product in made] == ["pending"] * 5
    assert [row["id"] for row in site.rows(products)] == [product["id"] for product in made]
    assert sorted(site.messages()) == sorted(json.dumps({"product_id": product["id"]}) for product in made)


def test_one_product_is_worded_as_in_the_spec(site: Site) -> None:
    assert site.create(a_product()).json()["message"] == "Successfully created 1 products and queued for processing"


def test_money_is_numbers_and_times_are_utc(site: Site) -> None:
    body = b'{"products": [{"category": "x", "raw_image": "https://a.example/a.jpg", '
    body += b'"mrp": 9999999999.99, "price": 0.10, "discount": 0, "gst": 1.5e1}]}'
    [made] = site.client.post(BULK, content=body).json()["data"]["products"]
    assert [made[name] for name in ("mrp", "price", "discount", "gst")] == [9999999999.99, 0.1, 0, 15]
    [row] = site.rows(products)
    assert [str(row[name]) for name in ("mrp", "price", "discount", "gst")] == [
        "9999999999.99",
        "0.10",
        "0.00",
        "15.00",
    ]
    assert INSTANT.fullmatch(made["created_at"])
    assert INSTANT.fullmatch(made["updated_at"])


def test_bad_products_are_reported_and_do_not_stop_the_others(site: Site) -> None:
    answer = site.create(a_product(), a_product(mrp=-1, gst="x"), a_product(category="Shoes"))
    assert answer.status_code == 200
    content = answer.json()
    assert content["success"] is True
    assert content["message"] == "Successfully created 2 products and queued for processing; 1 of 3 were refused"
    assert [product["category"] for product in content["data"]["products"]] == ["Electronics", "Shoes"]
    [refusal] = content["errors"]
    assert refusal["index"] == 1
    assert refusal["errors"] == [
        {"field": "mrp", "message": "Input should be greater than or equal to 0"},
        {"field": "gst", "message": "Input should be a number"},
    ]


def test_when_all_are_bad_or_one_is_and_all_were_wanted_none_is_created(site: Site) -> None:
    for answer, indexes in (
        (site.create(7, a_product(mrp=-1)), [0, 1]),
        (site.create(a_product(), a_product(mrp=-1), params={"atomic": "true"}), [1]),
    ):
        assert error_of(answer, 422)["code"] == "bad_products"
        assert [refusal["index"] for refusal in answer.json()["errors"]] == indexes
    assert (site.rows(products), site.rows(outbox.outbox), site.messages()) == ([], [], [])


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"7", b"null", b"{}", b'{"products": []}', b'{"products": {}}', b'{"products": NaN}'),
        *(b"\xff\xfe\xfd", b"[" * 100_000, b'{"products": [' + b"9" * 5000 + b"]}", b'{"products": "\\ud800"}'),
    ],
)
def test_a_body_that_names_no_products_is_refused(site: Site, body: bytes) -> None:
    assert error_of(site.client.post(BULK, content=body), 422)["code"] == "bad_input"


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b", "a\\udfffb"])
def test_texts_that_no_database_takes_are_refused(site: Site, text: str) -> None:
    product = json.dumps(a_product()).replace("Electronics", text)
    answer = site.client.post(BULK, content=f'{{"products": [{product}]}}'.encode())
    assert error_of(answer, 422)["code"] == "bad_products"
    assert answer.json()["errors"][0]["errors"][0]["field"] == "category"


def test_an_exponent_that_no_computer_holds_is_a_bad_amount(site: Site) -> None:
    body = json.dumps({"products": [a_product()]}).replace("50000", "1e" + "9" * 40)
    answer = site.client.post(BULK, content=body.encode())
    assert answer.json()["errors"][0]["errors"][0] == {"field": "mrp", "message": "Input should be a finite number"}


def test_raw_images_are_those_of_public_hosts_and_of_our_buckets(site: Site) -> None:
    answer = site.create(
        a_product(raw_image=f"s3://{RAW_BUCKET}/a.jpg"),
        a_product(raw_image="s3://elsewhere/a.jpg"),
        a_product(raw_image="https://169.254.169.254/latest/meta-data?password=of-the-machine"),
    )
    words = [refusal["errors"][0]["message"] for refusal in answer.json()["errors"]]
    assert "RAW_S3_BUCKETS" in words[0]
    assert words[1] == "GET 169.254.169.254: 169.254.169.254 is not a public address."


def test_a_thousand_products_are_taken_and_one_more_is_too_many(site: Site, aws: Aws) -> None:
    aws.faults.inject("POST", "/", DOWN)
    answer = site.create(*[a_product(mrp=number) for number in range(1000)])
    assert answer.status_code == 201
    assert [product["mrp"] for product in answer.json()["data"]["products"]] == list(range(1000))
    site.forget_the_queue()
    assert error_of(site.create(*[a_product()] * 1001), 422)["message"].startswith("1,001 products are too many")
    assert len(site.rows(products)) == 1000


@pytest.mark.parametrize("size", [5 * 1024 * 1024 + 1, 12 * 1024 * 1024])
def test_a_body_that_is_too_large_is_refused_and_the_client_hears_why(site: Site, size: int) -> None:
    assert "5 MB" in error_of(site.client.post(BULK, content=b" " * size), 413)["message"]


def test_a_body_in_pieces_is_counted_too(site: Site) -> None:
    def pieces(count: int) -> Any:
        yield from [b" " * 1024 * 1024] * count
        yield json.dumps({"products": [a_product()]}).encode()

    assert site.client.post(BULK, content=pieces(4)).status_code == 201
    error_of(site.client.post(BULK, content=pieces(5)), 413)


# While SQS is down


def test_while_sqs_is_down_products_are_created_and_queueing_follows(site: Site, aws: Aws) -> None:
    aws.faults.inject("POST", "/", DOWN, times=100)
    for _ in range(3):
        answer = site.create(a_product(), a_product())
        assert answer.status_code == 201
        assert answer.json()["message"] == "Successfully created 2 products; queueing follows"
    assert aws.faults.count("POST") == 1
    waiting = answer.json()["data"]["products"][0]["id"]
    assert site.client.get(f"/api/products/{waiting}").json()["data"]["queue"]["state"] == "unsent"
    assert len(site.rows(outbox.outbox)) == 6
    health = site.client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["problems"].keys() == {"queue"}
    aws.faults.clear()
    site.forget_the_queue()
    assert site.client.get("/healthz").json() == {"status": "ok"}


# Repeats


def test_a_repeat_is_answered_as_the_first_time(site: Site) -> None:
    headers = {"Idempotency-Key": "order 7"}
    first = site.create(a_product(), a_product(mrp=-1), headers=headers)
    again = site.create(a_product(), a_product(mrp=-1), headers=headers)
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(site.rows(products)) == 1


def test_a_key_with_another_request_is_a_conflict(site: Site) -> None:
    headers = {"Idempotency-Key": "k"}
    site.create(a_product(), headers=headers)
    assert error_of(site.create(a_product(mrp=1), headers=headers), 409)["code"] == "key_reused"
    error_of(site.create(a_product(), headers=headers, params={"atomic": "true"}), 409)
    assert site.as_owner("bob").post(BULK, json={"products": [a_product()]}, headers=headers).status_code == 201


def test_the_same_key_at_the_same_time_creates_one_set(site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: site.create(a_product(), headers={"Idempotency-Key": "k"}), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    # One that is answered before the first has been told whether SQS took its message does not know it either.
    assert len({str(answer.json()["data"]) for answer in answers}) == 1
    assert sum("idempotent-replay" in answer.headers for answer in answers) == 5


@pytest.mark.parametrize("key", ["", "k" * 201, "tab\tbed", "\xe9"])
def test_a_key_that_is_none_is_refused(site: Site, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    assert error_of(site.create(a_product(), headers=headers), 422)["code"] == "bad_input"


# Reading


def test_products_are_listed_newest_first_page_by_page(site: Site) -> None:
    ids = [site.add_product() for _ in range(5)]
    seen: list[int] = []
    cursor: str | None = None
    for size in (2, 2, 1):
        data = site.client.get("/api/products", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()[
            "data"
        ]
        assert len(data["products"]) == size
        seen += [product["id"] for product in data["products"]]
        cursor = data["next_cursor"]
    assert seen == ids[::-1]
    assert cursor is None


def test_products_are_found_by_status_and_category(site: Site) -> None:
    site.add_product(category="Shoes")
    failed = site.add_product(category="Shoes", status="failed", failure_code="bad_image", failure_reason="No image.")
    site.add_product(status="failed")
    answer = site.client.get("/api/products", params={"status": "failed", "category": "Shoes"})
    [found] = answer.json()["data"]["products"]
    assert (found["id"], found["failure_code"], found["failure_reason"]) == (failed, "bad_image", "No image.")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=x", "cursor=0", "cursor=9" + "9" * 30, "status=lost", "category=%00", "category="],
)
def test_a_wrong_question_is_told_what_is_wrong(site: Site, query: str) -> None:
    assert f"query.{query.partition('=')[0]}: " in error_of(site.client.get(f"/api/products?{query}"), 422)["message"]


def test_a_product_is_shown_with_its_images_and_how_far_it_has_come(site: Site) -> None:
    product = site.add_product(images=2)
    with site.engine.begin() as connection:
        connection.execute(sa.insert(requests).values(product_id=product, intake_day="2026-11-21", stage="images"))
    found = site.client.get(f"/api/products/{product}").json()["data"]
    assert [image["ordinal"] for image in found["images"]] == [1, 2]
    stored = site.images(product)[0]
    shown = found["images"][0]
    for name in ("id", "image_url", "status", "sha256", "width", "height", "model", "prompt", "decided_by", "reason"):
        assert shown[name] == stored[name]
    assert shown["cost_usd"] == 0.067
    assert INSTANT.fullmatch(shown["created_at"])
    assert "s3_key" not in shown
    state = found["queue"]
    assert (state["state"], state["stage"], state["attempts"], state["max_attempts"]) == ("pending", "images", 0, 3)


def test_what_sqs_has_and_no_worker_has_seen_is_sent(site: Site) -> None:
    [made] = site.create(a_product()).json()["data"]["products"]
    assert site.client.get(f"/api/products/{made['id']}").json()["data"]["queue"]["state"] == "sent"


@pytest.mark.parametrize("path", ["/api/products/7777777", "/api/images/7777777/undo"])
def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    answer = site.client.request("POST" if path.endswith("undo") else "GET", path)
    assert error_of(answer, 404)["code"] == "not_found"
    assert "7777777" in answer.text


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 19, "9" * 5000])
def test_what_is_no_number_of_a_product_is_refused(site: Site, number: str) -> None:
    error_of(site.client.get(f"/api/products/{number}"), 422)


@pytest.mark.parametrize(
    ("line", "status"),
    [("GET /api/nothing", 404), ("GET /nothing", 404), ("PUT /api/products", 405), ("GET /api/products/bulk", 405)],
)
def test_unknown_paths_and_methods_have_the_same_shape(site: Site, line: str, status: int) -> None:
    error_of(site.client.request(*line.split()), status)


# Decisions


def test_an_image_is_approved_rejected_and_the_product_follows(site: Site) -> None:
    product = site.add_product(images=2)
    first, second = site.images(product)
    approved = site.client.post(f"/api/images/{first['id']}/approve", json={"sha256": first["sha256"]})
    assert approved.status_code == 200
    assert approved.json()["data"].items() >= {"status": "approved", "product_status": "pending_review"}.items()
    reason = {"sha256": second["sha256"], "reason": "Colour"}
    rejected = site.client.post(f"/api/images/{second['id']}/reject", json=reason).json()["data"]
    assert rejected.items() >= {"status": "rejected", "product_status": "approved", "reason": "Colour"}.items()
    assert INSTANT.fullmatch(rejected["decided_at"])
    undone = site.client.post(f"/api/images/{second['id']}/undo").json()["data"]
    assert undone.items() >= {"status": "pending", "product_status": "pending_review", "decided_by": None}.items()


def test_a_second_reviewer_is_told_who_decided_and_when(site: Site) -> None:
    [image] = site.images(site.add_product(images=1))
    path, seen = f"/api/images/{image['id']}", {"sha256": image["sha256"]}
    decided = site.client.post(f"{path}/approve", json=seen).json()["data"]
    bob = site.as_owner("bob")
    for answer in (bob.post(f"{path}/reject", json={**seen, "reason": "no"}), bob.post(f"{path}/undo")):
        assert "alice approved it at 20" in error_of(answer, 409)["message"]
        assert answer.json()["data"] == decided
    assert site.client.post(f"{path}/approve", json=seen).status_code == 200
    assert site.client.post(f"{path}/undo").status_code == 200
    assert error_of(site.client.post(f"{path}/undo"), 409)["code"] == "nothing_to_undo"


def test_other_bytes_than_those_seen_are_not_decided_on(site: Site) -> None:
    [image] = site.images(site.add_product(images=1))
    answer = site.client.post(f"/api/images/{image['id']}/approve", json={"sha256": "f" * 64})
    assert error_of(answer, 409)["code"] == "changed"
    assert site.images(image["product_id"])[0]["status"] == "pending"


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"sha256": "x", "reason": "r"}, {"sha256": "A" * 64, "reason": "r"}, {"sha256": "a" * 64}),
        *({"sha256": "a" * 64, "reason": reason} for reason in ("", " ", "r" * 501, 7)),
    ],
)
def test_a_decision_needs_the_hash_and_a_rejection_a_reason(site: Site, body: dict[str, object]) -> None:
    [image] = site.images(site.add_product(images=1))
    error_of(site.client.post(f"/api/images/{image['id']}/reject", json=body), 422)


@pytest.mark.parametrize("body", [b'{"sha256": "\\ud800"}', b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_a_decision_that_is_no_json_is_refused(site: Site, body: bytes) -> None:
    [image] = site.images(site.add_product(images=1))
    headers = {"Content-Type": "application/json"}
    answer = site.client.post(f"/api/images/{image['id']}/approve", content=body, headers=headers)
    error_of(answer, answer.status_code)
    assert answer.status_code in (400, 422)


def test_many_decisions_are_tried_one_by_one(site: Site) -> None:
    first, second = site.images(site.add_product(images=2))
    wanted = [
        {"image_id": first["id"], "sha256": first["sha256"], "action": "approve"},
        {"image_id": second["id"], "sha256": "f" * 64, "action": "approve"},
        {"image_id": 7777777, "sha256": "f" * 64, "action": "reject", "reason": "gone"},
        {"image_id": second["id"], "sha256": second["sha256"], "action": "reject"},
    ]
    answer = site.client.post("/api/images/decisions", json={"decisions": wanted})
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["decided"], data["total"]) == (1, 4)
    assert [result["ok"] for result in data["results"]] == [True, False, False, False]
    codes = [result["error"] and result["error"]["code"] for result in data["results"]]
    assert codes == [None, "changed", "not_found", "bad_reason"]
    assert [row["status"] for row in site.rows(product_images)] == ["approved", "pending"]


# What every answer has


@pytest.mark.parametrize("path", ["/api/products", "/api/nothing", "/healthz"])
def test_answers_are_not_kept_on_the_way_nor_taken_for_anything_else(site: Site, path: str) -> None:
    headers = site.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert len(headers["x-request-id"]) == 12
