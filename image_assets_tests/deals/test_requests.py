"""CSV files as people make them.

Here: everything that may be wrong with a file or a row, and what is accepted all the same; any list of images through a
file and back; memory and laziness with large files.
"""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given, strategies as st

from image_assets.deals.model import MAX_ID, ImageRef
from image_assets.deals.requests import Requests, read_requests
from image_assets.errors import InputError
from image_assets.report import Status

ids = st.one_of(st.integers(1, 30), st.integers(1, MAX_ID))
pairs = st.lists(st.tuples(ids, ids), max_size=40)


def read(text: str | bytes) -> Requests:
    """Read a file given as a whole."""
    data = text if isinstance(text, bytes) else text.encode()
    return read_requests(io.BytesIO(data), "images.csv")


def refs(requests: Requests) -> list[tuple[int, int]]:
    """The requested images in order."""
    return list(zip(requests.deals, requests.images, strict=True))


def refused(text: str | bytes) -> InputError:
    """The error of a file that is refused as a whole."""
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.permanent
    assert "images.csv" in str(caught.value)
    return caught.value


# What is accepted


@pytest.mark.parametrize(
    "text",
    [
        "deal_id,image_id\n12345,1709952\n12346,1642547\n",
        "deal_id,image_id\n12345,1709952\n12346,1642547",
        "deal_id,image_id\r\n12345,1709952\r\n12346,1642547\r\n",
        "\ufeffdeal_id,image_id\n12345,1709952\n12346,1642547\n",
        '\ufeff"deal_id","image_id"\n"12345","1709952"\n"12346","1642547"\n',
        "\n\n  \ndeal_id,image_id\n\n12345,1709952\n,\n , \n12346,1642547\n\n\n",
        "image_id,deal_id\n1709952,12345\n1642547,12346\n",
        "Deal_ID,IMAGE_id\n12345,1709952\n12346,1642547\n",
        " deal_id , image_id \n 12345 ,\t1709952\n12346 , 1642547 \n",
        'name,deal_id,x,image_id\n"a, ""b""\nc",12345,,1709952\né,12346,,1642547,more,and more\n',
        "deal_id,image_id\n12345,1709952\n12345,1709952\n12346,1642547\n0012345,01709952\n",
        f"deal_id,image_id\n{'0' * 30}12345,{'0' * 5000}1709952\n12346,1642547\n",
    ],
    ids=[
        "plain", "no-final-newline", "crlf", "bom", "bom-and-quotes", "blank-lines", "column-order", "column-case",
        "spaces", "more-columns", "duplicates", "leading-zeros",
    ],
)  # fmt: skip
def test_a_usual_file_gives_its_unique_images_in_order(text: str) -> None:
    requests = read(text)
    assert refs(requests) == [(12345, 1709952), (12346, 1642547)]
    assert requests.rejected == []
    assert (len(requests), requests.name) == (2, "images.csv")


