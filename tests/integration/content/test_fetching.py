"""Fetching feeds: bounded in size and time, and never from an address that is not public (no SSRF)."""

import gzip
import socket

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from xbot_dagster.errors import SourceError
from xbot_dagster.stages import fetching
from xbot_dagster.stages.fetching import Failed, Fetched, Wanted, checked_address, fetch_all

PRIVATE = (
    "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::",
    "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1",
)  # fmt: skip
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")


def one(
    url: str, *, allow: bool = True, resolve: fetching.Resolver = fetching.system_resolver, timeout: float = 5
) -> fetching.FetchResult:
    return fetch_all([Wanted("feed", url)], timeout_seconds=timeout, allow_loopback=allow, resolve=resolve)[0]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_by_number_and_by_name(address: str) -> None:
    assert fetching.refusal(address, allow_loopback=True)
    with pytest.raises(SourceError, match="refused"):
        checked_address("https://news.example/feed", True, lambda host, port: ["93.184.216.34", address])


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_needs_the_explicit_flag(address: str) -> None:
    assert "FEED_ALLOW_LOOPBACK" in (fetching.refusal(address, allow_loopback=False) or "")
    assert fetching.refusal(address, allow_loopback=True) is None


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://localhost/", "http://127.1/"])
def test_loopback_in_disguise_is_still_loopback(url: str) -> None:
    with pytest.raises(SourceError, match=r"refused|not known"):
        checked_address(url, False)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/f",
        "gopher://x",
        "http://",
        "http://u:p@example.org/",
        "http://[::1",
        "http://example.org:99999/",
    ],
)
def test_addresses_that_are_no_feeds(url: str) -> None:
    with pytest.raises(SourceError):
        checked_address(url, True, lambda host, port: ["93.184.216.34"])


def test_a_redirect_is_checked_like_the_first_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/out").respond_with_data(
        "", status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}
    )
    found = one(httpserver.url_for("/out"))
    assert found == Failed("feed", "refused: 169.254.169.254 is a link-local address")
    httpserver.expect_request("/file").respond_with_data("", status=301, headers={"Location": "file:///etc/hostname"})
    assert isinstance(one(httpserver.url_for("/file")), Failed)
    httpserver.expect_request("/loop").respond_with_data("", status=302, headers={"Location": "/loop"})
    assert one(httpserver.url_for("/loop")) == Failed("feed", "more than 5 redirects")


def test_the_connection_goes_to_the_address_that_was_checked(httpserver: HTTPServer) -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers["Host"])
        return Response("<rss/>", headers={"ETag": '"1"'})

    httpserver.expect_request("/feed").respond_with_handler(answer)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        # A name server that would answer with another address the second time is never asked a second time.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    found = one(f"http://rebinding.example:{httpserver.port}/feed", resolve=resolve)
    assert isinstance(found, Fetched)
    assert (asked, seen) == (["rebinding.example"], [f"rebinding.example:{httpserver.port}"])


def test_an_answer_may_not_be_too_large_not_even_unpacked(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/large").respond_with_data(b"x" * (fetching.MAX_FEED_BYTES + 1))
    assert one(httpserver.url_for("/large")) == Failed("feed", "the answer is larger than 5 MB")
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 100_000
    httpserver.expect_request("/bomb").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    assert one(httpserver.url_for("/bomb")) == Failed("feed", "the answer is larger than 5 MB")
    httpserver.expect_request("/packed").respond_with_data(
        gzip.compress(b"<rss/>"), headers={"Content-Encoding": "gzip"}
    )
    packed = one(httpserver.url_for("/packed"))
    assert isinstance(packed, Fetched)
    assert packed.body == b"<rss/>"
    httpserver.expect_request("/broken").respond_with_data(b"not gzip", headers={"Content-Encoding": "gzip"})
    assert isinstance(one(httpserver.url_for("/broken")), Failed)


def test_a_server_that_never_answers_costs_its_own_time_only(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/fine").respond_with_data("<rss/>")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        wanted = [
            Wanted("silent", f"http://127.0.0.1:{silent.getsockname()[1]}/"),
            Wanted("fine", httpserver.url_for("/fine")),
        ]
        stuck, fine = fetch_all(wanted, timeout_seconds=0.5, allow_loopback=True)
    assert stuck == Failed("silent", "no answer within 0.5 s")
    assert isinstance(fine, Fetched)
