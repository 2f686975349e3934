"""The review page: what it shows, and the decisions made on it.

Here: the page, what its script asks for, images. Not here: collections (``review_desks.py``), what all routes share
(``review_http.py``), signing in (``review_sign_in.py``), the page without scripts (``review_plain.py``).

The app has ``settings`` and ``engine`` in its state, and ``open_desks`` where its collections are others than
`review_desks.open_desks`'. Nothing here is part of the API's OpenAPI document: these paths serve the page alone, and
may change with it.
"""

from __future__ import annotations

from dataclasses import asdict
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.decisions import MAX_ID, MAX_REASON_CHARS, Decision, DecisionResult, Verb
from image_assets.stores.s3 import ObjectStore
from image_assets.web import review_plain, review_sign_in
from image_assets.web.review_desks import ReviewDesk
from image_assets.web.review_http import (
    STATIC,
    Cursor,
    Desk,
    Desks,
    FromScript,
    Group,
    PageSession,
    ReviewRoute,
    SignedIn,
    Tab,
    image_address,
    page,
    source_address,
    static_digest,
)
from image_assets.web.review_images import SIZES, read_picture
from image_assets.web.review_shapes import PageProduct

# One request may not hold a worker for long, nor say more than this.
_BATCH = 200
_MAX_BODY_BYTES = 1_000_000
_FOREVER = "private, max-age=31536000, immutable"
_CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

router = APIRouter(route_class=ReviewRoute, include_in_schema=False, max_body_size=_MAX_BODY_BYTES)
router.include_router(review_sign_in.router)
router.include_router(review_plain.router)
_making = Lock()

Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Width = Annotated[int | None, Query(alias="w")]


# The page


@router.get("/review")
def show_page(session: PageSession, desks: Desks, desk: Desk) -> Response:
    """The page; its script asks for everything else."""
    return page(
        "review.html",
        session=session,
        desks=desks.values(),
        desk=desk,
        collection=desk.collection,
        max_reason=MAX_REASON_CHARS,
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
    """A decision on an image; ``again`` asks for another one in the place of one that is rejected."""

    image_id: int = Field(ge=1, le=MAX_ID)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    action: Verb
    reason: str | None = Field(None, max_length=2000)
    again: bool = False


class DecisionsBody(BaseModel):
    """Decisions, carried out each by itself."""

    decisions: list[DecisionBody] = Field(min_length=1, max_length=_BATCH)


class UndoBody(BaseModel):
    """Images whose decisions are taken back."""

    image_ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(min_length=1, max_length=_BATCH)


@router.get("/review/api/queue")
def queue(
    _: SignedIn,
    desk: Desk,
    status: Tab,
    category: Group = None,
    cursor: Cursor = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """A page of the queue; ``cursor`` of the answer asks for the next one, null after the last."""
    found = desk.page(status, category, cursor, limit + 1)
    shown = found[:limit]
    more = shown[-1].id if len(found) > limit else None
    return _json({"products": [_product(desk, entry) for entry in shown], "cursor": more})


@router.get("/review/api/summary")
def summary(_: SignedIn, desk: Desk, category: Group = None) -> Response:
    """How many products of a category there are, and which categories."""
    return _json(
        {
            "counts": desk.counts(category),
            "limit": desk.collection.count_limit,
            "categories": desk.groups(),
        }
    )


@router.get("/review/api/products/{product_id}")
def one_product(_: SignedIn, desk: Desk, product_id: Number) -> Response:
    """A product as it is now."""
    found = desk.product(product_id)
    if found is None:
        raise HTTPException(404, f"There is no product {product_id}.")
    return _json(_product(desk, found))


@router.get("/review/api/images/{image_id}/history")
def image_history(_: SignedIn, desk: Desk, image_id: Number) -> Response:
    """The trail of an image."""
    return _json({"entries": [asdict(entry) for entry in desk.history(image_id)]})


@router.post("/review/api/decisions")
def decide(session: FromScript, desk: Desk, body: DecisionsBody) -> Response:
    """Decide; the answer says of each what came of it."""
    if not desk.collection.requeues and any(item.again for item in body.decisions):
        raise HTTPException(422, "Products of this collection are not queued for new images: leave out again.")
    wanted = [Decision(item.image_id, item.sha256, item.action, item.reason, item.again) for item in body.decisions]
    return _results(desk.decide(wanted, session.owner))


@router.post("/review/api/undo")
def undo(session: FromScript, desk: Desk, body: UndoBody) -> Response:
    """Take decisions back; the answer says of each what came of it."""
    return _results([desk.undo(image_id, session.owner) for image_id in body.image_ids])


def _results(results: list[DecisionResult]) -> Response:
    return _json({"results": [asdict(result) for result in results]})


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(jsonable_encoder(content))


def _product(desk: ReviewDesk, entry: PageProduct) -> dict[str, Any]:
    images = [{**asdict(image), "url": image_address(desk, image)} for image in entry.images]
    return {**asdict(entry), "source": source_address(desk, entry), "images": images}


# Images


@router.get("/review/images/{image_id}/{sha256}")
def image(request: Request, _: SignedIn, desk: Desk, image_id: Number, sha256: Hash, width: Width = None) -> Response:
    """An image, as long as its bytes are those the address names."""
    found = desk.image_file(image_id)
    if found is None or found[1] != sha256:
        raise HTTPException(404, "There is no such image, or it is another one now.")
    return _picture(request, desk, found[0], sha256, width, name=sha256, caching=_FOREVER)


@router.get("/review/sources/{product_id}")
def source_image(
    request: Request, _: SignedIn, desk: Desk, product_id: Number, v: str = "", width: Width = None
) -> Response:
    """A product's photograph; kept by the browser while ``v`` names the right one."""
    found = desk.source_file(product_id)
    if found is None:
        raise HTTPException(404, "The product has no photograph.")
    key, sha256 = found
    caching = _FOREVER if v == sha256[:16] else "private, no-cache"
    return _picture(request, desk, key, None, width, name=f"source-{sha256}", caching=caching)


def _picture(
    request: Request, desk: ReviewDesk, key: str, sha256: str | None, width: int | None, *, name: str, caching: str
) -> Response:
    if width is not None and width not in SIZES:
        raise HTTPException(422, f"The width is none of {', '.join(map(str, SIZES))}.")
    headers = {"ETag": f'"{name}-{width or "full"}"', "Cache-Control": caching}
    if headers["ETag"] in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    settings: Settings = request.app.state.settings
    objects = _objects(request, desk.bucket())
    picture = read_picture(objects, key, sha256=sha256, longest=width, max_pixels=settings.max_image_pixels)
    return Response(picture.body, media_type=picture.content_type, headers=headers)


def _objects(request: Request, bucket: str) -> ObjectStore:
    """A bucket of images; each has one client for all requests of the app."""
    state = request.app.state
    with _making:
        if not hasattr(state, "review_buckets"):
            state.review_buckets = {}
        buckets: dict[str, ObjectStore] = state.review_buckets
        if bucket not in buckets:
            buckets[bucket] = ObjectStore(make_client(state.settings, "s3"), bucket)
        return buckets[bucket]
