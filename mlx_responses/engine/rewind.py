"""Taking back the last tokens of a batch's cache, of each row as many as must be. Knows mlx-lm's
kinds of cache, nothing else.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, BatchRotatingKVCache, CacheList


def can_rewind(cache: Sequence[Any], tokens: int) -> bool:
    """Whether the next `tokens` could be taken back from every layer.

    A plain cache can always; a rotating one until it is full, for then it forgets as it writes; a
    recurrent one never.
    """
    return all(_forgets_nothing(layer, tokens) for layer in cache)


def _forgets_nothing(layer: Any, tokens: int) -> bool:
    if isinstance(layer, CacheList):
        return can_rewind(layer.caches, tokens)
    if isinstance(layer, BatchRotatingKVCache):
        return bool(layer._offset + tokens < layer.max_size)
    return isinstance(layer, BatchKVCache)


def rewind(cache: Sequence[Any], tokens: int) -> None:
    """Take the last `tokens` back."""
    if tokens:
        for layer in cache:
            layer.trim(tokens)


def align(cache: Sequence[Any], kept: Sequence[int]) -> None:
    """Of the last places, as many as the largest of `kept`, let each row keep its own first ones:
    what it has is moved to the right, and padded on the left.
    """
    shifts = [max(kept) - count for count in kept]
    if any(shifts):
        _shift(cache, mx.array(shifts))


def _shift(cache: Sequence[Any], shifts: mx.array) -> None:
    for layer in cache:
        if isinstance(layer, CacheList):
            _shift(layer.caches, shifts)
        else:
            layer.keys, layer.values = _rolled(layer.keys, shifts), _rolled(layer.values, shifts)
            layer.offset = layer.offset - shifts
            layer.left_padding = layer.left_padding + shifts


def _rolled(array: Any, shifts: mx.array) -> Any:
    """Each row of (rows, heads, tokens, width) rolled to the right.

    As a gather of whole tokens: along an axis, element by element, it takes seven times as long.
    """
    rows, heads, tokens, width = array.shape
    places = (mx.arange(tokens) - shifts[:, None]) % tokens
    lines = mx.arange(rows * heads).reshape(rows, heads, 1) * tokens + places[:, None]
    return array.reshape(-1, width)[lines.reshape(-1)].reshape(array.shape)
