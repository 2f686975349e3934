"""The review page: who may see it, what it shows, and the decisions made on it.

Here: the routes. Not here: decisions (``enhancement/review.py``), the queue (``enhancement/review_queue.py``), headers
and proofs that all routes share (``review_http.py``).

The app has ``settings`` and ``engine`` in its state. Nothing here is part of the API's OpenAPI document: these paths
serve the page alone, and may change with it.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from threading import Lock
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

from image_assets.enhancement import review, review_queue
from image_assets.enhancement.model import MAX_ID, ProductStatus
from image_assets.enhancement.review import Decision, DecisionResult
from image_assets.enhancement.review_queue import ReviewImage, ReviewProduct
from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.s3 import ObjectStore
from image_assets.web.review_http import (
    STATIC,
    Form,
    PageSession,
    ReviewRoute,
    SignedIn,
    cookie_name,
    from_form,
    from_script,
    next_page,
    page,
    same_site,
    session_of,
    static_digest,
)
from image_assets.web.review_images import SIZES, read_picture
from image_assets.web.sessions import SESSION_S, Session, SignInBrake, issue, owner_of

# One request may not hold a worker for long, nor say more than this.
_BATCH = 200
_MAX_BODY_BYTES = 1_000_000
_PLAIN_PRODUCTS = 10
_FOREVER = "private, max-age=31536000, immutable"
# Those of a number key each; any other can be written.
REASONS = (
    "The product was changed",
    "Colour differs from the photograph",
    "Visible artefacts",
    "Text or logo is wrong",
    "Background does not suit",
    "Blurred or without detail",
)
# The tabs of the page, in the order of the work.
_TABS = {
    ProductStatus.PENDING_REVIEW: "To review",
    ProductStatus.APPROVED: "Approved",
    ProductStatus.REJECTED: "Rejected",
    ProductStatus.FAILED: "Failed",
}
_CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

router = APIRouter(route_class=ReviewRoute, include_in_schema=False, max_body_size=_MAX_BODY_BYTES)
_making = Lock()

Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Width = Annotated[int | None, Query(alias="w")]
Status = Literal["pending_review", "approved", "rejected", "failed"]
# PostgreSQL knows no NUL in a text.
Category = Annotated[str | None, Query(max_length=1000, pattern=r"^[^\x00]*$")]


def _engine(request: Request) -> sa.Engine:
    engine: sa.Engine = request.app.state.engine
    return engine


def _objects(request: Request) -> ObjectStore:
    """The bucket of enhanced images; one client for all requests of the app."""
    state = request.app.state
    with _making:
        if not hasattr(state, "review_objects"):
            settings: Settings = state.settings
            bucket = settings.require("enhanced_s3_bucket")
            state.review_objects = ObjectStore(make_client(settings, "s3"), bucket)
        objects: ObjectStore = state.review_objects
        return objects


def _brake(request: Request) -> SignInBrake:
    state = request.app.state
    with _making:
        if not hasattr(state, "sign_in_brake"):
            state.sign_in_brake = SignInBrake()
        brake: SignInBrake = state.sign_in_brake
        return brake


Engine = Annotated[sa.Engine, Depends(_engine)]
FromScript = Annotated[Session, Depends(from_script)]
FromForm = Annotated[Session, Depends(from_form)]


# Signing in and out


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = "") -> Response:  # noqa: A002 - the parameter's usual name
    """The page that asks for a token."""
    if session_of(request) is not None:
        return RedirectResponse(next_page(next), 303)
    return page("sign_in.html", next=next_page(next), problem="")


@router.post("/sign-in", dependencies=[Depends(same_site)])
async def sign_in(request: Request, fields: Form) -> Response:
    """Start a session for the owner of a token."""
    address = request.client.host if request.client else ""
    onward = next_page(fields.get("next", ""))
    brake = _brake(request)
    if (wait := brake.wait_s(address)) > 0:
        seconds = str(int(wait) + 1)
        problem = f"Too many attempts: try again in {seconds} seconds."
        return page("sign_in.html", status_code=429, headers={"Retry-After": seconds}, next=onward, problem=problem)
    tokens = request.app.state.settings.tokens
    owner = owner_of(fields.get("token", "").strip(), tokens)
    if owner is None:
        brake.failed(address)
        return page("sign_in.html", status_code=403, next=onward, problem="No one has this token.")
    brake.succeeded(address)
    response = RedirectResponse(onward, 303)
    response.set_cookie(
        cookie_name(request),
        issue(owner, tokens[owner], now=time.time()),
        max_age=SESSION_S,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request, _: FromForm) -> Response:
    """Have the browser forget its session."""
    response = RedirectResponse("/sign-in", 303)
    name, secure = cookie_name(request), request.url.scheme == "https"
    response.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
    return response


# The page


@router.get("/review")
async def show_page(session: PageSession) -> Response:
    """The page; its script asks for everything else."""
    return page(
        "review.html",
        session=session,
        tabs={status.value: label for status, label in _TABS.items()},
        reasons=REASONS,
        max_reason=review.MAX_REASON_CHARS,
    )


@router.get("/review/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """A style sheet, a script or the icon; open to all, as the sign-in page needs them."""
    path = next((path for path in STATIC.iterdir() if path.name == name and path.suffix in _CONTENT_TYPES), None)
    if path is None:
        raise HTTPException(404, "There is no such file.")
    # A page of an older version gets what there is, and does not keep it.
    caching = "public, max-age=31536000, immutable" if digest == static_digest() else "no-cache"
    headers = {"Cache-Control": caching}
    return Response(path.read_bytes(), media_type=_CONTENT_TYPES[path.suffix], headers=headers)


# What its script asks for


class DecisionBody(BaseModel):
    """A decision on an image."""

    image_id: int = Field(ge=1, le=MAX_ID)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    action: Literal["approve", "reject"]
    reason: str | None = Field(None, max_length=2000)


class DecisionsBody(BaseModel):
    """Decisions, carried out each by itself."""

    decisions: list[DecisionBody] = Field(min_length=1, max_length=_BATCH)


class UndoBody(BaseModel):
    """Images whose decisions are taken back."""

    image_ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(min_length=1, max_length=_BATCH)


@router.get("/review/api/queue")
def queue(
    request: Request,
    engine: Engine,
    _: SignedIn,
    status: Status = "pending_review",
    category: Category = None,
    cursor: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """A page of the queue; ``cursor`` of the answer asks for the next one, null after the last."""
    found = review_queue.pending(engine, status=ProductStatus(status), category=category, after=cursor, limit=limit + 1)
    shown = found[:limit]
    more = shown[-1].id if len(found) > limit else None
    return _json({"products": [_product(request, entry) for entry in shown], "cursor": more})


@router.get("/review/api/summary")
def summary(engine: Engine, _: SignedIn, category: Category = None) -> Response:
    """How many products of a category there are, and which categories."""
    return _json(
        {
            "counts": review_queue.counts(engine, category=category),
            "limit": review_queue.COUNT_LIMIT,
            "categories": review_queue.categories(engine),
        }
    )


@router.get("/review/api/products/{product_id}")
def one_product(request: Request, engine: Engine, _: SignedIn, product_id: Number) -> Response:
    """A product as it is now."""
    found = review_queue.product(engine, product_id)
    if found is None:
        raise HTTPException(404, f"There is no product {product_id}.")
    return _json(_product(request, found))


@router.get("/review/api/images/{image_id}/history")
def image_history(engine: Engine, _: SignedIn, image_id: Number) -> Response:
    """The trail of an image."""
    return _json({"entries": [asdict(entry) for entry in review.history(engine, image_id)]})


@router.post("/review/api/decisions")
def decide(engine: Engine, session: FromScript, body: DecisionsBody) -> Response:
    """Decide; the answer says of each what came of it."""
    wanted = [Decision(item.image_id, item.sha256, item.action, item.reason) for item in body.decisions]
    return _results(review.decide(engine, wanted, session.owner))


@router.post("/review/api/undo")
def undo(engine: Engine, session: FromScript, body: UndoBody) -> Response:
    """Take decisions back; the answer says of each what came of it."""
    return _results([review.undo(engine, image_id, session.owner) for image_id in body.image_ids])


def _results(results: list[DecisionResult]) -> Response:
    return _json({"results": [asdict(result) for result in results]})


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(jsonable_encoder(content))


def _product(request: Request, entry: ReviewProduct) -> dict[str, Any]:
    settings: Settings = request.app.state.settings
    source = f"/review/sources/{entry.id}?v={(entry.source_sha256 or '')[:16]}" if entry.source_key else None
    facts = asdict(entry)
    for name in ("source_key", "images"):
        del facts[name]
    images = [_image(image, entry, settings.enhanced_min_side) for image in entry.images]
    return {**facts, "source": source, "images": images}


def _image(image: ReviewImage, entry: ReviewProduct, min_side: int) -> dict[str, Any]:
    facts = asdict(image)
    del facts["s3_key"]
    checks = {
        f"At least {min_side} pixels a side": min(image.width, image.height) >= min_side,
        "Made from the photograph shown": image.source_sha256 == entry.source_sha256,
        # Images that fail these have no row.
        "Neither blank nor the photograph unchanged": True,
    }
    return {**facts, "url": f"/review/images/{image.id}/{image.sha256}", "checks": checks}


# Images


@router.get("/review/images/{image_id}/{sha256}")
def enhanced_image(
    request: Request, engine: Engine, _: SignedIn, image_id: Number, sha256: Hash, width: Width = None
) -> Response:
    """An enhanced image, as long as its bytes are those the address names."""
    found = review_queue.image_file(engine, image_id)
    if found is None or found[1] != sha256:
        raise HTTPException(404, "There is no such image, or it is another one now.")
    return _picture(request, found[0], sha256, width, name=sha256, caching=_FOREVER)


@router.get("/review/sources/{product_id}")
def source_image(
    request: Request, engine: Engine, _: SignedIn, product_id: Number, v: str = "", width: Width = None
) -> Response:
    """The raw photograph as the model was shown it; kept by the browser while ``v`` names the right one."""
    found = review_queue.source_file(engine, product_id)
    if found is None:
        raise HTTPException(404, "The product has no photograph yet.")
    key, sha256 = found
    caching = _FOREVER if v == sha256[:16] else "private, no-cache"
    return _picture(request, key, None, width, name=f"source-{sha256}", caching=caching)


def _picture(request: Request, key: str, sha256: str | None, width: int | None, *, name: str, caching: str) -> Response:
    if width is not None and width not in SIZES:
        raise HTTPException(422, f"The width is none of {', '.join(map(str, SIZES))}.")
    headers = {"ETag": f'"{name}-{width or "full"}"', "Cache-Control": caching}
    if headers["ETag"] in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    settings: Settings = request.app.state.settings
    picture = read_picture(_objects(request), key, sha256=sha256, longest=width, max_pixels=settings.max_image_pixels)
    return Response(picture.body, media_type=picture.content_type, headers=headers)


# The same without scripts


@router.get("/review/plain")
def show_plain(
    engine: Engine,
    session: PageSession,
    status: Status = "pending_review",
    category: Category = None,
    cursor: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
) -> Response:
    """The queue as plain forms."""
    return _plain(engine, session, ProductStatus(status), category or None, cursor, None)


@router.post("/review/plain")
def decide_plain(engine: Engine, session: FromForm, fields: Form) -> Response:
    """Carry out one form of the plain page, and show that page again."""
    try:
        image_id, cursor = int(fields.get("image_id", "")), int(fields.get("cursor") or 0)
        status, action = ProductStatus(fields.get("status", "")), fields.get("action", "")
    except ValueError:
        raise HTTPException(400, "The form is not understood.") from None
    if action == "undo":
        result = review.undo(engine, image_id, session.owner)
    elif action in ("approve", "reject"):
        verb: Literal["approve", "reject"] = "approve" if action == "approve" else "reject"
        wanted = Decision(image_id, fields.get("sha256", ""), verb, fields.get("reason"))
        (result,) = review.decide(engine, [wanted], session.owner)
    else:
        raise HTTPException(400, "The form is not understood.")
    return _plain(
        engine,
        session,
        status,
        fields.get("category", "").replace("\x00", "") or None,
        min(max(cursor, 0), MAX_ID),
        result,
    )


def _plain(
    engine: sa.Engine,
    session: Session,
    status: ProductStatus,
    category: str | None,
    cursor: int,
    result: DecisionResult | None,
) -> Response:
    found = review_queue.pending(engine, status=status, category=category, after=cursor, limit=_PLAIN_PRODUCTS + 1)
    return page(
        "plain.html",
        session=session,
        tabs={entry.value: label for entry, label in _TABS.items()},
        status=status.value,
        category=category or "",
        cursor=cursor,
        products=found[:_PLAIN_PRODUCTS],
        more=found[_PLAIN_PRODUCTS - 1].id if len(found) > _PLAIN_PRODUCTS else None,
        reasons=REASONS,
        max_reason=review.MAX_REASON_CHARS,
        result=result,
    )
