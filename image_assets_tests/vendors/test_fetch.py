"""The guarded fetch against real servers on loopback, which is the very place it must not go to unasked.

stamina's test mode removes the waits between attempts, not the attempts.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies as st

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.imaging.probe import sniff
from image_assets.sandbox.wsgi import LoopbackServer
from image_assets.vendors.fetch import (
    LONGEST_WAIT_S,
    Fetched,
    Fetcher,
    FetchRules,
    Resolver,
    check_address,
    is_public,
)
from image_assets.vendors.http import ATTEMPTS
from image_assets_tests.vendors.webhook import closed_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
REFUSALS = {"bad_url", "forbidden_address"}
PATH = "/path-of-the-image.png?X-Amz-Signature=query-of-the-image"


def answer(status: str = "200 OK", body: Iterable[bytes] = (PNG,), **headers: str) -> WSGIApplication:
    """Answers always so; ``Content_Type`` is the header Content-Type."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return body

    return app


def redirect(to: str, status: str = "302 Found") -> WSGIApplication:
    return answer(status, (b"<html>elsewhere</html>",), Location=to)


def cut(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise ConnectionResetError("injected")


class Images(LoopbackServer):
    """Answers with the next application for the path, the last one for ever; remembers the requests."""

    def __init__(self) -> None:
        super().__init__("images", "images")
        self.routes: dict[str, list[WSGIApplication]] = {}
        self.seen: list[WSGIEnvironment] = []

    def make_app(self) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self.seen.append(environ)
            answers = self.routes.get(environ["PATH_INFO"], [answer()])
            return (answers.pop(0) if len(answers) > 1 else answers[0])(environ, start_response)

        return app

    @property
    def host(self) -> str:
        """Address and port, as the rules have it."""
        return self.url.removeprefix("http://")

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]


@pytest.fixture
def server() -> Iterator[Images]:
    with Images() as running:
        yield running


Make = Callable[..., Fetcher]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes fetchers of images from rules, which are closed at the end; no waits between attempts."""
    with ExitStack() as stack:
        stack.enter_context(stamina.set_testing(True, attempts=100, cap=True))

        def make_fetcher(
            *hosts: str, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None, **rules: Any
        ) -> Fetcher:
            made = FetchRules(allowed_hosts=hosts, **{"sniff": sniff, **rules})
            fetcher = Fetcher(made, resolver, tls) if resolver else Fetcher(made, tls=tls)
            return stack.enter_context(closing(fetcher))

        yield make_fetcher


class Names:
    """A resolver that answers what it is told to, in order, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def never_asked(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host} was looked up")