@given(pairs, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_any_list_of_images_written_as_csv_comes_back_unique_in_order(
    rows: list[tuple[int, int]], newline: str, quoted: bool, bom: bool
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=newline, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(["deal_id", "image_id"])
    writer.writerows(rows)
    requests = read(("\ufeff" if bom else "") + file.getvalue())
    assert refs(requests) == list(dict.fromkeys(rows))
    assert requests.rejected == []


@given(pairs)
def test_by_deal_gives_every_deal_once_with_its_images_in_order(rows: list[tuple[int, int]]) -> None:
    images = [ImageRef(*row) for row in rows]
    requests = Requests.of(images, "test")
    by_deal = list(requests.by_deal())
    deals = [deal for deal, _ in by_deal]
    assert deals == sorted(set(deals))
    assert sum(len(group) for _, group in by_deal) == len(requests) == len(set(images))
    for deal, group in by_deal:
        assert group == list(dict.fromkeys(image for image in images if image.deal_id == deal))


def test_the_largest_ids_are_read() -> None:
    assert refs(read(f"deal_id,image_id\n{MAX_ID},{MAX_ID}\n1,1\n")) == [(MAX_ID, MAX_ID), (1, 1)]


def test_a_header_alone_asks_for_nothing() -> None:
    requests = read("deal_id,image_id\n")
    assert (len(requests), requests.rejected) == (0, [])
    assert list(requests.by_deal()) == []


# Rows that are wrong


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("abc,1", "deal_id 'abc' is not a positive whole number"),
        ("1,abc", "image_id 'abc' is not a positive whole number"),
        ("-5,1", "deal_id '-5' is not a positive whole number"),
        ("+5,1", "deal_id '+5' is not a positive whole number"),
        ("1,2.0", "image_id '2.0' is not a positive whole number"),
        ("1,1e5", "image_id '1e5' is not a positive whole number"),
        ("1,1_000", "image_id '1_000' is not a positive whole number"),
        ("1,0x10", "image_id '0x10' is not a positive whole number"),
        ("1,\uff11", "image_id '\uff11' is not a positive whole number"),
        ("1,\u00b2", "image_id '\u00b2' is not a positive whole number"),
        ("1,2\x003", r"image_id '2\x003' is not a positive whole number"),
        ("1,1709952.jpg", "image_id '1709952.jpg' is not a positive whole number"),
        ("1,nan", "image_id 'nan' is not a positive whole number"),
        ('1,"1,5"', "image_id '1,5' is not a positive whole number"),
        ('1,"1\n5"', r"image_id '1\n5' is not a positive whole number"),
        ("0,1", f"deal_id '0' is not between 1 and {MAX_ID}"),
        ("1,000", f"image_id '000' is not between 1 and {MAX_ID}"),
        (f"1,{MAX_ID + 1}", f"image_id '{MAX_ID + 1}' is not between 1 and {MAX_ID}"),
        (f"1,{10**19}", f"image_id '{10**19}' is not between 1 and {MAX_ID}"),
        (f"1,{'0' * 19}1{'0' * 19}", f"is not between 1 and {MAX_ID}"),
        (f"1,{'9' * 5000}", f"is not between 1 and {MAX_ID}"),
        (f"{'0' * 19}1{'9' * 5000},1", f"is not between 1 and {MAX_ID}"),
        (f"{'x' * 100_000},1", "is not a positive whole number"),
        (",1", "deal_id is missing"),
        ("1,", "image_id is missing"),
        ("1,   ", "image_id is missing"),
        ("1", "image_id is missing"),
        ("1;2", "deal_id '1;2' is not a positive whole number"),
        ("1\t2", r"deal_id '1\t2' is not a positive whole number"),
    ],
)
def test_a_wrong_row_is_rejected_with_file_line_and_reason_and_the_others_go_on(row: str, reason: str) -> None:
    requests = read(f"deal_id,image_id\n\n7,8\n{row}\n9,10\n")
    assert refs(requests) == [(7, 8), (9, 10)]
    (outcome,) = requests.rejected
    line = 4 + row.count("\n")
    assert outcome.item == f"images.csv, line {line}"
    assert outcome.message.startswith(f"images.csv, line {line}: ")
    assert reason in outcome.message
    assert len(outcome.message) < 300
    assert (outcome.status, outcome.reason, outcome.permanent) == (Status.FAILED, "bad_row", True)


@given(st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=10))
@example([["7\x1f", "1"]])  # white space to `str.strip`, and none to `int`
def test_any_rows_are_either_images_or_rejected_with_their_line(rows: list[list[str]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["deal_id", "image_id"])
    writer.writerows(rows)
    requests = read(file.getvalue())
    filled = [stripped for row in rows if any(stripped := [cell.strip() for cell in row])]
    good = [
        row
        for row in filled
        if len(row) > 1 and all(cell.isascii() and cell.isdigit() and int(cell) > 0 for cell in row[:2])
    ]
    assert refs(requests) == list(dict.fromkeys((int(row[0]), int(row[1])) for row in good))
    assert len(requests.rejected) == len(filled) - len(good)
    assert len({outcome.item for outcome in requests.rejected}) == len(requests.rejected)


# Files that are wrong


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "\ufeff\n", " , \n,\n"])
def test_a_file_without_a_line_is_refused_as_empty(text: str) -> None:
    error = refused(text)
    assert error.message == "images.csv is empty."
    assert "deal_id and image_id" in error.hint


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("deal_id", "no column image_id"),
        ("image_id,deal", "no column deal_id"),
        ("id,image", "no column deal_id and no column image_id"),
        ("deal_id;image_id", "no column deal_id and no column image_id"),
        ("deal_id\timage_id", "no column deal_id and no column image_id"),
        ("12345,1709952", "no column deal_id and no column image_id"),
        ("deal id,image id", "no column deal_id and no column image_id"),
    ],
)
def test_a_missing_column_is_named_with_what_there_is(header: str, missing: str) -> None:
    error = refused(f"{header}\n1,2\n")
    assert error.code == "missing_column"
    assert f"images.csv has {missing}" in error.message
    assert ", ".join(header.split(",")) in error.message
    assert "separated by commas" in error.hint


