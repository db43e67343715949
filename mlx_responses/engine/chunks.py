"""How many prompt tokens a step may read, by what steps took so far. Knows no batch, no clock."""

SMALLEST_CHUNK = 32
"""Tokens of one prompt in one step: below, the step's overhead rules."""
FIRST_CHUNK = 128
"""Before anything was measured: a second of the slowest model that anyone would chat with."""
ALONE = 5
"""Times the stall target when nobody decodes: then only cancels and newcomers wait for a step."""
WEIGHT = 0.5
"""Of the newest measurement: a prompt's end costs more than its beginning, so the past fades."""


class Chunks:
    """Fits chunks to a stall target. One model; times are in seconds.

    stall_seconds  the longest that a decoding row should wait for its next token
    most_tokens    of a chunk, however quick the model is
    """

    def __init__(self, stall_seconds: float, most_tokens: int) -> None:
        self._stall = stall_seconds
        self._most = most_tokens
        self._last = FIRST_CHUNK // 2
        self._token: float | None = None
        self._decode = 0.0

    def size(self, *, decoding: bool) -> int:
        """Prompt tokens that fit into the next step, for all prompts together.

        At most twice what was read before: a short chunk says little of a long one.
        """
        if self._token is None:
            return min(FIRST_CHUNK, self._most)
        room = (self._stall if decoding else self._stall * ALONE) - self._decode
        fitting = min(int(room / self._token), 2 * self._last, self._most)
        whole = fitting // SMALLEST_CHUNK * SMALLEST_CHUNK  # few lengths: kernels fit lengths
        return max(min(SMALLEST_CHUNK, self._most), whole)

    def saw(self, *, read: int, decoding: bool, seconds: float) -> None:
        """A step took so long: it read so many tokens, and decoded or did not."""
        if not read:
            self._decode = _blend(self._decode or seconds, seconds)
            return
        own = seconds - (self._decode if decoding else 0.0)
        token = max(own, 0.1 * seconds) / read
        self._token = token if self._token is None else _blend(self._token, token)
        self._last = max(read, SMALLEST_CHUNK)


def _blend(before: float, now: float) -> float:
    return (1 - WEIGHT) * before + WEIGHT * now