@contextmanager
def serve_raw(talk: Callable[[StreamRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that reads a request and then does what no proper one does; the port."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            try:
                while self.rfile.readline().strip():
                    pass
                talk(self)
            except OSError:  # the client has gone, as it should
                return

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as tcp:
        if tls:
            tcp.socket = tls.wrap_socket(tcp.socket, server_side=True)
        thread = Thread(target=tcp.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield tcp.server_address[1]
        tcp.shutdown()
        thread.join()


def refused(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(PermanentError) as caught:
        fetcher.fetch(url)
    assert_says_nothing_secret(caught.value)
    return caught.value.code


def assert_says_nothing_secret(error: ImageAssetsError) -> None:
    for text in (str(error), repr(error), str(error.args)):
        assert "-of-the-" not in text
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


# What comes back


def test_an_image_comes_back_with_its_hash_and_its_type(server: Images, make: Make) -> None:
    fetched = make(server.host).fetch(server.url + PATH)
    assert fetched.body == PNG
    assert fetched.sha256 == hashlib.sha256(PNG).hexdigest()
    assert fetched.content_type == "image/png"
    assert fetched.url == fetched.final_url == server.url + PATH
    assert "-of-the-" not in repr(fetched)
    (request,) = server.seen
    assert request["HTTP_HOST"] == server.host
    assert request["HTTP_ACCEPT_ENCODING"] == "identity"
    assert request["QUERY_STRING"] == "X-Amz-Signature=query-of-the-image"


def test_the_type_is_told_by_the_bytes_and_not_by_the_server(server: Images, make: Make) -> None:
    server.routes = {
        "/image": [answer(Content_Type="text/html")],
        "/page": [answer(body=[b"<!doctype html>"], Content_Type="image/png")],
        "/empty": [answer(body=[])],
    }
    fetcher = make(server.host)
    assert fetcher.fetch(server.url + "/image").content_type == "image/png"
    assert refused(fetcher, server.url + "/page") == "not_an_image"
    assert refused(fetcher, server.url + "/empty") == "not_an_image"


def test_without_a_sniff_anything_is_fetched(server: Images, make: Make) -> None:
    server.routes = {"/page": [answer(body=[b"<!doctype html>"])]}
    fetched = make(server.host, sniff=None).fetch(server.url + "/page")
    assert (fetched.body, fetched.content_type) == (b"<!doctype html>", "application/octet-stream")


def test_cookies_are_not_kept(server: Images, make: Make) -> None:
    server.routes = {"/": [answer(Set_Cookie="a=b; Path=/")]}
    fetcher = make(server.host)
    fetcher.fetch(server.url)
    fetcher.fetch(server.url)
    assert not any("HTTP_COOKIE" in request for request in server.seen)


def test_proxies_of_the_environment_are_not_used(server: Images, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert make(server.host).fetch(server.url).body == PNG


def test_threads_share_a_fetcher(server: Images, make: Make) -> None:
    fetcher = make(server.host)
    with ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda n: fetcher.fetch(f"{server.url}/{n}").body, range(12)))
    assert bodies == [PNG] * 12


# Which addresses


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1"),
        *("017700000001", "0177.0.0.1", "127.000.000.001", "0", "0.0.0.0", "%31%32%37.0.0.1", "127.0.0.1%00.example"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]"),
        *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::1%25lo]", "[::1%lo]", "[fe80::1%lo]"),
        *("127。0。0。1", "\uff11\uff12\uff17.0.0.1", "①②⑦.0.0.1", "localhost", "LOCALHOST", "localhost.", "ⓛocalhost"),
        *("127.0.0.1 ", " 127.0.0.1", "127.0.0.1\t", "127.0.0.1\\.example.com", "-", "a..b", "*"),
    ],
)
def test_this_machine_is_refused_however_it_is_spelled(server: Images, make: Make, host: str) -> None:
    assert refused(make(allow_http=True), f"http://{host}:{server.port}{PATH}") in REFUSALS
    assert server.seen == []


@pytest.mark.parametrize(
    "authority",
    [
        "allowed.example@{local}",
        "allowed.example:password-of-the-user@{local}",
        "allowed.example%40{local}",
        "allowed.example\\@{local}",
        "{local}\\@allowed.example",
        "allowed.example:80@{local}",
        ":@{local}",
        "{local}@allowed.example",
        "{local}:80@allowed.example",
        "allowed.example:0",
        "allowed.example:65536",
        "allowed.example:http",
        "",
    ],
)
def test_an_address_that_two_parsers_may_read_in_two_ways_is_refused(
    server: Images, make: Make, authority: str
) -> None:
    fetcher = make("allowed.example", server.host, resolver=never_asked, allow_http=True)
    assert refused(fetcher, f"http://{authority.format(local=server.host)}{PATH}") == "bad_url"
    assert server.seen == []


@pytest.mark.parametrize("url", ["", "nonsense", "/etc/passwd", "file:///etc/passwd", "ftp://a.example/", "data:,x"])
def test_what_is_no_web_address_is_refused(make: Make, url: str) -> None:
    assert refused(make(resolver=never_asked, allow_http=True), url) == "bad_url"


# IANA's registries of special-purpose addresses, multicast, and what is not allocated.
V4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
]
V6 = [
    *("::/8", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    *("4000::/3", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]
not_public_v4 = st.sampled_from(V4).flatmap(lambda net: st.ip_addresses(network=net)).map(lambda a: IPv4Address(int(a)))
not_public_v6 = st.sampled_from(V6).flatmap(lambda net: st.ip_addresses(network=net)).map(lambda a: IPv6Address(int(a)))


def spellings_v4(address: IPv4Address) -> list[str]:
    """How parsers of addresses and of host names have been known to write it, and IPv6 addresses that carry it."""
    number, (a, b, c, d) = int(address), address.packed
    wide = str(address).translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    carriers = (0xFFFF << 32, 0xFFFF << 48, 0, 0x64FF9B << 96)
    teredo = (0x20010000 << 96) | (number ^ 0xFFFFFFFF)
    six = [*(prefix | number for prefix in carriers), (0x2002 << 112) | (number << 80), teredo]
    return [
        *(str(address), f"{address}.", str(number), hex(number), f"0{number:o}", f"0x{number:08X}"),
        *(f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        *(f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{b}.{c}.{d:#x}"),
        *("".join(f"%{ord(char):02x}" for char in str(address)), str(address).replace(".", "。"), wide),
        *(f"[{IPv6Address(number)}]" for number in six),
        f"[::ffff:{address}]",
    ]


def spellings_v6(address: IPv6Address) -> list[str]:
    return [f"[{text}]" for text in (str(address), address.exploded, str(address).upper(), f"{address}%eth0")]


@pytest.fixture(scope="module")
def anywhere() -> Iterator[tuple[Fetcher, Names]]:
    names = Names([])
    with closing(Fetcher(FetchRules(allow_http=True), names)) as fetcher:
        yield fetcher, names


@given(
    host=not_public_v4.map(spellings_v4).flatmap(st.sampled_from)
    | not_public_v6.map(spellings_v6).flatmap(st.sampled_from),
    scheme=st.sampled_from(["http", "https"]),
)
def test_an_address_that_is_not_public_is_refused_in_every_spelling(
    anywhere: tuple[Fetcher, Names], host: str, scheme: str
) -> None:
    fetcher, names = anywhere
    assert refused(fetcher, f"{scheme}://{host}{PATH}") in REFUSALS
    assert names.asked == []


@given(address=not_public_v4 | not_public_v6, among=st.booleans())
def test_a_name_with_an_address_that_is_not_public_is_refused(
    anywhere: tuple[Fetcher, Names], address: IPv4Address | IPv6Address, among: bool
) -> None:
    fetcher, names = anywhere
    names.answers = [["8.8.8.8", str(address)] if among else [str(address)]]
    assert refused(fetcher, f"https://images.example{PATH}") == "forbidden_address"
    names.asked.clear()


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "192.0.1.0", "223.255.255.255"]
)
def test_addresses_beside_the_special_ones_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ["2001:4860:4860::8888", "2600:1f18::1", "2a00:1450:4001:830::200e"])
def test_global_unicast_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert not is_public(ip_address(address + "%eth0"))


# Which hosts


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("m.media-amazon.com", True),
        ("M.Media-Amazon.COM", True),
        ("a.ssl-images-amazon.com", True),
        ("a.b.ssl-images-amazon.com", True),
        ("ssl-images-amazon.com", False),
        ("evilssl-images-amazon.com", False),
        ("media-amazon.com", False),
        ("a.m.media-amazon.com", False),
        ("m.media-amazon.com.evil.example", False),
        ("m.media-amazon.com.", False),
    ],
)
def test_only_allowed_hosts_are_asked_for(server: Images, make: Make, host: str, allowed: bool) -> None:
    names = Names(["127.0.0.1"])
    fetcher = make("m.media-amazon.com", "*.Ssl-Images-amazon.com", server.host, resolver=names, allow_http=True)
    url = f"http://{host}:{server.port}{PATH}"
    if allowed:
        assert fetcher.fetch(url).body == PNG
    else:
        assert refused(fetcher, url) in REFUSALS
    assert len(names.asked) == len(server.seen) == allowed


