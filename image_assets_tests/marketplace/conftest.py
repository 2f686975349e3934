"""What the marketplace's tests share: a Plytix stand-in, Amazon's images, a migrated database, and mappings."""

from __future__ import annotations

import io
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa
import stamina
from PIL import Image
from pydantic import SecretStr

from image_assets.marketplace import tables
from image_assets.marketplace.apply import Applier
from image_assets.marketplace.ledger import LedgerStore
from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.plan import SyncPlan
from image_assets.marketplace.service import SyncRun, dry_run, sync
from image_assets.marketplace.workplace import Workplace, open_workplace
from image_assets.sandbox.plytix import PlytixServer
from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.state import Account
from image_assets.settings import settings_for
from image_assets.stores.database import make_engine
from image_assets.vendors.plytix.client import Credentials, PlytixClient
from image_assets.vendors.plytix.limits import RateWindows, Window

AMAZON = "m.media-amazon.com"
GALLERY = "amazon_images"
# Limits that no test meets unless it sets others.
FAST = {10.0: 100_000, 3600.0: 10_000_000}


def picture(path: str) -> bytes | None:
    """Amazon's CDN: an image of a colour of its own for every address, none for those that say so."""
    if "dead" in path:
        return None
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), f"#{zlib.crc32(path.encode()) & 0xFFFFFF:06x}").save(buffer, "JPEG")
    return buffer.getvalue()


def image_url(name: str) -> str:
    """The address of one of Amazon's images."""
    return f"https://{AMAZON}/images/I/{name}.jpg"


def name_of(url: str) -> str:
    """What `image_url` made an address of."""
    return url.rsplit("/", 1)[-1].removesuffix(".jpg")


def record(sku: str, *images: str | tuple[str, str | None], **more: object) -> dict[str, Any]:
    """A mapping's record: names of images in the order MAIN, PT01, ..., or pairs of name and variant."""
    slots = ("MAIN", *(f"PT0{n}" for n in range(1, 9)))
    pairs = [item if isinstance(item, tuple) else (item, slots[at]) for at, item in enumerate(images)]
    return {
        "suggested_sku": sku,
        "amazon_images": [{"link": image_url(name), "variant": variant} for name, variant in pairs],
        **more,
    }


def mapping_of(*records: dict[str, Any], name: str = "m1") -> ImageMapping:
    """A mapping with records."""
    return parse_mapping(json.dumps({"matched": records}).encode(), name)


@pytest.fixture(scope="session")
def plytix_server() -> Iterator[PlytixServer]:
    """One stand-in for all tests of a process."""
    behaviour = Behaviour(limits=FAST, auth_limit=100_000, mirrors={AMAZON: picture})
    with PlytixServer(behaviour, accounts=("default", "outlet")) as server:
        yield server


@pytest.fixture
def plytix(plytix_server: PlytixServer) -> Iterator[PlytixServer]:
    """An empty account with a gallery, without faults or counts of other tests."""
    plytix_server.reset()
    plytix_server.seed([], {GALLERY: "MediaGalleryAttribute"})
    yield plytix_server
    plytix_server.reset()


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The project's own database, migrated and empty."""
    engine = make_engine(migrated_url)
    empty(engine)
    yield engine
    engine.dispose()


def empty(engine: sa.Engine) -> None:
    """Lose all that the marketplace remembers."""
    with engine.begin() as connection:
        for table in (tables.assets, tables.products, tables.contents):
            connection.execute(table.delete())


