"""Who may talk to the server: the one check before every path, of HTTP and of WebSockets.

A page that the user has open can send requests here, and a name that it controls can be made to
point here; neither gets past `Host` and `Origin`. Knows headers and peers, and no path but those
of files that say nothing of anybody.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mlx_responses.errors import Failure
from mlx_responses.wire import codec

from .failures import Forbidden, Unauthorized, UnsupportedMedia, envelope
from .keys import Keyring
from .media import is_json
from .request_id import HEADER, request_id
from .sessions import Sessions, given_token

Scope = Any
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
"""As the ASGI specification has them; litestar's own types name fewer messages."""
Pairs = Iterable[tuple[bytes, bytes]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = dict[bytes, bytes]

READING = frozenset(["GET", "HEAD", "OPTIONS"])
METHODS = "GET, POST, DELETE, OPTIONS"
PREFLIGHT_SECONDS = 600
BEGAN = "began"
"""In a request's state: when its head had come, in the loop's time."""
SHOWN = (
    f"{HEADER}, x-ignored-fields, retry-after, x-ratelimit-limit-requests, "
    "x-ratelimit-remaining-requests, openai-processing-ms"
)


class Door(msgspec.Struct, frozen=True):
    """The page that asks people for a key, instead of an envelope that they could not use."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is let in.

    hosts      names for this server beside `localhost` and addresses
    origins    of pages that may use it, beside its own: like `http://localhost:3000`
    keyring    keys that are known
    sessions   of people who gave one to the page
    open       paths that need no key: the page's scripts and styles
    door       what a browser is shown that needs a key and has none
    keyless    whether programs of this machine need none
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    keyring: Keyring
    sessions: Sessions
    open: frozenset[str] = frozenset()
    door: Door | None = None
    keyless: bool = True


class Gate:
    """An ASGI app around another, which sees only what passes. The key's name goes along."""

    def __init__(self, app: App, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})[BEGAN] = asyncio.get_running_loop().time()
        headers: Headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        foreign = bool(origin) and not _is_same(origin, headers)
        try:
            self._check_host(headers)
            self._check_page(scope, headers, origin, foreign)
            if origin and _is_preflight(scope, headers):
                await _answer(scope, send, 204, _allowing(origin, headers))
                return
            _check_body(scope, headers)
            scope["state"]["owner"] = self._owner(scope, headers)
        except Failure as failure:
            await self._refuse(scope, receive, send, failure)
            return
        if foreign and scope["type"] == "http":
            send = _showing(origin, send)
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """A page's own name may have been pointed at this machine (DNS rebinding)."""
        given = headers.get(b"host", b"").decode("latin-1")
        name = host_name(given)
        if not (name == "localhost" or _is_address(name) or name in self._policy.hosts):
            raise Forbidden(
                f"This server does not answer to the name {given[:100]!r}. Use localhost or its "
                "address, or allow the name with --allowed-hosts.",
                code="host_not_allowed",
            )

    def _check_page(self, scope: Scope, headers: Headers, origin: str, foreign: bool) -> None:
        """Browsers say which page asks: in `Origin`, with every form that is posted too, or else
        in `Sec-Fetch-Site`. A link from elsewhere may open a page here, which changes nothing."""
        if foreign and origin not in self._policy.origins:
            raise Forbidden(
                f"Pages of {origin[:100]!r} may not use this server. Allow them with "
                "--allowed-origins.",
                code="origin_not_allowed",
            )
        across = headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site")
        opened = headers.get(b"sec-fetch-mode") == b"navigate" and scope["type"] == "http"
        if across and not origin and not opened:
            raise Forbidden("Other pages may not use this server.", code="origin_not_allowed")

    def _owner(self, scope: Scope, headers: Headers) -> str | None:
        """The name of the key that was sent, or that a page's session stands for; None for a
        program of this machine without one."""
        given = _key(headers)
        if given:
            owner = self._policy.keyring.owner(given)
        else:
            owner = self._policy.sessions.owner(_token(scope, headers))
        if owner is not None or (self._policy.keyless and _is_here(scope)):
            return owner
        if scope["type"] == "http" and scope["path"] in self._policy.open:
            return None
        what = "is not known" if given else "is missing"
        raise Unauthorized(
            f"The API key {what}. Send one as 'Authorization: Bearer KEY'; the server's owner "
            "makes one with: mlx-responses keys add NAME.",
            code="invalid_api_key",
        )

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, failure: Failure) -> None:
        door = self._policy.door
        if door is not None and isinstance(failure, Unauthorized) and _is_person(scope):
            await _answer(scope, send, failure.status, door.headers, door.body)
        else:
            await _refuse(scope, receive, send, failure)


def owner_of(scope: Scope) -> str | None:
    """The name of the key that a request came with; None: it needed none."""
    owner: str | None = scope["state"].get("owner")
    return owner


def host_name(given: str) -> str:
    """The name in a `Host` header, without the port and an IPv6 address' brackets."""
    if given.startswith("["):
        return given[1:].partition("]")[0].lower()
    return given.partition(":")[0].rstrip(".").lower()


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can come from, or to, an address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_here(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def _is_same(origin: str, headers: Headers) -> bool:
    """Is the page one of this server's own?"""
    return urlsplit(origin).netloc.encode("latin-1") == headers.get(b"host")


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    asks = b"access-control-request-method" in headers
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and asks


def _check_body(scope: Scope, headers: Headers) -> None:
    """A form, or a body of no kind at all, is what a page may post without being asked."""
    if scope["type"] != "http" or scope["method"] in READING:
        return
    bare = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
    if bare or is_json(headers.get(b"content-type", b"").decode("latin-1")):
        return
    raise UnsupportedMedia(
        "The body is not said to be JSON; send it with the header 'Content-Type: application/json'."
    )


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return headers.get(b"x-api-key", b"").decode("latin-1").strip()


def _token(scope: Scope, headers: Headers) -> str:
    """The session's token, if it is our own page that sends it. Cookies know no ports: a page of
    another server on this name would send it too."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    site = headers.get(b"sec-fetch-site", b"none")
    if (origin and not _is_same(origin, headers)) or site not in (b"none", b"same-origin"):
        return ""
    return given_token(scope)


def _is_person(scope: Scope) -> bool:
    """Does a browser open this as a page?"""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def _allowing(origin: str, headers: Headers) -> list[tuple[bytes, bytes]]:
    wanted = headers.get(b"access-control-request-headers", b"")
    allowed = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        (b"vary", b"origin"),
    ]
    if headers.get(b"access-control-request-private-network") == b"true":
        allowed.append((b"access-control-allow-private-network", b"true"))
    return allowed


def _showing(origin: str, send: Send) -> Send:
    """Answers that the page of `origin` may read."""

    async def shown(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", SHOWN.encode()),
                (b"vary", b"origin"),
            ]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return shown


async def _refuse(scope: Scope, receive: Receive, send: Send, failure: Failure) -> None:
    headers = [(b"content-type", b"application/json")]
    if isinstance(failure, Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    body = codec.encode(envelope(failure))
    if scope["type"] == "websocket":
        await receive()  # the request to connect
    await _answer(scope, send, failure.status, headers, body)


async def _answer(
    scope: Scope,
    send: Send,
    status: int,
    headers: Pairs,
    body: bytes = b"",
) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    named = [*headers, (HEADER.encode(), request_id(scope).encode())]
    named.append((b"content-length", str(len(body)).encode()))
    start = {"type": f"{kind}.start", "status": status, "headers": named}
    await send(start)
    await send({"type": f"{kind}.body", "body": body, "more_body": False})
