"""KV caches of prompts already read, found again by their first tokens; in RAM, bounded by bytes.

Inside is mlx-lm's prompt cache for now. Engine thread only. Knows no job and no batch.
"""

from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import CacheList, KVCache, LRUPromptCache

MOST_ENTRIES = 1024
"""Bytes are the bound that matters; this one keeps the bookkeeping of tiny models small."""


class PrefixCache:
    """Token prefixes -> KV caches, for all models together."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._entries = LRUPromptCache(MOST_ENTRIES, budget_bytes)

    @property
    def nbytes(self) -> int:
        """What the entries hold."""
        return int(self._entries.nbytes)

    def fetch(self, model_key: str, tokens: list[int]) -> tuple[list[Any] | None, int]:
        """A private cache of the longest known prefix, and its length; at least one is left over.

        The caller may write to it: arrays are copied when written.
        """
        # One token short, because the model must run on something: an exact hit is a prefix too.
        cache, rest = self._entries.fetch_nearest_cache(model_key, tokens[:-1])
        if cache is None:
            return None, 0
        return cache, len(tokens) - 1 - len(rest)

    def store(self, model_key: str, tokens: list[int], cache: list[Any]) -> None:
        """Keep `cache`, which holds exactly `tokens`; both belong to this object from now on."""
        if len(tokens) < 2 or sum(layer.nbytes for layer in cache) > self._budget_bytes // 2:
            return
        # Computed now, because a lazy copy would keep the whole batch's arrays alive.
        mx.async_eval([layer.state for layer in cache])  # type: ignore[no-untyped-call]
        self._entries.insert_cache(model_key, tokens, cache)

    def clear(self) -> None:
        """Forget everything."""
        self._entries = LRUPromptCache(MOST_ENTRIES, self._budget_bytes)


def can_shorten(cache: list[Any]) -> bool:
    """Whether such caches can always give up their last tokens.

    Rotating and recurrent ones cannot: of those only snapshots at known places are of use again.
    """
    return all(_shortens(layer) for layer in cache)


def _shortens(layer: Any) -> bool:
    if isinstance(layer, CacheList):
        return can_shorten(list(layer.caches))
    return isinstance(layer, KVCache)
