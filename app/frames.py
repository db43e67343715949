"""A Running -> an HTTP answer: its events as server-sent events, or drained to the last snapshot.

Knows no event by name. A client that hangs up cancels the turn, whichever way it was reading,
unless it is a background turn: nobody has to wait for that, so it is answered as it is now.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import cache
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from mlx_responses.running import Running, Sent
from mlx_responses.wire import codec
from mlx_responses.wire.response import Response

DONE = b"data: [DONE]\n\n"
EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # proxies of the nginx kind would hold events back
]


def frames(batch: Iterable[Sent]) -> bytes:
    """Events as one piece of stream: LF only, no `id:` lines, no event ever cut in two."""
    return b"".join([b"%b%b\n\n" % (_head(sent.type), sent.json) for sent in batch])


@cache  # as many entries as there are event types
def _head(event_type: str) -> bytes:
    return b"event: %b\ndata: " % event_type.encode()


PIECE = 64
"""Events in one write: a reader that is far behind gets them as it takes them, not all at once."""

Frame = Callable[[Iterable[Sent]], bytes]
Show = Callable[[Response], bytes]


async def _pump(events: AsyncIterator[list[Sent]], send: Send, frame: Frame = frames) -> None:
    # What is ready goes out in one write: under load a write carries many events.
    async for batch in events:
        for at in range(0, len(batch), PIECE):
            body = frame(batch[at : at + PIECE])
            await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": DONE, "more_body": False})


class EventStream:
    """An ASGI answer: every event of a turn as it comes, then `[DONE]`. `frame` writes events."""

    def __init__(self, running: Running, headers: dict[str, str], frame: Frame = frames) -> None:
        self._running = running
        self._headers = headers
        self._frame = frame

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        head = [*EVENT_STREAM, *((k.encode(), v.encode()) for k, v in self._headers.items())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await _unless_gone(receive, self._running, _pump(self._running.events(), send, self._frame))


class Replay:
    """An ASGI answer: events of a background turn from some point on, then `[DONE]`.

    Whoever hangs up here leaves the turn running.
    """

    def __init__(self, events: AsyncIterator[list[Sent]]) -> None:
        self._events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        await _while_there(receive, _pump(self._events, send))


class Snapshot:
    """An ASGI answer: the response object after its terminal event, or now if in background.

    `show` makes the body of it; a `Failure` that it raises is the answer instead.
    """

    def __init__(
        self, running: Running, headers: dict[str, str], show: Show = codec.encode
    ) -> None:
        self._running = running
        self._headers = headers
        self._show = show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _unless_gone(receive, self._running, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        running = self._running
        response = running.snapshot() if running.background else await running.final()
        answer = ASGIResponse(body=self._show(response), headers=self._headers)
        await answer(scope, receive, send)


async def _unless_gone(receive: Receive, running: Running, work: Coroutine[Any, Any, None]) -> None:
    """As `_while_there`; a turn that was dropped is cancelled, unless it is in the background."""
    done = False
    try:
        done = await _while_there(receive, work)
    finally:
        if not done and not running.background:
            running.cancel()


async def _while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Do `work`; if the client hangs up first, or we are cancelled, drop it: then false."""
    working = asyncio.ensure_future(work)
    hanging_up = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        hanging_up.cancel()
        working.cancel()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
