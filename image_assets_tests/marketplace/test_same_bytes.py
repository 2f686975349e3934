"""Images with the same bytes under two addresses: one asset where that is switched on; else we fetch nothing.

The images come from a server of this machine, whose address is allowed for that (``IMAGE_HOSTS``). The stand-in for
Plytix fetches them there too; who asked is told by the user agent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.workplace import open_workplace
from image_assets.sandbox.wsgi import LoopbackServer
from image_assets.settings import settings_for
from image_assets_tests.marketplace.conftest import Market, empty, mapping_of, picture

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication


class Pictures(LoopbackServer):
    """Answers each path with a picture, or sends to where ``moved`` says.

    Attributes:
        same: paths with the same picture.
        moved: locations by path.
        ours: how often each path was fetched by us.
        walled: whether we get a page instead, which says that we are a robot.
    """

    def __init__(self) -> None:
        super().__init__("pictures", "pictures")
        self.same: set[str] = set()
        self.moved: dict[str, str] = {}
        self.ours: Counter[str] = Counter()
        self.walled = False

    def make_app(self) -> WSGIApplication:
        def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            by_us = environ.get("HTTP_USER_AGENT", "").startswith("image-assets")
            self.ours[path] += by_us
            if path in self.moved:
                start_response("302 Found", [("Location", self.moved[path]), ("Content-Length", "0")])
                return [b""]
            body = picture("/same" if path in self.same else path)
            if self.walled and by_us:
                body = b"<html>Robot check</html>"
            if body is None:
                start_response("404 Not Found", [("Content-Length", "0")])
                return [b""]
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]

        return app

    def links(self, *names: str) -> list[dict[str, str]]:
        """A record's images, in the order MAIN, PT01, ..."""
        slots = ("MAIN", *(f"PT0{number}" for number in range(1, 9)))
        return [{"link": f"{self.url}/{name}.jpg", "variant": slot} for name, slot in zip(names, slots, strict=False)]

    def mapping(self, **products: tuple[str, ...]) -> ImageMapping:
        """A mapping of some products' images."""
        return mapping_of(
            *({"suggested_sku": sku, "amazon_images": self.links(*names)} for sku, names in products.items())
        )


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with Pictures() as server:
        yield server


@pytest.fixture
def switched(market: Market, market_env: dict[str, str], pictures: Pictures) -> Iterator[Callable[..., Market]]:
    """The marketplace with other settings."""
    opened = []

    def switch(**settings: str) -> Market:
        context = open_workplace(settings_for(market_env | settings), engine=market.engine)
        opened.append(context)
        return replace(market, work=context.__enter__())

    yield switch
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def comparing(switched: Callable[..., Market], pictures: Pictures) -> Market:
    """The marketplace where bytes are compared."""
    hosts = pictures.url.removeprefix("http://")
    return switched(MARKETPLACE_SAME_BYTES="true", IMAGE_HOSTS=hosts)


def test_images_are_never_fetched_by_us_unless_bytes_are_compared(market: Market, pictures: Pictures) -> None:
    market.seed("A")
    pictures.same = {"/a1.jpg", "/a2.jpg"}
    mapping = pictures.mapping(A=("a1", "a2"))
    market.dry_run(mapping)
    assert not pictures.ours.total()
    assert market.sync(mapping).report.images_uploaded == 2
    assert not pictures.ours.total()
    assert pictures.ours.keys() == {"/a1.jpg", "/a2.jpg"}  # by Plytix


def test_two_addresses_of_the_same_bytes_are_one_asset(comparing: Market, pictures: Pictures) -> None:
    comparing.seed("A", "B")
    pictures.same = {"/a2.jpg", "/b1.jpg"}
    mapping = pictures.mapping(A=("a1", "a2"), B=("b1", "b2", "a2"))
    planned = comparing.dry_run(mapping)
    run = comparing.sync(mapping)
    assert run.plan == planned.plan
    assert run.outcomes.failures == []
    assert (run.report.unique_images, run.report.images_uploaded, run.report.links_created) == (3, 3, 4)
    assert run.report.total_image_refs == 5
    assert len(comparing.account.assets) == 3
    assert comparing.images("A")[1] == comparing.images("B")[0] == comparing.thumbnail("B")
    assert set(pictures.ours.values()) == {1}
    before = comparing.writes()
    assert comparing.sync(mapping).report.links_created == 0
    assert comparing.writes() == before
    assert set(pictures.ours.values()) == {1}


