"""The review of several collections: the switch between them, and generated images over HTTP and in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from image_assets.enhancement.tables import decisions as enhanced_decisions
from image_assets.generation.tables import decisions, images, queue, uses_products
from image_assets.settings import Settings
from image_assets.web.review_desks import EnhancedDesk
from image_assets.web.sessions import SignInBrake
from image_assets_tests.generation.conftest import empty
from image_assets_tests.web.browser import FAINT, NAMELESS, Shelf, Watched, enhanced, launched, opened
from image_assets_tests.web.conftest import Site, make_client
from image_assets_tests.web.test_review import decision, sign_in

GENERATED = "collection=generated"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the file."""
    with launched() as browser:
        yield browser


@pytest.fixture
def shelf(shelf: Shelf, site: Site) -> Shelf:
    """Puts products on the site, which has no generated images either."""
    empty(site.engine)
    return shelf


@pytest.fixture
def client(site: Site) -> Iterator[httpx2.Client]:
    """Alice, signed in; her client sends what the page's script sends."""
    site.app.state.sign_in_brake = SignInBrake()
    with make_client(site.url) as client:
        yield sign_in(client, "alice")


@pytest.fixture
def alice(browser: Browser, site: Site) -> Iterator[Watched]:
    """A page for Alice; in the end nothing may have gone wrong on it."""
    with opened(browser, site.url) as watched:
        yield watched
        assert watched.problems == []


def image_of(site: Site, product_id: int, round_: int = 1) -> dict[str, Any]:
    """The row of a generated image."""
    rows = site.rows(images)
    return next(row for row in rows if (row["product_id"], row["round"]) == (product_id, round_))


def item_of(site: Site, product_id: int) -> dict[str, Any]:
    """The row of a product in the queue of images to be made."""
    return next(row for row in site.rows(queue) if row["product_id"] == product_id)


def shown_by(site: Site, product_id: int) -> str | None:
    """The address of the image that a product shows."""
    urls: dict[int, str | None] = {row["id"]: row["image_url"] for row in site.rows(uses_products)}
    return urls[product_id]


# Over HTTP


def test_a_switch_leads_from_one_collection_to_the_other(client: httpx2.Client) -> None:
    for path in ("/review", "/review/plain"):
        for query, here in (("", "Enhanced"), ("?collection=enhanced", "Enhanced"), (f"?{GENERATED}", "Generated")):
            links = re.findall(r'<a href="([^"]+)"( aria-current="true")?>(\w+)</a>', client.get(path + query).text)
            switch = {title: (address, bool(current)) for address, current, title in links if "status" not in address}
            assert switch == {
                "Enhanced": (f"{path}?collection=enhanced", here == "Enhanced"),
                "Generated": (f"{path}?{GENERATED}", here == "Generated"),
            }


def test_without_a_second_collection_there_is_no_switch(site: Site, client: httpx2.Client) -> None:
    def one(engine: sa.Engine, settings: Settings) -> list[EnhancedDesk]:
        return [EnhancedDesk(engine, settings)]

    site.app.state.open_desks = one
    try:
        for path in ("/review", "/review/plain"):
            assert 'aria-label="Collection"' not in client.get(path).text
        assert client.get(f"/review?{GENERATED}").status_code == 404
    finally:
        del site.app.state.open_desks


@pytest.mark.parametrize("path", ["/review", "/review/plain", "/review/api/queue", f"/review/images/1/{'a' * 64}"])
def test_a_collection_that_is_not_there_is_not_found(client: httpx2.Client, path: str) -> None:
    assert client.get(f"{path}?collection=nothing").status_code == 404


