"""CSV files of images to complete (spec 01: columns ``deal_id`` and ``image_id``).

Here: reading and validating them, as streams. Not here: acting on them (``service.py``).
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from image_assets.deals.model import MAX_ID, ImageRef
from image_assets.errors import InputError
from image_assets.report import Outcome

COLUMNS = ("deal_id", "image_id")
# Messages repeat no more of a cell or a first line than a person needs to find it.
SHOWN = 80


@dataclass
class Requests:
    """The unique images a file asks for, and the rows that ask for none.

    Ids are kept in two arrays of 8 bytes each: a million rows take 16 MB.
    """

    name: str
    deals: array[int] = field(default_factory=lambda: array("q"))
    images: array[int] = field(default_factory=lambda: array("q"))
    rejected: list[Outcome] = field(default_factory=list[Outcome])

    def __len__(self) -> int:
        """Number of unique images."""
        return len(self.deals)

    def by_deal(self) -> Iterator[tuple[int, list[ImageRef]]]:
        """Every deal once with its images, each in the order of the file."""
        order = sorted(range(len(self.deals)), key=self.deals.__getitem__)
        for deal_id, positions in groupby(order, key=self.deals.__getitem__):
            yield deal_id, [ImageRef(deal_id, self.images[i]) for i in positions]

    @classmethod
    def of(cls, refs: Iterable[ImageRef], name: str) -> Requests:
        """Requests for ``refs``, each once."""
        requests = cls(name)
        for ref in dict.fromkeys(refs):
            requests.deals.append(ref.deal_id)
            requests.images.append(ref.image_id)
        return requests


def read_requests(file: Iterable[bytes], name: str) -> Requests:
    """Read a CSV file line by line.

    Accepted: a byte-order mark, blank lines, more columns, any order of columns, duplicate rows (they collapse).
    A row with a wrong id is rejected with file, line and reason; the others go on.

    Args:
        file: the file's lines.
        name: what to call it in messages.

    Raises:
        InputError: the file is empty, lacks a column, is not UTF-8 or not CSV; nothing was read then.
    """
    requests = Requests(name)
    seen: set[int] = set()
    for row in id_rows(file, name, COLUMNS):
        if isinstance(row, Outcome):
            requests.rejected.append(row)
            continue
        deal_id, image_id = row
        packed = deal_id << 63 | image_id
        if packed not in seen:
            seen.add(packed)
            requests.deals.append(deal_id)
            requests.images.append(image_id)
    return requests


def id_rows(file: Iterable[bytes], name: str, columns: Sequence[str]) -> Iterator[tuple[int, ...] | Outcome]:
    """Yield the ids in some columns of every row that is not blank, or the failed outcome of a row with a wrong one.

    Raises:
        InputError: as `read_requests`, as far as the file was read.
    """
    # Strict: a quote that is never closed would swallow all rows behind it without a word.
    reader = csv.reader(_decoded(file, name), strict=True)
    try:
        positions = _header(reader, name, columns)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            texts = [row[i].strip() if i < len(row) else "" for i in positions]
            problem = _problem(columns, texts)
            if problem:
                where = f"{name}, line {reader.line_num}"
                yield Outcome.failed(where, InputError(f"{where}: {problem}.", code="bad_row"))
            else:
                yield tuple(int(text.lstrip("0")) for text in texts)
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: not CSV ({error}).", hint="Save it as plain CSV.") from None


def _decoded(file: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{name}, line {number}: not UTF-8 text.", hint="Save it as CSV UTF-8.") from None


def _header(reader: Iterator[list[str]], name: str, columns: Sequence[str]) -> list[int]:
    header = next((row for row in reader if any(cell.strip() for cell in row)), None)
    if header is None:
        raise InputError(f"{name} is empty.", hint=f"It needs {_named(columns)}.")
    found = [cell.strip().lower() for cell in header]
    missing = [column for column in columns if column not in found]
    if missing:
        first = _shortened(", ".join(header))
        raise InputError(
            f"{name} has no column {' and no column '.join(missing)}; its first line has: {first}.",
            code="missing_column",
            hint=f"It needs {_named(columns)}, separated by commas.",
        )
    return [found.index(column) for column in columns]


def _named(columns: Sequence[str]) -> str:
    return f"the column{'s' if len(columns) > 1 else ''} {' and '.join(columns)}"


def _problem(columns: Sequence[str], texts: list[str]) -> str:
    for column, text in zip(columns, texts, strict=True):
        if not text:
            return f"{column} is missing"
        if not (text.isascii() and text.isdigit()):
            return f"{column} {_shortened(text)!r} is not a positive whole number"
        # No number of more digits fits, and Python refuses to read one of thousands.
        digits = text.lstrip("0")
        if len(digits) > len(str(MAX_ID)) or not 1 <= int(digits or "0") <= MAX_ID:
            return f"{column} {_shortened(text)!r} is not between 1 and {MAX_ID}"
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
