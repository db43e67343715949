"""Taking back the last tokens of a batch's cache. Knows mlx-lm's kinds of cache, nothing else."""

from collections.abc import Sequence
from typing import Any

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