def test_each_collection_has_its_own_products_and_images(client: httpx2.Client, site: Site, shelf: Shelf) -> None:
    shelf.add("coffee", images=1)
    bag = shelf.add_generated("Hemp bag", "pending", industry="Textiles")
    oil = shelf.add_generated("Hemp oil", "rejected", "pending", picture="rocket")
    found = client.get(f"/review/api/queue?{GENERATED}").json()["products"]
    assert [(entry["id"], entry["label"], entry["source"]) for entry in found] == [
        (bag, "Hemp bag", None),
        (oil, "Hemp oil", None),
    ]
    first, second = found[1]["images"]
    assert (first["status"], second["status"]) == ("rejected", "pending")
    assert client.get(second["url"]).content == enhanced("rocket", 2)
    assert client.get(second["url"].replace("generated", "enhanced")).status_code == 404
    assert client.get(f"/review/sources/{oil}?{GENERATED}").status_code == 404
    textiles = client.get(f"/review/api/queue?{GENERATED}&category=Textiles").json()["products"]
    assert [entry["id"] for entry in textiles] == [bag]
    summary = client.get(f"/review/api/summary?{GENERATED}").json()
    assert summary["counts"] == {"pending_review": 2, "approved": 0, "rejected": 0}
    assert summary["categories"] == ["Food", "Textiles"]
    assert [entry["label"] for entry in client.get("/review/api/queue").json()["products"]] == ["Cups and saucers"]


def test_a_generated_image_has_all_that_a_reviewer_wants_to_know(client: httpx2.Client, shelf: Shelf) -> None:
    product_id = shelf.add_generated("Hemp bag", "pending", industry="Textiles")
    found = client.get(f"/review/api/products/{product_id}?{GENERATED}").json()
    assert found["facts"] == [["Industry", "Textiles, Bags"]]
    (about,) = found["sections"]
    assert about["facts"] == [["Description", "Hemp bag, as sold."], ["Benefits", "Durable, Light"]]
    (image,) = found["images"]
    assert image["facts"] == [
        ["Provider", "stable_diffusion"],
        ["Style", "studio"],
        ["Wording", "in-use"],
        ["Avoid", "people, text"],
    ]
    assert image["checks"] == {"At least 512 pixels a side": False, "Not blank": True}
    assert (image["prompt"], image["model"]) == (f"A photograph of product {product_id}, round 1.", "core")


@pytest.mark.parametrize("path", ["/review/api/queue", "/review/plain"])
def test_a_tab_of_another_collection_is_refused(client: httpx2.Client, path: str) -> None:
    assert client.get(f"{path}?status=failed").status_code == 200
    assert client.get(f"{path}?{GENERATED}&status=failed").status_code == 422


def test_a_rejection_queues_the_product_where_it_asks_for_that(client: httpx2.Client, site: Site, shelf: Shelf) -> None:
    product_id, other = shelf.add_generated("Hemp bag", "pending"), shelf.add_generated("Hemp oil", "pending")
    image = image_of(site, product_id)
    body = decision(image, "reject", reason="Unsuitable setting", again=True)
    (result,) = client.post(f"/review/api/decisions?{GENERATED}", json=body).json()["results"]
    assert (result["ok"], result["product_status"]) == (True, "rejected")
    assert (item_of(site, product_id)["status"], shown_by(site, product_id)) == ("pending", None)
    assert "Unsuitable setting" in item_of(site, product_id)["prompt"]
    product = client.get(f"/review/api/products/{product_id}?{GENERATED}").json()
    assert ["New image", "queued"] in product["facts"]

    body = decision(image_of(site, other), "reject", reason="Unsuitable setting")
    client.post(f"/review/api/decisions?{GENERATED}", json=body)
    assert (item_of(site, other)["status"], shown_by(site, other)) == ("completed", None)

    undo = client.post(f"/review/api/undo?{GENERATED}", json={"image_ids": [image["id"]]})
    assert undo.json()["results"][0]["product_status"] == "pending_review"
    assert (item_of(site, product_id)["status"], shown_by(site, product_id)) == ("completed", image["image_url"])
    history = client.get(f"/review/api/images/{image['id']}/history?{GENERATED}").json()["entries"]
    assert [entry["action"] for entry in history] == ["rejected", "undone"]
    assert site.rows(enhanced_decisions) == []