def test_a_permitted_local_address_opens_its_own_port_alone(server: Images, make: Make) -> None:
    with Images() as other:
        for fetcher in (make(server.host), make("*", server.host), make("*", server.host, allow_http=True)):
            assert fetcher.fetch(server.url).body == PNG
            assert refused(fetcher, other.url) in REFUSALS
            assert refused(fetcher, f"http://[::ffff:127.0.0.1]:{server.port}/") in REFUSALS
        assert other.seen == []


def test_a_host_with_a_port_is_allowed_on_that_port_alone(server: Images, make: Make) -> None:
    named = f"images.example:{server.port}"
    fetcher = make(named, server.host, resolver=Names(["127.0.0.1"]), allow_http=True)
    assert fetcher.fetch(f"http://{named}/").body == PNG
    assert refused(fetcher, "http://images.example/") == "forbidden_address"


def test_a_name_with_a_port_opens_no_local_address(server: Images, make: Make) -> None:
    named = f"images.example:{server.port}"
    fetcher = make(named, resolver=Names(["127.0.0.1"]), allow_http=True)
    assert refused(fetcher, f"http://{named}/") == "forbidden_address"
    assert server.seen == []


def test_http_is_refused_unless_it_is_allowed(make: Make) -> None:
    for hosts in ((), ("images.example",), ("images.example:80",), ("*", "127.0.0.1:80")):
        assert refused(make(*hosts, resolver=never_asked), f"http://images.example{PATH}") == "bad_url"


