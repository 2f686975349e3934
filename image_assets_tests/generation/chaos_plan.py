"""How much of everything a storm has, what it is over, and which products must fail in it.

Here: values. Not here: the storm (``chaos.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image_assets.sandbox.openai import OpenAiServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.stability import StabilityServer

STABILITY, OPENAI, PLACEHOLDER = "stable_diffusion", "dall_e", "placeholder"


@dataclass(frozen=True)
class Doom:
    """What makes a product fail, whatever else happens.

    Args:
        provider: whose product.
        code: of the failure that is recorded.
        words: in its name.
    """

    provider: str
    code: str
    words: str


DOOMS = (
    Doom(STABILITY, "moderated", "sandbox-moderated"),
    Doom(OPENAI, "moderated", "sandbox-moderated"),
    # Made and paid for, three times.
    Doom(STABILITY, "blank", "sandbox-blank-image"),
)


@dataclass(frozen=True)
class Storm:
    """How much of everything.

    Args:
        products: how many, by provider.
        lease_s: how long an item stays with a process that died, in seconds; the area's own when None.
        hasty: whether the area's and the clients' waits before they try again are left out.
        doomed: products of each of `DOOMS`.
        faults: share of the providers' calls that are refused or cut off.
        latency_s: seconds that a picture takes at least: a death or the restart should come while many are asked for.
        processes: run workers at a time.
        threads: items that each of them works on at a time.
        kills: how many of them are killed; each while it holds items.
        spread: after which share of the items the first and the last kill may come.
        restart: after which share of the items the database is stopped.
        down_s: for how many seconds it stays stopped.
        recovery_s: within how many seconds of a kill every item of the dead process must be claimed again.
        patience_s: the storm has failed when it is not over after so many seconds.
        seed: of the dice that choose when whom to kill.
    """

    products: dict[str, int]
    lease_s: float | None
    hasty: bool
    doomed: int = 1
    faults: float = 0.10
    latency_s: float = 0.1
    processes: int = 2
    threads: int = 4
    kills: int = 2
    spread: tuple[float, float] = (0.1, 0.8)
    restart: float = 0.5
    down_s: float = 0.3
    recovery_s: float = 60.0
    patience_s: float = 120.0
    seed: int = 5

    @property
    def total(self) -> int:
        """How many products there are."""
        return sum(self.products.values())


@dataclass(frozen=True)
class World:
    """What the storm is over: servers that are running, and an empty database.

    Args:
        aws_url: S3.
        stability: as it is; its faults are the storm's.
        openai: the same.
        postgres: the server of the database, which is the storm's alone.
        database_url: a migrated database of it.
        scratch: an empty folder.
    """

    aws_url: str
    stability: StabilityServer
    openai: OpenAiServer
    postgres: EmbeddedPostgres
    database_url: str
    scratch: Path
