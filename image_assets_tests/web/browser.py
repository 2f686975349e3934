"""A real browser, watched, and products with real pictures for it to show.

Used as context managers and functions; the fixtures made of them are in ``test_browser.py``.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright
from pydantic import SecretStr

from image_assets.enhancement.tables import analyses, product_images, products
from image_assets.generation.tables import (
    images as generated_images,
    industries,
    industry_sub_categories,
    queue as generation_queue,
    uses_products,
)
from image_assets.paths import data_dir
from image_assets.web.sessions import issue
from image_assets_tests.web.conftest import TOKENS

CATEGORIES = {
    "coffee": "Cups and saucers",
    "chelsea": "Pets",
    "rocket": "Models",
    "raccoon": "Pets",
    "hubble": "Posters",
    "astronaut": "Portraits",
    "grace_hopper": "Portraits",
}
PROMPTS = (
    "The product on a clean white background with soft, even light from the left and a natural shadow below it.",
    "The product on a pale oak table near a window, in morning light, with the background out of focus.",
    "A close view of the product on dark slate, lit from behind, so that its edges stand out.",
)
# What must come comes at once on a machine that is idle; one that is busy may take so long.
PATIENCE_S = 15.0
expect.set_options(timeout=PATIENCE_S * 1000)
MODEL = "gemini-3.1-flash-image"


def chromium() -> str:
    """The browser's program; tests are skipped where there is none, but not in CI."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail("No Chromium: install it, or set CHROMIUM to its program.")
    pytest.skip("No Chromium here.")


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page of its own session, and everything that went wrong on it.

    Attributes:
        page: the browser's page.
        url: the site's address.
        problems: console errors, exceptions, breaches of the content security policy, failed requests.
    """

    page: Page
    url: str
    problems: list[str] = field(default_factory=list[str])

    def sign_in(self, token: str, path: str = "/review") -> None:
        """Come to a page as a stranger, and sign in."""
        self.page.goto(self.url + path)
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()

    def come_as(self, name: str, path: str = "/review") -> None:
        """Come to a page with a session."""
        cookie = issue(name, SecretStr(TOKENS[name]), now=time.time())
        self.page.context.add_cookies([{"name": "image_assets_session", "value": cookie, "url": self.url}])
        self.page.goto(self.url + path)

    def title(self) -> str:
        """What the current product is called, without its category."""
        return str(self.page.evaluate("document.getElementById('product-title').firstChild.textContent"))

    def wait_for(self, expression: str) -> None:
        """Wait until JavaScript says so; the browser's own waiting would break the page's security policy."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._says(expression):
            assert time.monotonic() < deadline, f"never: {expression}"
            self.page.wait_for_timeout(15)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so outside of the page, e.g. in the database."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "never so"
            self.page.wait_for_timeout(15)

    def _says(self, expression: str) -> bool:
        try:
            return bool(self.page.evaluate(expression))
        except Error as error:
            if "Execution context was destroyed" not in error.message:  # the page is being left for another
                raise
            return False

    def at(self, product_id: int, image: int) -> None:
        """Wait until an image is the current one, and is seen."""
        self.wait_for(
            f"document.getElementById('product-title')?.firstChild.textContent === 'Product {product_id}' && "
            f"document.querySelector('.pane.current b')?.textContent === 'Image {image}' && "
            "document.querySelector('.pane.current .photo').complete"
        )

    def toast(self) -> str:
        """The text of the latest message."""
        return self.page.locator(".toast p").last.inner_text()


# Controls that a screen reader has no name for.
NAMELESS = """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, a')]
  .filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.length))
  .map((node) => node.outerHTML)"""
