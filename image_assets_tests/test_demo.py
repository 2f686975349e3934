"""The demo, run once whole: what it comes to, and the page it writes."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from image_assets.sandbox.demo import run_demo
from image_assets.sandbox.sample_deals import EXPECTED_FAILURES, EXPECTED_REQUEST_FAILURES
from image_assets.settings import read_sandbox_env


@dataclass(frozen=True)
class Demo:
    """A finished demo: what it returned and printed, and where its page and state are."""

    passed: bool
    printed: str
    folder: Path
    state_dir: Path

    @property
    def page(self) -> str:
        """The HTML of the page."""
        return (self.folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder, state_dir = tmp_path_factory.mktemp("demo-report"), tmp_path_factory.mktemp("demo-state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGE_ASSETS_STATE_DIR", str(state_dir))
        patch.setenv("COLUMNS", "250")
        # What is in the shell of somebody who works with real accounts must not reach the demo.
        patch.setenv("S3_BUCKET_NAME", "bucket-of-the-shell")
        written = io.StringIO()
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            passed = run_demo(folder)
        yield Demo(passed, written.getvalue(), folder, state_dir)


def test_the_demo_comes_to_what_it_must(demo: Demo) -> None:
    assert demo.passed, demo.printed


def test_the_second_pass_writes_nothing(demo: Demo) -> None:
    requests = [line for line in demo.printed.splitlines() if "ListObjectsV2" in line]
    assert len(requests) == 2
    first, second = requests
    assert re.search(r"[1-9][0-9]* PutObject", first)
    assert "PutObject" not in second
    assert re.search(r"<b>0</b><span>PUT requests, second pass</span>", demo.page)


def test_every_picture_on_the_page_exists_and_has_the_size_the_page_says(demo: Demo) -> None:
    paths = {unescape(path) for path in re.findall(r'<img src="([^"]+)"', demo.page)}
    assert len(paths) > 300
    for path in paths:
        assert not path.startswith(("/", "http", "data:"))
        assert (demo.folder / path).is_file(), path
    figures = re.findall(
        r'<figure class="new"><img src="([^"]+)".*?\s*<figcaption>.*?<br>(\d+)\xd7(\d+)</figcaption>', demo.page
    )
    assert len(figures) > 200
    for path, width, height in figures:
        with Image.open(demo.folder / path) as image:
            assert image.size == (int(width), int(height))


def test_every_failed_image_is_on_the_page_with_its_reason(demo: Demo) -> None:
    for (deal_id, image_id), reason in EXPECTED_FAILURES.items():
        card = re.search(rf"<h3>{deal_id}/{image_id}</h3>.*?<span class=\"reason\">(\w+)</span>", demo.page, re.DOTALL)
        assert card is not None
        assert card[1] == reason
    for (deal_id, image_id), reason in EXPECTED_REQUEST_FAILURES.items():
        assert f'<td>{deal_id}/{image_id}</td><td class="reason">{reason}</td>' in demo.page


def test_the_demo_leaves_no_sandbox_running(demo: Demo) -> None:
    assert read_sandbox_env(demo.state_dir / "demo") is None


def test_the_page_holds_no_address_of_the_shell_and_no_script(demo: Demo) -> None:
    assert "bucket-of-the-shell" not in demo.page + demo.printed
    assert "<script" not in demo.page
