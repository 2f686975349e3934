"""The review page in a real browser: by keyboard, by mouse, by two people at once, with ten thousand products."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from image_assets.enhancement.review import Decision, decide
from image_assets.enhancement.tables import decisions, product_images, products
from image_assets_tests.web.browser import FAINT, NAMELESS, Shelf, Watched, add_many, enhanced, launched, opened
from image_assets_tests.web.conftest import TOKENS, Site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the file."""
    with launched() as browser:
        yield browser


@pytest.fixture
def alice(browser: Browser, site: Site) -> Iterator[Watched]:
    """A page for Alice; in the end nothing may have gone wrong on it."""
    with opened(browser, site.url) as watched:
        yield watched
        assert watched.problems == []


def statuses(site: Site, product_id: int) -> list[str]:
    """What is said of a product's images."""
    return [str(image["status"]) for image in site.images(product_id)]


def eventually(watched: Watched, site: Site, product_id: int, expected: list[str]) -> None:
    """Wait until the database says so."""
    watched.until(lambda: statuses(site, product_id) == expected)


def product_status(site: Site, product_id: int) -> str:
    """A product's status."""
    return next(str(row["status"]) for row in site.rows(products) if row["id"] == product_id)


def test_a_reviewer_signs_in_approves_rejects_with_a_reason_and_undoes(
    alice: Watched, site: Site, shelf: Shelf
) -> None:
    first, second = shelf.add("coffee", images=2), shelf.add("rocket", images=1)
    page, keys = alice.page, alice.page.keyboard
    alice.sign_in("token-that-nobody-has")
    expect(page.get_by_role("alert")).to_have_text("No one has this token.")
    assert alice.problems.pop().endswith("403 (Forbidden)")
    alice.sign_in(TOKENS["alice"])
    alice.at(first, 1)
    expect(page.get_by_text("Nobody has decided yet.")).to_be_visible()

    keys.press("a")
    alice.at(first, 2)
    keys.press("r")
    expect(page.get_by_role("heading", name=f"Reject image 2 of product {first}")).to_be_visible()
    keys.press("2")
    expect(page.get_by_label("Reason", exact=True)).to_have_value("Colour differs from the photograph")
    keys.press("5")
    keys.press("Enter")
    alice.at(second, 1)
    eventually(alice, site, first, ["approved", "rejected"])
    assert product_status(site, first) == "approved"
    assert site.images(first)[1]["reason"] == "Background does not suit"

    keys.press("u")
    alice.at(first, 2)
    eventually(alice, site, first, ["approved", "pending"])
    assert product_status(site, first) == "pending_review"
    trail = page.locator("#trail li")
    expect(trail).to_have_count(2)
    expect(trail.first).to_contain_text("Rejected by alice")
    expect(trail.last).to_contain_text("Taken back by alice")
    assert [row["action"] for row in site.rows(decisions)] == ["approved", "rejected", "undone"]


