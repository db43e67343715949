"""A connection's bounds, beneath every path: how many, how long a request may come, how long what
was sent may stay unread. And which requests become WebSockets.

Knows uvicorn's protocols, and of the app one path. What they leave unbounded is bounded here.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from mlx_responses.errors import Failure
from mlx_responses.wire import codec

from .failures import NotReady, envelope
from .gate import is_loopback
from .responses import PATH

log = logging.getLogger(__name__)

RETRY_SECONDS = 1
REFUSING_SECONDS = 10.0
"""What who is refused may take to ask."""


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of connections.

    open            at once; one more is told 503, and then closed
    peer            of these from one other machine
    refusing        above `open` that are being told so; beyond, they are closed at once
    head_bytes      of a request before its body
    request_seconds from the first byte of a request to its last, or from a connection to that
    pipelined       requests sent ahead of the answer to the one before
    frames          that one WebSocket message may come in
    unread_seconds  what was sent may wait for its reader; then the reader is cut off
    """

    open: int = 1024
    peer: int = 256
    refusing: int = 64
    head_bytes: int = 64 * 1024
    request_seconds: float = 120.0
    pipelined: int = 64
    frames: int = 65_536
    unread_seconds: float = 120.0


class RequestLate(Failure):
    """The request did not come to its end in time."""

    status = 408


class HeadTooLarge(Failure):
    """The request line and headers are larger than any client's."""

    status = 431


class Reader:
    """The other end of a connection, cut off when it does not read for `seconds`."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._waiting: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        """What was sent is not being read."""
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(self._seconds, self._cut)

    def resume(self) -> None:
        """It reads again, or is gone."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _cut(self) -> None:
        log.warning("a client read nothing for %g s and was cut off", self._seconds)
        self._transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with bounds. It would also upgrade every request that asks for it: a POST would
    then wait for ever, and a GET elsewhere get no envelope."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._reader: Reader  # made with the connection
        self._refusal: Failure | None = None  # the answer to whatever is asked here
        self._late: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._running: RequestResponseCycle | None = None  # `cycle` is the last that was asked for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        limits = self._limits
        self._reader = Reader(transport, limits.unread_seconds)
        if len(self.connections) > limits.open + limits.refusing:
            transport.abort()
            return
        self._refusal = self._no_room()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._reader.resume()
        self._stop_answering()
        super().connection_lost(exc)

    def _no_room(self) -> Failure | None:
        """Why there is no room for this connection, if there is none."""
        limits = self._limits
        count = len(self.connections) - 1
        if count >= limits.open:
            return _full(f"{count} connections are open, the most this server takes")
        host = self.client[0] if self.client else "localhost"
        if is_loopback(host):
            return None
        ours = [one for one in self.connections if isinstance(one, HttpProtocol | SocketProtocol)]
        same = sum(one.client is not None and one.client[0] == host for one in ours) - 1
        if same >= limits.peer:
            return _full(f"{same} connections are open from your address, the most it may have")
        return None

    # A request has to come to its end

    def _await_request(self) -> None:
        self._stop_waiting()
        seconds = self._limits.request_seconds
        if self._refusal is not None:
            seconds = min(seconds, REFUSING_SECONDS)
        self._late = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        begun = self._head_bytes or (self.cycle and self.cycle.more_body)
        if begun and not (self.cycle and self.cycle.response_started):
            seconds = self._limits.request_seconds
            self._answer(RequestLate(f"The request did not end within {seconds:g} seconds."))
        else:
            self._close()

    def data_received(self, data: bytes) -> None:
        heading = self._late is not None and not (self.cycle and self.cycle.more_body)
        self._head_bytes += len(data) if heading else 0
        super().data_received(data)
        if self._head_bytes > self._limits.head_bytes and not self.transport.is_closing():
            most = self._limits.head_bytes
            self._answer(HeadTooLarge(f"The headers have more than {most} bytes."))

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            self._close()
        super().on_message_begin()
        if self._late is None:
            self._await_request()

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        path, _, _ = self.url.partition(b"?")
        here = self.scope["method"] == "GET" and path == PATH.encode()
        return here and self._refusal is None and super()._should_upgrade()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._refusal is not None:
            app = partial(_refuse, self._refusal)
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        failure = Failure(msg)
        failure.status = 400
        self._answer(failure)

    def _answer(self, failure: Failure) -> None:
        """Say why, beneath the app, and close."""
        body = codec.encode(envelope(failure))
        head = f"HTTP/1.1 {failure.status} \r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self._close()

    # What is sent has to be read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader.resume()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _close(self) -> None:
        """Closing waits until the rest is read, which may be never. Whoever answers stops."""
        self._stop_answering()
        self.transport.close()
        if self in self.connections:  # uvicorn's timer outlives a connection that was reset
            self._reader.pause()

    def _stop_answering(self) -> None:
        """uvicorn tells it to the last request alone, which may wait for another to be answered."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, with bounds. Messages' sizes are bounded there."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._reader: Reader  # made with the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._reader = Reader(cast(asyncio.Transport, transport), self._limits.unread_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.resume()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader.resume()

    def handle_ping(self) -> None:
        """Whoever asks and does not read gets no answers: they would be kept for it."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < self._limits.frames:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many frames")
            self.handle_parser_exception()


def http_protocol(limits: ConnectionLimits) -> Callable[..., asyncio.Protocol]:
    """What makes the protocol of one connection."""
    return partial(HttpProtocol, limits)


def socket_protocol(limits: ConnectionLimits) -> Callable[..., asyncio.Protocol]:
    """What makes the protocol of one WebSocket."""
    return partial(SocketProtocol, limits)


def _full(what: str) -> Failure:
    return NotReady(f"{what}; try again, or close some.", code="too_many_connections")


async def _refuse(failure: Failure, _: Any, receive: Any, send: Any) -> None:
    """Answer once the request is read: closed before, its sender would see a reset instead."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    body = codec.encode(envelope(failure))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(RETRY_SECONDS).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
