"""The picture of the dashboard: whatever the numbers, it is a small SVG of its own, and nothing leaves its frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.generation.plot import HEIGHT, WIDTH, dashboard_svg
from image_assets.generation.status import AreaStatus

NOW = datetime(2026, 10, 19, 14, 5, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
STATES = ("pending", "processing", "retry", "completed", "failed", "cancelled")
GREEN, VERMILLION, BLUE = "#009E73", "#D55E00", "#56B4E9"


def status(
    total: int = 0,
    shown: int = 0,
    providers: Sequence[Mapping[str, Any]] = (),
    hours: Sequence[Mapping[str, Any]] = (),
) -> AreaStatus:
    """Numbers of a moment."""
    dashboard = {"total_products": total, "products_with_images": shown}
    return AreaStatus(dashboard, [dict(row) for row in providers], [], [dict(row) for row in hours], {}, {}, {})


def provider(name: str = "dall_e", *, is_active: bool = True, **states: int) -> dict[str, Any]:
    """A provider's items."""
    return {"provider": name, "is_active": is_active, **dict.fromkeys(STATES, 0), **states}


def hour(ago: int, completed: int = 0, failed: int = 0, name: str = "dall_e") -> dict[str, Any]:
    """An hour's attempts."""
    begun = NOW.replace(minute=0) - timedelta(hours=ago)
    return {"hour": begun, "provider": name, "completed": completed, "failed_attempts": failed}


