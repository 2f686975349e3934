"""What stand-ins of APIs that make pictures share: one account, requests that are remembered, faults, latency.

Here: HTTP around an answer, counting, starting afresh, letting go of requests that wait. Not here: connections
(``wsgi.py``), what goes wrong (``faults.py``), and what is a vendor's: routes, keys, limits (its ``server.py``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from copy import copy, deepcopy
from http.client import responses
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from image_assets.sandbox.faults import Faults
from image_assets.sandbox.wsgi import LoopbackServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

# Status, headers, content.
Answer = tuple[int, dict[str, str], bytes]


class HasStatus(Protocol):
    """A request as it is remembered; its status is 0 when the connection was cut or there is no answer yet."""

    status: int


Behaviour = TypeVar("Behaviour")
Seen = TypeVar("Seen", bound=HasStatus)


class StandIn(LoopbackServer, Generic[Behaviour, Seen]):
    """A vendor's API for one account; use it as a context manager, or `start` and `stop`.

    Args:
        name: for thread names and error codes, e.g. ``openai``.
        label: the vendor's name, for messages.
        behaviour: what to choose about the vendor; `reset` returns to it.
        faults: what is to go wrong.
        middleware: wraps the WSGI application; see `LoopbackServer`.

    Attributes:
        behaviour: may be changed at any time.
        faults: what is to go wrong.
        throttled: how many requests the limit refused; injected refusals do not count.
        odd_phrase: the words beside a status that HTTP does not have.
    """

    odd_phrase = "Unknown"

    def __init__(
        self,
        name: str,
        label: str,
        behaviour: Behaviour,
        faults: Faults,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None,
    ) -> None:
        super().__init__(name, label, middleware)
        self._chosen = behaviour
        self.behaviour = deepcopy(behaviour)
        self.faults = faults
        self.throttled = 0
        self._log: list[Seen] = []
        self._counting = Lock()
        self._stopped = Event()

    @abstractmethod
    def serve(self, environ: dict[str, Any]) -> Answer:
        """What is answered, refusals too.

        Raises:
            ConnectionError: there is no answer.
        """

    def make_app(self) -> WSGIApplication:
        """HTTP around what is answered."""
        self._stopped.clear()

        def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            status, headers, content = self.serve(environ)
            start_response(f"{status} {self.phrase(status)}", [*headers.items(), ("Content-Length", str(len(content)))])
            return [content]

        return app

    def phrase(self, status: int) -> str:
        """The words beside a status."""
        return responses.get(status, self.odd_phrase)

    def stop(self) -> None:
        """Stop listening, cut open connections, let go of requests that wait; safe to call again."""
        self._stopped.set()
        self.faults.release()
        super().stop()

    def reset(self) -> None:
        """Nothing counted, no faults, the behaviour of the start."""
        self.behaviour = deepcopy(self._chosen)
        self.faults.clear()
        with self._counting:
            self._log.clear()
            self.throttled = 0

    @property
    def requests(self) -> list[Seen]:
        """Copies of all requests in the order they arrived, refused ones too."""
        with self._counting:
            return [copy(seen) for seen in self._log]

    def _counted(self, seen: Seen, carry_out: Callable[[], Answer]) -> Answer:
        """What is answered to a request; it is remembered from its arrival on."""
        with self._counting:
            self._log.append(seen)
        answer = carry_out()
        # Before the client can know it.
        with self._counting:
            seen.status = answer[0]
        return answer
