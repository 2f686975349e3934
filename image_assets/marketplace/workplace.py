"""What the marketplace works with, made from settings: the Plytix account, the ledger, the guarded fetch.

Here: construction and closing. Not here: what is done with them (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.imaging.probe import sniff
from image_assets.marketplace.apply import Applier
from image_assets.marketplace.ledger import ContentStore, LedgerStore
from image_assets.settings import Settings
from image_assets.stores.database import make_engine
from image_assets.vendors.fetch import Fetcher, FetchRules
from image_assets.vendors.plytix.client import PlytixClient

# An image on Amazon's CDN has at most 10,000 pixels a side and 10 MB; others' may be a little larger.
MAX_IMAGE_BYTES = 30 * 1024 * 1024


@dataclass
class Workplace:
    """What a sync works with.

    Attributes:
        account: the account's alias; empty for the only one.
        gallery: the label of the gallery attribute.
        client: the account.
        ledger: what was uploaded before.
        applier: writes to the account.
        workers: requests at the same time.
        fetcher: fetches images to compare their bytes; None unless that is switched on.
        contents: what addresses answered before.
    """

    account: str
    gallery: str
    client: PlytixClient
    ledger: LedgerStore
    applier: Applier
    workers: int
    fetcher: Fetcher | None
    contents: ContentStore


@contextmanager
def open_workplace(settings: Settings, account: str = "", *, engine: sa.Engine | None = None) -> Iterator[Workplace]:
    """Make everything a sync needs, and close it afterwards.

    Args:
        settings: Plytix and the database.
        account: an alias of ``PLYTIX_<ACCOUNT>_API_KEY``; empty for ``PLYTIX_API_KEY``.
        engine: the project's own database, where the caller has one.

    Raises:
        SettingsError: a setting is missing, or no sandbox is running.
    """
    with ExitStack() as opened:
        client = opened.enter_context(PlytixClient.from_settings(settings, account))
        if engine is None:
            engine = make_engine(settings.require("database_url"))
            opened.callback(engine.dispose)
        fetcher: Fetcher | None = None
        if settings.marketplace_same_bytes:
            rules = FetchRules(allowed_hosts=settings.allowed_image_hosts, max_bytes=MAX_IMAGE_BYTES, sniff=sniff)
            fetcher = opened.enter_context(closing(Fetcher(rules)))
        ledger = LedgerStore(engine, client.account_id)
        yield Workplace(
            account,
            settings.marketplace_gallery,
            client,
            ledger,
            Applier(client, ledger, settings.marketplace_workers),
            settings.marketplace_workers,
            fetcher,
            ContentStore(engine),
        )
