"""One sequence's cache, taken apart and put together: plain layers by runs of tokens, all others
(rotating, recurrent) as they are at one place. Knows mlx-lm's cache classes, and no tree.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache

from mlx_responses.engine.packed import PackedKVCache, Packing
from mlx_responses.engine.trie import Plain

Shape = list[Any]
"""A cache's build, a layer each: True is plain, a `Packing` too but packed so, False is not plain,
a list is a `CacheList`."""
PLAIN = (KVCache, PackedKVCache)


def shape_of(cache: Sequence[Any]) -> Shape:
    """How a model's cache is built."""
    return [
        shape_of(layer.caches)
        if isinstance(layer, CacheList)
        else getattr(layer, "packing", type(layer) is KVCache)
        for layer in cache
    ]


def can_shorten(shape: Shape) -> bool:
    """Whether such caches can always give up their last tokens.

    Rotating and recurrent ones cannot: of those only snapshots at known places are of use again.
    """
    return all(can_shorten(layer) if isinstance(layer, list) else bool(layer) for layer in shape)


def _leaves(cache: Sequence[Any]) -> Iterator[Any]:
    for layer in cache:
        if isinstance(layer, CacheList):
            yield from _leaves(layer.caches)
        else:
            yield layer


def take_apart(cache: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The plain layers of a cache, and the others."""
    leaves = list(_leaves(cache))
    plain = [leaf for leaf in leaves if type(leaf) in PLAIN]
    return plain, [leaf for leaf in leaves if type(leaf) not in PLAIN]


def put_together(shape: Shape, plain: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The inverse of `take_apart`."""
    return _build(shape, iter(plain), iter(others))


def _build(shape: Shape, plain: Iterator[Any], others: Iterator[Any]) -> list[Any]:
    built: list[Any] = []
    for layer in shape:
        if isinstance(layer, list):
            built.append(CacheList(*_build(layer, plain, others)))
        elif isinstance(layer, Packing):
            built.append(layer.of(next(plain)))
        else:
            built.append(next(plain if layer else others))
    return built


def used_bytes(plain: Sequence[Any]) -> int:
    """What the tokens in plain layers take; the arrays are longer."""
    return sum(layer.nbytes * layer.offset // layer.keys.shape[2] for layer in plain)


def cut(plain: Sequence[Any], start: int, end: int) -> Plain:
    """The tokens from `start` to `end` of plain layers, in arrays of their own."""
    return [
        (own(layer.keys[:, :, start:end]), own(layer.values[:, :, start:end])) for layer in plain
    ]


def cut_run(run: Plain, start: int, end: int) -> Plain:
    """The same of a run."""
    return [(own(keys[:, :, start:end]), own(values[:, :, start:end])) for keys, values in run]


def own(array: Any) -> Any:
    """The array in a buffer of its own size: a view would keep all of the buffer alive."""
    return mx.contiguous(array)


def joined(runs: Sequence[tuple[Plain, int]]) -> list[Any]:
    """Plain layers that hold these runs, of each the first so many tokens."""
    return [_layer([(run[n], count) for run, count in runs]) for n in range(len(runs[0][0]))]


def _layer(parts: Sequence[tuple[tuple[Any, Any], int]]) -> Any:
    layer = KVCache()
    layer.keys = mx.concatenate([keys[:, :, :count] for (keys, _), count in parts], axis=2)
    layer.values = mx.concatenate([values[:, :, :count] for (_, values), count in parts], axis=2)
    layer.offset = layer.keys.shape[2]
    return layer


def private(layers: Sequence[Any]) -> list[Any]:
    """Copies that may be written to; arrays are copied only when they are."""
    return copy.deepcopy(list(layers))


def compute(plain: Plain) -> None:
    """Start computing what is lazy yet: it would keep what it comes from alive."""
    mx.async_eval(plain)  # type: ignore[no-untyped-call]


def settle(others: Sequence[Any]) -> None:
    """The same for layers that a snapshot keeps whole."""
    for layer in others:
        if isinstance(layer, ArraysCache):
            layer.cache = [None if array is None else own(array) for array in layer.cache]
    mx.async_eval([layer.state for layer in others])  # type: ignore[no-untyped-call]