# Text with less contrast to what it stands on than 4.5:1 (WCAG 2.2, 1.4.3); controls that are disabled are exempt.
FAINT = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ({ r, g, b }) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!text || !node.checkVisibility() || node.closest(':disabled')) continue;
    const [front, back] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 80)}`);
  }
  return faint;
}"""


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1440,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
    javascript: bool = True,
) -> Iterator[Watched]:
    """A page with cookies of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=javascript
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    watched = Watched(page, url)
    page.on("console", lambda said: watched.problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: watched.problems.append(str(error)))
    try:
        yield watched
    finally:
        context.close()


@cache
def photograph(name: str) -> bytes:
    """A raw photograph as it is kept for comparison, at most 720 pixels a side."""
    with Image.open(data_dir() / "photos" / f"{name}.jpg") as image:
        return _jpeg(ImageOps.contain(image.convert("RGB"), (720, 720)))


@cache
def enhanced(name: str, ordinal: int) -> bytes:
    """A picture made of it that a person can tell from it."""
    image: Image.Image = Image.open(io.BytesIO(photograph(name)))
    if ordinal == 1:
        image = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(1.25)).enhance(1.15)
    elif ordinal == 2:
        soft = image.filter(ImageFilter.GaussianBlur(9))
        mask = Image.radial_gradient("L").resize(image.size)
        image = Image.composite(soft, image, mask.point(lambda value: min(255, max(0, value - 60) * 2)))
    else:
        image = ImageOps.colorize(ImageOps.autocontrast(ImageOps.grayscale(image)), "#101014", "#fff4e4")
    return _jpeg(image)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@dataclass
class Shelf:
    """Puts products with photographs into a site's database and bucket."""

    engine: sa.Engine
    s3: Any
    bucket: str

    def add(self, name: str = "coffee", *, images: int = 3, status: str = "pending_review", **more: object) -> int:
        """A product of one of `CATEGORIES`, with images; returns its number."""
        raw = photograph(name)
        row = {
            "category": CATEGORIES[name],
            "raw_image": f"s3://raw/{name}.jpg",
            "mrp": 1299,
            "price": 1099,
            "discount": 200,
            "gst": 18,
            "status": status,
            "created_by": "alice",
            **more,
        }
        with self.engine.begin() as connection:
            product_id = int(connection.scalar(sa.insert(products).values(row).returning(products.c.id)) or 0)
            sha256 = self.put(key := f"sources/{product_id}/{name}.jpg", raw)
            found = {
                "product": CATEGORIES[name],
                "condition": "Slightly dark, mixed light",
                "background": "Wooden table",
                "lighting": "One lamp, from above",
                "colours": ["red", "white", "brown"],
            }
            connection.execute(
                sa.insert(analyses).values(
                    product_id=product_id,
                    source_key=key,
                    source_sha256=sha256,
                    analysis=found,
                    prompts=list(PROMPTS[:images]),
                    model="gemini-3.8-flash",
                    cost_usd="0.003",
                )
            )
            for ordinal in range(1, images + 1):
                connection.execute(sa.insert(product_images).values(self._image(product_id, name, ordinal, sha256)))
        return product_id

    def _image(self, product_id: int, name: str, ordinal: int, source_sha256: str) -> dict[str, object]:
        body = enhanced(name, ordinal)
        key = f"enhanced/{product_id}/{ordinal}.jpg"
        width, height = Image.open(io.BytesIO(body)).size
        return {
            "product_id": product_id,
            "ordinal": ordinal,
            "image_url": f"https://{self.bucket}.s3.amazonaws.com/{key}",
            "s3_key": key,
            "sha256": self.put(key, body),
            "width": width,
            "height": height,
            "bytes": len(body),
            "model": MODEL,
            "prompt": PROMPTS[(ordinal - 1) % 3],
            "cost_usd": "0.067",
            "source_sha256": source_sha256,
        }

    def add_generated(self, name: str, *statuses: str, picture: str = "coffee", industry: str = "Food") -> int:
        """A product without a photograph, with a generated image of each round, the last of which it shows."""
        with self.engine.begin() as connection:
            made = {"name": name, "description": f"{name}, as sold.", "benefits_advantages": ["Durable", "Light"]}
            product_id = int(
                connection.scalar(
                    sa.insert(uses_products)
                    .values(**made, industry_sub_category_id=_sub_category(connection, industry))
                    .returning(uses_products.c.id)
                )
                or 0
            )
            for round_, status in enumerate(statuses, start=1):
                body = enhanced(picture, round_)
                key = f"generated/{product_id}/{round_}.jpg"
                said = {"s3_key": key, "image_url": f"https://x/{key}", "sha256": self.put(key, body)}
                row = a_generated_image(product_id, round_, status=status, **said)
                connection.execute(sa.insert(generated_images).values(row))
                shown = sa.update(uses_products).where(uses_products.c.id == product_id)
                connection.execute(shown.values(image_url=said["image_url"]))
            item = {"product_id": product_id, "round": len(statuses), "prompt": "p", "style_preset": "studio"}
            done = {"negative_prompt": "", "prompt_variant": "in-use", "status": "completed"}
            connection.execute(sa.insert(generation_queue).values(**item, **done, completed_at=sa.func.now()))
        return product_id

    def put(self, key: str, body: bytes) -> str:
        """Put an object; returns the SHA-256 of its bytes."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="image/jpeg")
        return hashlib.sha256(body).hexdigest()


def a_generated_image(product_id: int, round_: int, **values: object) -> dict[str, object]:
    """The row of a generated image."""
    where = {"image_url": "https://x/1.jpg", "s3_key": "1.jpg", "sha256": "a" * 64}
    size = {"width": 720, "height": 480, "bytes": 1234}
    asked = {"prompt": f"A photograph of product {product_id}, round {round_}.", "negative_prompt": "people, text"}
    made = {"provider": "stable_diffusion", "model": "core", "style_preset": "studio", "prompt_variant": "in-use"}
    names = {"product_id": product_id, "queue_id": uuid.uuid4(), "round": round_, "cost_usd": "0.03"}
    return {**names, **where, **size, **asked, **made, **values}


def _sub_category(connection: sa.Connection, industry: str) -> int:
    """A closer field of an industry, made for each product."""
    known = connection.scalar(sa.select(industries.c.id).where(industries.c.name == industry))
    made = sa.insert(industries).values(name=industry).returning(industries.c.id)
    row = {"industry_id": known or connection.scalar(made), "name": "Bags"}
    return int(
        connection.scalar(sa.insert(industry_sub_categories).values(row).returning(industry_sub_categories.c.id)) or 0
    )


# Rows alone, as fast as the database makes them: three images of one file each. The categories are unlike in size.
_MANY = """
WITH made AS (
  INSERT INTO products (category, raw_image, mrp, price, discount, gst, status, created_by)
  SELECT CASE WHEN n % 100 = 0 THEN 'Rare' ELSE 'Category ' || n % 7 END, 's3://raw/x.jpg', 10, 9, 1, 18, :status, 'x'
  FROM generate_series(1, :count) n RETURNING id
), pictures AS (
  INSERT INTO product_images (product_id, ordinal, image_url, s3_key, status, sha256, width, height, bytes, model,
                              prompt, cost_usd, source_sha256)
  SELECT id, n, 'https://x/x.jpg', :key, :image_status, :sha256, 600, 400, :bytes, 'm', 'Prompt', 0.067, :source
  FROM made, generate_series(1, 3) n
)
INSERT INTO enhancement_analyses (product_id, source_key, source_sha256, analysis, prompts, model, cost_usd)
SELECT id, :key, :source, '{}', '{}', 'm', 0.003 FROM made
"""


def add_many(
    connection: sa.Connection, count: int, *, key: str = "many.jpg", body: bytes = b"x", status: str = "pending_review"
) -> None:
    """Put many products with three images each into the database, all of one file."""
    connection.execute(
        sa.text(_MANY),
        {
            "count": count,
            "status": status,
            "image_status": "pending" if status == "pending_review" else status,
            "key": key,
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "source": "5" * 64,
        },
    )
    connection.execute(sa.text("ANALYZE products, product_images, enhancement_analyses"))
