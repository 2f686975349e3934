"""Bad days on request and by chance, as far as they are alike whoever the vendor is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from image_assets.sandbox.faults import Faults
from image_assets_tests.sandbox.makers import NAMES, Maker, asking, server_of
from image_assets_tests.sandbox.shopify.client import eventually


@pytest.fixture(scope="module", params=NAMES)
def running(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with asking(server_of(request.param)) as maker:
        yield maker


@pytest.fixture
def maker(running: Maker) -> Maker:
    running.server.reset()
    return running


@pytest.fixture
def faults() -> Faults:
    return Faults(lambda name, status: LookupError(name, status), {"torn": ("picture",)})


# --- of every vendor


@pytest.mark.parametrize("let_go", [Faults.release, Faults.clear])
@pytest.mark.parametrize(("kind", "made"), [("hang_before", 0), ("hang_after", 1)])
def test_a_request_hangs_until_it_is_let_go_and_is_cut_then(
    maker: Maker, kind: str, made: int, let_go: Callable[[Faults], None]
) -> None:
    maker.server.faults.inject(kind)
    thread, errors = maker.ask_aside()
    eventually(lambda: maker.server.faults.pending == 0 and maker.server.images_made == made)
    assert thread.is_alive()
    let_go(maker.server.faults)
    thread.join()
    [error] = errors
    assert not isinstance(error, httpx2.TimeoutException)  # nor did the client lose patience


@pytest.mark.parametrize("when", ["before", "after"])
def test_somebody_may_come_in_between(maker: Maker, when: str) -> None:
    made: list[int] = []
    maker.server.faults.inject("call", when=when, action=lambda: made.append(maker.server.images_made))
    assert maker.ask().status_code == 200
    assert made == [0 if when == "before" else 1]


def test_what_is_planned_comes_before_luck_and_clear_ends_both(maker: Maker) -> None:
    maker.server.faults.rate(1.0, (500,))
    maker.server.faults.inject("status", status=503, times=2)
    assert maker.ask().status_code == 503
    maker.server.faults.clear()
    assert maker.ask().status_code == 200


# --- whose turn it is


def test_bad_luck_is_as_frequent_as_told_and_the_same_each_time(faults: Faults) -> None:
    def luck(seed: int) -> list[int]:
        faults.rate(0.1, (429, 500, 503), seed=seed)
        return [faults.next("picture").options.get("status", 200) for _ in range(3000)]

    found = luck(1)
    assert 200 < sum(status != 200 for status in found) < 400
    assert set(found) == {200, 429, 500, 503}
    assert luck(1) == found != luck(2)


def test_a_fault_waits_for_a_request_that_goes_by_its_name(faults: Faults) -> None:
    faults.inject("status", times=2, after=1, on="mug")
    asked = [("cup", "picture"), ("mug", "picture"), ("mug",), ("cup", "mug"), ("mug",)]
    assert [faults.next(*names).kind for names in asked] == ["", "", "status", "status", ""]


def test_a_kind_that_a_request_can_not_have_is_kept_for_one_that_can(faults: Faults) -> None:
    faults.inject("torn")
    assert [faults.next(name).kind for name in ("list", "picture", "picture")] == ["", "torn", ""]


def test_who_draws_a_kind_that_it_can_not_have_is_let_pass(faults: Faults) -> None:
    faults.rate(1.0, ("torn",))
    assert [faults.next(name).kind for name in ("list", "picture")] == ["", "torn"]


def test_a_status_is_raised_as_the_vendor_refuses_it(faults: Faults) -> None:
    faults.inject("status", status=418)
    with pytest.raises(LookupError) as raised, faults.around("mug", "picture"):
        pytest.fail("it was carried out")
    assert raised.value.args == ("mug", 418)


def test_a_request_that_fails_by_itself_is_not_cut_after_it(faults: Faults) -> None:
    faults.inject("drop_after")
    with pytest.raises(ZeroDivisionError), faults.around("mug"):
        raise ZeroDivisionError


def test_a_fault_that_is_none_is_refused(faults: Faults) -> None:
    with pytest.raises(ValueError, match=r"'nonsense' is none of status, .*, torn"):
        faults.inject("nonsense")
    with pytest.raises(ValueError, match="'between' is none of before, after"):
        faults.inject("call", when="between")
    with pytest.raises(ValueError, match="nonsense"):
        faults.rate(0.5, ("nonsense",))
