"""What a product must be to be taken in: the fields of spec 04's bulk API, checked without any I/O.

Here: one product at a time, with all that is wrong with it. Not here: creating products (``intake.py``), fetching raw
images, where an address that passes here may still be refused (``sources.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from image_assets.enhancement.model import s3_address
from image_assets.errors import ImageAssetsError, InputError
from image_assets.settings import Settings
from image_assets.vendors.fetch import FetchRules, check_address

MAX_CATEGORY_CHARS = 200
MAX_ADDRESS_CHARS = 2000
# numeric(12, 2) of the tables.
MAX_MONEY = Decimal("9999999999.99")
_CENT = Decimal("0.01")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# The same for clients: no control characters, and something to see.
VISIBLE = Field(
    json_schema_extra={
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    }
)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which raw images may be named: objects of our buckets ``buckets``, and what ``fetch`` lets be fetched."""

    buckets: tuple[str, ...] = ()
    fetch: FetchRules = field(default_factory=FetchRules)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The rules by which ``sources.py`` will read them."""
        return cls(settings.raw_buckets, FetchRules(allowed_hosts=settings.allowed_image_hosts))

    def check(self, url: str) -> None:
        """Refuse what is known not to be readable.

        Raises:
            ImageAssetsError: why.
        """
        found = s3_address(url)
        if found is not None and found.bucket in self.buckets:
            return
        if url[:3].lower() == "s3:":
            named = f"The bucket {found.bucket} is none" if found else "This is no s3://bucket/key of one"
            raise InputError(
                f"{named} that raw images are read from.",
                code="forbidden_bucket",
                hint="Add the bucket to RAW_S3_BUCKETS, or give a public https address.",
            )
        check_address(url, self.fetch)


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "String should have no control characters")
    return text


def _readable(url: str, info: ValidationInfo) -> str:
    rules: AddressRules = info.context or AddressRules()
    try:
        rules.check(url)
    except ImageAssetsError as error:
        raise PydanticCustomError("bad_address", "{why}", {"why": str(error)}) from None
    return url


def _number(value: object) -> object:
    """Only a JSON number: money in a string, or true for 1, is a mistake of who sends it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("number", "Input should be a number")
    return value


def _in_cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT) + 0  # + 0: there is no minus zero in the table


def _schema(maximum: float) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "minimum": 0, "maximum": maximum, "description": "At most 2 decimals."})


Category = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CATEGORY_CHARS),
    AfterValidator(_plain),
    VISIBLE,
    Field(description="What the product is."),
]
RawImage = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ADDRESS_CHARS),
    AfterValidator(_plain),
    AfterValidator(_readable),
    VISIBLE,
    Field(description="https:// of a public host, or s3:// of a bucket of RAW_S3_BUCKETS."),
]
# What is checked first stands last: a number, then its size, then its form.
Money = Annotated[
    Decimal,
    Field(ge=0, le=MAX_MONEY, decimal_places=2),
    BeforeValidator(_number),
    AfterValidator(_in_cents),
    _schema(float(MAX_MONEY)),
]
Percent = Annotated[
    Decimal,
    Field(ge=0, le=100, decimal_places=2),
    BeforeValidator(_number),
    AfterValidator(_in_cents),
    _schema(100),
]


class NewProduct(BaseModel):
    """A product that may be created; fields beside these are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    category: Category
    raw_image: RawImage
    mrp: Money
    price: Money
    discount: Money
    gst: Percent


class Problem(BaseModel):
    """What is wrong with a product: the field, empty for the whole of it, and why."""

    field: str
    message: str


class Refusal(BaseModel):
    """A product that was not created: its place in the request, from 0, and all that is wrong with it."""

    index: int
    errors: list[Problem]


def check_products(items: Iterable[object], rules: AddressRules) -> tuple[list[NewProduct], list[Refusal]]:
    """Tell the good products of a request from the bad ones, each list in the order of the request.

    Args:
        items: JSON values, numbers as int or Decimal.
        rules: which raw images may be named.
    """
    good: list[NewProduct] = []
    refused: list[Refusal] = []
    for index, item in enumerate(items):
        try:
            good.append(NewProduct.model_validate(item, context=rules))
        except ValidationError as error:
            refused.append(Refusal(index=index, errors=_problems(error)))
    return good, refused


def _problems(error: ValidationError) -> list[Problem]:
    """In words that say nothing of Python, and repeat nothing of the input."""
    return [
        Problem(
            field=".".join(map(str, found["loc"])),
            message="Input should be an object" if found["type"] == "model_type" else found["msg"],
        )
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
