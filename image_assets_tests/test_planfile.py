"""JSON files: all or nothing, readable by whom they should be, and known beforehand to be writable.

Not here: what an area's plans look like in them (``storefront/test_planfile.py``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_assets.errors import InputError
from image_assets.planfile import PlanFile, check_writable, write_json


@dataclass(frozen=True)
class Step:
    """A plan of one field."""

    link: str


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_plan_is_readable_by_its_user_alone_whatever_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for old in (path, tmp_path / ".plan.json.part"):  # as a killed run leaves it
        old.write_text("old")
        old.chmod(0o644)
    plans = PlanFile(Step, version=1)
    plans.save(path, [Step("a")])
    assert mode_of(path) == 0o600
    assert plans.load(path) == [Step("a")]
    assert list(tmp_path.iterdir()) == [path]


def test_other_files_have_the_mode_that_new_files_have(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    write_json(tmp_path / "report.json", {"a": 1})
    assert mode_of(tmp_path / "report.json") == mode_of(usual)
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}


def test_asking_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["", "..", "/", "/dev/null", "no-folder/f.json", "a-file/f.json", "x" * 300])
def test_what_cannot_be_written_is_told_by_its_path_before_and_when_writing(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").touch()
    path = tmp_path / name
    for call in (check_writable, lambda it: write_json(it, {})):
        with pytest.raises(InputError) as caught:
            call(path)
        assert caught.value.message.startswith(f"{path} can't be written: ")
    assert [found.name for found in tmp_path.iterdir()] == ["a-file"]
