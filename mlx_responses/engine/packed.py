"""KV caches of 8 or 4 bits, for many rows at once. Knows mlx-lm's caches and attention; no row.

mlx-lm's own quantised cache cannot be batched. Here codes, scales and biases of a token stand in
one array (1, heads, tokens, width) of uint32, so that whatever moves, joins, cuts or saves the
arrays of a plain cache does the same with these.
"""

from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import BatchKVCache, KVCache, make_prompt_cache

from mlx_responses.errors import LoadFailed


class Packing(NamedTuple):
    """How values are packed: bits a value, and how many values share a scale and a bias."""

    bits: int
    group: int

    def pack(self, values: Any) -> Any:
        """(..., width) of a float type -> (..., fewer) of uint32."""
        codes, scales, biases = mx.quantize(values, group_size=self.group, bits=self.bits)
        rest = [part.astype(mx.float32).view(mx.uint32) for part in (scales, biases)]
        return mx.concatenate([codes, *rest], axis=-1)

    def unpack(self, packed: Any, dtype: Any) -> tuple[Any, Any, Any]:
        """Codes, scales and biases again, as mlx-lm's attention takes them."""
        # A group has `group * bits` bits of codes and 64 of scale and bias.
        words = self.group * self.bits // 32
        groups = packed.shape[-1] // (words + 2)
        codes, scales, biases = mx.split(packed, [groups * words, groups * (words + 1)], axis=-1)
        return codes, scales.view(mx.float32).astype(dtype), biases.view(mx.float32).astype(dtype)

    def of(self, plain: Any) -> "PackedKVCache":
        """A cache of arrays that are packed so already."""
        cache = PackedKVCache(self)
        cache.keys, cache.values, cache.offset = plain.keys, plain.values, plain.offset
        return cache


class PackedKVCache(KVCache):  # type: ignore[misc]  # mlx-lm is untyped
    """One sequence's. `bits` and `group_size` are what mlx-lm's attention looks for."""

    def __init__(self, packing: Packing) -> None:
        super().__init__()
        self.packing = packing
        self.bits, self.group_size = packing.bits, packing.group

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Add plain keys and values (1, heads, tokens, width); all of them, unpacked."""
        return _updated(super().update_and_fetch, self.packing, keys, values)

    @classmethod
    def merge(cls, caches: list["PackedKVCache"]) -> "PackedBatchKVCache":
        """A batch of these."""
        return PackedBatchKVCache.of(caches[0].packing, BatchKVCache.merge(caches))


class PackedBatchKVCache(BatchKVCache):  # type: ignore[misc]
    """Many sequences'."""

    @classmethod
    def of(cls, packing: Packing, plain: Any) -> "PackedBatchKVCache":
        """A batch of arrays that are packed already."""
        cache = cls([0])
        cache.packing = packing
        cache.bits, cache.group_size = packing.bits, packing.group
        cache.state = plain.state
        return cache

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Add plain keys and values (rows, heads, tokens, width); all of them, unpacked."""
        return _updated(super().update_and_fetch, self.packing, keys, values)

    def extract(self, idx: int) -> PackedKVCache:
        """One row's."""
        packing: Packing = self.packing
        return packing.of(super().extract(idx))


def _updated(update: Any, packing: Packing, keys: Any, values: Any) -> tuple[Any, Any]:
    dtype = keys.dtype
    all_keys, all_values = update(packing.pack(keys), packing.pack(values))
    return packing.unpack(all_keys, dtype), packing.unpack(all_values, dtype)


def pack_caches(network: Module, packing: Packing, name: str) -> None:
    """Let all caches of this network be packed from now on.

    Raises `LoadFailed` where its caches are of another kind: windows and states are small already.
    """
    layers = make_prompt_cache(network)
    if not all(type(layer) is KVCache for layer in layers):
        raise LoadFailed(
            f"The model {name!r} cannot have kv_bits: not all of its layers keep plain keys and "
            "values. Remove kv_bits from models.toml."
        )
    network.make_cache = partial(_make, packing, len(layers))


def _make(packing: Packing, layers: int) -> list[PackedKVCache]:
    return [PackedKVCache(packing) for _ in range(layers)]