@pytest.mark.parametrize(
    "entry",
    [
        *("", " ", "a b", "http://a.example", "a.example/path", "a.example?x", "user@a.example", "a.example:99999"),
        *("*.", "**", "*.*", "a.*.example", "*:9000", "*.10.0.0.1", "*.1", "127.1", "::1", "10.0.0.0/8", "a.example."),
    ],
)
def test_an_entry_that_is_no_host_is_a_settings_error(entry: str) -> None:
    with pytest.raises(SettingsError):
        Fetcher(FetchRules(allowed_hosts=(entry,)))


# What shows without asking anybody


def words_of(refuse: Callable[[], object]) -> str:
    with pytest.raises(PermanentError) as caught:
        refuse()
    assert_says_nothing_secret(caught.value)
    return f"{caught.value.code}: {caught.value}"


@given(
    host=not_public_v4.map(spellings_v4).flatmap(st.sampled_from)
    | not_public_v6.map(spellings_v6).flatmap(st.sampled_from)
    | st.sampled_from(["localhost", "LOCALHOST", "any.localhost", "a..b", "-", "*", "", "user@a.example", "a b"]),
    scheme=st.sampled_from(["http", "https", "ftp", "s3"]),
)
def test_a_bad_address_is_refused_before_the_network_in_the_words_of_a_fetch(host: str, scheme: str) -> None:
    url = f"{scheme}://{host}{PATH}"
    with closing(Fetcher(FetchRules(), Names(["127.0.0.1"]), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))) as fetcher:
        assert words_of(lambda: check_address(url)) == words_of(lambda: fetcher.fetch(url))


@pytest.mark.parametrize("url", ["", "nonsense", "https://\ud800.example/", "https://a.example/\x00", "https://[::1"])
def test_what_is_no_address_is_refused_before_the_network(url: str) -> None:
    assert words_of(lambda: check_address(url)) == "bad_url: GET: not a usable address."


@pytest.mark.parametrize(
    "url", [f"https://a.example{PATH}", "https://a.example:8443/", "https://1.1.1.1/", "HTTPS://ÄÖ.de"]
)
def test_an_address_that_may_be_public_passes_without_being_asked(url: str) -> None:
    check_address(url)


def test_the_rules_decide_before_the_network_too() -> None:
    rules = FetchRules(allowed_hosts=("*.example", "127.0.0.1:9000"))
    for url in ("https://a.example/", "http://127.0.0.1:9000/", "https://127.0.0.1:9000/"):
        check_address(url, rules)
    assert words_of(lambda: check_address("https://a.example.com/", rules)).startswith("forbidden_address")
    assert words_of(lambda: check_address("http://127.0.0.1:9001/", rules)).startswith("bad_url")
    assert words_of(lambda: check_address("https://localhost:9000/", rules)).startswith("forbidden_address")
    check_address("https://localhost:9000/", FetchRules(allowed_hosts=("localhost", "127.0.0.1:9000")))


# DNS


def test_the_address_that_was_checked_is_the_one_connected_to(server: Images, make: Make) -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    fetcher = make("images.example", server.host, resolver=names, allow_http=True)
    assert fetcher.fetch(f"http://images.example:{server.port}/").body == PNG
    assert names.asked == ["images.example"]
    assert server.seen[0]["HTTP_HOST"] == f"images.example:{server.port}"


def test_every_hop_asks_dns_once_and_is_checked(server: Images, make: Make) -> None:
    server.routes = {"/a": [redirect("/b")], "/b": [redirect("/c")]}
    names = Names(["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"])
    fetcher = make("images.example", server.host, resolver=names, allow_http=True)
    assert refused(fetcher, f"http://images.example:{server.port}/a") == "forbidden_address"
    assert names.asked == ["images.example"] * 3
    assert [request["PATH_INFO"] for request in server.seen] == ["/a", "/b"]


