"""A process' part of a model's weights, by mlx-lm's sharding: of every layer (tensor), or some
layers (pipeline). Loads for the first process what `load.py` loads for one that is alone.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.utils import sharded_load

from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.load import Assembly, Files, Loader, Model, Reading, describe, has_gpu
from mlx_responses.engine.memory import measure
from mlx_responses.engine.mirror import MirroredNetwork
from mlx_responses.engine.ring import Load, Ring
from mlx_responses.errors import LoadFailed

log = logging.getLogger(__name__)


def read_shard(folder: Path, ring: Ring) -> Module:
    """Our part, in memory. Every process of the group has to call this at the same time.

    Raises whatever mlx-lm does where a model cannot be shared so, or a file cannot be read.
    """
    tensor, pipeline = (ring.group, None) if ring.sharding == "tensor" else (None, ring.group)
    options = {"trust_remote_code": False}
    load = partial(sharded_load, str(folder), pipeline, tensor, tokenizer_config=options)
    read = attempt(load, f"reading a part of {folder}", level=logging.DEBUG)
    if isinstance(read, Fault):
        ring.meet()  # the others wait for us where loading ends
        raise read.error
    network: Any = read[0]
    if not has_gpu():
        network.set_dtype(mx.float32)
        mx.eval(network.parameters())
    whole: Module = network
    return whole


def sharded(ring: Ring) -> Loader:
    """A loader for the first process: the others load their parts when it does."""
    return partial(_assemble, ring)


def _assemble(ring: Ring, files: Files) -> Assembly:
    """As `load.assemble`, in one piece: meanwhile nobody speaks, for all have to load together."""
    _refuse(files)
    loaded = describe(files, ring.size)
    yield Reading(loaded, 0)
    number = ring.new_id()
    ring.tell(Load(number, files.spec.name, str(files.folder)))
    network = attempt(lambda: read_shard(files.folder, ring), "sharing a model", level=logging.INFO)
    if not ring.all_can(not isinstance(network, Fault)) or isinstance(network, Fault):
        why = network.reason if isinstance(network, Fault) else "another process could not load it"
        raise LoadFailed(
            f"The model {files.spec.name!r} cannot be shared by {ring.size} processes "
            f"(--sharding {ring.sharding}): {why}. Its files must be in {files.folder} on every "
            "machine."
        )
    footprint = measure(network, loaded.weights_bytes)
    return Model(MirroredNetwork(ring, network, number), loaded, footprint)


def _refuse(files: Files) -> None:
    """Raises `LoadFailed` for what the entry asks and a group cannot do."""
    spec = files.spec
    asked = {"draft": spec.draft is not None, "kv_bits": spec.kv_bits is not None}
    for name, is_asked in asked.items():
        if is_asked:
            raise LoadFailed(
                f"The model {spec.name!r} has {name} in models.toml, which does not work with "
                "--sharding: remove it there, or serve alone."
            )
