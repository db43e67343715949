"""Caches made by hand whose contents tell which tokens they hold, of every build."""

import zlib

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache

WINDOW = 4
BUILDS = ("plain", "list", "rotating", "recurrent", "recurrent list")


def empty(build):
    return {
        "plain": lambda: [KVCache(), KVCache()],
        "list": lambda: [CacheList(KVCache(), KVCache())],
        "rotating": lambda: [RotatingKVCache(WINDOW), KVCache()],
        "recurrent": lambda: [ArraysCache(2)],
        "recurrent list": lambda: [CacheList(ArraysCache(2), KVCache())],
    }[build]()


def write(layer, tokens):
    if isinstance(layer, CacheList):
        for inner in layer.caches:
            write(inner, tokens)
    elif isinstance(layer, ArraysCache):
        layer[0] = mx.array([zlib.crc32(str(tokens).encode()) % 2**20])
        layer[1] = mx.array([len(tokens)])
    else:
        column = mx.array(np.array(tokens, np.float32)[None, None, :, None])
        layer.update_and_fetch(column, column * mx.ones((1, 1, 1, 2)))


def holding(build, tokens):
    """A cache of these tokens."""
    cache = empty(build)
    for layer in cache:
        write(layer, list(tokens))
    return cache


def contents(cache):
    """All that a cache holds, as plain values."""
    if isinstance(cache, list | tuple):
        return [contents(layer) for layer in cache]
    if isinstance(cache, CacheList):
        return contents(list(cache.caches))
    if isinstance(cache, ArraysCache):
        return [cache[0].tolist(), cache[1].tolist()]
    if isinstance(cache, RotatingKVCache):
        return [cache.offset, sorted(cache.keys.flatten().tolist())]
    keys, values = cache.keys_and_values()
    return [cache.offset, keys.flatten().tolist(), values.flatten().tolist()]
