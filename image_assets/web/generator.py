"""The image generator's endpoint, as users of the original call it (spec 05; Supabase's path and JSON).

Here: its request, its answer, and how long one request may work. Not here: making images (``generation/``), other
routes (``api.py``).

It works a bounded batch inside the request, as the original does. Otherwise than there a failure is a failure: no
placeholder takes an image's place, and what a provider refuses is in ``results``.
"""

from __future__ import annotations

import json
import logging
from threading import BoundedSemaphore
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from image_assets.errors import ImageAssetsError, InputError, SettingsError
from image_assets.generation.config import provider_plans
from image_assets.generation.model import PROVIDERS, check_provider
from image_assets.generation.providers import open_provider
from image_assets.generation.queue import keys_of
from image_assets.generation.service import Ran, move, run_providers
from image_assets.generation.status import due_counts
from image_assets.report import Outcome, Status
from image_assets.web.auth import bearer
from image_assets.web.services import Services, ServicesOf

PATH = "/functions/v1/hemp-image-generator"
MAX_BATCH = 50
# What a request may take before it begins with nothing further: proxies give up after a minute.
_WORK_S = 40.0
# Of one process: each holds one of its threads for as long as that.
_turns = BoundedSemaphore(2)
_log = logging.getLogger(__name__)

router = APIRouter(tags=["generation"], dependencies=[Security(bearer)])


class GeneratorRequest(BaseModel):
    """How many items to work off, and who is to make the images; without a provider each item's own."""

    model_config = ConfigDict(extra="ignore")

    batchSize: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH)] = 10  # noqa: N815 - the original's name
    provider: Annotated[str | None, WithJsonSchema({"enum": [*PROVIDERS, None]})] = None


class ItemError(BaseModel):
    """An item whose image could not be made, and why."""

    itemId: str  # noqa: N815 - the original's name
    error: str


class Results(BaseModel):
    """What became of the items."""

    processed: int
    success: int
    failed: int
    errors: list[ItemError]


class GeneratorAnswer(BaseModel):
    """The batch was worked off; ``results.failed`` says whether all of it went well."""

    success: Literal[True] = True
    results: Results
    message: str


class GeneratorError(BaseModel):
    """Nothing could be worked off."""

    success: Literal[False] = False
    error: str


_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or a wrong one."},
    413: {"description": "The body is larger than 5 MB."},
    422: {"model": GeneratorError, "description": "The request is wrong, or there is no such provider."},
    429: {"model": GeneratorError, "description": "Other batches are being worked off; ask again."},
    503: {"model": GeneratorError, "description": "A system that all items need can't be used; they stay due."},
}
_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": GeneratorRequest.model_json_schema(),
                "example": {"batchSize": 20, "provider": "stable_diffusion"},
            }
        },
    }
}


async def _read_body(request: Request) -> bytes:
    return await request.body()


@router.post(PATH, response_model=GeneratorAnswer, responses=_RESPONSES, openapi_extra=_BODY)
def generate_images(services: ServicesOf, body: Annotated[bytes, Depends(_read_body)]) -> Response:
    """Work off a batch of the queue, and say what became of each item."""
    try:
        wanted = _wanted(body)
        if wanted.provider is not None:
            check_provider(wanted.provider)
    except InputError as error:
        return _refused(422, str(error))
    if not _turns.acquire(blocking=False):
        return _refused(429, "Other batches are being worked off. Ask again.", {"Retry-After": "15"})
    try:
        return _work_off(services, wanted)
    except ImageAssetsError as error:
        # Which machine does not answer, and how, is for the log.
        _log.error("%s: %s", PATH, error)
        return _refused(503, "A system behind this one can't be used; the log says which.", {"Retry-After": "30"})
    finally:
        _turns.release()


def _wanted(body: bytes) -> GeneratorRequest:
    """The request. Raises InputError."""
    hint = 'Send {"batchSize": 20, "provider": "stable_diffusion"}.'
    if not body.strip():
        return GeneratorRequest()
    try:
        return GeneratorRequest.model_validate(json.loads(body))
    except ValidationError as error:
        found = error.errors(include_input=False)
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in found)
        raise InputError(f"{problems}.", hint=hint) from None
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", hint=hint) from None


def _work_off(services: Services, wanted: GeneratorRequest) -> Response:
    engine, names = services.engine, [wanted.provider] if wanted.provider else None
    if wanted.provider is not None:
        if not provider_plans(engine)[wanted.provider].active:
            nothing = Results(processed=0, success=0, failed=0, errors=[])
            return _json(200, GeneratorAnswer(results=nothing, message=f"{wanted.provider} is paused."))
        # A key that is missing is found before anything is given to it.
        try:
            open_provider(wanted.provider, services.settings).close()
        except SettingsError as error:
            return _unusable(wanted.provider, str(error))
        # Whatever waits is the named provider's, as in the original.
        lacking = wanted.batchSize - due_counts(engine).get(wanted.provider, 0)
        if lacking > 0:
            move(engine, wanted.provider, limit=lacking, due=True)
    outcomes: list[Outcome] = []
    ran = run_providers(
        services.settings, engine, names, limit=wanted.batchSize, budget_s=_WORK_S, on_result=outcomes.append
    )
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    said = set(ran.turned_away.values())
    if said and not ran.report.done and all(outcome.message in said for outcome in failed):
        return _unusable(*next(iter(ran.turned_away.items())))
    items = dict(keys_of(engine, [int(outcome.item) for outcome in failed]))
    # An item that was deleted meanwhile has its product's number.
    errors = [
        ItemError(itemId=str(items.get(int(outcome.item), (outcome.item,))[0]), error=outcome.message)
        for outcome in failed
    ]
    results = Results(processed=len(outcomes), success=ran.report.done, failed=len(failed), errors=errors)
    return _json(200, GeneratorAnswer(results=results, message=_message(results, ran)))


def _unusable(provider: str, message: str) -> Response:
    _log.error("%s: %s: %s", PATH, provider, message)
    return _refused(503, f"{provider} can't be used, its items stay due: {message}")


def _message(results: Results, ran: Ran) -> str:
    if ran.paused and not results.processed:
        return f"{', '.join(ran.paused)} is paused."
    if not results.processed:
        return "No images to generate."
    return f"Processed {results.processed} images: {results.success} successful, {results.failed} failed."


def _refused(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    return _json(status, GeneratorError(error=error), headers)


def _json(status: int, answer: BaseModel, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers, JSONResponse.media_type)
