"""A process that holds a part of the models and does what the first one tells it. It serves nobody,
and chooses nothing.
"""

import copy
import logging
from functools import partial
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import make_prompt_cache

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.load import find_files
from mlx_responses.engine.memory import measure
from mlx_responses.engine.mirror import Layers, merged
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
        self._caches: dict[int, Layers] = {}

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
                caches[cache] = make_prompt_cache(self._networks[network])
            case Merge(cache, parts):
                caches[cache] = merged([caches[part] for part in parts])
            case Copy(cache, source):
                caches[cache] = copy.deepcopy(caches[source])
            case Extract(cache, source, row):
                caches[cache] = [layer.extract(row) for layer in caches[source]]
            case Run():
                self._run(record)
            case _:
                self._change(record)

    def _change(self, record: Record) -> None:
        match record:
            case Extend(cache, other):
                for layer, more in zip(self._caches[cache], self._caches[other], strict=True):
                    layer.extend(more)
            case Filter(cache, rows):
                for layer in self._caches[cache]:
                    layer.filter(rows)
            case Prepare(cache, lengths, padding):
                for layer in self._caches[cache]:
                    layer.prepare(lengths=lengths, right_padding=padding)
            case Finalize(cache):
                for layer in self._caches[cache]:
                    layer.finalize()

    def _run(self, record: Run) -> None:
        cache: list[Any] = self._caches[record.cache]
        logits = self._networks[record.network](mx.array(record.tokens), cache=cache)
        mx.eval(logits if record.logits else [layer.state for layer in cache])

    def _load(self, record: Load) -> None:
        spec = ModelSpec(name=record.name, path=record.path)
        read = attempt(lambda: read_shard(find_files(spec), self._ring), f"loading {spec.name}")
        if isinstance(read, Fault):
            log.error("%s", read.reason)
        if self._ring.all_can(not isinstance(read, Fault)) and not isinstance(read, Fault):
            self._networks[record.network] = read
            attempt(partial(measure, read, 0), f"measuring {spec.name}")