def test_a_header_without_end_is_not_repeated_whole() -> None:
    assert len(str(refused(",".join(f"column {i}" for i in range(10_000)) + "\n1,2\n"))) < 1000


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("deal_id,image_id\n1,2\n".encode("utf-16"), 1),
        (b"deal_id,image_id\n1,2\n3,4,caf\xe9\n", 3),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", 1),
    ],
    ids=["utf-16", "latin-1", "jpeg"],
)
def test_a_file_that_is_not_utf_8_is_refused_with_its_line(data: bytes, line: int) -> None:
    error = refused(data)
    assert error.message == f"images.csv, line {line}: not UTF-8 text."
    assert "UTF-8" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "deal_id,image_id\r1,2\r3,4\r",
        'deal_id,image_id\n1,"2\n' + "3,4\n" * 50_000,
        f"deal_id,image_id\n1,{'9' * 200_000}\n",
    ],
    ids=["carriage-returns", "unclosed-quote", "endless-cell"],
)
def test_what_is_no_csv_is_refused_with_its_line(text: str) -> None:
    assert "not CSV" in refused(text).message


@pytest.mark.parametrize("rows", ['1,"2\n3,4\n5,6\n', '1,"2\n3,4\n5,"6\n', '"1,2\n3,4\n'])
def test_a_quote_that_is_never_closed_does_not_swallow_the_rows_behind_it(rows: str) -> None:
    error = refused(f"deal_id,image_id\n7,8\n{rows}")
    assert error.message.startswith("images.csv, line ")
    assert "not CSV" in error.message


def test_the_name_of_the_file_is_in_its_messages() -> None:
    with pytest.raises(InputError, match=r"s3://bucket/requests/a\.csv is empty"):
        read_requests([], "s3://bucket/requests/a.csv")


# Large files


def lines(rows: int, *, of_deals: int = 100_000) -> Iterator[bytes]:
    """A file of so many different rows, line by line."""
    yield b"deal_id,image_id\n"
    for i in range(rows):
        yield b"%d,%d\n" % (i % of_deals + 1, 10**15 + i)


def test_a_large_file_is_read_in_bounded_memory() -> None:
    rows = 20_000
    tracemalloc.start()
    try:
        requests = read_requests(lines(rows), "large.csv")
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(requests) == rows
    assert peak < 4_000_000  # a million rows: 200 MB
    # Two arrays of eight bytes a row, which grow ahead, and at most 2,000 spare tuples of the interpreter's.
    assert kept < 500_000


def test_a_file_is_read_no_further_than_its_first_error() -> None:
    taken: list[bytes] = []

    def noted() -> Iterator[bytes]:
        for line in (b"deal_id,image\n", b"1,2\n", b"3,4\n"):
            taken.append(line)
            yield line

    with pytest.raises(InputError):
        read_requests(noted(), "images.csv")
    assert taken == [b"deal_id,image\n"]


def test_lines_are_taken_one_by_one() -> None:
    alive = peak = 0

    class Line(bytes):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def counted() -> Iterator[bytes]:
        nonlocal alive, peak
        for line in lines(1000):
            alive += 1
            peak = max(peak, alive)
            yield Line(line)

    assert len(read_requests(counted(), "images.csv")) == 1000
    assert peak <= 3
