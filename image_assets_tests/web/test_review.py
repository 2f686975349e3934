"""The review page over HTTP: who gets in, what a request has to bring, and what comes back."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from PIL import Image
from pydantic import SecretStr

from image_assets.enhancement.tables import analyses, decisions, product_images, products
from image_assets.sandbox.web import serving
from image_assets.settings import settings_for
from image_assets.stores.database import make_engine
from image_assets.web.review import router
from image_assets.web.sessions import SESSION_S, SignInBrake, issue
from image_assets_tests.web.browser import Shelf, add_many, enhanced, photograph
from image_assets_tests.web.conftest import TOKENS, Site, make_client

COOKIE = "image_assets_session"
JSON = {"Accept": "application/json"}
SECRETS = {name: SecretStr(token) for name, token in TOKENS.items()}


@pytest.fixture
def stranger(site: Site) -> Iterator[httpx2.Client]:
    """Somebody with a browser and no session."""
    site.app.state.sign_in_brake = SignInBrake()
    with make_client(site.url) as client:
        yield client


@pytest.fixture
def alice(stranger: httpx2.Client) -> httpx2.Client:
    """Alice, signed in; her client sends what the page's script sends."""
    return sign_in(stranger, "alice")


def sign_in(client: httpx2.Client, name: str) -> httpx2.Client:
    """Sign in, and take the page's token."""
    answer = client.post("/sign-in", data={"token": TOKENS[name]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    found = re.search(r'data-form-token="([0-9a-f]{64})"', client.get("/review").text)
    assert found
    client.headers["X-Form-Token"] = found[1]
    return client


def with_cookie(site: Site, cookie: str) -> httpx2.Client:
    """Somebody with this cookie."""
    client = make_client(site.url)
    client.cookies.set(COOKIE, cookie)
    return client


def image_of(site: Site, product_id: int, ordinal: int = 1) -> dict[str, Any]:
    """The row of an image."""
    return site.images(product_id)[ordinal - 1]


def decision(image: dict[str, Any], action: str = "approve", **more: object) -> dict[str, object]:
    """The body of one decision."""
    return {"decisions": [{"image_id": image["id"], "sha256": image["sha256"], "action": action, **more}]}


# Signing in


def test_a_stranger_is_sent_to_sign_in_and_comes_back_to_where_he_wanted(stranger: httpx2.Client) -> None:
    answer = stranger.get("/review?status=approved&category=Cups%20%26%20more")
    assert answer.status_code == 303
    form = stranger.get(answer.headers["location"]).text
    onward = re.search(r'name="next" value="([^"]*)"', form)
    assert onward
    wanted = onward[1].replace("&amp;", "&")
    signed_in = stranger.post("/sign-in", data={"token": TOKENS["alice"], "next": wanted})
    assert signed_in.headers["location"] == "/review?status=approved&category=Cups%20%26%20more"


@pytest.mark.parametrize(
    "path",
    [
        *("/review/api/queue", "/review/api/summary", "/review/api/products/1", "/review/api/images/1/history"),
        *(f"/review/images/1/{'a' * 64}", "/review/sources/1"),
    ],
)
def test_a_stranger_sees_nothing(stranger: httpx2.Client, path: str) -> None:
    answer = stranger.get(path, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "http")


def test_a_bearer_token_is_no_session(site: Site) -> None:
    assert site.client.get("/review/api/queue").status_code == 401


def test_a_session_is_a_cookie_for_this_site_alone(stranger: httpx2.Client) -> None:
    answer = stranger.post("/sign-in", data={"token": f" {TOKENS['alice']}\n"})
    name, *attributes = (part.strip() for part in answer.headers["set-cookie"].split(";"))
    assert name.startswith(f"{COOKIE}=")
    assert {text.lower() for text in attributes} == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
    assert TOKENS["alice"] not in answer.headers["set-cookie"]


def test_over_https_the_cookie_is_secure(stranger: httpx2.Client) -> None:
    https = {"X-Forwarded-Proto": "https"}
    answer = stranger.post("/sign-in", data={"token": TOKENS["alice"]}, headers=https)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "secure" in cookie.lower()
    sent = {"Cookie": cookie.partition(";")[0]}
    assert stranger.get("/review/api/queue", headers={**https, **sent}).status_code == 200
    assert stranger.get("/review/api/queue", headers=sent).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKENS["alice"] + "x", "x" * 300, "\ufffd"])
