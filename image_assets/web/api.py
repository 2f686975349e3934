"""The product API: products in, products and images out, decisions on images.

Here: routes, and how results of the area become answers. Not here: the results (``enhancement/``), shapes
(``schemas.py``), tokens (``auth.py``), errors of whole requests (``errors.py``).

Endpoints are plain functions: each runs in a thread, and may wait for the database.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request, Response, Security
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from image_assets.enhancement import review
from image_assets.enhancement.intake import RequestKey
from image_assets.enhancement.listing import list_products, product_detail
from image_assets.enhancement.model import ProductStatus
from image_assets.enhancement.review import Decision, DecisionResult
from image_assets.enhancement.submission import Category
from image_assets.errors import InputError
from image_assets.web.auth import bearer
from image_assets.web.schemas import (
    BULK_REQUEST,
    MAX_NUMBER,
    MAX_PRODUCTS,
    CreatedAnswer,
    DecisionAnswer,
    DecisionConflict,
    DecisionOutcome,
    DecisionRecord,
    DecisionsAnswer,
    DecisionsData,
    DecisionsRequest,
    ErrorAnswer,
    ErrorBody,
    PageAnswer,
    PageData,
    PartlyCreatedAnswer,
    ProductAnswer,
    RefusedAnswer,
    Rejection,
    Seen,
)
from image_assets.web.services import Owner, ServicesOf

_CODES_OF_CONFLICTS = frozenset({"already_decided", "changed", "not_yours", "nothing_to_undo"})
_CONFLICT: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "There is no such image."},
    409: {"model": DecisionConflict, "description": "Another decision stands, or the image is another one by now."},
}

router = APIRouter(
    prefix="/api",
    dependencies=[Security(bearer)],
    responses={
        400: {"model": ErrorAnswer, "description": "The body can't be read."},
        401: {"model": ErrorAnswer, "description": "No token, or a wrong one."},
        413: {"model": ErrorAnswer, "description": "The body is larger than 5 MB."},
        422: {"model": ErrorAnswer, "description": "The request is wrong; the message says where."},
        503: {"model": ErrorAnswer, "description": "The database is away; ask again after Retry-After seconds."},
    },
)

_Id = Annotated[int, Path(ge=1, le=MAX_NUMBER)]


async def _read_body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/products/bulk",
    tags=["products"],
    status_code=201,
    response_model=CreatedAnswer,
    responses={
        200: {"model": PartlyCreatedAnswer, "description": "Some products were created."},
        409: {"model": ErrorAnswer, "description": "The Idempotency-Key came with another request before."},
        422: {"model": RefusedAnswer, "description": "No product was created."},
    },
    openapi_extra=BULK_REQUEST,
)
def create_products(
    services: ServicesOf,
    owner: Owner,
    body: Annotated[bytes, Depends(_read_body)],
    atomic: Annotated[bool, Query(description="Create none if any is bad.")] = False,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]([ -~]{0,198}[!-~])?$",
            description="Any name for this request: repeated within 24 hours, it is answered as the first time.",
        ),
    ] = None,
) -> Response:
    """Create up to 1,000 products, and have their images made. A bad one does not stop the others."""
    key = None
    if idempotency_key is not None:
        key = RequestKey(idempotency_key, hashlib.sha256(b"%d %s" % (atomic, body)).hexdigest())
    receipt, replayed = services.intake.take(_products_in(body), owner, atomic=atomic, key=key)
    if not receipt.products:
        return _json(422, _none_created(len(receipt.refused), receipt.total, atomic=atomic, errors=receipt.refused))
    headers = {"Idempotent-Replay": "true"} if replayed else {}
    return _json(200 if receipt.refused else 201, CreatedAnswer.of(receipt), headers)


@router.get("/products/bulk", include_in_schema=False)
def refuse_to_read_bulk() -> Response:
    """Otherwise ``bulk`` would be taken for the number of a product."""
    raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})


def _none_created(refused: int, total: int, *, atomic: bool, errors: Any) -> RefusedAnswer:
    message = f"No product was created: {refused} of {total} {'is' if refused == 1 else 'are'} wrong"
    if atomic and refused < total:
        message += ", and atomic=true asks for all or none"
    return RefusedAnswer(error=ErrorBody(code="bad_products", message=f"{message}."), errors=errors)


def _products_in(body: bytes) -> list[object]:
    """The products of a bulk request, as JSON values with decimal numbers."""
    hint = 'Send {"products": [...]}.'
    try:
        content = json.loads(body, parse_float=_decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", hint=hint) from None
    found = content.get("products") if isinstance(content, dict) else None
    if not isinstance(found, list) or not found:
        raise InputError("The body names no products.", hint=hint)
    if len(found) > MAX_PRODUCTS:
        raise InputError(
            f"{len(found):,} products are too many for one request.", hint=f"Send at most {MAX_PRODUCTS:,} at once."
        )
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no computer holds
        return Decimal("Infinity")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


@router.get("/products", tags=["products"])
def get_products(
    services: ServicesOf,
    status: Annotated[ProductStatus | None, Query(description="Only products of this status.")] = None,
    category: Annotated[Category | None, Query(description="Only products of this category.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[int | None, Query(ge=1, le=MAX_NUMBER, description="``next_cursor`` of the page before.")] = None,
) -> PageAnswer:
    """Products, the newest first."""
    found = list_products(services.engine, status=status, category=category, before=cursor, limit=limit + 1)
    page = found[:limit]
    return PageAnswer(data=PageData(products=page, next_cursor=str(page[-1].id) if len(found) > limit else None))


@router.get("/products/{product_id}", tags=["products"], responses={404: {"model": ErrorAnswer}})
def get_product(services: ServicesOf, product_id: _Id) -> ProductAnswer:
    """One product with its images, how far it has come, and why it failed if it did."""
    return ProductAnswer(data=product_detail(services.engine, product_id))


@router.post("/images/decisions", tags=["images"])
def decide_on_images(services: ServicesOf, owner: Owner, wanted: DecisionsRequest) -> DecisionsAnswer:
    """Decide on up to 1,000 images, one by one: what came of each is in the answer."""
    results = review.decide(services.engine, [one.decision() for one in wanted.decisions], owner)
    outcomes = [DecisionOutcome.of(result) for result in results]
    decided = sum(result.ok for result in results)
    return DecisionsAnswer(data=DecisionsData(decided=decided, total=len(results), results=outcomes))


@router.post("/images/{image_id}/approve", tags=["images"], response_model=DecisionAnswer, responses=_CONFLICT)
def approve_image(services: ServicesOf, owner: Owner, image_id: _Id, seen: Seen) -> Response:
    """Approve an image, as it was seen."""
    (result,) = review.decide(services.engine, [Decision(image_id, seen.sha256, "approve")], owner)
    return _decided(result)


@router.post("/images/{image_id}/reject", tags=["images"], response_model=DecisionAnswer, responses=_CONFLICT)
def reject_image(services: ServicesOf, owner: Owner, image_id: _Id, seen: Rejection) -> Response:
    """Reject an image, as it was seen, for a reason."""
    (result,) = review.decide(services.engine, [Decision(image_id, seen.sha256, "reject", seen.reason)], owner)
    return _decided(result)


@router.post("/images/{image_id}/undo", tags=["images"], response_model=DecisionAnswer, responses=_CONFLICT)
def undo_decision(services: ServicesOf, owner: Owner, image_id: _Id) -> Response:
    """Take back one's own decision on an image."""
    return _decided(review.undo(services.engine, image_id, owner))


def _decided(result: DecisionResult) -> Response:
    if result.ok:
        return _json(200, DecisionAnswer(data=DecisionRecord.of(result)))
    error = ErrorBody(code=result.code, message=result.message)
    if result.code in _CODES_OF_CONFLICTS:
        return _json(409, DecisionConflict(error=error, data=DecisionRecord.of(result)))
    return _json(404 if result.code == "not_found" else 422, ErrorAnswer(error=error))


def _json(status: int, answer: BaseModel, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers, JSONResponse.media_type)
