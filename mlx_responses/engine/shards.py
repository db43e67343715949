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

from mlx_responses.attempt import Fault, attempt
from mlx_responses.engine.load import Assembly, Files, Loader, Model, Reading, describe, has_gpu
from mlx_responses.engine.memory import measure
from mlx_responses.engine.mirror import MirroredNetwork
from mlx_responses.engine.ring import Load, Ring
from mlx_responses.errors import LoadFailed

log = logging.getLogger(__name__)


def read_shard(folder: Path, ring: Ring) -> Module:
    """Our part, in memory. Every process of the group has to call this at the same time.

    Raises `LoadFailed`, everywhere, where any of them cannot.
    """
    read = attempt(partial(_read, folder, ring), f"reading a part of {folder}", level=logging.INFO)
    if ring.all_can(not isinstance(read, Fault)) and not isinstance(read, Fault):
        return read
    why = read.reason if isinstance(read, Fault) else "another process could not load it"
    raise LoadFailed(
        f"The model in {folder} cannot be shared by {ring.size} processes (--sharding "
        f"{ring.sharding}): {why}. Its files must be in that folder on every machine."
    )


def _read(folder: Path, ring: Ring) -> Module:
    loaded = attempt(partial(_load, folder, ring), f"sharing {folder}", level=logging.DEBUG)
    if isinstance(loaded, Fault):
        ring.meet()  # the others wait for us where loading ends
        raise loaded.error
    network: Any = loaded
    if not has_gpu():
        network.set_dtype(mx.float32)
        mx.eval(network.parameters())
    whole: Module = network
    return whole


def _load(folder: Path, ring: Ring) -> Any:
    if not folder.is_dir():  # mlx-lm would look for it on the network
        raise LoadFailed(f"there is no folder {folder} here")
    tensor, pipeline = (ring.group, None) if ring.sharding == "tensor" else (None, ring.group)
    options = {"trust_remote_code": False}
    network, _ = sharded_load(str(folder), pipeline, tensor, tokenizer_config=options)
    return network


def sharded(ring: Ring) -> Loader:
    """A loader for the first process: the others load their parts when it does."""
    return partial(_assemble, ring)


def _assemble(ring: Ring, files: Files) -> Assembly:
    """As `load.assemble`, in one piece: meanwhile nobody speaks, for all have to load together."""
    _refuse(files)
    loaded = describe(files, ring.size)
    yield Reading(loaded, 0)
    number = ring.new_id()
    ring.tell(Load(number, str(files.folder)))
    network = read_shard(files.folder, ring)
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
