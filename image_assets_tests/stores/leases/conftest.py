"""The queue of jobs, empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from image_assets.stores.database import make_engine
from image_assets.stores.leases import LeaseQueue
from image_assets_tests.stores.leases.jobs import job_queue, tables


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A database with the tables of jobs."""
    engine = make_engine(database_url)
    tables.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(engine: sa.Engine) -> LeaseQueue:
    """The queue under test: failed jobs are due again at once."""
    return job_queue(engine)