@pytest.fixture
def market_env(
    plytix: PlytixServer, env: dict[str, str], migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of a whole marketplace; also set in this process."""
    values = {
        **env,
        **plytix.env(),
        "DATABASE_URL": migrated_url,
        "PLYTIX_PER_10_S": "100000",
        "PLYTIX_PER_HOUR": "10000000",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@dataclass
class Market:
    """A Plytix account and syncs of mappings that are given as values."""

    work: Workplace
    plytix: PlytixServer
    engine: sa.Engine
    seen: list[SyncRun] = field(default_factory=list[SyncRun])

    @property
    def account(self) -> Account:
        """The account as its owner sees it."""
        return self.plytix.account()

    def seed(self, *skus: str) -> None:
        """Make products."""
        self.plytix.seed([{"sku": sku} for sku in skus])

    def sync(self, mapping: ImageMapping, *, skip_existing: bool = False, saved: SyncPlan | None = None) -> SyncRun:
        """Carry a mapping out."""
        return sync(self.work, mapping, source=f"{mapping.name}.json", skip_existing=skip_existing, saved=saved)

    def dry_run(self, mapping: ImageMapping, *, skip_existing: bool = False) -> SyncRun:
        """Plan a mapping."""
        return dry_run(self.work, mapping, source=f"{mapping.name}.json", skip_existing=skip_existing)

    def gallery(self, sku: str) -> list[str]:
        """File names in gallery order."""
        with self.account.lock:
            return [self.account.assets[asset_id].filename for asset_id in self.account.gallery(sku, GALLERY)]

    def images(self, sku: str) -> list[str]:
        """The gallery's images by the names their addresses have; the merchant's own by their file names."""
        with self.account.lock:
            return [self._name(asset_id) for asset_id in self.account.gallery(sku, GALLERY)]

    def thumbnail(self, sku: str) -> str | None:
        """The thumbnail's image by the name its address has."""
        with self.account.lock:
            found = self.account.product(sku).thumbnail
            return self._name(found) if found else None

    def _name(self, asset_id: str) -> str:
        asset = self.account.assets[asset_id]
        return name_of(asset.source) if asset.source else asset.filename

    def asset(self, name: str) -> str:
        """The id of the asset that was uploaded from an image's address."""
        with self.account.lock:
            return next(asset.id for asset in self.account.assets.values() if asset.source == image_url(name))

    def writes(self) -> int:
        """Requests so far that change something, counted by Plytix."""
        return self.plytix.writes


@pytest.fixture
def market(plytix: PlytixServer, market_env: dict[str, str], engine: sa.Engine) -> Iterator[Market]:
    """A marketplace without products, images or history; retries do not wait."""
    settings = settings_for(market_env)
    with open_workplace(settings, engine=engine) as work, stamina.set_testing(True, attempts=100, cap=True):
        yield Market(work, plytix, engine)


@contextmanager
def another_client(market: Market, **options: Any) -> Iterator[Market]:
    """The same marketplace through a new client, which has met no limit yet."""
    account, work = market.account, market.work
    credentials = Credentials(account.api_key, SecretStr(account.api_password))
    # After a 429 that says nothing a client waits for a part of its window.
    options = {"windows": RateWindows([Window(100_000, 0.2)]), **options}
    with PlytixClient(market.plytix.url, market.plytix.auth_url, credentials, **options) as client:
        ledger = LedgerStore(market.engine, client.account_id)
        applier = Applier(client, ledger, work.workers)
        yield replace(market, work=replace(work, client=client, ledger=ledger, applier=applier))


@pytest.fixture
def hasty(market: Market) -> Iterator[Market]:
    """The marketplace through a client that waits half a second for an answer, and hardly at all after a 429."""
    with another_client(market, read_timeout_s=0.5, patience_s=5.0) as found:
        yield found
        # What was given up is carried out all the same, and must not be counted in the next test.
        sent = sum(one.work.client.requests.total() for one in (market, found))
        give_up_at = time.monotonic() + 2.0
        while market.plytix.counts.total() < sent and time.monotonic() < give_up_at:
            time.sleep(0.01)


@pytest.fixture
def fresh(market: Market) -> Iterator[Market]:
    """The marketplace through a client whose limits no other test has met."""
    with another_client(market, patience_s=5.0) as found:
        yield found


def assert_right(market: Market, mapping: ImageMapping, own: Sequence[str] = ()) -> None:
    """Every reference is linked once, in order, MAIN is the thumbnail, an image one asset; one more run writes nothing.

    ``own`` are the merchant's images, which may be anywhere.
    """
    for product in mapping.products:
        wanted = [name_of(item.url) for item in product.references]
        assert [name for name in market.images(product.sku) if name not in own] == wanted
        assert market.thumbnail(product.sku) == (name_of(product.main) if product.main else None)
    sources = [asset.source for asset in market.account.assets.values() if asset.source]
    assert len(sources) == len(set(sources))
    # Plytix counts a request when it has carried it out, which may be after a client gave it up.
    before = market.work.client.writes.total()
    again = market.sync(mapping)
    assert again.outcomes.failures == []
    assert market.work.client.writes.total() == before
    assert (again.report.images_uploaded, again.report.links_created, again.report.main_image_links) == (0, 0, 0)
    assert market.work.ledger.unfinished() == frozenset()