def test_one_bad_address_among_good_ones_refuses_the_name(server: Images, make: Make) -> None:
    names = Names(["127.0.0.1", "10.0.0.1"])
    fetcher = make("images.example", server.host, resolver=names, allow_http=True)
    assert refused(fetcher, f"http://images.example:{server.port}/") == "forbidden_address"
    assert server.seen == []


def test_the_next_address_is_tried_when_one_does_not_answer(server: Images, make: Make) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])
    hosts = ("images.example", server.host, f"127.0.0.2:{server.port}")
    fetcher = make(*hosts, resolver=names, allow_http=True)
    assert fetcher.fetch(f"http://images.example:{server.port}/").body == PNG


@pytest.mark.parametrize("answers", [OSError("no such name"), []])
def test_a_name_without_addresses_is_unreachable(make: Make, answers: OSError | list[str]) -> None:
    asked = []

    def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if isinstance(answers, OSError):
            raise answers
        return answers

    with pytest.raises(UnreachableError, match=r"^GET https://images\.example: no whole answer") as caught:
        make(resolver=resolver).fetch(f"https://images.example{PATH}")
    assert_says_nothing_secret(caught.value)
    assert len(asked) == ATTEMPTS


# Redirects


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_followed(server: Images, make: Make, status: str) -> None:
    server.routes = {"/a/b": [redirect("../c?d=e#f", status)]}
    fetched = make(server.host).fetch(f"{server.url}/a/b")
    assert fetched.body == PNG
    assert (fetched.url, fetched.final_url) == (f"{server.url}/a/b", f"{server.url}/c?d=e#f")
    assert [request["PATH_INFO"] for request in server.seen] == ["/a/b", "/c"]


@pytest.mark.parametrize(
    "target",
    [
        *("http://127.0.0.1:{other}/", "http://localhost:{other}/", "//localhost:{other}/", "http://0:{other}/"),
        *("https://127.0.0.1:{other}/", "http://[::ffff:127.0.0.1]:{other}/", "http://2130706433:{other}/"),
        *("http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://[fd00:ec2::254]/"),
        *("file:///etc/passwd", "file:/etc/passwd", "gopher://127.0.0.1:{other}/", "data:image/png;base64,AAAA", ""),
        *(
            "http://a.example:password-of-the-user@127.0.0.1:{port}/",
            "http://127.0.0.1:{port}\\@a.example/",
            "http://[",
        ),
    ],
)
def test_a_redirect_is_checked_as_the_address_was(server: Images, make: Make, target: str) -> None:
    with Images() as other:
        server.routes = {"/a": [redirect(target.format(other=other.port, port=server.port))]}
        assert refused(make("*", server.host, allow_http=True), f"{server.url}/a") in REFUSALS
        assert other.seen == []
        assert len(server.seen) == 1


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(server: Images, make: Make) -> None:
    server.routes = {"/path-of-the-image.png": [redirect("https://elsewhere.example/path-of-the-image")]}
    with pytest.raises(PermanentError) as caught:
        make(server.host, resolver=never_asked).fetch(server.url + PATH)
    assert str(caught.value) == f"GET {server.url}: redirected to https://elsewhere.example: not an allowed host."


def test_redirects_come_to_an_end(server: Images, make: Make) -> None:
    server.routes = {"/a": [redirect("/b")], "/b": [redirect("/a")]}
    assert refused(make(server.host, max_redirects=2), f"{server.url}/a") == "too_many_redirects"
    assert len(server.seen) == 3


# How much, and how long


def test_an_image_may_have_as_many_bytes_as_the_rules_say(server: Images, make: Make) -> None:
    assert make(server.host, max_bytes=len(PNG)).fetch(server.url).body == PNG
    assert refused(make(server.host, max_bytes=len(PNG) - 1), server.url) == "too_large"


def test_a_body_without_end_is_too_large(server: Images, make: Make) -> None:
    server.routes = {"/": [answer(body=itertools.repeat(PNG), Content_Length=str(10**15))]}
    assert refused(make(server.host, max_bytes=100_000), server.url) == "too_large"


def test_chunks_without_end_are_too_large(make: Make) -> None:
    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            client.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")

    with serve_raw(talk) as port:
        fetcher = make(f"127.0.0.1:{port}", max_bytes=100_000)
        assert refused(fetcher, f"http://127.0.0.1:{port}/") == "too_large"


