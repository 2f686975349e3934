"""The review of enhanced images: what people decide, and what a product is by it.

Here: the area's tables and its rule, for the decisions of ``stores/decisions.py``. Not here: how a decision is made,
what waits for one (``review_queue.py``), the rule itself (``plan.py``), pages (``web/review.py``).
"""

from __future__ import annotations

import sqlalchemy as sa

from image_assets.enhancement.model import ProductStatus
from image_assets.enhancement.plan import reviewed_status
from image_assets.enhancement.tables import decisions as audit, product_images, products
from image_assets.stores.decisions import (
    MAX_REASON_CHARS,
    Decision,
    DecisionBook,
    DecisionResult,
    Reviewed,
    clean_reason,
)

__all__ = ["MAX_REASON_CHARS", "Decision", "DecisionResult", "clean_reason", "decide", "history", "undo"]

# States that follow from what was said of the images; a failed product stays so until it is made anew.
_REVIEWED = (ProductStatus.PENDING_REVIEW, ProductStatus.APPROVED, ProductStatus.REJECTED)


def _settle(connection: sa.Connection, reviewed: Reviewed) -> str:
    """Write what the product is now, if that follows from its images; returns it."""
    before: str = reviewed.product["status"]
    status = reviewed_status(reviewed.statuses).value
    if before not in _REVIEWED or status == before:
        return before
    connection.execute(
        sa.update(products)
        .where(products.c.id == reviewed.product["id"])
        .values(status=status, updated_at=sa.func.now())
    )
    return status


_book = DecisionBook(products=products, images=product_images, audit=audit, settle=_settle)
decide = _book.decide
undo = _book.undo
history = _book.history
