"""Mapping files: JSON of Amazon's products and their images (spec 03).

Here: reading and validating them, with an error per record or image that can't be used. Not here: acting on them.

A mapping is an object with the lists ``matched`` and ``unmatched_amazon``. A record's ``suggested_sku`` is the Amazon
product in Plytix; its images are ``amazon_images``, a list of ``{link, variant}``, or the columns
``amazon_image_main``, ``amazon_image_variant_1`` to ``_8`` and ``amazon_image_swatch``. What else it holds is not read.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from image_assets.errors import InputError
from image_assets.marketplace.model import (
    MAIN,
    MAX_URL,
    PARENT,
    ImageMapping,
    MappedProduct,
    Problem,
    Reference,
    in_order,
    normalize_url,
)

LISTS = ("matched", "unmatched_amazon")
COLUMNS = {
    "amazon_image_main": MAIN,
    **{f"amazon_image_variant_{n}": f"PT0{n}" for n in range(1, 9)},
    "amazon_image_swatch": "SWATCH",
}
# Where exports name the catalog's own product: it never gets Amazon's images (spec 03, "Image Storage Strategy").
_CANONICAL = ("canonical_plytix_sku", "plytix_product_sku", "canonical_sku")
_SLOT = re.compile(r"[A-Za-z0-9]{1,16}")
# More than any SKU has (Amazon: 40), less than a key of the ledger may have.
_MAX_SKU = 255
_SHOWN_CHARS = 60
MAX_BYTES = 256 * 1024 * 1024


@dataclass
class _Reader:
    """Collects products and problems, record by record; ``canonical`` are the SKUs that get no images."""

    canonical: frozenset[str]
    products: dict[str, tuple[bool, list[Reference]]] = field(default_factory=dict[str, tuple[bool, list[Reference]]])
    problems: list[Problem] = field(default_factory=list[Problem])
    records: int = 0
    references: int = 0
    with_images: int = 0

    def read(self, where: str, record: object) -> None:
        self.records += 1
        if not isinstance(record, Mapping):
            self._problem(where, "", InputError(f"a record has to be an object, not {_kind(record)}."))
            return
        images = list(_images(record))
        self.references += len(images)
        self.with_images += bool(images)
        try:
            sku = _sku(record, self.canonical)
        except InputError as error:
            self._problem(where, _text(record.get("suggested_sku")), error)
            return
        is_parent = record.get("item_classification") == PARENT
        was_parent, references = self.products.get(sku, (False, []))
        self.products[sku] = (was_parent or is_parent, references)
        gallery = record.get("amazon_images")
        if not isinstance(gallery, list) and not _is_blank(gallery):
            self._problem(where, sku, InputError(f"amazon_images has to be a list, not {_kind(gallery)}."))
        for place, image in images:
            try:
                references.append(_reference(image))
            except InputError as error:
                link = _text(image.get("link")) if isinstance(image, Mapping) else ""
                self._problem(f"{where}.{place}", sku, error, link)

    def _problem(self, where: str, sku: str, error: InputError, link: str = "") -> None:
        code = "bad_record" if error.code == InputError.code else error.code
        self.problems.append(Problem(link, f"{where}: {error}", sku, code))


def parse_mapping(body: bytes, name: str) -> ImageMapping:
    """Read a mapping file.

    A missing ``variant`` means MAIN; ``NaN``, which pandas writes for an empty cell, is the same as ``null``. A SKU
    that several records name has the images of all. Records and images that can't be used are problems of the result;
    the others are used.

    Raises:
        InputError: not a mapping at all.
    """
    if len(body) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES // 2**20} MiB.", hint="Split the mapping.")
    try:
        # No number of a mapping is read, and `int` refuses those of more than 4,300 digits.
        content = json.loads(body.decode("utf-8-sig"), parse_int=float, parse_constant=lambda _: None)
    except UnicodeDecodeError:
        raise InputError(f"{name} is no UTF-8 text.", hint="Save the mapping as UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{name} is no JSON: {error.msg} in {where}.", hint="Export the mapping again.") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply to be a mapping.", hint="Export the mapping again.") from None
    if not isinstance(content, dict) or not any(key in content for key in LISTS):
        raise InputError(
            f"{name} is no mapping: it has neither matched nor unmatched_amazon.",
            hint="Give the file with the lists matched and unmatched_amazon.",
        )
    lists = {key: content[key] for key in LISTS if content.get(key) is not None}
    for key, records in lists.items():
        if not isinstance(records, list):
            raise InputError(f"{name}: {key} is no list, but {_kind(records)}.", hint="Export the mapping again.")
    reader = _Reader(frozenset(_canonical_skus(itertools.chain(*lists.values()))))
    for key, records in lists.items():
        for number, record in enumerate(records):
            reader.read(f"{key}[{number}]", record)
    products = tuple(MappedProduct(sku, is_parent, in_order(r)) for sku, (is_parent, r) in reader.products.items())
    return ImageMapping(name, products, tuple(reader.problems), reader.records, reader.references, reader.with_images)


def _canonical_skus(records: Iterable[object]) -> Iterator[str]:
    for record in records:
        if isinstance(record, Mapping):
            yield from filter(None, (_text(record.get(name)) for name in _CANONICAL))


def _images(record: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every image a record names, usable or not, with where it is named."""
    gallery = record.get("amazon_images")
    for number, image in enumerate(gallery if isinstance(gallery, list) else ()):
        yield f"amazon_images[{number}]", image
    for name, slot in COLUMNS.items():
        if not _is_blank(record.get(name)):
            yield name, {"link": record[name], "variant": slot}


