"""What fits: the budget, who holds how much of it, what is left. Measures models, decides nothing.

Bytes are reserved before they are allocated, because MLX cannot take back a command that Metal then
has no memory for: the process is aborted.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import ArraysCache, CacheList, RotatingKVCache, make_prompt_cache

from mlx_responses.errors import MemoryShort

METAL_SHARE = 0.9
"""Of the working set that Metal recommends: the rest is for what other programs draw."""
SYSTEM_SHARE = 0.75
"""Of a machine's or a container's memory: the rest is for Python, tokenizers, grammars, SQLite."""
MOST_BUFFERS_BYTES = 2**30
BUFFERS_SHARE = 1 / 16
"""Of the budget, at most the above: freed buffers that MLX may keep for the next step. Without a
bound it keeps all that was ever freed, and admission would count memory that is not there."""
BLOCK_TOKENS = 256
"""mlx-lm's caches grow by so many tokens at once."""
PROBE_TOKENS = 64
"""Read once at loading to see what a token costs: enough for every cache to show its shape."""
UNLIMITED_BYTES = 2**60
"""A control group without a limit names a number like this, or more."""
GIB = 2**30
COUNTING = threading.Lock()
"""Held while a step or a probe runs whose memory is counted: MLX counts for the whole process, and
the peak of another engine in it would be taken for what this one's work takes."""


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes, in bytes, measured on it.

    weights           of all parameters
    kv_per_token      of layers that remember every token
    windows           of layers that remember the last ones: (per token, most tokens)
    kv_per_row        of layers whose state has one size (recurrent ones)
    work_per_token    what reading a prompt takes for a while, by token of a chunk
    """

    weights: int = 0
    kv_per_token: int = 0
    windows: tuple[tuple[int, int], ...] = ()
    kv_per_row: int = 0
    work_per_token: int = 0

    def of_row(self, tokens: int) -> int:
        """The KV cache of a sequence of so many tokens."""
        tokens = -(-tokens // BLOCK_TOKENS) * BLOCK_TOKENS
        windows = sum(each * min(tokens, most) for each, most in self.windows)
        return self.kv_per_row + self.kv_per_token * tokens + windows

    def of_rows(self, lengths: Sequence[int]) -> int:
        """That of rows in one batch: mlx-lm pads them all to the longest."""
        return len(lengths) * self.of_row(max(lengths)) if lengths else 0

    def with_rows_of(self, other: "Footprint") -> "Footprint":
        """This model, each row of which has one of another model beside it."""
        return msgspec.structs.replace(
            self,
            kv_per_token=self.kv_per_token + other.kv_per_token,
            windows=self.windows + other.windows,
            kv_per_row=self.kv_per_row + other.kv_per_row,
        )


def measure(network: Module, weights_bytes: int) -> Footprint:
    """Read a few tokens and look at what that took. The weights must be in memory."""
    cache = make_prompt_cache(network)
    with COUNTING:
        mx.synchronize()  # a step of another model that was begun ahead
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        network(mx.zeros((1, PROBE_TOKENS), dtype=mx.int32), cache=cache)
        mx.eval([layer.state for layer in cache])
        held = sum(layer.nbytes for layer in cache)
        work = max(0, mx.get_peak_memory() - max(before + held, mx.get_active_memory()))
    per_token, per_row, windows = 0, 0, []
    for leaf in _leaves(cache):
        if isinstance(leaf, ArraysCache):
            per_row += leaf.nbytes
        elif isinstance(leaf, RotatingKVCache):
            windows.append((_per_token(leaf), leaf.max_size))
        else:
            per_token += _per_token(leaf)
    return Footprint(
        weights=weights_bytes,
        kv_per_token=per_token,
        windows=tuple(windows),
        kv_per_row=per_row,
        work_per_token=-(-work // PROBE_TOKENS),
    )


def _leaves(cache: Sequence[Any]) -> Iterator[Any]:
    for layer in cache:
        if isinstance(layer, CacheList):
            yield from _leaves(layer.caches)
        else:
            yield layer


def _per_token(layer: Any) -> int:
    """Bytes of a token in a layer; of a kind whose arrays are not known, by what it has read."""
    keys = getattr(layer, "keys", None)
    if isinstance(keys, tuple | list):  # quantised: packed values, scales, biases
        keys = keys[0]
    room = keys.shape[-2] if isinstance(keys, mx.array) else PROBE_TOKENS
    nbytes: int = layer.nbytes
    return -(-nbytes // room)


class Room(msgspec.Struct, frozen=True):
    """The most that a model's rows can ever have: of the budget, what no other keeps for good."""

    footprint: Footprint
    most_bytes: int
    budget_bytes: int

    def check(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Raises `MemoryShort` if a row of these tokens does not fit even alone."""
        needed = self.footprint.of_row(prompt_tokens + answer_tokens)
        if needed <= self.most_bytes:
            return
        raise MemoryShort(
            f"The prompt's {prompt_tokens} tokens and {answer_tokens} of the answer take "
            f"{in_words(needed)} of memory. Of the budget of {in_words(self.budget_bytes)} at most "
            f"{in_words(max(0, self.most_bytes))} can be free beside weights and work, so "
            f"{in_words(needed - max(0, self.most_bytes))} are missing. Shorten the input, or give "
            "the server more with --memory-bytes.",
            param="input",
        )


class MemoryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The budget at one moment, in bytes: what is reserved, and what prefixes take of the rest.

    kv       reserved for live rows: their prompts and answers
    work     what a step takes for a while, at most
    free     not reserved; prefixes may use it until something better comes
    active   what MLX says it holds; buffers: freed, and kept by it for the next step
    """

    budget: int = 0
    weights: int = 0
    kv: int = 0
    work: int = 0
    prefix: int = 0
    free: int = 0
    active: int = 0
    buffers: int = 0


class Memory:
    """The budget's book. A holder is (kind, model), and says anew what it holds when that changes.

    Kinds: weights, kv, work. `told` hears what is free after each change: prefixes live on that,
    and give way before anything else is allocated. Engine thread only.
    """

    def __init__(self, budget_bytes: int, told: Callable[[int], None]) -> None:
        self.budget_bytes = budget_bytes
        self._told = told
        self._held: dict[tuple[str, str], int] = {}

    def hold(self, kind: str, model: str, nbytes: int) -> None:
        """What a holder has from now on, in place of what it had."""
        if self._held.get((kind, model)) != nbytes:
            self._held[kind, model] = nbytes
            self._told(self.free)

    def release(self, model: str) -> None:
        """A model is gone, with all it held."""
        self._held = {holder: held for holder, held in self._held.items() if holder[1] != model}
        self._told(self.free)

    def held(self, *, kind: str | None = None, model: str | None = None) -> int:
        """Bytes held, of one kind or model if it is named."""
        return sum(
            nbytes
            for (of_kind, of_model), nbytes in self._held.items()
            if kind in (None, of_kind) and model in (None, of_model)
        )

    @property
    def free(self) -> int:
        """Not reserved by anybody; below 0 when a measurement came out higher than expected."""
        return self.budget_bytes - self.buffers_bytes - self.held()

    @property
    def buffers_bytes(self) -> int:
        """What MLX may keep of freed buffers."""
        return min(MOST_BUFFERS_BYTES, int(self.budget_bytes * BUFFERS_SHARE))

    def status(self, prefix_bytes: int) -> MemoryStatus:
        """As of now."""
        return MemoryStatus(
            budget=self.budget_bytes,
            weights=self.held(kind="weights"),
            kv=self.held(kind="kv"),
            work=self.held(kind="work"),
            prefix=prefix_bytes,
            free=self.free,
            active=mx.get_active_memory(),
            buffers=mx.get_cache_memory(),
        )


def in_words(nbytes: int) -> str:
    """A size for people."""
    return f"{nbytes / GIB:.2f} GiB" if nbytes >= GIB / 10 else f"{nbytes / 2**20:.1f} MiB"


def default_budget() -> int:
    """What MLX may use here: of Metal's recommended working set, or of the memory there is."""
    if working_set := working_set_bytes():
        return int(working_set * METAL_SHARE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min([memory, *control_group_limits(Path("/"))]) * SYSTEM_SHARE)


def working_set_bytes() -> int:
    """What Metal recommends to use at most; 0: there is no Metal here."""
    info: Mapping[str, object] = mx.device_info()
    value = info.get("max_recommended_working_set_size")
    return value if isinstance(value, int) else 0


def control_group_limits(root: Path) -> list[int]:
    """The limits of this process's control groups, of both versions, and of all groups above."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return []
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        base = root / "sys/fs/cgroup" / controllers
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        place = base / group.lstrip("/")
        for folder in (place, *place.parents):
            limits += _limit_in(folder / name)
            if folder == base:
                break
    return limits


def _limit_in(file: Path) -> list[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return []  # a container sees its own group as the root
    return [int(text)] if text.isdigit() and int(text) < UNLIMITED_BYTES else []
