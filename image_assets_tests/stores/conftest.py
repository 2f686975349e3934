"""The S3 fixtures of the whole suite, with clients that are made quickly."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.settings import Settings
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws
from image_assets_tests.stores.quick import quick_client


@pytest.fixture
def s3(settings: Settings, aws: Aws) -> Any:
    """A plain client of the stand-in, for arranging and looking; the test's bucket exists."""
    client = quick_client(settings)
    client.create_bucket(Bucket=settings.s3_bucket)
    aws.faults.clear()
    return client


@pytest.fixture
def store(settings: Settings, s3: Any) -> ObjectStore:
    """The store under test, on the test's bucket, with a client of its own."""
    return ObjectStore(quick_client(settings), settings.require_bucket())