def _sku(record: Mapping[str, Any], canonical: Collection[str]) -> str:
    value = record.get("suggested_sku")
    if _is_blank(value):
        raise InputError("the record has no suggested_sku.", hint="Name the Amazon product in Plytix there.")
    if not isinstance(value, str):
        raise InputError(f"suggested_sku has to be a text, not {_kind(value)}.", hint="Put it in quotation marks.")
    sku = value.strip()
    if len(sku) > _MAX_SKU or not sku.isprintable():
        why = f"is longer than {_MAX_SKU} characters" if len(sku) > _MAX_SKU else "has invisible characters in it"
        raise InputError(f"suggested_sku {_shown(sku)} {why}.", hint="Correct it in the mapping.")
    if sku in canonical:
        raise InputError(
            f"suggested_sku {sku} is the canonical product, which gets no images of Amazon's.",
            hint="Name the Amazon product in Plytix there.",
        )
    return sku


def _reference(image: object) -> Reference:
    if not isinstance(image, Mapping):
        raise InputError(f"an image has to be an object with link and variant, not {_kind(image)}.")
    link = image.get("link")
    if _is_blank(link):
        raise InputError("the image has no link.", code="bad_link", hint="Add it, or take the image out.")
    if not isinstance(link, str):
        raise InputError(f"the link has to be a text, not {_kind(link)}.", code="bad_link")
    return Reference(normalize_url(link), _slot(image.get("variant")))


def _slot(variant: object) -> str:
    if _is_blank(variant):
        return MAIN
    if not isinstance(variant, str):
        raise InputError(f"the variant has to be a text, not {_kind(variant)}.", code="bad_variant")
    slot = variant.strip()
    if not _SLOT.fullmatch(slot):
        raise InputError(
            f"the variant {_shown(slot)} is none, such as MAIN, PT01 or SWATCH.",
            code="bad_variant",
            hint="Correct it in the mapping.",
        )
    return slot.upper()


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: object) -> str:
    """A value as a report can show it: a text, not without end, nothing in it that terminals or UTF-8 can't take."""
    text = value.strip()[:MAX_URL] if isinstance(value, str) else ""
    return text if text.isprintable() else repr(text)[1:-1]


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]!r}..."


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
