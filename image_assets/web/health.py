"""``/healthz``: whether this process can serve, for whoever sends it requests.

Here: what is asked, and how it is answered. Not here: all systems with advice (``image-assets doctor``).
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from image_assets.errors import ImageAssetsError
from image_assets.stores.database import current_revision, head_revision
from image_assets.web.schemas import Health
from image_assets.web.services import Services, ServicesOf

_log = logging.getLogger(__name__)
router = APIRouter(tags=["health"])


@router.get(
    "/healthz",
    response_model=Health,
    responses={503: {"model": Health, "description": "It can't serve now; ``problems`` says which part."}},
)
def get_health(services: ServicesOf) -> Response:
    """Whether the database answers and is migrated, and what else is away. Needs no token."""
    problems = _database_problems(services)
    status: Literal["ok", "degraded", "down"] = "down" if problems else "ok"
    if not services.announcer.is_reachable():
        problems["queue"] = "does not answer; messages wait in the outbox"
        status = "degraded" if status == "ok" else status
    health = Health(status=status, problems=problems)
    return Response(
        health.model_dump_json(exclude_defaults=True), 503 if status == "down" else 200, None, JSONResponse.media_type
    )


def _database_problems(services: Services) -> dict[str, str]:
    """What is wrong with the database, in words that strangers may read."""
    try:
        found = current_revision(services.engine)
    except (ImageAssetsError, SQLAlchemyError) as error:
        _log.error("The database does not answer: %s", " ".join(str(error).split()))
        return {"database": "does not answer"}
    if found != _head():
        return {"database": "is at another revision than this version needs: run `image-assets setup`"}
    return {}


_head = cache(head_revision)