def test_where_nothing_is_queued_anew_asking_for_it_is_refused(client: httpx2.Client, site: Site, shelf: Shelf) -> None:
    image = site.images(shelf.add(images=1))[0]
    body = decision(image, "reject", reason="Blurred", again=True)
    assert client.post("/review/api/decisions", json=body).status_code == 422
    fields = {"form_token": client.headers["X-Form-Token"], "image_id": image["id"], "sha256": image["sha256"]}
    form = {**fields, "status": "pending_review", "action": "reject", "reason": "Blurred", "again": "on"}
    assert client.post("/review/plain", data=form).status_code == 400
    assert site.rows(enhanced_decisions) == []


def test_plain_forms_decide_on_generated_images_too(client: httpx2.Client, site: Site, shelf: Shelf) -> None:
    bag, oil = shelf.add_generated("Hemp bag", "pending"), shelf.add_generated("Hemp oil", "pending")
    page = client.get(f"/review/plain?{GENERATED}").text
    assert f"A photograph of product {bag}, round 1." in page
    assert page.count('name="again" checked') == 2
    assert "Raw photograph" not in page

    def post(product_id: int, **more: str) -> str:
        image = image_of(site, product_id)
        fields = {"form_token": client.headers["X-Form-Token"], "image_id": image["id"], "sha256": image["sha256"]}
        form = {**fields, "status": "pending_review", "cursor": "0", "category": "", **more}
        answer = client.post(f"/review/plain?{GENERATED}", data=form)
        assert answer.status_code == 200
        return answer.text

    # The box is sent with an approval, too.
    assert "it is approved" in post(bag, action="approve", again="on")
    assert item_of(site, bag)["status"] == "completed"
    assert "it is rejected" in post(oil, action="reject", reason="Blurred", again="on")
    assert item_of(site, oil)["status"] == "pending"
    assert [row["to_status"] for row in site.rows(decisions)] == ["approved", "rejected"]


# In a browser


def test_a_reviewer_switches_collections_and_decides_by_keyboard(alice: Watched, site: Site, shelf: Shelf) -> None:
    photographed = shelf.add("coffee", images=1)
    bag = shelf.add_generated("Hemp bag", "pending", industry="Textiles")
    oil = shelf.add_generated("Hemp oil", "pending", picture="rocket")
    page, keys = alice.page, alice.page.keyboard
    alice.come_as("alice")
    alice.at(photographed, 1)
    page.get_by_role("link", name="Generated").click()
    alice.at(bag, 1)
    expect(page.locator("#asked")).to_have_text(f"A photograph of product {bag}, round 1.")
    expect(page.locator("#product-facts")).to_contain_text("Textiles, Bags")
    expect(page.locator(".pane")).to_have_count(1)
    keys.press("a")
    alice.at(oil, 1)
    expect(page.locator("#asked")).to_have_text(f"A photograph of product {oil}, round 1.")

    keys.press("r")
    expect(page.get_by_label("Queue the product for a new image")).to_be_checked()
    keys.press("4")
    keys.press("Enter")
    expect(page.locator("#empty", has_text="All images of this queue are decided.")).to_be_visible()
    alice.until(lambda: item_of(site, oil)["status"] == "pending")
    assert (shown_by(site, oil), image_of(site, bag)["status"]) == (None, "approved")
    assert "Unsuitable setting" in item_of(site, oil)["prompt"]

    keys.press("k")
    alice.at(bag, 1)
    keys.press("j")
    alice.at(oil, 1)
    expect(page.locator("#product-facts")).to_contain_text("New image queued")
    keys.press("u")
    alice.until(lambda: item_of(site, oil)["status"] == "completed")
    assert shown_by(site, oil) == image_of(site, oil)["image_url"]
    expect(page.locator("#product-facts")).not_to_contain_text("New image")
    alice.wait_for(f"location.search === '?collection=generated&product={oil}'")
    page.reload()
    alice.at(oil, 1)


