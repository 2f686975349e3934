"""How much of everything a storm has, what it is over, and which products must fail in it.

Here: values. Not here: the storm (``chaos.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image_assets.sandbox.gemini import GeminiServer, marker
from image_assets_tests.enhancement.chaos_crew import Blow
from image_assets_tests.faults import Faults


@dataclass(frozen=True)
class Doom:
    """What makes a product fail, whatever else happens.

    Args:
        code: of the failure that is recorded.
        category: the product's.
        raw: the key of its photograph, or empty for a good one.
    """

    code: str
    category: str = "Shoes"
    raw: str = ""


DOOMS = (
    Doom("moderated", f"Shoes {marker('prohibited_content')}"),
    Doom("moderated", f"Shoes {marker('image_safety')}"),
    Doom("no_image", f"Shoes {marker('text_only')}"),
    Doom("blank", f"Shoes {marker('blank_image')}"),
    Doom("not_found", raw="raw/gone.jpg"),
    Doom("truncated", raw="raw/broken.jpg"),
)


@dataclass(frozen=True)
class Storm:
    """How much of everything.

    Args:
        products: how many.
        batch: products a request.
        count: images per product.
        lease_s: how long a product stays with a process that died, in seconds.
        hasty: whether waits before retries of Gemini's 500s are left out.
        side: longest side of raw photographs in pixels.
        min_side: least width and height of an enhanced image in pixels.
        duplicates: share of the products whose message is sent again.
        poison: messages that are none, as a share of the products.
        doomed: share of the products that must fail; one of each kind at least.
        refusals: share of the requests that Gemini answers with 429 or 500.
        outage: from which batch to which SQS is down.
        outage_s: for how many seconds at least.
        twice: every so manieth batch is posted by two clients at once.
        processes: run workers at a time.
        threads: products that each of them works on at a time.
        blows: what happens to them.
        patience_s: the storm has failed when it is not over after so many seconds.
    """

    products: int
    batch: int
    count: int
    lease_s: float
    hasty: bool
    side: int
    min_side: int
    duplicates: float = 0.05
    poison: float = 0.02
    doomed: float = 0.03
    refusals: float = 0.10
    outage: tuple[int, int] = (2, 3)
    outage_s: float = 0.0
    twice: int = 3
    processes: int = 2
    threads: int = 4
    blows: tuple[Blow, ...] = (
        Blow("kill", "prompts", 0.0),
        Blow("stall", "images", 0.2),
        Blow("kill", "images", 0.4),
    )
    patience_s: float = 180.0


@dataclass(frozen=True)
class World:
    """What the storm is over: servers that are running, and an empty database.

    Args:
        aws_url: S3 and SQS.
        faults: the layer in front of them.
        gemini: as it is; its faults are the storm's.
        database_url: a migrated database.
        scratch: an empty folder.
    """

    aws_url: str
    faults: Faults
    gemini: GeminiServer
    database_url: str
    scratch: Path
