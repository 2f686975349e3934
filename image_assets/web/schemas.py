"""The API's JSON beside products and images themselves: envelopes, requests, documented errors.

Here: shapes, and what they are made of. Not here: products and images (``enhancement/listing.py``), what a product must
be (``enhancement/submission.py``), routes (``api.py``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from image_assets.enhancement.intake import Receipt
from image_assets.enhancement.listing import Instant, ProductDetail, ProductRecord
from image_assets.enhancement.model import ImageStatus, ProductStatus
from image_assets.enhancement.review import MAX_REASON_CHARS, Decision, DecisionResult
from image_assets.enhancement.submission import VISIBLE, NewProduct, Refusal

# The largest integer that every reader of JSON keeps (RFC 8259, section 6); no table will have so many rows.
MAX_NUMBER = 2**53 - 1
MAX_PRODUCTS = 1000
MAX_DECISIONS = 1000


class ErrorBody(BaseModel):
    """What went wrong: a short stable word, and a sentence."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """Every error."""

    success: Literal[False] = False
    error: ErrorBody


class RefusedAnswer(ErrorAnswer):
    """No product was created: ``errors`` has all that is wrong with each, where that is the reason."""

    errors: list[Refusal] = Field(default_factory=list[Refusal])


class CreatedData(BaseModel):
    """How many products were created, of how many, and those."""

    created: int
    total: int
    products: list[ProductRecord]


class CreatedAnswer(BaseModel):
    """All products were created (spec 04)."""

    success: Literal[True] = True
    message: str
    data: CreatedData

    @classmethod
    def of(cls, receipt: Receipt) -> CreatedAnswer:
        """The answer to a request that created something."""
        data = CreatedData(created=len(receipt.products), total=receipt.total, products=receipt.products)
        queued = " and queued for processing" if receipt.queued else "; queueing follows"
        message = f"Successfully created {data.created} products{queued}"
        if not receipt.refused:
            return CreatedAnswer(message=message, data=data)
        message += f"; {len(receipt.refused)} of {receipt.total} were refused"
        return PartlyCreatedAnswer(message=message, data=data, errors=receipt.refused)


class PartlyCreatedAnswer(CreatedAnswer):
    """Some products were created; ``errors`` has the others by their places in the request, from 0."""

    errors: list[Refusal]


# What FastAPI does not read itself, so that amounts stay decimal numbers and products are checked one by one.
BULK_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "title": "ProductsRequest",
                    "type": "object",
                    "required": ["products"],
                    "properties": {
                        "products": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_PRODUCTS,
                            "items": NewProduct.model_json_schema(),
                        }
                    },
                },
                # Spec 04's.
                "example": {
                    "products": [
                        {
                            "category": "Electronics",
                            "raw_image": "https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg",
                            "mrp": 50000,
                            "price": 45000,
                            "discount": 5000,
                            "gst": 18,
                        }
                    ]
                },
            }
        },
    }
}


class PageData(BaseModel):
    """A page of products; ``next_cursor`` asks for the next one, null on the last."""

    products: list[ProductRecord]
    next_cursor: str | None


class PageAnswer(BaseModel):
    """A page of products."""

    success: Literal[True] = True
    data: PageData


class ProductAnswer(BaseModel):
    """One product with its images."""

    success: Literal[True] = True
    data: ProductDetail


class Seen(BaseModel):
    """The bytes a decision is about: those the reviewer saw, by their SHA-256."""

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Rejection(Seen):
    """A rejection, and why."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON_CHARS), VISIBLE]


class WantedDecision(Seen):
    """A decision on one image of many; a rejection needs a reason."""

    image_id: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    action: Literal["approve", "reject"]
    reason: Annotated[str, StringConstraints(max_length=MAX_REASON_CHARS)] | None = None

    def decision(self) -> Decision:
        """What the review understands."""
        return Decision(self.image_id, self.sha256, self.action, self.reason)


class DecisionsRequest(BaseModel):
    """Decisions on several images."""

    decisions: Annotated[list[WantedDecision], Field(min_length=1, max_length=MAX_DECISIONS)]


class DecisionRecord(BaseModel):
    """An image after a decision: what stands, by whom, since when; its product's status with it.

    ``status`` and ``product_status`` are null, and ``product_id`` too, when there is no such image.
    """

    image_id: int
    status: ImageStatus | None
    product_id: int | None
    product_status: ProductStatus | None
    decided_by: str | None
    decided_at: Instant | None
    reason: str | None

    @classmethod
    def of(cls, result: DecisionResult) -> Self:
        """What the review answered."""
        return cls(**cls.values_of(result))

    @staticmethod
    def values_of(result: DecisionResult) -> dict[str, Any]:
        """The fields of a result; what is empty there is null here."""
        return {name: getattr(result, name) or None for name in DecisionRecord.model_fields}


class DecisionAnswer(BaseModel):
    """A decision was written, or stood so already."""

    success: Literal[True] = True
    data: DecisionRecord


class DecisionConflict(ErrorAnswer):
    """A decision was not written: ``data`` says what stands, by whom, since when."""

    data: DecisionRecord


class DecisionOutcome(DecisionRecord):
    """What came of one decision of many."""

    ok: bool
    error: ErrorBody | None

    @classmethod
    def of(cls, result: DecisionResult) -> Self:
        """What the review answered, and why it did not write."""
        error = None if result.ok else ErrorBody(code=result.code, message=result.message)
        return cls(**cls.values_of(result), ok=result.ok, error=error)


class DecisionsData(BaseModel):
    """How many decisions stand now, of how many, and what came of each, in their order."""

    decided: int
    total: int
    results: list[DecisionOutcome]


class DecisionsAnswer(BaseModel):
    """Decisions were tried one by one; ``success`` says that the request was carried out, not that all stand."""

    success: Literal[True] = True
    data: DecisionsData


class Health(BaseModel):
    """How the server is: ``ok``, ``degraded`` (it works, but a part is away) or ``down``."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok", "degraded", "down"]
    problems: dict[str, str] = Field(default_factory=dict[str, str])