def test_a_rejection_queues_nothing_when_the_box_is_cleared(alice: Watched, site: Site, shelf: Shelf) -> None:
    first, second = shelf.add_generated("Hemp bag", "pending"), shelf.add_generated("Hemp oil", "pending")
    page, keys = alice.page, alice.page.keyboard
    alice.come_as("alice", f"/review?{GENERATED}")
    alice.at(first, 1)
    keys.press("r")
    keys.type("Not ours")
    keys.press("Tab")
    keys.press("Space")
    expect(page.get_by_label("Queue the product for a new image")).not_to_be_checked()
    keys.press("Enter")
    alice.at(second, 1)
    alice.until(lambda: image_of(site, first)["status"] == "rejected")
    assert item_of(site, first)["status"] == "completed"
    keys.press("r")  # each rejection is asked anew
    expect(page.get_by_label("Queue the product for a new image")).to_be_checked()


def test_selected_products_are_rejected_and_queued_together(alice: Watched, site: Site, shelf: Shelf) -> None:
    ids = [shelf.add_generated(name, "pending") for name in ("Hemp bag", "Hemp oil", "Hemp rope")]
    page, keys = alice.page, alice.page.keyboard
    alice.come_as("alice", f"/review?{GENERATED}")
    alice.at(ids[0], 1)
    keys.press("x")
    page.get_by_role("button", name=f"No. {ids[1]}").click(modifiers=["Shift"])
    expect(page.locator("#bulk-text")).to_have_text("2 products, 2 images to review")
    keys.press("Shift+R")
    keys.press("2")
    keys.press("Enter")
    alice.until(lambda: [item_of(site, number)["status"] for number in ids] == ["pending", "pending", "completed"])


def test_without_a_photograph_there_is_neither_a_raw_pane_nor_blinking(alice: Watched, shelf: Shelf) -> None:
    product_id = shelf.add_generated("Hemp bag", "rejected", "pending")
    page, keys = alice.page, alice.page.keyboard
    alice.come_as("alice", f"/review?{GENERATED}")
    alice.at(product_id, 2)
    expect(page.locator(".pane b")).to_have_text(["Image 1", "Image 2"])
    keys.down("b")
    shown = "[...document.querySelectorAll('.pane img')].map((image) => getComputedStyle(image).visibility)"
    assert page.evaluate(shown) == ["visible", "visible"]
    keys.up("b")
    keys.press("k")
    alice.at(product_id, 1)
    expect(page.locator("#asked")).to_have_text(f"A photograph of product {product_id}, round 1.")
    keys.press("v")
    expect(page.locator(".pane").nth(0)).to_be_visible()
    expect(page.locator(".pane").nth(1)).to_be_hidden()
    keys.press("?")
    expect(page.locator("#help")).to_contain_text("All images, or one")
    expect(page.locator("#help")).not_to_contain_text("raw photograph")
    expect(page.locator("#help")).to_contain_text("Filter by industry")


def test_generated_images_are_reviewed_in_a_narrow_window_and_can_be_read(
    browser: Browser, site: Site, shelf: Shelf
) -> None:
    product_id = shelf.add_generated("Hemp bag with a name that goes on and on " * 3, "rejected", "pending")
    with opened(browser, site.url, width=390, height=844) as watched:
        page = watched.page
        watched.come_as("alice", f"/review?{GENERATED}")
        watched.at(product_id, 2)
        for width in (768, 900, 1024, 1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator("#reject-current").click()
        assert page.evaluate(NAMELESS) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(FAINT) == []
        page.get_by_role("button", name="Visible artefacts").click()
        page.get_by_label("Queue the product for a new image").click()
        page.locator("#reject").get_by_role("button", name="Reject").click()
        watched.until(lambda: image_of(site, product_id, 2)["status"] == "rejected")
        assert item_of(site, product_id)["status"] == "completed"
        assert watched.problems == []
