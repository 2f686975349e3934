"""What every page and endpoint of the review has in common: headers, errors, who is signed in, which collection.

Here: HTTP rules, templates, addresses. Not here: the routes (``review.py``), what a session is (``sessions.py``), what
a collection is (``review_shapes.py``, ``review_desks.py``).
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as AnyHTTPException

from image_assets.errors import AccessDeniedError, ImageAssetsError, NotFoundError, PermanentError, SettingsError
from image_assets.stores.decisions import MAX_ID
from image_assets.web.review_desks import ReviewDesk, open_desks
from image_assets.web.review_shapes import PageImage, PageProduct
from image_assets.web.sessions import Session, is_form_token, read

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
FORM_HEADER = "x-form-token"
_MAX_FORM_BYTES = 16_384
_RETRY_AFTER_S = "5"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it browsers send forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
# Where a sign-in may lead: this page, nowhere else.
_NEXT = re.compile(r"/review(/plain)?(\?[A-Za-z0-9_=&%.+*~-]*)?")
_log = logging.getLogger(__name__)


class ReviewRoute(APIRoute):
    """A route whose answers, errors included, carry the page's headers and speak its language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap what answers a request."""
        answer: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                response = await answer(request)
            except AnyHTTPException as error:
                response = _problem(request, error.status_code, "http", str(error.detail), error.headers)
            except RequestValidationError as error:
                where = ", ".join(sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()}))
                response = _problem(request, 422, "bad_request", f"The request is not understood: {where}.")
            except (ImageAssetsError, SQLAlchemyError) as error:
                response = _failure(request, error)
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded


def _failure(request: Request, error: ImageAssetsError | SQLAlchemyError) -> Response:
    # Which system it was, and what it said, is for the log.
    _log.warning("%s: %s: %s", request.url.path, type(error).__name__, " ".join(str(error).split()))
    if isinstance(error, NotFoundError):
        return _problem(request, 404, error.code, "The file is not there any more.")
    if isinstance(error, PermanentError) and not isinstance(error, SettingsError | AccessDeniedError):
        return _problem(request, 409, error.code, "The stored file is not what was recorded, and is not shown.")
    message = "A system behind this page can't be used now: try again."
    return _problem(request, 503, "unavailable", message, {"Retry-After": _RETRY_AFTER_S})


def _problem(
    request: Request, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    if status in (301, 302, 303):
        return Response(status_code=status, headers=headers)
    if "text/html" in request.headers.get("accept", ""):
        return page("error.html", status_code=status, headers=headers, message=message, code=status)
    return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)


@cache
def static_digest() -> str:
    """Names the static files by their content, so that a browser may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True)
    environment.globals.update(
        static=f"/review/static/{static_digest()}",
        address=address,
        image_address=image_address,
        source_address=source_address,
    )
    return environment


def page(
    template: str, *, status_code: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> HTMLResponse:
    """A page made from a template."""
    content = _environment().get_template(template).render(**values)
    return HTMLResponse(content, status_code=status_code, headers=headers)


def cookie_name(request: Request) -> str:
    """The session cookie's name; over https browsers then hold it to this host alone."""
    name = "image_assets_session"
    return f"__Host-{name}" if request.url.scheme == "https" else name


def session_of(request: Request) -> Session | None:
    """The session of a request, if it has one."""
    cookie = request.cookies.get(cookie_name(request), "")
    return read(cookie, request.app.state.settings.tokens, now=time.time()) if cookie else None


async def signed_in(request: Request) -> Session:
    """The session of a request; without one the answer is 401."""
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "Your session has ended: sign in again.")
    return session


async def page_session(request: Request) -> Session:
    """The session of a page's request; without one the browser is sent to sign in."""
    session = session_of(request)
    if session is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise HTTPException(303, headers={"Location": f"/sign-in?next={quote(here, safe='')}"})
    return session


async def same_site(request: Request) -> None:
    """Refuse what another site's page has made the browser send (403); what is no browser says nothing of it."""
    fetch_site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetch_site is not None:
        ours = fetch_site in ("same-origin", "none")
    else:
        ours = origin is None or _host(origin) == request.headers.get("host", "").lower()
    if not ours:
        raise HTTPException(403, "The request comes from another site.")


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


async def form(request: Request) -> dict[str, str]:
    """The fields of an HTML form; of one that is there twice the last."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "The request is no form.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise HTTPException(413, "The form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise HTTPException(400, "The form is not understood.") from None


SignedIn = Annotated[Session, Depends(signed_in)]
PageSession = Annotated[Session, Depends(page_session)]
Form = Annotated[dict[str, str], Depends(form)]


async def from_script(request: Request, session: SignedIn, _: Annotated[None, Depends(same_site)]) -> Session:
    """The session of a request that writes and was sent by the page's script; 403 without its token."""
    _check(session, request.headers.get(FORM_HEADER, ""))
    return session


async def from_form(session: PageSession, fields: Form, _: Annotated[None, Depends(same_site)]) -> Session:
    """The session of a form of the page; 403 without its token."""
    _check(session, fields.get("form_token", ""))
    return session


FromScript = Annotated[Session, Depends(from_script)]
FromForm = Annotated[Session, Depends(from_form)]


def _check(session: Session, given: str) -> None:
    if not is_form_token(session, given):
        raise HTTPException(403, "The request lacks the page's token: load the page again.")


def next_page(wanted: str) -> str:
    """Where to go after signing in."""
    return wanted if _NEXT.fullmatch(wanted) else "/review"


# The collection a request is about


def desks_of(request: Request) -> Mapping[str, ReviewDesk]:
    """The desks of all collections by their names, the usual one first."""
    state = request.app.state
    opened = getattr(state, "open_desks", open_desks)(state.engine, state.settings)
    return {desk.collection.name: desk for desk in opened}


Desks = Annotated[Mapping[str, ReviewDesk], Depends(desks_of)]


def desk_of(desks: Desks, collection: str | None = None) -> ReviewDesk:
    """The desk that ``?collection=`` names, or the usual one; 404 when there is none of that name."""
    desk = next(iter(desks.values())) if collection is None else desks.get(collection)
    if desk is None:
        raise HTTPException(404, "There is no such collection.")
    return desk


Desk = Annotated[ReviewDesk, Depends(desk_of)]


def tab_of(desk: Desk, status: str | None = None) -> str:
    """The tab that ``?status=`` names, or the first; 422 when the collection has none of that name."""
    tabs = desk.collection.tabs
    if status is not None and status not in tabs:
        raise HTTPException(422, f"The status is none of {', '.join(tabs)}.")
    return status or next(iter(tabs))


Tab = Annotated[str, Depends(tab_of)]
# PostgreSQL knows no NUL in a text.
Group = Annotated[str | None, Query(alias="category", max_length=1000, pattern=r"^[^\x00]*$")]
Cursor = Annotated[int, Query(ge=0, le=MAX_ID)]


def address(desk: ReviewDesk, path: str, **query: object) -> str:
    """An address of a collection's page, or of what belongs to it."""
    return f"{path}?{urlencode({'collection': desk.collection.name, **query})}"


def image_address(desk: ReviewDesk, image: PageImage, **query: object) -> str:
    """Where an image is served; another one once its bytes are others."""
    return address(desk, f"/review/images/{image.id}/{image.sha256}", **query)


def source_address(desk: ReviewDesk, product: PageProduct, **query: object) -> str | None:
    """Where a product's photograph is served, if it has one; another address once its bytes are others."""
    if product.source is None:
        return None
    return address(desk, f"/review/sources/{product.id}", v=product.source[:16], **query)
