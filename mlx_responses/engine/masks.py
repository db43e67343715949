"""A guide's packed mask -> logits. Knows how masks are packed, not why a token is allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlx_responses.engine.job import Guide

Allowed = np.ndarray[Any, np.dtype[np.bool_]]
"""(vocabulary,): whether each token may come next."""


class NothingAllowed(Exception):
    """A mask without any token: the sequence can neither go on nor end."""


def unpack(words: Sequence[int] | npt.NDArray[np.uint32], vocab_size: int) -> Allowed:
    """Bit i of word j stands for token 32*j+i; what the words do not reach is not allowed."""
    packed = np.asarray(words, dtype="<u4")
    bits = np.unpackbits(packed.view(np.uint8), count=vocab_size, bitorder="little")
    return bits.view(np.bool_)


def next_mask(guide: Guide, said: int | None, vocab_size: int) -> Allowed | None:
    """Tell the guide what was said (None: nothing yet), and ask it what may follow.

    None: everything. Raises `NothingAllowed`, and whatever the guide raises.
    """
    if said is not None:
        guide.advance(said)
    words = guide.mask()
    if words is None:
        return None
    allowed = unpack(words, vocab_size)
    if not allowed.any():
        raise NothingAllowed("the grammar allows no token here")
    return allowed


def apply(xp: Any, logits: Any, masks: Sequence[Allowed | None]) -> Any:
    """Logits (rows, vocabulary) with -inf where a row's mask forbids; None forbids nothing."""
    if all(mask is None for mask in masks):
        return logits
    free = np.ones(logits.shape[-1], np.bool_)
    allowed = np.stack([free if mask is None else mask for mask in masks])
    return xp.where(xp.array(allowed), logits, -np.inf)