def test_headers_without_end_are_no_answer(make: Make) -> None:
    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            client.wfile.write(b"A: b\r\n")

    with serve_raw(talk) as port, pytest.raises(UnreachableError):
        make(f"127.0.0.1:{port}").fetch(f"http://127.0.0.1:{port}/")


def test_a_body_that_breaks_off_is_fetched_again(server: Images, make: Make) -> None:
    half = answer(Content_Length=str(2 * len(PNG)))
    server.routes = {"/": [half, half, answer()], "/never": [half]}
    fetcher = make(server.host)
    assert fetcher.fetch(server.url).body == PNG
    with pytest.raises(UnreachableError, match="no whole answer"):
        fetcher.fetch(f"{server.url}/never")
    assert len(server.seen) == 3 + ATTEMPTS


def test_what_a_server_sends_too_much_is_not_taken_for_the_next_answer(make: Make) -> None:
    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG + smuggled)
        client.rfile.read(1)  # until the other side goes

    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nGIF89a"
    with serve_raw(talk) as port:
        fetcher = make(f"127.0.0.1:{port}")
        assert [fetcher.fetch(f"http://127.0.0.1:{port}/{n}").content_type for n in range(3)] == ["image/png"] * 3


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"])
def test_a_slow_drip_ends_with_the_total_time(make: Make, start: bytes) -> None:
    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(start)
        while True:
            client.wfile.write(b"H")
            time.sleep(0.01)

    with serve_raw(talk) as port, pytest.raises(UnreachableError, match=r"not in 0\.2 s") as caught:
        make(f"127.0.0.1:{port}", total_timeout_s=0.2).fetch(f"http://127.0.0.1:{port}{PATH}")
    assert_says_nothing_secret(caught.value)


def test_the_time_of_one_thread_ends_whatever_the_others_fetch(server: Images, make: Make) -> None:
    ended = Event()

    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not ended.wait(0.01):
            client.wfile.write(PNG)

    def fetch_on(fetcher: Fetcher, dripping: Future[Fetched]) -> int:
        # Each of these fetches begins a time of its own, before the drip's has run out.
        count = 0
        while not (dripping.done() or ended.is_set()):
            assert fetcher.fetch(server.url).body == PNG
            count += 1
        return count

    with serve_raw(talk) as port, ThreadPoolExecutor(2) as pool:
        fetcher = make(server.host, f"127.0.0.1:{port}", total_timeout_s=2.0)
        dripping = pool.submit(fetcher.fetch, f"http://127.0.0.1:{port}{PATH}")
        fetching = pool.submit(fetch_on, fetcher, dripping)
        try:
            with pytest.raises(UnreachableError, match="not in 2 s") as caught:
                dripping.result(timeout=30)
        finally:
            ended.set()  # so that the pool ends, whatever came of it
        assert fetching.result() > 1
    assert_says_nothing_secret(caught.value)


def test_silence_ends_with_the_time_to_read(make: Make) -> None:
    def talk(client: StreamRequestHandler) -> None:
        client.rfile.read(1)  # until the other side goes

    with serve_raw(talk) as port, pytest.raises(UnreachableError, match=r"no whole answer \(TimeoutError\)"):
        make(f"127.0.0.1:{port}", read_timeout_s=0.02).fetch(f"http://127.0.0.1:{port}/")


def test_time_that_is_over_connects_to_nothing(server: Images, make: Make) -> None:
    with pytest.raises(UnreachableError, match="not in 0 s"):
        make(server.host, total_timeout_s=0).fetch(server.url)
    assert server.seen == []


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip"])
def test_a_compressed_answer_is_refused_and_never_unpacked(server: Images, make: Make, encoding: str) -> None:
    bomb = gzip.compress(PNG + bytes(10_000_000))
    server.routes = {"/": [answer(body=[bomb], Content_Encoding=encoding, Content_Type="image/png")]}
    assert refused(make(server.host), server.url) == "not_an_image"
    assert refused(make(server.host, sniff=None), server.url) == "not_an_image"


