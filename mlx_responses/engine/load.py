"""ModelSpec -> weights and tokenizer, from local files only. Knows no batch and no job.

On MLX's CPU backend weights become float32: neither bfloat16 nor quantised products go through
BLAS there (5.8 against 200 GFLOP/s). On Metal the model keeps its own type.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from huggingface_hub import snapshot_download
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten
from mlx_lm.models.cache import KVCache, make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import dequantize_model, load_config, load_model, load_tokenizer

from mlx_responses.attempt import Fault, attempt
from mlx_responses.catalog import MODEL_FILES, ModelSpec
from mlx_responses.engine.hub import HubTokenizer
from mlx_responses.engine.memory import Footprint, measure
from mlx_responses.engine.packed import Packing, pack_caches
from mlx_responses.errors import Failure, LoadFailed
from mlx_responses.text import Tokenizer

DEFAULT_CONTEXT_WINDOW = 8192
"""For a model whose config names no length: what the oldest models still served can take."""

PIECE_BYTES = 16 * 2**20
"""Weights read between two steps of other models: some 10 ms from an SSD."""

ALLOCATION = "Unable to allocate"
"""In what MLX raises, a RuntimeError, where memory runs out."""


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

    draft     a smaller network of the same vocabulary that guesses for it
    identity  what a KV cache on disk must share to be its own; empty: none is kept
    """

    network: Module
    loaded: Loaded
    footprint: Footprint = Footprint()
    draft: Module | None = None
    identity: dict[str, str] = {}


class Files(msgspec.Struct, frozen=True):
    """What can be read of a model without MLX: where it lies, its tokenizer, its config."""

    spec: ModelSpec
    folder: Path
    wrapper: TokenizerWrapper
    config: dict[str, Any]
    draft: "Files | None" = None


class Reading(msgspec.Struct, frozen=True):
    """A model on its way into memory: what may be told of it, and how many bytes are there."""

    loaded: Loaded
    done: int


Assembly = Generator[Reading, None, Model]
Loader = Callable[[Files], Assembly]


def has_gpu() -> bool:
    """Whether MLX computes on a GPU here (Metal), or on its CPU backend."""
    return bool(mx.default_device() == mx.Device(mx.gpu))


