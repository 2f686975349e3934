"""Starting, stopping and counting, as the stand-ins of those who make pictures do it alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from image_assets.errors import PermanentError
from image_assets_tests.sandbox.makers import NAMES, Middleware, asking, server_of
from image_assets_tests.sandbox.shopify.client import eventually

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _telling(done: Callable[[], None]) -> Middleware:
    """Says when the application is done with a request, however that ended."""

    def wrap(app: WSGIApplication) -> WSGIApplication:
        def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                return app(environ, start_response)
            finally:
                done()

        return wrapped

    return wrap


@pytest.mark.parametrize("name", NAMES)
def test_middleware_wraps_the_application_and_a_server_starts_again(name: str) -> None:
    done: list[int] = []
    server = server_of(name, latency_s=0.01, middleware=_telling(lambda: done.append(1)))
    for _ in range(2):
        with asking(server) as maker:
            assert maker.ask().status_code == 200
    assert (len(done), len(server.requests), server.images_made) == (2, 2, 2)
    with pytest.raises(PermanentError, match="is not running"):
        _ = server.url


@pytest.mark.parametrize("fault", ["hang_before", "hang_after", ""])
@pytest.mark.parametrize("name", NAMES)
def test_stopping_lets_go_of_requests_that_hang_or_are_slow(name: str, fault: str) -> None:
    done: list[int] = []
    server = server_of(name, latency_s=0.0 if fault else 600.0, middleware=_telling(lambda: done.append(1)))
    for _ in range(2):  # it starts again after that
        if fault:
            server.faults.inject(fault, seconds=600)
        with asking(server) as maker:
            thread, _errors = maker.ask_aside()
            eventually(lambda: server.requests and server.faults.pending == 0)
            eventually(lambda: server.images_made == (0 if fault == "hang_before" else 1))
            assert not done
        thread.join()
        eventually(lambda: done)
        server.reset()
        done.clear()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_test_is_shown_of_a_request_is_a_copy(name: str) -> None:
    with asking(server_of(name)) as maker:
        maker.ask()
        [seen] = maker.server.requests
        seen.status = 0
        assert [again.status for again in maker.server.requests] == [200]


@pytest.mark.parametrize(
    ("name", "phrase"), [("gemini", "Client Closed Request"), ("openai", "Unknown"), ("stability", "Unknown")]
)
def test_a_status_that_http_does_not_have_has_a_phrase_too(name: str, phrase: str) -> None:
    with asking(server_of(name)) as maker:
        for status in (499, 500):
            maker.server.faults.inject("status", status=status)
        assert [maker.ask().reason_phrase for _ in range(2)] == [phrase, "Internal Server Error"]
