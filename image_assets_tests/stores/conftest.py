"""A queue of the test's own. The client that remembers nothing is shared: making one takes long."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest
from botocore.config import Config

from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets_tests.conftest import SECRET_KEY, Aws


@pytest.fixture(scope="session")
def _once(aws_server: Aws) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=aws_server.url,
        region_name="us-east-1",
        aws_access_key_id="test-access-key",
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


@pytest.fixture
def sqs(_once: Any, aws: Aws) -> Any:
    """A plain client of the stand-in."""
    return _once


@pytest.fixture
def name() -> str:
    """The name of the queue."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def queue(settings: Settings, sqs: Any, name: str) -> Queue:
    """The queue, with the project's own client."""
    return Queue(make_client(settings, "sqs"), ensure_queue(sqs, name))


@pytest.fixture
def hasty(sqs: Any, name: str) -> Queue:
    """The queue, with a client that tries once: faults need not be repeated, nor waited for."""
    return Queue(sqs, ensure_queue(sqs, name))
