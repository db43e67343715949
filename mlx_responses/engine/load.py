"""ModelSpec -> weights and tokenizer, from local files only. Knows no batch and no job.

On MLX's CPU backend weights become float32: neither bfloat16 nor quantised products go through
BLAS there (5.8 against 200 GFLOP/s). On Metal the model keeps its own type.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from huggingface_hub import snapshot_download
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import dequantize_model, load_model, load_tokenizer

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.hub import HubTokenizer
from mlx_responses.errors import LoadFailed
from mlx_responses.text import Tokenizer

DEFAULT_CONTEXT_WINDOW = 8192
"""For a model whose config names no length: what the oldest models still served can take."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What other rooms may know of a model in memory.

    vocab_size     width of the logits; `Job.vocab_size`
    weights_bytes  in memory, after any change of type
    model_type     the architecture's name in config.json, and
    chat_template  the template's source: what a dialect can be told by
    """

    spec: ModelSpec
    tokenizer: Tokenizer
    context_window: int
    vocab_size: int
    weights_bytes: int
    model_type: str
    chat_template: str | None


class Model(msgspec.Struct, frozen=True):
    """A model as the engine's thread holds it: the network and what may be told of it.

    identity  what a KV cache on disk must share to be its own; empty: none is kept
    """

    network: Module
    loaded: Loaded
    identity: dict[str, str] = {}


Loader = Callable[[ModelSpec], Model]


def has_gpu() -> bool:
    """Whether MLX computes on a GPU here (Metal), or on its CPU backend."""
    return bool(mx.default_device() == mx.Device(mx.gpu))


def find_files(spec: ModelSpec) -> Path:
    """The folder with the model's files. Raises `LoadFailed`; never reaches for a network."""
    if spec.folder is not None:
        return spec.folder
    try:
        return Path(snapshot_download(spec.path, local_files_only=True))
    except (OSError, ValueError) as error:
        raise LoadFailed(
            f"The model {spec.name!r} is not on this machine: {spec.path!r} is neither a folder "
            f"nor a downloaded repository. `hf download {spec.path}` fetches a repository."
        ) from error


def read_model(spec: ModelSpec) -> Model:
    """Read weights and tokenizer. Raises `LoadFailed` that says which file is at fault.

    Runs on the thread that will use the weights: MLX's streams belong to threads.
    """
    folder = find_files(spec)
    read = attempt(partial(_read_files, folder), f"reading {folder}", level=logging.DEBUG)
    if isinstance(read, Fault):
        raise LoadFailed(
            f"The model {spec.name!r} cannot be read from {folder}: {read.reason}. "
            "It needs config.json, model*.safetensors of an architecture that mlx-lm knows, and "
            "tokenizer.json."
        ) from read.error
    network, wrapper, config, vocab_size = read
    tokenizer = HubTokenizer(wrapper, vocab_size)
    loaded = Loaded(
        spec=spec,
        tokenizer=tokenizer,
        context_window=spec.context_window or _trained_length(config),
        vocab_size=vocab_size,
        weights_bytes=_bytes_of(network),
        model_type=str(config.get("model_type", "")),
        chat_template=tokenizer.chat_template,
    )
    return Model(network, loaded, _identity(folder, config))


def _identity(folder: Path, config: dict[str, Any]) -> dict[str, str]:
    """The weights by their files' names, sizes and times: reading them all would take too long."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return {
        "model": str(folder.resolve()),
        "weights": hashlib.sha256(json.dumps(facts).encode()).hexdigest(),
        "quantisation": json.dumps(config.get("quantization"), sort_keys=True),
        "computed": "own type" if has_gpu() else "float32",
    }


def _read_files(folder: Path) -> tuple[Module, TokenizerWrapper, dict[str, Any], int]:
    network, config = load_model(folder)
    wrapper = load_tokenizer(
        folder,
        {"trust_remote_code": False, "local_files_only": True},
        eos_token_ids=config.get("eos_token_id"),
    )
    if not has_gpu():
        network = _in_float32(network)
    return network, wrapper, config, _warm_up(network)


def _in_float32(network: Module) -> Module:
    network = dequantize_model(network)
    network.set_dtype(mx.float32)
    mx.eval(network.parameters())  # type: ignore[no-untyped-call]
    return network


def _bytes_of(network: Module) -> int:
    arrays: Any = tree_flatten(network.parameters())  # type: ignore[no-untyped-call]
    return sum(array.nbytes for _, array in arrays)


def _warm_up(network: Module) -> int:
    """Run one token, so that kernels are compiled before anyone waits; the logits' width."""
    logits = network(mx.array([[0]]))
    mx.eval(logits)
    return int(logits.shape[-1])


def _trained_length(config: dict[str, Any]) -> int:
    """The context window by config.json, also of models that nest their text part."""
    own = config.get("max_position_embeddings")
    nested = config.get("text_config", {}).get("max_position_embeddings")
    return int(own or nested or DEFAULT_CONTEXT_WINDOW)