# Statuses


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("404 Not Found", NotFoundError, "not_found"),
        ("410 Gone", NotFoundError, "not_found"),
        ("401 Unauthorized", AccessDeniedError, "access_denied"),
        ("403 Forbidden", AccessDeniedError, "access_denied"),
        ("204 No Content", PermanentError, "refused"),
        ("304 Not Modified", PermanentError, "refused"),
        ("418 Teapot", PermanentError, "refused"),
    ],
)
def test_a_status_that_will_not_change_is_not_asked_for_again(
    server: Images, make: Make, status: str, error: type[ImageAssetsError], code: str
) -> None:
    server.routes = {"/path-of-the-image.png": [answer(status)]}
    with pytest.raises(error, match=rf"^GET {server.url}: HTTP {status[:3]}\.") as caught:
        make(server.host).fetch(server.url + PATH)
    assert caught.value.code == code
    assert len(server.seen) == 1
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize("fault", [answer("503 Busy"), answer("500 Oops"), answer("429 Slow Down"), cut])
def test_what_may_pass_is_tried_again(
    server: Images, make: Make, fault: WSGIApplication, caplog: pytest.LogCaptureFixture
) -> None:
    server.routes = {"/path-of-the-image.png": [fault, fault, answer()]}
    with caplog.at_level(logging.INFO):
        assert make(server.host).fetch(server.url + PATH).body == PNG
    assert len(server.seen) == 3
    assert "-of-the-" not in caplog.text


def test_a_server_that_never_recovers_is_a_transient_error(server: Images, make: Make) -> None:
    server.routes = {"/path-of-the-image.png": [answer("503 Busy")]}
    with pytest.raises(TransientError, match=rf"^GET {server.url}: HTTP 503\.$") as caught:
        make(server.host).fetch(server.url + PATH)
    assert len(server.seen) == ATTEMPTS
    assert_says_nothing_secret(caught.value)


def test_nothing_is_tried_again_when_no_time_is_left_to_wait(server: Images, make: Make) -> None:
    server.routes = {"/": [answer("503 Busy")]}
    with pytest.raises(TransientError, match="HTTP 503"):
        make(server.host, total_timeout_s=LONGEST_WAIT_S).fetch(server.url)
    assert len(server.seen) == 1


def test_a_refused_connection_is_unreachable(make: Make) -> None:
    host = f"127.0.0.1:{closed_port()}"
    with pytest.raises(UnreachableError, match=rf"^GET http://{host}: no whole answer \(ConnectionRefusedError\)"):
        make(host).fetch(f"http://{host}{PATH}")


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of images.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images.example")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("images.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "images.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def serve_tls(certificate: Path, reply: bytes) -> Iterator[tuple[int, list[str | None]]]:
    """The port, and the names that clients asked for in TLS."""
    names: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def talk(client: StreamRequestHandler) -> None:
        client.wfile.write(reply)

    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serve_raw(talk, context) as port:
        yield port, names


def test_tls_is_with_the_name_over_the_pinned_address(certificate: Path, make: Make) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PNG), PNG)
    with serve_tls(certificate, reply) as (port, names):
        resolver = Names(["127.0.0.1"], ["169.254.169.254"])
        fetcher = make("images.example", f"127.0.0.1:{port}", resolver=resolver, tls=trust)
        assert fetcher.fetch(f"https://images.example:{port}/").body == PNG
    assert names == resolver.asked == ["images.example"]


def test_a_certificate_of_another_name_is_no_answer(certificate: Path, make: Make) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    with serve_tls(certificate, b"") as (port, _):
        fetcher = make("other.example", f"127.0.0.1:{port}", resolver=Names(["127.0.0.1"]), tls=trust)
        with pytest.raises(UnreachableError, match="SSLCertVerificationError"):
            fetcher.fetch(f"https://other.example:{port}{PATH}")


def test_a_certificate_that_only_the_environment_vouches_for_is_no_answer(
    certificate: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, b"") as (port, _):
        fetcher = make("images.example", f"127.0.0.1:{port}", resolver=Names(["127.0.0.1"]))
        with pytest.raises(UnreachableError, match="SSLCertVerificationError"):
            fetcher.fetch(f"https://images.example:{port}{PATH}")


def test_a_redirect_from_https_to_http_is_refused(certificate: Path, make: Make) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    reply = b"HTTP/1.1 302 Found\r\nLocation: http://images.example/\r\nContent-Length: 0\r\n\r\n"
    with serve_tls(certificate, reply) as (port, _):
        resolver = Names(["127.0.0.1"])
        fetcher = make("images.example", f"127.0.0.1:{port}", resolver=resolver, tls=trust)
        assert refused(fetcher, f"https://images.example:{port}/") == "bad_url"
    assert resolver.asked == ["images.example"]
