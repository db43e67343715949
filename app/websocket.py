"""WebSocket /v1/responses: messages in, the events of their turns out.

Does not know how a turn runs; its events are those of a stream over HTTP, to the byte.
"""

import asyncio
import contextlib
import re
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from mlx_responses.errors import Failure, NotFound, Overloaded, RequestError
from mlx_responses.live import Live
from mlx_responses.session import Session
from mlx_responses.visit import Visit
from mlx_responses.wire import codec
from mlx_responses.wire.events import SocketError
from mlx_responses.wire.request import CreateResponse

from .failures import envelope, failure_of
from .ignored import Ignored
from .lanes import Asked, Lane
from .responses import PATH
from .settings import Settings
from .visits import visits

AnySocket = WebSocket[Any, Any, Any]

STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")
GOING_AWAY = 1001
SERVICE_RESTART = 1012
"""Codes that tell a client to open another socket."""


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one socket; the first three are the hosted service's, which clients expect.

    seconds        how long it may be open; then turns end, and it is closed
    lanes          names of lanes, the default one not counted
    turns          running side by side; more wait
    waiting        messages that are not being answered yet; one more is refused
    waiting_bytes  of them together: two of the largest, and any number of usual ones
    """

    seconds: float = 3600.0
    lanes: int = 32
    turns: int = 16
    waiting: int = 64
    waiting_bytes: int = 64 * 2**20


class Head(msgspec.Struct, frozen=True):
    """What of a message says where it goes; all else is skipped until its turn comes."""

    type: Any = None
    stream_id: Any = None
    response_id: Any = None


_head = msgspec.json.Decoder(Head)


class Sockets:
    """Every open socket of a server."""

    def __init__(self, live: Live, settings: Settings, limits: SocketLimits | None = None) -> None:
        self._visit = visits(live, settings)
        self._settings = settings
        self._limits = limits or SocketLimits()
        self._ignored = Ignored(refuse=settings.unknown_fields == "refuse")
        self._open: set[Socket] = set()

    def routes(self) -> list[WebsocketRouteHandler]:
        """The handler of this path; none where sockets are switched off."""

        @websocket(PATH)
        async def answer(socket: AnySocket) -> None:
            await self.serve(socket)

        return [answer] if self._settings.websocket == "on" else []

    async def serve(self, socket: AnySocket) -> None:
        """Answer one client until it goes, or the time is up."""
        opened = Socket(socket, self._visit(socket), self._ignored, self._limits)
        self._open.add(opened)
        try:
            await opened.serve()
        finally:
            self._open.discard(opened)

    async def close(self, linger_seconds: float) -> None:
        """Close all that are open as soon as their turns have ended, which they have begun to."""
        closing = [asyncio.ensure_future(one.close(SERVICE_RESTART)) for one in self._open]
        if closing:
            await asyncio.wait(closing, timeout=linger_seconds)
        for one in closing:
            one.cancel()


class Socket:
    """One connection: its lanes, and the turns that only it remembers."""

    def __init__(
        self, socket: AnySocket, visit: Visit, ignored: Ignored, limits: SocketLimits
    ) -> None:
        self._socket = socket
        self._visit = visit
        self._ignored = ignored
        self._limits = limits
        self._session = Session()
        self._default = Lane(None, self._answer)
        self._named: dict[str, Lane] = {}  # bounded by limits.lanes
        self._places = asyncio.Semaphore(limits.turns)
        self._over: Failure | None = None  # filled when the time is up
        self._closed = False  # by us

    async def serve(self) -> None:
        """Accept, read until the client goes, and leave nothing running."""
        await self._socket.accept()
        expiring = asyncio.ensure_future(self._expire())
        try:
            while (message := await self._receive()) is not None:
                await self._route(message)
        finally:
            expiring.cancel()
            await asyncio.gather(*[lane.hang_up() for lane in self._lanes()])

    async def close(self, code: int) -> None:
        """Close it once every lane is idle."""
        for lane in self._lanes():
            await lane.idle()
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError, WebSocketDisconnect):  # the client was faster
                await self._socket.close(code)

    async def _expire(self) -> None:
        await asyncio.sleep(self._limits.seconds)
        minutes = self._limits.seconds / 60
        self._over = RequestError(
            f"This socket has been open for {minutes:g} minutes, the longest there is; open "
            "another.",
            code="websocket_connection_limit_reached",
        )
        for lane in self._lanes():
            await lane.idle()
        await self._send(refusal(self._over))
        await self.close(GOING_AWAY)

    def _lanes(self) -> list[Lane]:
        return [self._default, *self._named.values()]

    # Reading waits for no turn: else a ping would go unanswered, and a cancel unheard.

    async def _receive(self) -> bytes | None:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        return text.encode() if text is not None else message.get("bytes") or b""

    async def _route(self, body: bytes) -> None:
        """Put a message into its lane, with the reason if it is to be refused there."""
        head = _read_head(body)
        if head.type == "response.cancel" and self._cancel(head):
            return
        refused = _refused(head)
        name = None if refused else head.stream_id
        full = self._full(name, len(body))
        if full is not None:
            await self._send(refusal(full, name))
            return
        lane = self._default
        if name is not None:
            lane = self._named.setdefault(name, Lane(name, self._answer))
        lane.ask(Asked(b"", refused) if refused else Asked(body))

    def _full(self, name: str | None, size: int) -> Failure | None:
        """Why there is no room for a message of `size` bytes in that lane, if there is none."""
        limits = self._limits
        if name not in (None, *self._named) and len(self._named) >= limits.lanes:
            return RequestError(
                f"This socket has {limits.lanes} lanes already, the most there can be.",
                param="stream_id",
                code="websocket_stream_limit_reached",
            )
        waiting = [len(asked.body) for lane in self._lanes() for asked in lane.waiting]
        fits = not waiting or sum(waiting) + size <= limits.waiting_bytes
        if len(waiting) < limits.waiting and fits:
            return None
        return Overloaded(f"{len(waiting)} messages wait on this socket already; send fewer.")

    def _cancel(self, head: Head) -> bool:
        """Cancel the turn that is named by its response, or by its lane; false: there is none."""
        for lane in self._lanes():
            if head.response_id is None:
                meant = lane.name == head.stream_id
            else:
                meant = lane.running is not None and lane.running.id == head.response_id
            if meant:
                return lane.cancel()
        return False

    # Answering

    async def _answer(self, lane: Lane, asked: Asked) -> None:
        """Whatever happens to one turn, the socket stays open for the next."""
        failure = asked.refusal or await failure_of(self._turn(lane, asked.body))
        if failure is not None:
            await self._send(refusal(failure, lane.name))

    async def _turn(self, lane: Lane, body: bytes) -> None:
        async with self._places:
            if self._over is not None:
                raise self._over
            running = await self._visit.start(self._read(body), self._session)
            await lane.follow(running, self._send)
        if running.snapshot().status == "cancelled":
            # Over HTTP the stream just ends; here the client would wait for ever.
            raise RequestError(f"Response '{running.id}' was cancelled.", code="response_cancelled")

    def _read(self, body: bytes) -> CreateResponse:
        wanted, ignored = codec.decode_request(body, on_socket=True)
        self._ignored([name for name in ignored if name != "type"])
        if wanted.background:
            raise RequestError(
                "Background responses are not made on a WebSocket; use HTTP.",
                param="background",
                code="unsupported_parameter",
            )
        return wanted

    async def _send(self, json: bytes) -> None:
        """Send one event. What is sent to a client that has gone is lost; `serve` notices."""
        if not self._closed:
            with contextlib.suppress(OSError, WebSocketDisconnect):
                await self._socket.send_data(json)


def _read_head(body: bytes) -> Head:
    """What no decoder can read goes where a request goes, whose decoder says what is wrong."""
    try:
        return _head.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Head("response.create")


def _refused(head: Head) -> Failure | None:
    """Why a message cannot be answered, as far as its head tells."""
    match head:
        case Head(type="response.create", stream_id=None):
            return None
        case Head(type="response.create", stream_id=str(name)) if STREAM_ID.fullmatch(name):
            return None
        case Head(type="response.create"):
            message = "'stream_id' must be 1 to 256 of the characters A-Z a-z 0-9 _ . -"
            return RequestError(message, param="stream_id", code="invalid_stream_id")
        case Head(type="response.cancel"):
            message = "There is nothing to cancel: no such turn runs on this socket."
            return NotFound(message, code="response_not_found")
        case Head(type=None):
            message, code = "Missing required parameter: 'type'.", "missing_required_parameter"
            return RequestError(message, param="type", code=code)
        case Head(type=str(kind)) if kind.startswith("response.steer"):
            message = "A running response cannot be steered here; continue it when it has ended."
            return RequestError(message, param="type", code="steering_not_supported")
    message = "Invalid 'type': a message is a 'response.create' or a 'response.cancel'."
    return RequestError(message, param="type", code="invalid_value")


def refusal(failure: Failure, stream_id: str | None = None) -> bytes:
    """The error event for a failure; on a socket `code` is always a string."""
    error = envelope(failure).error
    error = msgspec.structs.replace(error, code=error.code or error.type)
    return codec.encode(SocketError(failure.status, error, stream_id=stream_id))