def test_a_wrong_token_gets_no_session(stranger: httpx2.Client, token: str) -> None:
    answer = stranger.post("/sign-in", data={"token": token})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert "No one has this token." in answer.text


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/reviewer",
        "/review/../x",
        "/review?\r\nX: y",
        "/",
    ],
)
def test_signing_in_leads_nowhere_but_here(stranger: httpx2.Client, onward: str) -> None:
    answer = stranger.post("/sign-in", data={"token": TOKENS["alice"], "next": onward})
    assert answer.headers["location"] == "/review"


def test_who_is_signed_in_is_not_asked_again(alice: httpx2.Client) -> None:
    answer = alice.get("/sign-in?next=/review/plain")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review/plain")


def test_guessing_is_slowed_down(stranger: httpx2.Client) -> None:
    for _ in range(10):
        assert stranger.post("/sign-in", data={"token": "guess"}).status_code == 403
    answer = stranger.post("/sign-in", data={"token": TOKENS["alice"]})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
def test_another_site_can_neither_sign_in_nor_out_nor_decide(
    alice: httpx2.Client, site: Site, shelf: Shelf, headers: dict[str, str]
) -> None:
    image = image_of(site, shelf.add(images=1))
    token = {"form_token": alice.headers["X-Form-Token"]}
    seen = {"image_id": str(image["id"]), "sha256": image["sha256"], "action": "approve", "status": "pending_review"}

    def ask_all(headers: dict[str, str]) -> list[int]:
        answers = [
            alice.post("/review/api/undo", json={"image_ids": [image["id"]]}, headers=headers),
            alice.post("/review/plain", data={**token, **seen}, headers=headers),
            alice.post("/review/api/decisions", json=decision(image), headers=headers),
            alice.post("/sign-out", data=token, headers=headers),
            alice.post("/sign-in", data={"token": TOKENS["bob"]}, headers=headers),
        ]
        return [answer.status_code for answer in answers]

    assert ask_all(headers) == [403] * 5
    assert site.rows(decisions) == []
    assert ask_all({}) == [200, 200, 200, 303, 303]


def test_this_site_may(alice: httpx2.Client, site: Site) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": site.url}):
        assert alice.post("/review/api/undo", json={"image_ids": [1]}, headers=headers).status_code == 200