def test_a_reason_can_be_written_and_escape_rejects_nothing(alice: Watched, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    page, keys = alice.page, alice.page.keyboard
    alice.come_as("alice")
    alice.at(product_id, 1)
    keys.press("r")
    keys.press("Enter")
    expect(page.locator("#reject")).to_be_visible()
    keys.type("Spoon has 2 handles")
    keys.press("Escape")
    expect(page.locator("#reject")).to_be_hidden()
    keys.press("r")
    expect(page.get_by_label("Reason", exact=True)).to_have_value("")
    keys.type("Spoon has 2 handles")
    keys.press("Enter")
    expect(page.locator("#empty", has_text="All images of this queue are decided.")).to_be_visible()
    eventually(alice, site, product_id, ["rejected"])
    assert site.images(product_id)[0]["reason"] == "Spoon has 2 handles"


def test_all_images_of_a_product_are_approved_with_one_key(alice: Watched, site: Site, shelf: Shelf) -> None:
    first, second = shelf.add(), shelf.add("raccoon")
    alice.come_as("alice")
    alice.at(first, 1)
    alice.page.keyboard.press("Shift+A")
    alice.at(second, 1)
    eventually(alice, site, first, ["approved"] * 3)
    expect(alice.page.get_by_role("link", name="Approved")).to_contain_text("1")
    alice.page.keyboard.press("u")
    eventually(alice, site, first, ["pending"] * 3)


def test_keys_move_between_images_and_products(alice: Watched, shelf: Shelf) -> None:
    first, second = shelf.add(images=2), shelf.add("rocket", images=2)
    keys = alice.page.keyboard
    alice.come_as("alice")
    alice.at(first, 1)
    for key, product_id, image in [
        *(("j", first, 2), ("j", second, 1), ("k", first, 2), ("k", first, 1)),
        *(("Shift+J", second, 1), ("j", second, 2), ("j", second, 2), ("Shift+K", first, 1), ("k", first, 1)),
    ]:
        keys.press(key)
        alice.at(product_id, image)
    alice.page.locator(".pane", has_text="Image 2").locator(".frame").click()
    alice.at(first, 2)


def test_selected_products_are_decided_together(alice: Watched, site: Site, shelf: Shelf) -> None:
    ids = [shelf.add(name, images=2) for name in ("coffee", "rocket", "raccoon", "hubble", "chelsea")]
    page = alice.page
    alice.come_as("alice")
    alice.at(ids[0], 1)
    page.keyboard.press("Shift+J")
    page.keyboard.press("x")
    page.get_by_role("button", name=f"No. {ids[3]}").click(modifiers=["Shift"])
    expect(page.locator("#bulk-text")).to_have_text("3 products, 6 images to review")
    page.get_by_label(f"Select product {ids[2]}").click()
    expect(page.locator("#bulk-text")).to_have_text("2 products, 4 images to review")
    page.keyboard.press("Shift+R")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    for product_id in (ids[1], ids[3]):
        eventually(alice, site, product_id, ["rejected"] * 2)
    assert [statuses(site, ids[place]) for place in (0, 2, 4)] == [["pending"] * 2] * 3
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_role("button", name="Undo").last.click()
    for product_id in ids:
        eventually(alice, site, product_id, ["pending"] * 2)


def test_the_second_of_two_reviewers_sees_who_was_first(
    alice: Watched, browser: Browser, site: Site, shelf: Shelf
) -> None:
    product_id, other = shelf.add(images=1), shelf.add("rocket", images=1)
    with opened(browser, site.url) as bob:
        for reviewer, name in ((alice, "alice"), (bob, "bob")):
            reviewer.come_as(name)
            reviewer.at(product_id, 1)
        alice.page.keyboard.press("a")
        eventually(alice, site, product_id, ["approved"])
        bob.page.keyboard.press("r")
        bob.page.keyboard.press("1")
        bob.page.keyboard.press("Enter")
        bob.at(other, 1)
        expect(bob.page.locator(".toast")).to_contain_text(f"Product {product_id}, image 1: alice approved it at")
        bob.page.get_by_role("button", name="Show", exact=True).click()
        bob.at(product_id, 1)
        expect(bob.page.locator(".pane.current .says")).to_have_text("Approved")
        expect(bob.page.locator("#details")).to_contain_text("Approved by alice")
        expect(bob.page.locator("#approve-current")).to_be_disabled()
        assert bob.problems == []
    assert len(site.rows(decisions)) == 1


def test_an_image_made_anew_is_not_approved_unseen(browser: Browser, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    with opened(browser, site.url) as watched:
        watched.come_as("alice")
        watched.at(product_id, 1)
        (image,) = site.images(product_id)
        sha256 = shelf.put(image["s3_key"], enhanced("rocket", 1))
        with site.engine.begin() as connection:
            connection.execute(sa.update(product_images).values(sha256=sha256))
        watched.page.keyboard.press("a")
        expect(watched.page.locator(".toast")).to_contain_text("no longer the one you saw")
        watched.page.get_by_role("button", name="Show", exact=True).click()
        expect(watched.page.locator(f'.pane.current .photo[src*="/{sha256}?"]')).to_be_visible()
    assert statuses(site, product_id) == ["pending"]


def test_an_image_that_can_not_be_shown_can_not_be_approved(browser: Browser, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    shelf.put(site.images(product_id)[0]["s3_key"], b"something else")
    with opened(browser, site.url) as watched:
        watched.come_as("alice")
        expect(watched.page.locator(".pane.current .missing")).to_contain_text("can't be shown")
        watched.page.keyboard.press("a")
        expect(watched.page.locator(".toast")).to_contain_text("An image that can't be shown can't be approved.")
    assert statuses(site, product_id) == ["pending"]


def test_a_decision_that_does_not_arrive_is_taken_off_the_page(browser: Browser, site: Site, shelf: Shelf) -> None:
    product_id, other = shelf.add(images=1), shelf.add("rocket", images=1)
    with opened(browser, site.url) as watched:
        watched.come_as("alice")
        watched.at(product_id, 1)
        watched.page.route("**/review/api/decisions?*", lambda route: route.abort())
        watched.page.keyboard.press("a")
        watched.at(other, 1)
        expect(watched.page.locator(".toast")).to_contain_text(f"Not saved: 1 image of Product {product_id}.")
        watched.page.unroute_all()
        watched.page.get_by_role("button", name="Show", exact=True).click()
        watched.at(product_id, 1)
        watched.page.keyboard.press("a")
        eventually(watched, site, product_id, ["approved"])


def test_all_panes_zoom_and_move_together_and_blink(alice: Watched, shelf: Shelf) -> None:
    product_id = shelf.add(images=2)
    page = alice.page
    alice.come_as("alice")
    alice.at(product_id, 1)
    layers = page.locator(".layer")
    transforms = "[...document.querySelectorAll('.layer')].map((layer) => getComputedStyle(layer).transform)"
    assert page.evaluate(transforms) == ["matrix(1, 0, 0, 1, 0, 0)"] * 3
    page.keyboard.press("+")
    expect(page.locator("#zoom-level")).to_have_text("150%")
    box = layers.first.locator("..").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.wheel(0, -300)
    alice.wait_for("document.getElementById('zoom-level').textContent === '273%'")
    before = page.evaluate(transforms)
    page.mouse.down()
    page.mouse.move(box["x"] - 30, box["y"] + 10)
    page.mouse.up()
    after = page.evaluate(transforms)
    assert len(set(before)) == len(set(after)) == 1
    assert before != after
    alice.at(product_id, 1)  # a drag chooses nothing
    page.keyboard.press("0")
    expect(page.locator("#zoom-level")).to_have_text("100%")

    shown = "[...document.querySelectorAll('.pane.current img')].map((image) => getComputedStyle(image).visibility)"
    page.keyboard.down("b")
    assert page.evaluate(shown) == ["hidden", "visible"]
    page.keyboard.up("b")
    assert page.evaluate(shown) == ["visible", "hidden"]


def test_the_queue_is_filtered_by_status_and_category(alice: Watched, site: Site, shelf: Shelf) -> None:
    coffee, rocket = shelf.add("coffee", images=1), shelf.add("rocket", images=1)
    (image,) = site.images(shelf.add("hubble", images=1))
    decide(site.engine, [Decision(image["id"], image["sha256"], "reject", "Blurred")], "bob")
    page = alice.page
    alice.come_as("alice")
    alice.at(coffee, 1)
    expect(page.locator("#rows > li")).to_have_count(2)
    page.keyboard.press("/")
    expect(page.locator("#category")).to_be_focused()
    page.locator("#category").select_option("Models")
    alice.at(rocket, 1)
    expect(page.locator("#rows > li")).to_have_count(1)
    page.locator("#category").select_option("")
    page.get_by_role("link", name="Rejected").click()
    expect(page.locator("#details")).to_contain_text("Rejected by bob")
    expect(page.locator("#details .why").first).to_have_text("Blurred")
    expect(page.locator("#undo")).to_be_disabled()
    page.get_by_role("link", name="Approved").click()
    expect(page.locator("#empty", has_text="Nothing here: no product is approved.")).to_be_visible()
    alice.wait_for("location.search === '?status=approved'")
    page.reload()
    expect(page.locator("#empty", has_text="Nothing here: no product is approved.")).to_be_visible()


def test_a_failed_product_says_why(alice: Watched, shelf: Shelf) -> None:
    product_id = shelf.add(images=0, status="failed", failure_reason="The raw image can't be decoded.")
    alice.come_as("alice", "/review?status=failed")
    expect(alice.page.locator("#failure")).to_have_text("The raw image can't be decoded.")
    assert alice.title() == f"Product {product_id}"
    expect(alice.page.locator("#approve-current")).to_be_disabled()


def test_help_lists_the_keys_and_takes_them(alice: Watched, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=1)
    alice.come_as("alice")
    alice.at(product_id, 1)
    alice.page.keyboard.press("?")
    expect(alice.page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    alice.page.keyboard.press("a")
    alice.page.keyboard.press("Escape")
    expect(alice.page.get_by_role("heading", name="Keyboard shortcuts")).to_be_hidden()
    assert statuses(site, product_id) == ["pending"]


def test_ten_thousand_products_are_paged_and_drawn_as_far_as_they_are_seen(
    alice: Watched, site: Site, shelf: Shelf
) -> None:
    body = enhanced("coffee", 1)
    shelf.put("many.jpg", body)
    with site.engine.begin() as connection:
        add_many(connection, 10_000, key="many.jpg", body=body)
        ids = list(connection.scalars(sa.select(products.c.id).order_by(products.c.id)))
    page = alice.page
    pages: list[str] = []
    page.on("request", lambda request: pages.append(request.url) if "/api/queue" in request.url else None)
    alice.come_as("alice")
    alice.at(ids[0], 1)
    expect(page.get_by_role("link", name="To review")).to_contain_text("10,000")
    assert len(pages) == 1
    # To the end of what is loaded, as often as it takes to see the two-hundredth.
    alice.wait_for(
        "(document.getElementById('queue-list').scrollTop = 1e9, "
        "Math.max(...[...document.querySelectorAll('#rows li')].map((row) => row.ariaPosInSet)) > 200)"
    )
    assert 4 <= len(pages) <= 8
    assert page.locator("#rows > li").count() < 40

    page.locator("#jump-to").fill(str(ids[9_990]))
    page.keyboard.press("Enter")
    alice.at(ids[9_990], 1)
    page.keyboard.press("Shift+A")
    alice.at(ids[9_991], 1)
    eventually(alice, site, ids[9_990], ["approved"] * 3)
    page.get_by_role("button", name="Back to the start of the queue").click()
    alice.at(ids[0], 1)
    page.locator("#category").select_option("Rare")
    alice.at(ids[99], 1)


def test_a_session_that_ends_leads_to_signing_in_and_back(browser: Browser, site: Site, shelf: Shelf) -> None:
    first, second = shelf.add(images=1), shelf.add("rocket", images=1)
    with opened(browser, site.url) as watched:
        watched.come_as("alice")
        watched.at(first, 1)
        watched.page.keyboard.press("j")
        watched.wait_for(f"location.search === '?product={second}'")
        watched.page.context.clear_cookies()
        watched.page.keyboard.press("a")
        watched.page.get_by_label("Access token").fill(TOKENS["alice"])
        watched.page.keyboard.press("Enter")
        watched.at(second, 1)
        watched.page.get_by_role("button", name="Sign out").click()
        expect(watched.page.get_by_label("Access token")).to_be_visible()
    assert statuses(site, second) == ["pending"]


def test_nothing_sticks_out_of_the_window_and_buttons_work_in_a_narrow_one(
    browser: Browser, site: Site, shelf: Shelf
) -> None:
    product_id = shelf.add("grace_hopper", category="Cups, saucers and everything else that goes with coffee " * 2)
    with opened(browser, site.url, width=390, height=844) as watched:
        page = watched.page
        watched.come_as("alice")
        watched.at(product_id, 1)
        for width in (768, 1024, 1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator("#approve-current").click()
        watched.at(product_id, 2)
        page.locator("#reject-current").click()
        page.get_by_role("button", name="Visible artefacts").click()
        page.locator("#reject").get_by_role("button", name="Reject").click()
        watched.at(product_id, 3)
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("button", name=f"No. {product_id}")).to_be_visible()
        eventually(watched, site, product_id, ["approved", "rejected", "pending"])
        assert watched.problems == []


def test_every_control_has_a_name_and_text_stands_out(alice: Watched, browser: Browser, shelf: Shelf) -> None:
    product_id = shelf.add()
    alice.come_as("alice")
    alice.at(product_id, 1)
    assert alice.page.evaluate(NAMELESS) == []
    assert alice.page.evaluate("[...document.images].filter((image) => !image.hasAttribute('alt')).length") == 0
    for scheme in ("light", "dark"):
        alice.page.emulate_media(color_scheme=scheme)
        assert alice.page.evaluate(FAINT) == []


def test_without_scripts_the_forms_do(browser: Browser, site: Site, shelf: Shelf) -> None:
    product_id = shelf.add(images=2)
    with opened(browser, site.url, javascript=False) as watched:
        watched.come_as("alice")
        watched.page.get_by_role("link", name="Review with plain forms").click()
        watched.page.get_by_role("button", name="Approve").first.click()
        expect(watched.page.get_by_role("status")).to_contain_text("it is approved")
        watched.page.get_by_label("Reason of a rejection").fill("Blurred")
        watched.page.get_by_role("button", name="Reject").click()
        expect(watched.page.get_by_role("status")).to_contain_text("its product approved")
    assert statuses(site, product_id) == ["approved", "rejected"]
