"""Fetching feeds from the web: concurrent, conditional, bounded in time and size, and never from a private address.

Every name is resolved here and the connection goes to the very address that was checked, so that a second answer of the
name server cannot point it elsewhere; every redirect is checked like the first address.
"""

import ipaddress
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from xbot_dagster.errors import SourceError

if TYPE_CHECKING:
    import httpx2

MAX_FEED_BYTES: Final = 5_000_000  # the largest honest feeds have about 2 MB
MAX_REDIRECTS: Final = 5
WORKERS: Final = 16
USER_AGENT: Final = "xbot_dagster (feed reader)"
ACCEPT: Final = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_CGNAT: Final = ipaddress.ip_network("100.64.0.0/10")

Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Wanted:
    """One feed to fetch, with the validators of the last answer."""

    source: str
    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    source: str
    body: bytes
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Unchanged:
    """HTTP 304."""

    source: str


@dataclass(frozen=True)
class Failed:
    """`reason` is one sentence without the source's name."""

    source: str
    reason: str


FetchResult = Fetched | Unchanged | Failed


def system_resolver(host: str, port: int) -> list[str]:
    """Every address of a name, as the system's resolver gives them."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch_all(
    wanted: Sequence[Wanted],
    *,
    timeout_seconds: float,
    allow_loopback: bool,
    resolve: Resolver = system_resolver,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[FetchResult]:
    """Fetch feeds side by side, in the order asked. `timeout_seconds` bounds each feed with all its redirects."""
    if not wanted:
        return []
    import httpx2

    # No proxy of the environment: it would connect to addresses that were never checked here. No reuse of connections: two names
    # of one address would share one whose certificate was checked for the other.
    limits = httpx2.Limits(max_connections=WORKERS, max_keepalive_connections=0)
    with httpx2.Client(trust_env=False, follow_redirects=False, timeout=timeout_seconds, limits=limits) as client:
        fetcher = _Fetcher(client, timeout_seconds, allow_loopback, resolve, monotonic)
        with ThreadPoolExecutor(max_workers=min(WORKERS, len(wanted)), thread_name_prefix="feeds") as pool:
            return list(pool.map(fetcher.fetch, wanted))


@dataclass(frozen=True)
class _Fetcher:
    client: "httpx2.Client"
    timeout_seconds: float
    allow_loopback: bool
    resolve: Resolver
    monotonic: Callable[[], float]

    def fetch(self, wanted: Wanted) -> FetchResult:
        import httpx2

        deadline = self.monotonic() + self.timeout_seconds
        url = wanted.url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._request(wanted, url, deadline)
                if not isinstance(answer, str):
                    return answer
                url = answer
            return Failed(wanted.source, f"more than {MAX_REDIRECTS} redirects")
        except SourceError as error:
            return Failed(wanted.source, error.message)
        except httpx2.TimeoutException:
            return Failed(wanted.source, f"no answer within {self.timeout_seconds:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, zlib.error) as error:
            return Failed(wanted.source, f"{type(error).__name__}: {' '.join(str(error).split())[:120] or 'no answer'}")

    def _request(self, wanted: Wanted, url: str, deadline: float) -> "FetchResult | str":
        """The result, or the address a redirect names."""
        host, port, scheme, address = checked_address(url, self.allow_loopback, self.resolve)
        parts = urlsplit(url)
        target = f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        named = f"[{host}]" if ":" in host else host
        headers = {
            "Host": named if port == {"http": 80, "https": 443}[scheme] else f"{named}:{port}",
            "User-Agent": USER_AGENT,
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
        }
        if wanted.etag:
            headers["If-None-Match"] = wanted.etag
        if wanted.last_modified:
            headers["If-Modified-Since"] = wanted.last_modified
        with self.client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response:
            if response.status_code in _REDIRECTS:
                location = response.headers.get("location")
                if not location:
                    raise SourceError(f"HTTP {response.status_code} without an address")
                return urljoin(url, location)
            if response.status_code == 304:
                return Unchanged(wanted.source)
            if response.status_code != 200:
                raise SourceError(f"HTTP {response.status_code}")
            body = self._body(response, deadline)
        return Fetched(wanted.source, body, response.headers.get("etag"), response.headers.get("last-modified"))

    def _body(self, response: "httpx2.Response", deadline: float) -> bytes:
        """The decoded body. Decoded here, piece by piece, so that a small answer cannot unpack into gigabytes."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise SourceError(f"the answer is encoded as {encoding[:20]}, which was not asked for")
        unpack = None if encoding == "identity" else zlib.decompressobj(47)
        body = bytearray()
        for chunk in response.iter_raw():
            if self.monotonic() > deadline:
                raise SourceError(f"no complete answer within {self.timeout_seconds:g} s")
            body += chunk if unpack is None else unpack.decompress(chunk, MAX_FEED_BYTES + 1 - len(body))
            if len(body) > MAX_FEED_BYTES:
                raise SourceError(f"the answer is larger than {MAX_FEED_BYTES // 1_000_000} MB")
        return bytes(body)


def checked_address(url: str, allow_loopback: bool, resolve: Resolver = system_resolver) -> tuple[str, int, str, str]:
    """(host, port, scheme, address to connect to) of a web address that may be fetched. Raises SourceError for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SourceError("its address cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError("its address does not begin with http:// or https://")
    if parts.username or parts.password:
        raise SourceError("its address carries a user name or password")
    host = parts.hostname
    port = port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = [host] if _is_address(host) else list(resolve(host, port))
    except (OSError, UnicodeError):
        raise SourceError(f"the name {host} is not known") from None
    if not addresses:
        raise SourceError(f"the name {host} has no address")
    for address in addresses:
        reason = refusal(address, allow_loopback)
        if reason:
            raise SourceError(f"refused: {host} is {reason}")
    return host, port, parts.scheme, addresses[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return False
    return True


def refusal(address: str, allow_loopback: bool) -> str | None:
    """Why an IP address must not be connected to, or None for a public one."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return refusal(str(inner), allow_loopback)
    if ip.is_loopback:
        return None if allow_loopback else "a loopback address (FEED_ALLOW_LOOPBACK is not set)"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return "not an address of a server"
    if ip.is_private or ip in _CGNAT or not ip.is_global:
        return "a private address"
    return None