def test_the_address_that_was_uploaded_first_stays_the_one(
    comparing: Market, market: Market, pictures: Pictures
) -> None:
    market.seed("A")
    pictures.same = {"/old.jpg", "/new.jpg"}
    market.sync(pictures.mapping(A=("old",)))
    run = comparing.sync(pictures.mapping(A=("new", "other", "old")))
    assert run.report.images_uploaded == 1
    assert comparing.images("A") == ["old", "other"]
    assert comparing.thumbnail("A") == "old"


def test_an_image_that_we_can_not_fetch_is_left_to_plytix(
    comparing: Market, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    comparing.seed("A")
    run = comparing.sync(pictures.mapping(A=("a1", "dead")))
    assert [problem.url for problem in run.report.errors] == [f"{pictures.url}/dead.jpg"]
    assert [entry.levelname for entry in caplog.records if "can't be compared" in entry.message] == ["WARNING"]
    assert comparing.images("A") == ["a1"]


def test_we_follow_no_redirect_to_this_machine(
    comparing: Market, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    comparing.seed("A")
    with Pictures() as inside:
        pictures.moved = {"/a1.jpg": f"{inside.url}/secret.jpg", "/a2.jpg": "http://localhost/secret.jpg"}
        comparing.dry_run(pictures.mapping(A=("a1", "a2", "a3")))
        assert not inside.ours
    assert pictures.ours == {"/a1.jpg": 1, "/a2.jpg": 1, "/a3.jpg": 1}
    refused = [entry.message for entry in caplog.records if "can't be compared" in entry.message]
    assert len(refused) == 2
    assert all("redirected to http://" in message for message in refused)


@pytest.mark.parametrize("hosts", ["", "m.media-amazon.com", "*"])
def test_this_machine_is_not_asked_for_images_without_its_address_being_allowed(
    switched: Callable[..., Market], pictures: Pictures, hosts: str
) -> None:
    market = switched(MARKETPLACE_SAME_BYTES="true", IMAGE_HOSTS=hosts)
    market.seed("A")
    assert market.sync(pictures.mapping(A=("a1", "a2"))).report.images_uploaded == 2
    assert not pictures.ours.total()


def test_bytes_are_compared_again_when_what_was_known_is_lost(comparing: Market, pictures: Pictures) -> None:
    comparing.seed("A")
    pictures.same = {"/a1.jpg", "/a2.jpg"}
    mapping = pictures.mapping(A=("a1", "a2"))
    comparing.sync(mapping)
    empty(comparing.engine)
    run = comparing.sync(mapping)
    assert (run.report.images_uploaded, run.report.images_skipped) == (0, 1)
    assert set(pictures.ours.values()) == {2}


def test_a_page_instead_of_the_images_makes_them_not_the_same(comparing: Market, pictures: Pictures) -> None:
    comparing.seed("A", "B")
    pictures.walled = True
    mapping = pictures.mapping(A=("a1", "a2"), B=("b1",))
    run = comparing.sync(mapping)
    assert (run.report.unique_images, run.report.images_uploaded, run.report.links_created) == (3, 3, 3)
    pictures.walled = False
    assert comparing.sync(mapping).report.unique_images == 3


def test_an_image_whose_bytes_another_mapping_brought_under_another_address_is_that_asset(
    comparing: Market, pictures: Pictures
) -> None:
    comparing.seed("A", "B")
    pictures.same = {"/old.jpg", "/new.jpg"}
    comparing.sync(pictures.mapping(A=("old", "x")))
    run = comparing.sync(pictures.mapping(A=("new", "x"), B=("new",)))
    assert (run.report.images_uploaded, run.report.links_created) == (0, 1)
    assert len(comparing.account.assets) == 2