def parsed(svg: str) -> ElementTree.Element:
    """The picture."""
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    """All that it says."""
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def boxes(svg: str, fill: str) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of the rectangles of a colour, without the squares of legends."""
    found = [element.attrib for element in parsed(svg).iter(f"{SVG}rect") if element.get("fill") == fill]
    sizes = [tuple(float(box[name]) for name in ("x", "y", "width", "height")) for box in found]
    return [(x, y, width, height) for x, y, width, height in sizes if (width, height) != (10, 10)]


numbers = st.integers(-5, 2**63 - 1) | st.integers(0, 12)
names = st.text(max_size=40) | st.sampled_from(
    ["placeholder", "<script>alert(1)</script>", "\x00\ud800&amp;", "W" * 60]
)
providers = st.fixed_dictionaries(
    {"provider": names | st.none(), "is_active": st.booleans(), **dict.fromkeys(STATES, numbers | st.none())}
)
moments = st.datetimes(datetime(2026, 10, 17), datetime(2026, 10, 21), timezones=st.just(UTC))  # noqa: DTZ001 - as Hypothesis wants them
hours = st.fixed_dictionaries({"hour": moments, "completed": numbers, "failed_attempts": numbers | st.decimals(0, 9)})
statuses = st.builds(status, numbers, numbers, st.lists(providers, max_size=9), st.lists(hours, max_size=30))


@settings(max_examples=60)
@given(statuses, st.none() | st.just(NOW))
def test_whatever_the_numbers_it_is_well_formed_small_and_keeps_to_its_frame(
    found: AreaStatus, now: datetime | None
) -> None:
    svg = dashboard_svg(found, now=now)
    assert len(svg.encode()) < 30_000
    root = parsed(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {"svg", "title", "rect", "line", "text"}
    assert not re.search(r"href|url\(|@import| on\w+=", "".join(part for part in re.findall("<[^>]*>", svg)))
    for box in root.iter(f"{SVG}rect"):
        x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y, width, height) >= 0
        assert (x + width <= WIDTH, y + height <= HEIGHT) == (True, True)
    for line in root.iter(f"{SVG}line"):
        assert all(0 <= float(line.attrib[name]) <= WIDTH for name in ("x1", "x2"))
        assert all(0 <= float(line.attrib[name]) <= HEIGHT for name in ("y1", "y2"))
    for text in root.findall(f"{SVG}text"):
        left, right = span(text)
        assert left >= 0
        assert right <= WIDTH
        assert 0 < float(text.attrib["y"]) <= HEIGHT


def span(text: ElementTree.Element) -> tuple[float, float]:
    """From where to where a text goes, were all its letters as wide as digits in the widest of the fonts."""
    width = 0.62 * float(text.attrib["font-size"]) * len(text.text or "")
    x = float(text.attrib["x"])
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[text.get("text-anchor", "start")]
    return left, left + width


def test_nothing_at_all_is_said_in_words() -> None:
    svg = dashboard_svg(status(providers=[provider("dall_e"), provider("gemini")]), now=NOW)
    said = texts(svg)
    assert {"There are no products.", "The queue is empty.", "No attempt ended in the last 24 hours."} <= set(said)
    assert boxes(svg, GREEN) == boxes(svg, BLUE) == boxes(svg, VERMILLION) == []


@pytest.mark.parametrize(
    ("shown", "total", "said", "share"),
    [
        (3, 4, "75 %  (3 of 4)", 0.75),
        (1_234_566, 1_234_567, "99.9 %  (1,234,566 of 1,234,567)", 1.0),
        (9, 9, "100 %  (9 of 9)", 1.0),
        (12, 9, "100 %  (9 of 9)", 1.0),
        (0, 7, "0 %  (0 of 7)", 0.0),
    ],
)
def test_the_share_of_products_with_an_image_is_as_long_as_it_says_and_whole_only_with_the_last_one(
    shown: int, total: int, said: str, share: float
) -> None:
    svg = dashboard_svg(status(total, shown))
    assert said in texts(svg)
    assert [width / (WIDTH - 40) for _, _, width, _ in boxes(svg, GREEN)] == pytest.approx([share] if share else [])


def test_bars_are_stacks_of_states_to_scale_with_their_numbers_and_a_pause_is_said() -> None:
    rows = [provider("dall_e", completed=30, pending=10), provider("gemini", is_active=False, completed=20)]
    svg = dashboard_svg(status(providers=rows), now=NOW)
    (first, second), (waiting,) = boxes(svg, GREEN), boxes(svg, BLUE)
    assert first[2] == pytest.approx(3 * waiting[2], abs=0.2)
    assert second[2] == pytest.approx(2 * waiting[2], abs=0.2)
    assert waiting[0] == pytest.approx(first[0] + first[2], abs=0.2)
    said = texts(svg)
    assert {"dall_e", "gemini", "completed 50", "pending 10", "failed 0", "30", "10", "40", "20, paused"} <= set(said)
    # The axis goes to 40, in steps of 10.
    assert [text for text in said[said.index("0") :] if text.isdecimal()][:5] == ["0", "10", "20", "30", "40"]


def test_a_few_failed_items_among_millions_are_seen() -> None:
    svg = dashboard_svg(
        status(providers=[provider(completed=5_000_000, failed=1)], hours=[hour(0, 90_000, 1)]), now=NOW
    )
    assert {(round(width) >= 2, round(height) >= 2) for _, _, width, height in boxes(svg, VERMILLION)} == {(True, True)}
    assert len(boxes(svg, VERMILLION)) == 2
    assert "5M" in texts(svg)


def test_more_providers_than_there_is_room_for_are_one_bar_and_none_of_their_items_is_lost() -> None:
    rows = [provider(f"maker_{number}", pending=number) for number in range(1, 10)]
    said = texts(dashboard_svg(status(providers=rows), now=NOW))
    assert [name for name in said if name.startswith("maker_")] == [f"maker_{number}" for number in (9, 8, 7, 6, 5)]
    assert "4 others" in said
    assert "pending 45" in said


def test_every_hour_of_the_last_24_is_a_column_of_all_providers_together() -> None:
    rows = [hour(0, 4, 1), hour(0, 2, name="gemini"), hour(23, 3), hour(24, 100), hour(-1, 100)]
    svg = dashboard_svg(status(hours=rows), now=NOW)
    early, late = sorted(boxes(svg, GREEN))
    assert late[3] == pytest.approx(2 * early[3], abs=0.2)
    (failed,) = boxes(svg, VERMILLION)
    assert failed[0] == late[0]
    assert failed[1] + failed[3] == pytest.approx(late[1], abs=0.2)
    said = texts(svg)
    assert {"completed 9", "failed 1"} <= set(said)
    assert [text for text in said if text.endswith(":00")] == [
        f"{number:02}:00" for number in (15, 18, 21, 0, 3, 6, 9, 12)
    ]


def test_hours_are_those_of_utc_whatever_zone_the_database_answers_in() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    here = {**hour(1, 5), "hour": hour(1)["hour"].astimezone(zone)}
    assert dashboard_svg(status(hours=[here]), now=NOW.astimezone(zone)) == dashboard_svg(
        status(hours=[hour(1, 5)]), now=NOW
    )


def test_without_a_time_the_latest_hour_with_an_attempt_is_the_last() -> None:
    svg = dashboard_svg(status(hours=[hour(30, 5), hour(53, 5)]))
    early, late = sorted(boxes(svg, GREEN))
    assert late[0] + late[2] > WIDTH - 30
    assert early[0] < 70
    assert not [text for text in texts(svg) if "UTC" in text and "hour" not in text]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (99_999, "99,999"),
        (100_000, "100k"),
        (1_239_999, "1.23M"),
        (1_004_000, "1M"),
        (10**18, "1E"),
        (12_300_000_000, "12.3G"),
    ],
)
def test_large_numbers_are_short_and_never_rounded_up(count: int, said: str) -> None:
    assert f"pending {said}" in texts(dashboard_svg(status(providers=[provider(pending=count)])))


def test_numbers_of_any_kind_that_the_database_answers_with_are_read() -> None:
    rows = [{**provider(), "pending": Decimal(7), "retry": None}]
    assert "pending 7" in texts(dashboard_svg(status(providers=rows)))
