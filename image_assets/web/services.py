"""What the endpoints of one server process share: settings, the database, the way to the queue.

Here: making and closing it, and finding it from a request. Not here: routes (``api.py``, ``review.py``), middleware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Request
from pydantic import SecretStr

from image_assets.enhancement.intake import Announcer, Intake
from image_assets.errors import SettingsError
from image_assets.settings import Settings
from image_assets.stores.database import make_engine, parse_url
from image_assets.stores.sqs import Queue

# Requests worked on at the same time by one process, each with one connection to the database. More would only wait
# for PostgreSQL; those that wait for their body or their turn hold neither.
THREADS = 16
# How long a request waits for SQS at most before its products are left to the relay.
QUEUE_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Services:
    """What one process serves with.

    Attributes:
        settings: all of them.
        tokens: the API's bearer tokens by the names of their owners.
        engine: the project's own database; its connections are made when they are needed.
        queue: the request queue, asked with little patience.
        announcer: tells the queue of products.
        intake: creates products.
    """

    settings: Settings
    tokens: Mapping[str, SecretStr]
    engine: sa.Engine
    queue: Queue
    announcer: Announcer
    intake: Intake


def check_settings(settings: Settings) -> None:
    """Refuse settings that no server can work with.

    Raises:
        SettingsError: a token, the database or the queue is not set, or no sandbox is running.
    """
    settings.require("api_tokens")
    if not settings.tokens:
        raise SettingsError("API_TOKENS holds no token.", hint="Set it to name:token, with commas between several.")
    parse_url(settings.require("database_url"), "DATABASE_URL")
    settings.require("sqs_queue_url")
    settings.require_aws()


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Make what a process serves with, and close it afterwards; nothing is connected to yet.

    Raises:
        SettingsError: as `check_settings`.
    """
    check_settings(settings)
    engine = make_engine(settings.require("database_url"), kept=THREADS)
    try:
        queue = Queue.from_settings(settings, patience_s=QUEUE_PATIENCE_S)
        announcer = Announcer(engine, queue)
        yield Services(
            settings, settings.tokens, engine, queue, announcer, Intake.from_settings(settings, engine, announcer)
        )
    finally:
        engine.dispose()


def services_of(request: Request) -> Services:
    """What this process serves with."""
    services: Services = request.app.state.services
    return services


def owner_of_request(request: Request) -> str:
    """Whose token the request brought; only where `auth.TokenGate` stands before."""
    owner: str = request.state.owner
    return owner


ServicesOf = Annotated[Services, Depends(services_of)]
Owner = Annotated[str, Depends(owner_of_request)]