def test_signing_out_takes_the_cookie_away(alice: httpx2.Client) -> None:
    answer = alice.post("/sign-out", data={"form_token": alice.headers["X-Form-Token"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert alice.get("/review").status_code == 303


def test_a_session_that_is_over_or_forged_is_none(site: Site) -> None:
    now = time.time()
    good = issue("alice", SECRETS["alice"], now=now)
    bad = [
        issue("alice", SECRETS["alice"], now=now - SESSION_S),
        issue("alice", SECRETS["bob"], now=now),
        issue("carol", SecretStr("token-of-carol-111111"), now=now),
        good[:-1],
        "x",
    ]
    for cookie, status in [(good, 200), *((cookie, 401) for cookie in bad)]:
        with with_cookie(site, cookie) as client:
            assert client.get("/review/api/queue").status_code == status


def test_taking_a_token_away_ends_its_sessions(site: Site, alice: httpx2.Client) -> None:
    site.app.state.settings = site.settings.model_copy(update={"api_tokens": SecretStr(f"bob:{TOKENS['bob']}")})
    try:
        assert alice.get("/review/api/queue").status_code == 401
    finally:
        site.app.state.settings = site.settings
    assert alice.get("/review/api/queue").status_code == 200


# What every answer has


@pytest.mark.parametrize(
    ("path", "status"),
    [("/review", 200), ("/review/api/queue", 200), ("/review/api/products/1", 404), ("/review/sources/x", 422)],
)
def test_every_answer_keeps_browsers_strict(alice: httpx2.Client, path: str, status: int) -> None:
    answer = alice.get(path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "private, no-store"


def test_pages_have_no_script_and_no_style_of_their_own(alice: httpx2.Client, shelf: Shelf) -> None:
    shelf.add()
    for path in ("/review", "/review/plain", "/sign-in"):
        text = alice.get(path).text
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", text)


def test_a_browser_gets_errors_as_pages(alice: httpx2.Client) -> None:
    answer = alice.get("/review/plain?cursor=-1", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 422
    assert "<h1>That did not work</h1>" in answer.text


def test_static_files_are_kept_as_long_as_they_are_the_same(stranger: httpx2.Client) -> None:
    paths = re.findall(r'(?:href|src)="(/review/static/[^"]+)"', stranger.get("/sign-in").text)
    assert len(paths) == 2
    for path in paths:
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    old = stranger.get("/review/static/0123456789abcdef/base.css")
    assert (old.headers["content-type"], old.headers["cache-control"]) == ("text/css; charset=utf-8", "no-cache")
    for missing in ("x/nothing.css", "x/..%2Freview.py", "x/%2e%2e"):
        assert stranger.get(f"/review/static/{missing}").status_code == 404


# Deciding


def test_a_decision_is_made_and_taken_back(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    image = image_of(site, product_id)
    answer = alice.post("/review/api/decisions", json=decision(image, "reject", reason="Blurred"))
    (result,) = answer.json()["results"]
    assert (result["ok"], result["status"], result["product_status"]) == (True, "rejected", "rejected")
    assert (result["decided_by"], result["reason"]) == ("alice", "Blurred")
    (undone,) = alice.post("/review/api/undo", json={"image_ids": [image["id"]]}).json()["results"]
    assert (undone["ok"], undone["status"]) == (True, "pending")
    entries = alice.get(f"/review/api/images/{image['id']}/history").json()["entries"]
    assert [(entry["action"], entry["reviewer"]) for entry in entries] == [("rejected", "alice"), ("undone", "alice")]


def test_the_second_of_two_reviewers_hears_of_the_first(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add())
    alice.post("/review/api/decisions", json=decision(image))
    with make_client(site.url) as client:
        bob = sign_in(client, "bob")
        (result,) = bob.post("/review/api/decisions", json=decision(image)).json()["results"]
    assert (result["ok"], result["code"], result["decided_by"]) == (False, "already_decided", "alice")
    assert "alice approved it" in result["message"]


def test_without_the_page_s_token_nothing_is_written(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add())
    with make_client(site.url) as client:
        of_bob = sign_in(client, "bob").headers["X-Form-Token"]
    for token in ("", of_bob, "x"):
        headers = {"X-Form-Token": token}
        assert alice.post("/review/api/decisions", json=decision(image), headers=headers).status_code == 403
        assert alice.post("/review/api/undo", json={"image_ids": [1]}, headers=headers).status_code == 403
        fields = {"form_token": token, "image_id": image["id"], "sha256": image["sha256"], "action": "approve"}
        assert alice.post("/review/plain", data={**fields, "status": "pending_review"}).status_code == 403
        assert alice.post("/sign-out", data={"form_token": token}).status_code == 403
    assert site.rows(decisions) == []


@pytest.mark.parametrize(
    "body",
    [
        {"decisions": []},
        {"decisions": [{"image_id": 1, "sha256": "a" * 64, "action": "destroy"}]},
        {"decisions": [{"image_id": 0, "sha256": "a" * 64, "action": "approve"}]},
        {"decisions": [{"image_id": 2**63, "sha256": "a" * 64, "action": "approve"}]},
        {"decisions": [{"image_id": 1, "sha256": "A" * 64, "action": "approve"}]},
        {"decisions": [{"image_id": 1, "sha256": "a" * 64, "action": "approve"}] * 201},
        [],
    ],
)
def test_a_body_of_another_shape_is_refused(alice: httpx2.Client, body: object) -> None:
    answer = alice.post("/review/api/decisions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_a_body_that_is_no_json_is_refused_in_the_page_s_words(alice: httpx2.Client) -> None:
    answer = alice.post("/review/api/decisions", content=b"\xff{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "http")
    assert "content-security-policy" in answer.headers


def test_a_reason_may_be_any_text(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add())
    body = decision(image, "reject", reason="<script>alert(1)</script>\u0000\n\u202e")
    (result,) = alice.post("/review/api/decisions", json=body).json()["results"]
    assert result["reason"] == "<script>alert(1)</script> \u202e"
    page = alice.get("/review/plain").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


# The queue


def test_the_queue_comes_page_by_page(alice: httpx2.Client, shelf: Shelf) -> None:
    ids = [shelf.add(name) for name in ("coffee", "rocket", "coffee")]
    first = alice.get("/review/api/queue?limit=2").json()
    assert ([entry["id"] for entry in first["products"]], first["cursor"]) == (ids[:2], ids[1])
    last = alice.get(f"/review/api/queue?limit=2&cursor={first['cursor']}").json()
    assert ([entry["id"] for entry in last["products"]], last["cursor"]) == (ids[2:], None)
    cups = alice.get("/review/api/queue", params={"category": "Cups and saucers"}).json()
    assert [entry["id"] for entry in cups["products"]] == [ids[0], ids[2]]
    summary = alice.get("/review/api/summary").json()
    assert (summary["counts"]["pending_review"], summary["categories"]) == (3, ["Cups and saucers", "Models"])


def test_a_product_has_all_that_a_reviewer_wants_to_know(alice: httpx2.Client, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    found = alice.get(f"/review/api/products/{product_id}").json()
    assert (found["label"], found["status"]) == ("Cups and saucers", "pending_review")
    assert found["facts"] == [["Price", "1,099.00"], ["MRP", "1,299.00"], ["Discount", "200.00"], ["GST", "18%"]]
    (analysis,) = found["sections"]
    assert ["Colours", "red, white, brown"] in analysis["facts"]
    (image,) = found["images"]
    assert image["prompt"].startswith("The product on a clean white background")
    assert (image["model"], image["cost_usd"], image["width"]) == ("gemini-3.1-flash-image", 0.067, 720)
    assert image["checks"] == {
        "At least 512 pixels a side": False,
        "Made from the photograph shown": True,
        "Neither blank nor the photograph unchanged": True,
    }
    assert "s3_key" not in image
    assert "source_key" not in found


@pytest.mark.parametrize(
    "query", ["status=pending", "limit=101", "limit=0", "cursor=-1", f"cursor={2**63}", "category=%00"]
)
def test_a_query_out_of_bounds_is_refused(alice: httpx2.Client, query: str) -> None:
    assert alice.get(f"/review/api/queue?{query}").status_code == 422


def test_a_page_of_ten_thousand_is_small(alice: httpx2.Client, site: Site) -> None:
    with site.engine.begin() as connection:
        add_many(connection, 10_000)
        last = int(connection.execute(sa.select(sa.func.max(products.c.id))).scalar_one())
    answer = alice.get(f"/review/api/queue?cursor={last - 60}")
    assert len(answer.json()["products"]) == 50
    assert len(answer.content) < 150_000
    assert alice.get("/review/api/summary").json()["counts"]["pending_review"] == 10_000


# Images


def test_an_image_is_served_as_it_is_stored_and_may_be_kept(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add(images=1))
    address = f"/review/images/{image['id']}/{image['sha256']}"
    answer = alice.get(address)
    assert answer.content == enhanced("coffee", 1)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = alice.get(address, headers={"If-None-Match": f'"x", {answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("longest", [160, 320])
def test_small_images_have_the_size_that_was_asked_for(
    alice: httpx2.Client, site: Site, shelf: Shelf, longest: int
) -> None:
    product_id = shelf.add("grace_hopper", images=1)
    image = image_of(site, product_id)
    for address in (f"/review/images/{image['id']}/{image['sha256']}", f"/review/sources/{product_id}"):
        answer = alice.get(f"{address}?w={longest}")
        small = Image.open(io.BytesIO(answer.content))
        assert max(small.size) == longest
        assert small.width < small.height
        assert answer.headers["content-type"] == "image/jpeg"


def test_other_sizes_are_refused(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add(images=1))
    address = f"/review/images/{image['id']}/{image['sha256']}"
    for width in ("1000", "0", "-1", "x"):
        assert alice.get(f"{address}?w={width}").status_code == 422


def test_bytes_that_are_not_the_recorded_ones_are_not_shown(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add(images=1))
    shelf.s3.put_object(Bucket=shelf.bucket, Key=image["s3_key"], Body=enhanced("rocket", 1))
    answer = alice.get(f"/review/images/{image['id']}/{image['sha256']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "other_bytes")
    shelf.s3.delete_object(Bucket=shelf.bucket, Key=image["s3_key"])
    missing = alice.get(f"/review/images/{image['id']}/{image['sha256']}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert shelf.bucket not in missing.text


def test_an_address_of_other_bytes_shows_nothing(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = image_of(site, shelf.add(images=1))
    assert alice.get(f"/review/images/{image['id']}/{'0' * 64}").status_code == 404
    assert alice.get(f"/review/images/{image['id'] + 1}/{image['sha256']}").status_code == 404


def test_the_photograph_may_be_kept_while_it_is_the_right_one(alice: httpx2.Client, shelf: Shelf) -> None:
    product_id = shelf.add()
    address = alice.get(f"/review/api/products/{product_id}").json()["source"]
    answer = alice.get(address)
    assert answer.content == photograph("coffee")
    assert "immutable" in answer.headers["cache-control"]
    assert alice.get(f"/review/sources/{product_id}").headers["cache-control"] == "private, no-cache"
    assert alice.get(f"/review/sources/{product_id + 1}").status_code == 404


def test_what_is_no_image_is_not_served(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add()
    (row,) = site.rows(analyses)
    shelf.s3.put_object(
        Bucket=shelf.bucket, Key=row["source_key"], Body=b"<script>alert(1)</script>", ContentType="image/jpeg"
    )
    answer = alice.get(f"/review/sources/{product_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/json")


# Without scripts


def test_plain_forms_decide_too(alice: httpx2.Client, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=2)
    first, second = site.images(product_id)
    common = {"form_token": alice.headers["X-Form-Token"], "status": "pending_review", "cursor": "0", "category": ""}

    def post(image: dict[str, Any], action: str, **more: str) -> str:
        fields = {**common, "image_id": str(image["id"]), "sha256": image["sha256"], "action": action, **more}
        answer = alice.post("/review/plain", data=fields)
        assert answer.status_code == 200
        return answer.text

    assert "it is approved" in post(first, "approve", reason="")
    assert "A rejection needs a reason" in post(second, "reject", reason=" ")
    assert "it is pending" in post(first, "undo")
    assert "it is rejected" in post(second, "reject", reason="Blurred")
    assert [row["status"] for row in site.rows(product_images)] == ["pending", "rejected"]


@pytest.mark.parametrize("fields", [{"action": "destroy"}, {"image_id": "x"}, {"cursor": "x"}, {"status": "nothing"}])
def test_a_form_of_another_shape_is_refused(alice: httpx2.Client, fields: dict[str, str]) -> None:
    good = {"image_id": "1", "sha256": "a" * 64, "action": "approve", "status": "approved", "cursor": "0"}
    body = {"form_token": alice.headers["X-Form-Token"], **good, **fields}
    assert alice.post("/review/plain", data=body).status_code == 400


def test_what_is_no_form_is_refused(alice: httpx2.Client) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert alice.post("/sign-in", json={"token": TOKENS["alice"]}).status_code == 415
    assert alice.post("/sign-in", content="a=" + "x" * 20_000, headers=kind).status_code == 413
    assert alice.post("/sign-in", content=b"token=\xff", headers=kind).status_code == 400
    assert alice.post("/sign-in", content="&".join(["a=b"] * 30), headers=kind).status_code == 400


def test_the_plain_page_goes_on_where_it_ends(alice: httpx2.Client, shelf: Shelf) -> None:
    ids = [shelf.add(images=0) for _ in range(11)]
    first = alice.get("/review/plain").text
    assert f"cursor={ids[9]}" in first
    last = alice.get(f"/review/plain?cursor={ids[9]}").text
    assert f"Product {ids[10]} " in last
    assert "Next page" not in last


def test_a_database_that_is_away_is_said_without_its_secrets(site: Site) -> None:
    app = FastAPI()
    app.include_router(router)
    app.state.settings = settings_for({"API_TOKENS": f"alice:{TOKENS['alice']}"})
    app.state.engine = make_engine("postgresql+psycopg://user:a-secret-password@127.0.0.1:1/x")
    with serving(app) as url, make_client(url) as client:
        sign_in(client, "alice")
        answer = client.get("/review/api/queue")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "5")
    assert "127.0.0.1" not in answer.text
