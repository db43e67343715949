"""What one connection remembers: the turns it made, so that the next may continue them unstored.

Lives as long as its socket. Knows no store and no socket.
"""

from collections import OrderedDict

import msgspec

from mlx_responses.wire.items import Item

MAX_TURNS = 256
"""Turns a connection can go back to; agents continue the newest, forks go back a few."""
MAX_BYTES = 64 * 2**20
"""Of their items as JSON: two of the largest messages, and any number of usual ones."""


class Remembered(msgspec.Struct, frozen=True):
    """One turn: all items up to and with its answer, and whether the store has it too."""

    items: list[Item]
    stored: bool
    bytes: int
    lane: str | None


class Session:
    """The turns of one connection, by response id; the oldest go when the bounds are reached."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, Remembered] = OrderedDict()
        self._bytes = 0

    def remember(
        self,
        response_id: str,
        items: list[Item],
        *,
        stored: bool,
        size: int,
        lane: str | None = None,
    ) -> None:
        """Keep a turn of `size` bytes that ended well in `lane` (None: the default one)."""
        self._turns[response_id] = Remembered(items, stored, size, lane)
        self._bytes += size
        while len(self._turns) > 1 and (len(self._turns) > MAX_TURNS or self._bytes > MAX_BYTES):
            _, oldest = self._turns.popitem(last=False)
            self._bytes -= oldest.bytes

    def recall(self, response_id: str) -> Remembered | None:
        """A turn of this connection."""
        return self._turns.get(response_id)

    def forget(self, response_id: str, lane: str | None = None) -> None:
        """Drop a turn: a continuation of it failed in its own lane. A fork that failed in another
        lane takes nothing from the lane that it came from."""
        turn = self._turns.get(response_id)
        if turn is not None and turn.lane == lane:
            del self._turns[response_id]
            self._bytes -= turn.bytes
