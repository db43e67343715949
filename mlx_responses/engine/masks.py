"""Packed mask rows, kept where tokens are chosen, and what they do to logits.

Knows how masks are packed: bit i of word j stands for token 32*j+i. Not why a token is allowed.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint32]]
"""(ceil(vocabulary / 32),)"""

KEPT_BYTES = 32 * 2**20
"""For rows kept by state: 1,700 of them at a vocabulary of 151k, 10 times a usual schema's."""


class NothingAllowed(Exception):
    """A mask without any token: the sequence can neither go on nor end."""


class MaskRow(NamedTuple):
    """Which tokens are allowed: `words` for the host, `placed` where tokens are chosen."""

    words: Words
    placed: Any
    size: int
    """How many are."""

    def allows(self, token_id: int) -> bool:
        """Whether a token may come."""
        return bool(self.words[token_id // 32] >> (token_id % 32) & 1)


class MaskRows:
    """Mask rows as one model's logits need them, each made once for a named state of a guide.

    on_device  rows are arrays of mlx, else of numpy
    """

    def __init__(self, vocab_size: int, *, on_device: bool, kept_bytes: int = KEPT_BYTES) -> None:
        self.on_device = on_device
        self._vocab_size = vocab_size
        self._words = (vocab_size + 31) // 32
        self._most = max(1, kept_bytes // (4 * self._words))
        self._kept: OrderedDict[Hashable, MaskRow] = OrderedDict()
        self.everything = self._place(self._fitted(np.full(self._words, 2**32 - 1, np.uint32)))

    def kept(self, state: Hashable | None) -> MaskRow | None:
        """The row made of this state before; None: make it."""
        if state not in self._kept:
            return None
        self._kept.move_to_end(state)
        return self._kept[state]

    def make(self, words: Sequence[int] | Words, state: Hashable | None) -> MaskRow:
        """A row of a guide's words, kept if the state has a name. What the words do not reach is
        not allowed. Raises `NothingAllowed`.
        """
        row = self._place(self._fitted(np.asarray(words, dtype="<u4")))
        if row.size == 0:
            raise NothingAllowed("the grammar allows no token here")
        if state is not None:
            self._kept[state] = row
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return row

    def _fitted(self, words: Words) -> Words:
        if len(words) == self._words and not self._vocab_size % 32:
            return words
        fitted = np.zeros(self._words, np.uint32)
        reached = min(self._words, len(words))
        fitted[:reached] = words[:reached]
        if self._vocab_size % 32:
            fitted[-1] &= (1 << (self._vocab_size % 32)) - 1
        return fitted

    def _place(self, words: Words) -> MaskRow:
        placed = mx.array(words) if self.on_device else words
        return MaskRow(words, placed, int(np.bitwise_count(words).sum()))


CEILINGS = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little") > 0,
    np.float32(np.inf),
    np.float32(-np.inf),
)
"""How high eight logits may be (256, 8), by the byte of a mask that stands for them. Bit by
bit it takes three to ten times as long."""


def apply(xp: Any, logits: Any, rows: Sequence[MaskRow]) -> Any:
    """Logits (rows, vocabulary), on the host float32, with -inf where a row's mask forbids."""
    packed = xp.stack([row.placed for row in rows])
    size = logits.shape[-1]
    if xp is np:
        highest = CEILINGS.take(packed.view(np.uint8), axis=0).reshape(len(rows), -1)[:, :size]
        return np.fmin(logits, highest, out=highest)  # -inf also for what is no number
    bits = (packed[:, :, None] >> mx.arange(32, dtype=mx.uint32)) & 1
    allowed = bits.reshape(len(rows), -1)[:, :size].astype(mx.bool_)
    return mx.where(allowed, logits, -np.inf)
