"""How many prompt tokens a step may read, by what steps took so far. Knows no batch, no clock."""

from collections import deque
from statistics import median

SMALLEST_CHUNK = 32
"""Tokens of one prompt in one step: below, the step's overhead rules."""
FIRST_CHUNK = 64
"""Before anything was measured: a second of the slowest model that anyone would chat with."""
AIM = 0.6
"""Of the stall target: what is left covers a try of the next larger chunk, and other programs."""
ALONE = 5
"""Times the stall target when nobody decodes: then only cancels and newcomers wait for a step."""
DOUBLED = 1.6
"""What a chunk twice as large is taken to cost until it is tried: part of a step is fixed."""
CHEAP = 1.5
"""Times the smallest chunk, where that alone takes too long: most of it is fixed then, and tiny
chunks would only make everybody wait longer."""
WEIGHT = 0.5
"""Of the newest measurement: a prompt's end costs more than its beginning, so the past fades."""
LASTING_STEPS = 64
"""Then a size that was too slow is tried again: it may have been disturbed."""
DECODES = 15
"""Steps that only decode, whose median counts: now and then one is disturbed."""
FULL = 0.75
"""A chunk filled less than that, at a prompt's end, says little of its size."""


class Chunks:
    """Fits chunks to a stall target. One model; times are in seconds.

    stall_seconds  the longest that a decoding row should wait for its next token
    most_tokens    of a chunk, however quick the model is
    """

    def __init__(self, stall_seconds: float, most_tokens: int) -> None:
        self._stall = stall_seconds
        self._most = most_tokens
        self._steps = 0
        self._decodes: deque[float] = deque(maxlen=DECODES)
        self._taken: dict[tuple[bool, int], tuple[float, int]] = {}
        """By (decoding, size): what such a step takes, and when that was measured, in steps."""

    def size(self, *, decoding: bool) -> int:
        """Prompt tokens that fit into the next step, for all prompts together."""
        if not any(kind == decoding for kind, _ in self._taken):
            return min(FIRST_CHUNK, self._most)
        decode = median(self._decodes or [0.0])
        target = self._stall * (1 if decoding else ALONE)
        room = AIM * target + decode
        floor, _ = self._taken.get((decoding, SMALLEST_CHUNK), (0.0, 0))
        cheap = CHEAP * floor if floor > target + decode else 0.0
        best, size, before = SMALLEST_CHUNK, SMALLEST_CHUNK, 0.0
        while size <= self._most:
            known = self._expect(decoding, size)
            fits = (known or DOUBLED * before) <= room
            if not fits and (known or before) > cheap:
                break
            best, size = size, 2 * size
            if before and not known:  # one step into the dark at a time
                break
            before = known
        return min(best, self._most)

    def _expect(self, decoding: bool, size: int) -> float:
        """What was measured; 0: nothing, or too long ago."""
        seconds, step = self._taken.get((decoding, size), (0.0, 0))
        return seconds if self._steps - step < LASTING_STEPS else 0.0

    def saw(self, *, read: int, decoding: bool, seconds: float) -> None:
        """A step took so long: it read so many tokens, and decoded or did not."""
        if not read:
            self._decodes.append(seconds)
            return
        self._steps += 1
        size = max(SMALLEST_CHUNK, 1 << (read - 1).bit_length())
        if read >= FULL * size:
            before = self._expect(decoding, size) or seconds
            self._taken[decoding, size] = _blend(before, seconds), self._steps


def _blend(before: float, now: float) -> float:
    return (1 - WEIGHT) * before + WEIGHT * now
