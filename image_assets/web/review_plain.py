"""The review without scripts: the queue as plain forms, one decision at a time.

Here: its routes. Not here: the page with scripts, and the images of both (``review.py``), what a collection is
(``review_desks.py``).
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Response

from image_assets.stores.decisions import MAX_ID, MAX_REASON_CHARS, Decision, DecisionResult, Verb
from image_assets.web.review_desks import ReviewDesk
from image_assets.web.review_http import (
    Cursor,
    Desk,
    Desks,
    Form,
    FromForm,
    Group,
    PageSession,
    ReviewRoute,
    Tab,
    page,
)
from image_assets.web.sessions import Session

_PRODUCTS = 10
_VERBS: dict[str, Verb] = {"approve": "approve", "reject": "reject"}
router = APIRouter(route_class=ReviewRoute)


@router.get("/review/plain")
def show_plain(
    session: PageSession, desks: Desks, desk: Desk, status: Tab, category: Group = None, cursor: Cursor = 0
) -> Response:
    """The queue as plain forms."""
    return _page(desks, desk, session, status, category or None, cursor, None)


@router.post("/review/plain")
def decide_plain(session: FromForm, desks: Desks, desk: Desk, fields: Form) -> Response:
    """Carry out one form of the plain page, and show that page again."""
    try:
        image_id, cursor = int(fields.get("image_id", "")), int(fields.get("cursor") or 0)
    except ValueError:
        raise _not_understood() from None
    status = fields.get("status", "")
    if status not in desk.collection.tabs:
        raise _not_understood()
    result = _carry_out(desk, image_id, fields, session.owner)
    group = fields.get("category", "").replace("\x00", "") or None
    return _page(desks, desk, session, status, group, min(max(cursor, 0), MAX_ID), result)


def _carry_out(desk: ReviewDesk, image_id: int, fields: dict[str, str], owner: str) -> DecisionResult:
    action, again = fields.get("action", ""), "again" in fields
    if action == "undo":
        return desk.undo(image_id, owner)
    if action not in _VERBS or (again and not desk.collection.requeues):
        raise _not_understood()
    verb = _VERBS[action]
    wanted = Decision(image_id, fields.get("sha256", ""), verb, fields.get("reason"), again and verb == "reject")
    (result,) = desk.decide([wanted], owner)
    return result


def _not_understood() -> HTTPException:
    return HTTPException(400, "The form is not understood.")


def _page(
    desks: Desks,
    desk: ReviewDesk,
    session: Session,
    status: str,
    group: str | None,
    cursor: int,
    result: DecisionResult | None,
) -> Response:
    found = desk.page(status, group, cursor, _PRODUCTS + 1)
    return page(
        "plain.html",
        session=session,
        desks=desks.values(),
        desk=desk,
        collection=desk.collection,
        status=status,
        category=group or "",
        cursor=cursor,
        products=found[:_PRODUCTS],
        more=found[_PRODUCTS - 1].id if len(found) > _PRODUCTS else None,
        max_reason=MAX_REASON_CHARS,
        result=result,
    )
