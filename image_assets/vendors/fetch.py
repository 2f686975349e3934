"""Fetch an image from an address that a user gave, without being sent to where a user may not go (SSRF).

Here: which addresses may be connected to, redirects, limits of size and time. Not here: whether the bytes are a good
image (``imaging/decode.py``), where the addresses come from (areas).

A name is resolved once, where the connection is made: all its addresses are checked and one of those is connected to,
so no second answer of DNS can slip in (rebinding); Host header, TLS name and certificate stay those of the name. Over
httpcore2, the transport of httpx2: it reads no proxies, follows no redirects, keeps no cookies, decodes no body.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore2
import httpx2
import stamina

from image_assets import errors
from image_assets.errors import PermanentError, TransientError
from image_assets.vendors.http import ATTEMPTS, system_tls

IPAddress = IPv4Address | IPv6Address
Entry = tuple[str | IPAddress, int | None]
Resolver = Callable[[str, int], Sequence[str]]

# Nothing is tried again when less than the longest wait is left of the total time.
LONGEST_WAIT_S = 2.0
_retry = stamina.RetryingCaller(attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=LONGEST_WAIT_S)
# A connection is not used again: httpcore2 would take what a server sends too much for the next answer.
_HEADERS = {"User-Agent": "image-assets", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
_PORTS = {"http": 80, "https": 443}
# RFC 1123 labels, and underscores, which exist. No top-level domain begins with a digit, but what inet_aton(3) takes
# for an IPv4 address does at its end: 127.1, 2130706433, 0x7f000001.
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
# All of IANA's global unicast: outside are mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96). Then what its registries
# of special addresses have and `is_global` of older Pythons has not: protocol assignments, Teredo, 6to4, documentation.
_GLOBAL_V6 = ip_network("2000::/3")
_SPECIAL = [ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")]


@dataclass(frozen=True, kw_only=True)
class FetchRules:
    """What may be fetched, and how much of it.

    ``allowed_hosts`` has hosts, ``*.suffix`` for all below one, or ``*`` for any; empty means any. ``host:port`` is
    that port alone. Only an IP address with a port (``127.0.0.1:9000``, ``[::1]:9000``) opens something that is not
    public: that address on that port, over http too, and for allowed names that resolve to it. So a local store or the
    sandbox is permitted; beside ``*``, as an exception to "public hosts only".
    """

    allowed_hosts: tuple[str, ...] = ()
    allow_http: bool = False  # from public hosts too
    max_bytes: int = 20 * 1024 * 1024  # of the body as it comes; what the server announces is not believed
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 10.0  # without any bytes
    # All of it, with redirects and retries. Asking DNS counts but cannot be interrupted: the system sets its limit.
    total_timeout_s: float = 60.0
    max_redirects: int = 3
    # An image's type by its first bytes, or None for what is none: `imaging.probe.sniff`. Without it all is fetched.
    sniff: Callable[[bytes], str | None] | None = None


@dataclass(frozen=True)
class Fetched:
    """A body and its SHA-256 in hexadecimal; addresses may carry signatures and are not printed.

    The type is told by the rules' ``sniff``, never by the server; without ``sniff``, ``application/octet-stream``.
    """

    url: str = field(repr=False)
    final_url: str = field(repr=False)
    body: bytes = field(repr=False)
    sha256: str
    content_type: str


def is_public(address: IPAddress) -> bool:
    """Whether an address is that of one host on the public internet; none that embeds an IPv4 address is."""
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _GLOBAL_V6):
        return False
    return address.is_global and not address.is_multicast and not any(address in net for net in _SPECIAL)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name in the system's order of preference; raises ``OSError``."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Fetcher:
    """Fetches by one set of rules, over a new connection each time; may be shared by threads.

    Args:
        rules: what may be fetched; raises ``SettingsError`` for an allowed host that is none.
        resolver: the addresses of a name.
        tls: by default the system's certificates, whatever the environment says.
    """

    def __init__(self, rules: FetchRules, resolver: Resolver = resolve, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._entries = _entries(rules)
        self._clock = _Clock()
        guard = _GuardedBackend(self._entries, resolver, self._clock)
        tls = tls or system_tls()
        # How many connections there are at once is the caller's business.
        self._pool = httpcore2.ConnectionPool(tls, max_connections=None, network_backend=guard)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def fetch(self, url: str) -> Fetched:
        """Get what is at ``url``; 429, 5xx and missing answers are tried again.

        Raises:
            UnreachableError: no whole answer, or not in time. TransientError: 429 or 5xx.
            NotFoundError: 404 or 410. AccessDeniedError: 401 or 403.
            PermanentError: ``bad_url`` (not a usable address, or http), ``forbidden_address`` (not an allowed host or
                not public), ``too_many_redirects``, ``too_large``, ``not_an_image``, ``refused`` (any other status).
        """
        self._clock.deadline = time.monotonic() + self._rules.total_timeout_s
        return _retry(self._is_worth_repeating, self._follow, url)

    def _is_worth_repeating(self, error: Exception) -> bool:
        return isinstance(error, TransientError) and self._clock.left() > LONGEST_WAIT_S

    def _follow(self, url: str) -> Fetched:
        at = _parse(url, "GET")
        what = origin = f"GET {_origin(at)}"
        for _ in range(self._rules.max_redirects + 1):
            _check(at, self._entries, self._rules, what)
            answer = self._get(at, what)
            if isinstance(answer, bytes):
                return Fetched(url, str(at), answer, hashlib.sha256(answer).hexdigest(), self._type_of(answer, what))
            at = _parse(answer, f"{origin}: redirected", base=at)
            what = f"{origin}: redirected to {_origin(at)}"
        raise PermanentError(f"{what}: more than {self._rules.max_redirects} redirects.", code="too_many_redirects")

    def _get(self, url: httpx2.URL, what: str) -> bytes | str:
        """The body, or where else to look."""
        rules, body = self._rules, bytearray()
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        timeout = {"connect": rules.connect_timeout_s, "read": rules.read_timeout_s, "write": rules.read_timeout_s}
        try:
            headers = [("Host", url.netloc.decode("ascii")), *_HEADERS.items()]
            with self._pool.stream("GET", target, headers=headers, extensions={"timeout": timeout}) as response:
                if response.status in (301, 302, 303, 307, 308):
                    return httpx2.Headers(response.headers).get("location", "")
                _raise_for_status(response, what)
                for piece in response.iter_stream():
                    body += piece
                    if len(body) > rules.max_bytes:
                        raise PermanentError(f"{what}: more than {rules.max_bytes} bytes.", code="too_large")
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            cause = next((cause for cause in error.args if isinstance(cause, OSError)), error)
            reason = type(cause).__name__ if self._clock.left() > 0 else f"not in {rules.total_timeout_s:g} s"
            raise errors.UnreachableError(f"{what}: no whole answer ({reason}).", hint="Check the address.") from None
        return bytes(body)

    def _type_of(self, body: bytes, what: str) -> str:
        if self._rules.sniff is None:
            return "application/octet-stream"
        if kind := self._rules.sniff(body):
            return f"image/{kind}"
        raise PermanentError(f"{what}: not an image.", code="not_an_image", hint="Give the image's own address.")


class _Clock(threading.local):
    """When the fetch of this thread has to end; a fetch and its connections stay on one thread."""

    deadline = 0.0  # of `time.monotonic`

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def within(self, timeout: float | None) -> float:
        if (left := self.left()) <= 0:
            raise httpcore2.TimeoutException
        return left if timeout is None else min(timeout, left)


@dataclass
class _GuardedBackend(httpcore2.NetworkBackend):
    """Connects to permitted addresses only, and to none by its name."""

    entries: set[Entry]
    resolver: Resolver
    clock: _Clock

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> _TimedStream:
        try:
            addresses = [ip_address(text) for text in (self.resolver(host, port) if _NAME.fullmatch(host) else [host])]
        except OSError as error:
            raise httpcore2.ConnectError(error) from error
        for address in addresses:  # all of them: a bad one among good ones is no accident
            _check_public(address, port, self.entries, f"GET {host}")
        failed: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                stream = httpcore2.SyncBackend().connect_tcp(str(address), port, self.clock.within(timeout))
                return _TimedStream(stream, self.clock)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


@dataclass
class _TimedStream(httpcore2.NetworkStream):
    """A connection whose every operation ends by the deadline: a timeout per operation does not end a slow drip."""

    stream: httpcore2.NetworkStream
    clock: _Clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self.clock.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self.clock.within(timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        return _TimedStream(self.stream.start_tls(ssl_context, server_hostname, self.clock.within(timeout)), self.clock)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def check_address(url: str, rules: FetchRules = FetchRules()) -> None:
    """Refuse an address that no `Fetcher` of these rules would fetch, as far as that shows without asking anybody.

    An address that passes may still be refused when it is fetched: its name may turn out to mean a private address.

    Raises:
        PermanentError: ``bad_url`` or ``forbidden_address``, with the words of `Fetcher.fetch`.
        SettingsError: an allowed host is none.
    """
    at = _parse(url, "GET")
    entries = _entries(rules)
    _check(at, entries, rules, f"GET {_origin(at)}")
    host = _host(at)
    # RFC 6761: localhost, and every name below it, is this machine, whatever DNS says.
    if host == "localhost" or str(host).endswith(".localhost"):
        host = IPv4Address("127.0.0.1")
    if isinstance(host, IPAddress):
        _check_public(host, at.port or _PORTS[at.scheme], entries, f"GET {at.host}")


def _entries(rules: FetchRules) -> set[Entry]:
    return {_entry(text) for text in rules.allowed_hosts or ("*",)}


def _check(url: httpx2.URL, entries: set[Entry], rules: FetchRules, what: str) -> None:
    """Whether the rules allow this scheme and host."""
    host, port = _host(url), url.port or _PORTS[url.scheme]
    local = isinstance(host, IPAddress) and (host, port) in entries
    if url.scheme == "http" and not (local or rules.allow_http):
        raise PermanentError(f"{what}: not https.", code="bad_url", hint="Give an https address.")
    names = [host, "*", *("*" + str(host)[dot.start() :] for dot in re.finditer(r"\.", str(host)))]
    if not any((name, only) in entries for name in names for only in (port, None)):
        raise PermanentError(f"{what}: not an allowed host.", code="forbidden_address")


def _check_public(address: IPAddress, port: int, entries: set[Entry], what: str) -> None:
    """Whether this may be connected to."""
    if not is_public(address) and (address, port) not in entries:
        raise PermanentError(f"{what}: {address} is not a public address.", code="forbidden_address")


def _parse(url: str, what: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """The one parsed form that is checked and fetched; nothing of a bad address is in the message but its host."""
    try:
        parsed = base.join(url) if base and url else httpx2.URL(url)
        host = _host(parsed)
    except (httpx2.InvalidURL, ValueError):
        raise PermanentError(f"{what}: not a usable address.", code="bad_url") from None
    if parsed.scheme not in _PORTS or parsed.userinfo:
        raise PermanentError(f"{what}: not a plain https address of {host}, without a user name.", code="bad_url")
    return parsed


def _entry(text: str) -> Entry:
    """Host and port of an allowed host; wildcards as they are."""
    if text == "*":
        return text, None
    plain, below = text.removeprefix("*."), text.startswith("*.")
    try:
        url = httpx2.URL(f"any://{plain}")  # a scheme without a default port, which would be dropped
        host = _host(url)
        if _origin(url) != f"any://{plain.lower()}" or (below and not isinstance(host, str)):
            raise ValueError("more than a host")
    except (httpx2.InvalidURL, ValueError):
        raise errors.SettingsError(f"{text!r} is no host, host:port, *.suffix or * to allow.") from None
    return (f"*.{host}" if below else host), url.port


def _host(url: httpx2.URL) -> str | IPAddress:
    """A name or an address; raises ``ValueError`` for what is neither."""
    host = url.raw_host.decode("ascii")
    if url.port is not None and not 0 < url.port < 65536:
        raise ValueError("not a port")
    return host if _NAME.fullmatch(host) else ip_address(host)


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _raise_for_status(response: httpcore2.Response, what: str) -> None:
    message = f"{what}: HTTP {response.status}."
    if response.status == 429 or response.status >= 500:
        raise TransientError(message, code="unavailable")
    if response.status in (401, 403):
        raise errors.AccessDeniedError(message, hint="Give an address that needs no login and has not expired.")
    if response.status in (404, 410):
        raise errors.NotFoundError(message)
    if response.status != 200:
        raise PermanentError(message, code="refused")
    if httpx2.Headers(response.headers).get("content-encoding", "identity").lower() != "identity":
        raise PermanentError(f"{what}: compressed, though not asked to be.", code="not_an_image")
