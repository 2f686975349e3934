"""Signing in to the review and out of it.

Here: the routes, and the brake on guessing. Not here: what a session is (``sessions.py``), who is asked for one
(``review_http.py``).
"""

from __future__ import annotations

import time
from threading import Lock

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from image_assets.web.review_http import (
    Form,
    FromForm,
    ReviewRoute,
    cookie_name,
    next_page,
    page,
    same_site,
    session_of,
)
from image_assets.web.sessions import SESSION_S, SignInBrake, issue, owner_of

router = APIRouter(route_class=ReviewRoute)
_making = Lock()


def _brake(request: Request) -> SignInBrake:
    """The brake of the app, for all its requests."""
    state = request.app.state
    with _making:
        if not hasattr(state, "sign_in_brake"):
            state.sign_in_brake = SignInBrake()
        brake: SignInBrake = state.sign_in_brake
        return brake


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