def find_files(spec: ModelSpec) -> Path:
    """The folder with the model's files. Raises `LoadFailed`; never reaches for a network."""
    if spec.folder is not None:
        return spec.folder
    try:
        wanted = list(MODEL_FILES)
        return Path(snapshot_download(spec.path, local_files_only=True, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise LoadFailed(
            f"The model {spec.name!r} is not on this machine: {spec.path!r} is neither a folder "
            f"nor a downloaded repository. `mlx-responses pull {spec.name}` fetches it."
        ) from error


def open_files(spec: ModelSpec) -> Files:
    """Find and read all that needs no MLX: seconds for a large tokenizer, on any thread.

    Raises `LoadFailed`.
    """
    folder = find_files(spec)
    read = attempt(partial(_read_files, folder), f"reading {folder}", level=logging.DEBUG)
    if isinstance(read, Fault):
        raise unreadable(spec, read)
    wrapper, config = read
    draft = None
    if spec.draft is not None:
        draft = open_files(ModelSpec(name=f"{spec.name}'s draft", path=spec.draft))
    return Files(spec, folder, wrapper, config, draft)


def assemble(files: Files) -> Assembly:
    """Bring the weights in, a piece a turn, on the thread that will use them: MLX's streams belong
    to threads. Yields before the first piece, when nothing is allocated yet, and after each.

    Raises `LoadFailed` where the draft cannot guess for the model.
    """
    network, arrays = _unread(files.folder)
    _pack(network, files.spec)
    draft = None
    if files.draft is not None:
        draft, more = _unread(files.draft.folder)
        _check_draft(files, files.draft, draft)
        arrays += more
    loaded = _facts(files, network, sum(array.nbytes for array in arrays))
    done = 0
    yield Reading(loaded, done)
    for piece in _pieces(arrays):
        mx.eval(piece)
        done += sum(array.nbytes for array in piece)
        yield Reading(loaded, done)
    footprint = _measured(network, loaded)
    if draft is not None:  # every row may come to be alone, and then keeps a cache of the draft
        footprint = footprint.with_rows_of(measure(draft, 0))
    return Model(network, loaded, footprint, draft, _identity(files))


def describe(files: Files, parts: int) -> Loaded:
    """What is known of a model before it is read, of whose weights one in so many come here."""
    network, arrays = _unread(files.folder)
    return _facts(files, network, sum(array.nbytes for array in arrays) // parts)


def _pack(network: Module, spec: ModelSpec) -> None:
    if spec.kv_bits is not None:
        pack_caches(network, Packing(spec.kv_bits, spec.kv_group_size), spec.name)


def _measured(network: Module, loaded: Loaded) -> Footprint:
    """What its rows take. Raises `LoadFailed` if it cannot run with the packed caches it should."""
    spec = loaded.spec
    if spec.kv_bits is None:
        return measure(network, loaded.weights_bytes)
    work = partial(measure, network, loaded.weights_bytes)
    measured = attempt(work, f"measuring {spec.name}", level=logging.DEBUG)
    if isinstance(measured, Fault):
        raise LoadFailed(
            f"The model {spec.name!r} cannot have kv_bits = {spec.kv_bits} with kv_group_size = "
            f"{spec.kv_group_size}: {measured.reason}. Try a smaller group, or remove both from "
            "models.toml."
        ) from measured.error
    return measured


def _unread(folder: Path) -> tuple[Module, list[mx.array]]:
    """A network and its weights, none of them in memory yet."""
    network, _ = load_model(folder, lazy=True)
    if not has_gpu():
        network = dequantize_model(network)
        network.set_dtype(mx.float32)
    named: Any = tree_flatten(network.parameters())
    return network, [array for _, array in named]


def _check_draft(files: Files, draft: Files, network: Module) -> None:
    """Raises `LoadFailed` if the draft has other tokens, or cannot take back a wrong guess."""
    cache = make_prompt_cache(network)
    why = None
    if draft.wrapper.get_vocab() != files.wrapper.get_vocab():
        why = "its tokenizer has other tokens"
    elif not all(isinstance(layer, KVCache) for layer in cache):
        why = "its cache cannot be rewound, because it is recurrent or slides"
    if why is not None:
        name = files.spec.name
        raise LoadFailed(f"{draft.spec.path!r} cannot be the draft of {name!r}: {why}.")


def read_model(spec: ModelSpec) -> Model:
    """All of a model at once, where nobody waits for anything else. Raises `LoadFailed`."""
    files = open_files(spec)

    def read() -> Model:
        assembly = assemble(files)
        while True:
            try:
                next(assembly)
            except StopIteration as end:
                model: Model = end.value
                return model

    model = attempt(read, f"reading {files.folder}", level=logging.DEBUG)
    if isinstance(model, Fault):
        raise unreadable(spec, model)
    return model


def unreadable(spec: ModelSpec, fault: Fault) -> Failure:
    """The failure for whatever went wrong with a model's files; a `Failure` is its own."""
    if isinstance(fault.error, Failure):
        return fault.error
    if isinstance(fault.error, MemoryError) or ALLOCATION in str(fault.error):
        return LoadFailed(
            f"The model {spec.name!r} does not fit into the memory that is free now: "
            f"{fault.reason}. End other programs, or take a smaller or more quantised one.",
            code="insufficient_memory",
        )
    failure = LoadFailed(
        f"The model {spec.name!r} cannot be read from {spec.folder or spec.path}: {fault.reason}. "
        "It needs config.json, model*.safetensors of an architecture that mlx-lm knows, and "
        "tokenizer.json."
    )
    failure.__cause__ = fault.error
    return failure


def _facts(files: Files, network: Module, weights_bytes: int) -> Loaded:
    """What is known before a weight is read: the logits' width is that of a step never taken."""
    vocab_size = int(network(mx.array([[0]])).shape[-1])
    tokenizer = HubTokenizer(files.wrapper, vocab_size)
    return Loaded(
        spec=files.spec,
        tokenizer=tokenizer,
        context_window=files.spec.context_window or _trained_length(files.config),
        vocab_size=vocab_size,
        weights_bytes=weights_bytes,
        model_type=str(files.config.get("model_type", "")),
        chat_template=tokenizer.chat_template,
    )


def _pieces(arrays: Sequence[mx.array]) -> Iterator[list[mx.array]]:
    """All arrays, some at a time."""
    piece: list[mx.array] = []
    held = 0
    for array in arrays:
        if piece and held + array.nbytes > PIECE_BYTES:
            yield piece
            piece, held = [], 0
        piece.append(array)
        held += array.nbytes
    yield piece


def _identity(files: Files) -> dict[str, str]:
    """The weights by their files' names, sizes and times: reading them all would take too long."""
    folder, spec = files.folder, files.spec
    parts = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    facts = [(part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in parts]
    packed = {"kv": f"{spec.kv_bits} bits by {spec.kv_group_size}"} if spec.kv_bits else {}
    return {
        **packed,
        "model": str(folder.resolve()),
        "weights": hashlib.sha256(json.dumps(facts).encode()).hexdigest(),
        "quantisation": json.dumps(files.config.get("quantization"), sort_keys=True),
        "computed": "own type" if has_gpu() else "float32",
    }


def _read_files(folder: Path) -> tuple[TokenizerWrapper, dict[str, Any]]:
    config = load_config(folder)
    wrapper = load_tokenizer(
        folder,
        {"trust_remote_code": False, "local_files_only": True},
        eos_token_ids=config.get("eos_token_id"),
    )
    return wrapper, config


def _trained_length(config: dict[str, Any]) -> int:
    """The context window by config.json, also of models that nest their text part."""
    own = config.get("max_position_embeddings")
    nested = config.get("text_config", {}).get("max_position_embeddings")
    return int(own or nested or DEFAULT_CONTEXT_WINDOW)
