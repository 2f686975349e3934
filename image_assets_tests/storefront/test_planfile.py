"""Saved plans: what is written is what is read, and nothing else is taken for a plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_assets.errors import InputError
from image_assets.storefront.model import LedgerEntry, Mode
from image_assets.storefront.plan import Association, MediaPlan, Renewal, Upload
from image_assets.storefront.planfile import load_plans, plan_as_dict, save_plans
from image_assets_tests.storefront.pure_shop import PureShop
from image_assets_tests.storefront.test_plan import FOUR, plan_for

ENTRY = LedgerEntry("k", "e", "gid://shopify/MediaImage/1")
EVERYTHING = MediaPlan(
    "LGD-2 \N{RING ABOVE}",
    Mode.MIRROR,
    "gid://shopify/Product/1",
    keep=(ENTRY,),
    adopt=(ENTRY,),
    uploads=(Upload("k2", "e2", 10, "AA-1a-e2.jpg", "AA \N{EM DASH} 1", "gid://shopify/MediaImage/2"),),
    renewals=(Renewal("gid://shopify/MediaImage/3", "k3", "e3", 11, "AA-2a-e3.jpg", "old"),),
    remove=("gid://shopify/MediaImage/4",),
    discard=("gid://shopify/MediaImage/5",),
    gallery=("a", "b"),
    order=("b", "a"),
    associations=(Association("gid://shopify/ProductVariant/1", "v1", "b", "a"),),
    publish=True,
    notes=("a note",),
)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    creation = plan_for(PureShop(), FOUR)
    assert creation.creation is not None
    path = tmp_path / "plan.json"
    save_plans(path, [creation, EVERYTHING])
    assert load_plans(path) == {creation.group_id: creation, EVERYTHING.group_id: EVERYTHING}
    assert list(load_plans(path)) == [creation.group_id, EVERYTHING.group_id]


def test_the_file_is_readable_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save_plans(path, [EVERYTHING])
    text = path.read_text(encoding="utf-8")
    assert "AA \N{EM DASH} 1" in text
    assert json.loads(text)["version"] == 1
    assert [found.name for found in tmp_path.iterdir()] == ["plan.json"]


def test_saving_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save_plans(path, [EVERYTHING])
    save_plans(path, [])
    assert load_plans(path) == {}


def test_a_plan_as_plain_values_has_all_of_it(tmp_path: Path) -> None:
    values = json.loads(json.dumps(plan_as_dict(EVERYTHING)))
    assert values["uploads"][0]["media_id"] == "gid://shopify/MediaImage/2"
    assert values["mode"] == "mirror"
    assert set(values) == set(MediaPlan.__dataclass_fields__)


@pytest.mark.parametrize("name", ["no/plan.json", "folder"])
def test_a_file_that_can_not_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{name} can't be written: ") as caught:
        save_plans(tmp_path / name, [EVERYTHING])
    assert caught.value.hint == "Choose another file."
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_named(tmp_path: Path, version: object) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"version": version, "plans": []}))
    with pytest.raises(InputError, match=rf"has version {version}, not {1}\.") as caught:
        load_plans(path)
    assert "--save-plan" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "everything"},
        {"group_id": None},
        {"uploads": "all"},
        {"uploads": [{"key": "k"}]},
        {"publish": "perhaps"},
        {"order": [1, None]},
    ],
    ids=str,
)
def test_a_plan_with_a_wrong_part_is_no_plan_file(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "plan.json"
    plan = json.loads(json.dumps(plan_as_dict(EVERYTHING))) | change
    path.write_text(json.dumps({"version": 1, "plans": [plan]}))
    with pytest.raises(InputError, match=r"is not a plan file \(ValidationError\)"):
        load_plans(path)
