"""One turn as its readers see it: a growing log of events, and the response at its end.

Knows no engine and no transport; whoever runs the turn appends, any number of readers follow.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from mlx_responses.wire import codec
from mlx_responses.wire.events import Event
from mlx_responses.wire.response import Response


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One event as it goes out: encoded once, however many read it."""

    type: str
    json: bytes


def encoded(events: list[Event]) -> list[Sent]:
    """Events as they go out."""
    return [Sent(event.type, codec.encode_line(event)) for event in events]


class Running:
    """A turn in flight. Lives on one event loop.

    background  nobody has to read it, and hanging up does not cancel it
    stored      it can be looked up while it runs
    """

    def __init__(
        self,
        response_id: str,
        *,
        look: Callable[[], Response],
        cancel: Callable[[], None],
        background: bool = False,
        stored: bool = False,
    ) -> None:
        self.id = response_id
        self.background = background
        self.stored = stored
        self._look = look
        self._cancel = cancel
        self._log: list[Sent] = []  # bounded by the job's max_tokens
        self._response: Response | None = None  # filled by `end`
        self._news = asyncio.Event()  # set at each change, then replaced

    def append(self, batch: list[Sent]) -> None:
        """More events; called by whoever runs the turn, on the event loop."""
        if batch:
            self._wake()  # readers look once this is over
            self._log.extend(batch)

    def end(self, response: Response) -> None:
        """The log is whole, and `response` is its last snapshot."""
        self._wake()
        self._response = response

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""
        return self._response is not None

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def events(self, after: int = -1) -> AsyncIterator[list[Sent]]:
        """Events numbered above `after`, in batches of what is ready; ends after the last one."""
        seen = after + 1  # sequence numbers count from 0 without gaps: they are indexes
        while True:
            news = self._news
            if seen < len(self._log):
                batch = self._log[seen:]
                seen += len(batch)
                yield batch
            elif self._response is not None:
                return
            else:
                await news.wait()

    async def final(self) -> Response:
        """The last snapshot, once there is one."""
        while self._response is None:
            await self._news.wait()
        return self._response

    def snapshot(self) -> Response:
        """The response as it is now."""
        return self._response or self._look()

    def cancel(self) -> None:
        """Stop generating; harmless when it has ended."""
        if self._response is None:
            self._cancel()
