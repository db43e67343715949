"""Fetches what a client's URL leads to, if the server's owner allows that: text from the public
internet, within bounds of size and time.

A name is resolved once, every address of it is checked, and the connection goes to one of those, so
that nothing can be pointed elsewhere in between. Redirects are checked the same way.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from email.message import Message
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import msgspec

from mlx_responses import __version__
from mlx_responses.errors import RequestError
from mlx_responses.fetched import Page

from .addresses import is_public

Resolve = Callable[[str, int], Awaitable[list[str]]]
Allows = Callable[[str], bool]

CODE = "file_not_fetched"
UNSAID = re.compile(r"[^\x21-\x7e]|\\")
"""What no URL has, and parsers of URLs differ about."""
REDIRECTS = frozenset([301, 302, 303, 307, 308])
TEXTS = frozenset(
    f"application/{kind}"
    for kind in ("json", "xml", "yaml", "x-yaml", "toml", "javascript", "x-sh", "sql", "x-ndjson")
)
HEADERS = [
    (b"accept", b"text/*, application/json, application/xml, application/yaml"),
    (b"accept-encoding", b"identity"),  # what unpacks can be larger than any bound
    (b"user-agent", f"mlx-responses/{__version__}".encode()),
]


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one fetch: bytes of the body, seconds and redirects in all."""

    bytes: int = 4 * 2**20
    seconds: float = 20.0
    redirects: int = 4


class Refused(RequestError):
    """The URL must not, or cannot, be fetched; the message says why."""

    default_code = CODE


class Fetcher:
    """Fetches. `hosts`: those that are allowed, and what ends in `.host` too; empty: all public.

    `resolve` and `allows` stand for the system's resolver and `addresses.is_public`.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        limits: FetchLimits | None = None,
        *,
        resolve: Resolve | None = None,
        allows: Allows = is_public,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._limits = limits or FetchLimits()
        self._resolve = resolve or _resolved
        self._allows = allows
        self._trust = trust

    async def __call__(self, url: str) -> Page:
        """The text at `url`. Raises `Refused`."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._follow(url)
        except TimeoutError:
            raise Refused(f"{_short(url)} took more than {self._limits.seconds:g} s.") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
            raise Refused(f"{_short(url)} cannot be reached: {_short(str(error))}") from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise Refused(f"{_short(url)} does not speak HTTP: {_short(str(error))}") from error

    async def _follow(self, url: str) -> Page:
        for _ in range(self._limits.redirects + 1):
            self._check(url)
            network = Pinned(self._resolve, self._allows)
            async with (
                httpcore.AsyncConnectionPool(
                    ssl_context=self._trust, network_backend=network
                ) as pool,
                pool.stream("GET", url, headers=HEADERS) as answer,
            ):
                headers = Message()
                for name, value in answer.headers:
                    headers[name.decode("latin-1")] = value.decode("latin-1")
                if answer.status not in REDIRECTS or "location" not in headers:
                    return await self._page(url, answer, headers)
                url = urljoin(url, headers["location"])
        raise Refused(f"{_short(url)}: more than {self._limits.redirects} redirects.")

    def _check(self, url: str) -> None:
        """What can be said of a URL before its name is resolved."""
        if UNSAID.search(url):
            raise Refused(f"{_short(url)!r} is no URL.")
        try:
            split = urlsplit(url)
            host, _ = (split.hostname or "").rstrip(".").lower(), split.port
        except ValueError:
            raise Refused(f"{_short(url)} is no URL.") from None
        if split.scheme not in ("http", "https") or not host:
            raise Refused(f"{_short(url)}: only http and https URLs are fetched.")
        if split.username is not None or split.password is not None:
            raise Refused("A URL with a name or a password in it is not fetched.")
        steps = host.split(".")
        names = {".".join(steps[n:]) for n in range(len(steps))}
        if self._hosts and not names & self._hosts:
            raise Refused(f"{_short(host)} is not among the hosts that --fetch-hosts allows.")

    async def _page(self, url: str, answer: httpcore.Response, headers: Message) -> Page:
        if answer.status != 200:
            raise Refused(f"{_short(url)} answered with status {answer.status}.")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(f"{_short(url)} is compressed, although that was not asked for.")
        media = headers.get_content_type() if "content-type" in headers else "text/plain"
        if not (media.startswith("text/") or media in TEXTS or media.endswith(("+json", "+xml"))):
            raise Refused(f"{_short(url)} is {_short(media)}; only text is fetched.")
        body = b""
        async for piece in answer.aiter_stream():
            body += piece
            if len(body) > self._limits.bytes:
                raise Refused(f"{_short(url)} has more than {self._limits.bytes} bytes.")
        try:
            return Page(media, body.decode(headers.get_content_charset("utf-8")))
        except (UnicodeDecodeError, LookupError):
            raise Refused(f"{_short(url)} is not text in the encoding that it names.") from None


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to nothing else: names go no further."""

    def __init__(self, resolve: Resolve, allows: Allows) -> None:
        self._resolve = resolve
        self._allows = allows
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of `host` that answers. All have to be allowed."""
        addresses = await self._resolve(host, port)
        if not addresses or not all(map(self._allows, addresses)):
            raise Refused(
                f"{_short(host)} is not on the public internet: this machine and its networks are "
                "not for fetching."
            )
        failed: Exception = OSError("no address answers")
        for address in addresses:
            try:
                stream = await self._network.connect_tcp(address, port, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            ours = stream.get_extra_info("client_addr")
            if ours and ours[0] == address and is_public(address):
                await stream.aclose()
                raise Refused(f"{_short(host)} is this machine, which is not for fetching.")
            return stream
        raise failed


async def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system has them."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Refused(f"{_short(host)} has no address: {error.strerror}.") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
