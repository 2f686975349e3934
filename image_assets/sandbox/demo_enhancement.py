"""The enhancement's part of the demo: products posted to the real API, taken in, enhanced; all once more.

Here: the passes, what they must come to, and the pictures. Not here: the page (``templates/``), the work (the area).
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image
from rich.console import Console

from image_assets.cli.common import ItemProgress
from image_assets.enhancement.service import analyse_due, enhance_due, receive
from image_assets.enhancement.workplace import open_workplace
from image_assets.report import Report
from image_assets.sandbox.sample_enhancement import (
    COUNT,
    EXPECTED_FAILURES,
    EXPECTED_READY,
    EXPECTED_REFUSED,
    PRODUCTS,
)
from image_assets.sandbox.web import web_server
from image_assets.settings import Settings
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.sqs import Queue

# A client that repeats a request names it, so that its products are created once.
_KEY = "image-assets-demo"
# Pictures on the page are at most so wide.
_SHOWN_WIDTH = 480


@dataclass
class EnhancementPass:
    """One pass: what the API answered, what came of it, and how the products were left.

    Attributes:
        answer: to the bulk request.
        taken: messages taken in.
        report: how the products ended that something was done for.
        products: as the API shows them afterwards, with their images.
        calls: of Gemini, paid ones.
        seconds: all of it.
    """

    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    taken: int = 0
    report: Report = field(default_factory=Report)
    products: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: int = 0
    seconds: float = 0.0

    @property
    def images(self) -> int:
        """Images made."""
        return self.report.counts["images"]


def run_enhancement_pass(settings: Settings) -> EnhancementPass:
    """Post the sample products, take in their messages, make their images."""
    started = time.monotonic()
    demo = EnhancementPass()
    headers = {"Authorization": f"Bearer {settings.tokens['importer'].get_secret_value()}"}
    with (
        web_server(settings) as url,
        httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client,
        open_workplace(settings) as work,
    ):
        body = {"products": list(PRODUCTS)}
        answer = client.post("/api/products/bulk", json=body, headers={"Idempotency-Key": _KEY})
        demo.answer = answer.json()
        demo.taken = receive(work.store, Queue.from_settings(settings), wait_s=0).accepted
        before = work.spend.today().calls
        with ItemProgress("Analysing products") as progress:
            demo.report.merge(analyse_due(work, on_result=progress.add))
        with ItemProgress("Enhancing products") as progress:
            demo.report.merge(enhance_due(work, on_result=progress.add))
        demo.calls = work.spend.today().calls - before
        created = [product["id"] for product in demo.answer["data"]["products"]]
        demo.products = [client.get(f"/api/products/{number}").json()["data"] for number in created]
    demo.seconds = time.monotonic() - started
    return demo


def print_enhancement_pass(console: Console, demo: EnhancementPass) -> None:
    """What a pass came to."""
    statuses = Counter(product["status"] for product in demo.products)
    shown = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    console.print(f"  {demo.answer['message']}")
    console.print(
        f"  {demo.taken} messages taken in, {demo.images} images made with {demo.calls} paid calls in "
        f"{demo.seconds:.1f} s; products: {shown}"
    )


def enhancement_problems(first: EnhancementPass, second: EnhancementPass) -> list[str]:
    """What is not as the sample data must come to."""
    problems: list[str] = []
    refused = tuple(entry["index"] for entry in first.answer.get("errors", ()))
    if refused != EXPECTED_REFUSED:
        problems.append(f"enhancement: the API refused {refused}, not {EXPECTED_REFUSED}")
    for name, demo in (("first", first), ("second", second)):
        ready = [product for product in demo.products if product["status"] == "pending_review"]
        counts = {len(product["images"]) for product in ready}
        if (len(ready), counts) != (EXPECTED_READY, {COUNT}):
            problems.append(f"{name} enhancement pass: {len(ready)} products ready, with {counts} images")
        failures = Counter(product["failure_code"] for product in demo.products if product["status"] == "failed")
        if failures != Counter(EXPECTED_FAILURES):
            problems.append(f"{name} enhancement pass: failed {dict(failures)}, not {EXPECTED_FAILURES}")
    if (second.images, second.calls, second.taken) != (0, 0, 0):
        problems.append(
            f"second enhancement pass: {second.taken} messages, {second.images} images, {second.calls} calls, not 0"
        )
    return problems


@dataclass(frozen=True, slots=True)
class ProductPictures:
    """One product on the page: paths relative to the page, the raw photograph first."""

    id: int
    category: str
    status: str
    reason: str
    raw: str | None
    enhanced: tuple[tuple[str, str], ...]


def product_pictures(settings: Settings, products: Sequence[Mapping[str, Any]], folder: Path) -> list[ProductPictures]:
    """Put the products' pictures into ``folder``/images/enhancement, made smaller, and describe them."""
    target = folder / "images" / "enhancement"
    target.mkdir(parents=True, exist_ok=True)
    with open_workplace(settings) as work:
        objects = work.objects
        cards: list[ProductPictures] = []
        for product in products:
            analysis = work.store.analysis(product["id"])
            raw = _picture(objects, analysis.source.key, target) if analysis else None
            prefix = settings.enhanced_prefix
            enhanced = tuple(
                (_picture(objects, image["image_url"].partition(f"/{objects.bucket}/")[2], target), image["prompt"])
                for image in product["images"]
                if prefix in image["image_url"]
            )
            cards.append(
                ProductPictures(
                    product["id"],
                    product["category"],
                    product["status"],
                    product["failure_reason"] or "",
                    raw,
                    enhanced,
                )
            )
    return cards


def _picture(objects: ObjectStore, key: str, target: Path) -> str:
    """Download an object as a small picture; returns its path relative to the page."""
    name = key.replace("/", "-")
    with Image.open(io.BytesIO(objects.get(key).body)) as image:
        image.thumbnail((_SHOWN_WIDTH, _SHOWN_WIDTH))
        image.save(target / name, "JPEG", quality=80)
    return f"images/enhancement/{name}"
