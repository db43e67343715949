"""A process that holds a part of the models and does what the first one tells it. It serves nobody,
and chooses nothing.
"""

import copy
import logging
from functools import partial
from pathlib import Path

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import CacheList

from mlx_responses.attempt import Fault, attempt
from mlx_responses.engine.memory import measure
from mlx_responses.engine.mirror import arrays, new_cache
from mlx_responses.engine.ring import (
    Copy,
    Extend,
    Extract,
    Filter,
    Finalize,
    Load,
    Merge,
    New,
    Prepare,
    Record,
    Ring,
    Run,
    Stop,
)
from mlx_responses.engine.shards import read_shard

log = logging.getLogger(__name__)


def follow(ring: Ring) -> None:
    """Until the first process stops. Raises `EngineFailed` when it, or another, is gone."""
    follower = Follower(ring)
    while True:
        told = ring.hear()
        follower.forget(told.gone)
        if isinstance(told.record, Stop):
            return
        follower.obey(told.record)


class Follower:
    """The parts of networks and caches that are here, by their numbers."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._networks: dict[int, Module] = {}
        self._caches: dict[int, CacheList] = {}

    def forget(self, numbers: list[int]) -> None:
        """Let go of these."""
        for number in numbers:
            self._networks.pop(number, None)
            self._caches.pop(number, None)

    def obey(self, record: Record) -> None:
        """Do one thing."""
        caches = self._caches
        match record:
            case Load():
                self._load(record)
            case New(cache, network):
                caches[cache] = new_cache(self._networks[network])
            case Merge(cache, parts):
                caches[cache] = CacheList.merge([caches[part] for part in parts])
            case Copy(cache, source):
                caches[cache] = copy.deepcopy(caches[source])
            case Extract(cache, source, row):
                caches[cache] = caches[source].extract(row)
            case Extend(cache, other):
                caches[cache].extend(caches[other])
            case Filter(cache, rows):
                caches[cache].filter(rows)
            case Prepare(cache, lengths, padding):
                caches[cache].prepare(lengths=lengths, right_padding=padding)
            case Finalize(cache):
                caches[cache].finalize()
            case Run():
                self._run(record)

    def _run(self, record: Run) -> None:
        cache = self._caches[record.cache]
        tokens = mx.array(record.tokens)
        logits = self._networks[record.network](tokens, cache=cache.caches)
        self._ring.wait_for(logits if record.logits else arrays(cache))

    def _load(self, record: Load) -> None:
        folder = record.folder
        read = attempt(partial(read_shard, Path(folder), self._ring), f"loading {folder}")
        if isinstance(read, Fault):
            log.error("%s", read.reason)
            return
        self._networks[record.network] = read
        attempt(partial(measure, read, 0), f"measuring {folder}")
