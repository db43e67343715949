"""A lane of a socket: what is asked in it, answered one after the other in that order.

Knows no message by name and no socket; several lanes of one socket run side by side.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from mlx_responses.errors import Failure
from mlx_responses.running import Running


class Asked(msgspec.Struct, frozen=True):
    """One message, undecoded until its turn comes; or why it is refused when it does."""

    body: bytes
    refusal: Failure | None = None


class Lane:
    """A queue and the turn at its head. Lives on one event loop.

    name     the `stream_id` that every event of it carries; None: the default lane's carry none
    waiting  bounded by whoever asks
    running  filled by whoever answers, while there is a turn
    """

    def __init__(
        self, name: str | None, answer: Callable[["Lane", Asked], Awaitable[None]]
    ) -> None:
        self.name = name
        self.waiting: deque[Asked] = deque()
        self.running: Running | None = None
        self._answer = answer
        self._cancelled = False  # the turn at the head, wherever it stands
        self._work: asyncio.Task[None] | None = None  # while there is something to answer
        self._tail = b',"stream_id":"%b"}' % (name or "").encode()

    def ask(self, asked: Asked) -> None:
        """Answer this after all that was asked before."""
        self.waiting.append(asked)
        if self._work is None:
            self._work = asyncio.ensure_future(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self.waiting:
                await self._answer(self, self.waiting.popleft())
                self._cancelled = False
        finally:
            self._work = None

    async def follow(self, running: Running, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send every event of a turn. Whoever stops us cancels the turn."""
        self.running = running
        if self._cancelled:
            running.cancel()
        try:
            async for batch in running.events():
                for sent in batch:
                    await send(self._addressed(sent.json))
        finally:
            self.running = None
            running.cancel()

    def _addressed(self, json: bytes) -> bytes:
        """An encoded event with the lane's name; spliced in, because it is encoded only once."""
        return json if self.name is None else json[:-1] + self._tail

    def cancel(self) -> bool:
        """Cancel the turn at the head, also one that is still being admitted; false: none is."""
        if self._work is None:
            return False
        self._cancelled = True
        if self.running is not None:
            self.running.cancel()
        return True

    async def idle(self) -> None:
        """Wait until all is answered."""
        if self._work is not None:
            await asyncio.wait({self._work})

    async def hang_up(self) -> None:
        """Answer nothing more, and cancel the turn."""
        self.waiting.clear()
        if self._work is not None:
            self._work.cancel()
            await self.idle()
