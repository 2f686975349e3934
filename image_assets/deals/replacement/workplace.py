"""What a replacement works with, made from settings: deals database, ledger, bucket and experiments.

Here: construction and closing. Not here: what is done with them (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.deals.functions import layout_from
from image_assets.deals.replacement.apply import Bench
from image_assets.deals.replacement.experiments import Experiments
from image_assets.deals.replacement.images import DealImages
from image_assets.deals.replacement.ledger import Ledger
from image_assets.settings import Settings
from image_assets.stores.database import make_engine
from image_assets.stores.oracle import CALL_TIMEOUT_MS, make_oracle_engine
from image_assets.stores.redshift import Connect, connection_arguments, connector
from image_assets.stores.s3 import ObjectStore


@dataclass(frozen=True)
class Workplace:
    """What `service.replace` takes."""

    bench: Bench
    experiments: Experiments


@contextmanager
def open_workplace(
    settings: Settings,
    *,
    store: ObjectStore | None = None,
    engine: sa.Engine | None = None,
    connect: Connect | None = None,
) -> Iterator[Workplace]:
    """Make everything a replacement needs, and close it afterwards.

    Args:
        settings: all of them.
        store: the bucket, where the caller has one.
        engine: the project's own database, where the caller has one.
        connect: opens a connection to Redshift, where the caller has a way of its own.

    Raises:
        SettingsError: a setting is missing or wrong, or no sandbox is running.
    """
    bucket, layout = store or ObjectStore.from_settings(settings), layout_from(settings)
    redshift = connect or connector(connection_arguments(settings))
    own = engine if engine is not None else make_engine(settings.require("database_url"))
    try:
        with open_deal_images(settings) as images:
            bench = Bench(
                images, Ledger(own), bucket, layout, settings.replacement_source_key, settings.max_image_pixels
            )
            experiments = Experiments(redshift, settings.redshift_candidates_query)
            yield Workplace(bench, experiments)
    finally:
        if engine is None:
            own.dispose()


@contextmanager
def open_deal_images(settings: Settings) -> Iterator[DealImages]:
    """The deals database: ``DEALS_DATABASE_URL``, or Oracle by ``ORACLE_DSN`` and its kin. Raises SettingsError."""
    settings.require_deals_database()
    kept = settings.replacement_workers
    if settings.deals_database_url is not None:
        variable, url = "DEALS_DATABASE_URL", settings.require("deals_database_url")
        engine = make_engine(url, variable, kept=kept, lock_timeout_s=CALL_TIMEOUT_MS / 1000)
    else:
        variable = "ORACLE_DSN"
        engine = make_oracle_engine(
            "oracle+oracledb://",
            kept=kept,
            dsn=settings.require("oracle_dsn"),
            user=settings.require("oracle_user"),
            password=settings.require("oracle_password"),
        )
    try:
        yield DealImages(engine, variable=variable, sequence=settings.replacement_sequence)
    finally:
        engine.dispose()
