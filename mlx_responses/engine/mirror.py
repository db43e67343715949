"""A network and its caches that other processes hold parts of: whatever is done to ours here, they
are told to do to theirs. Only the first process has these; the others are `follower.py`.

To the rest of the engine a cache of this kind is one layer that can be merged, joined, copied and
taken apart by rows, but not by tokens: prefixes are reused at snapshots, as with recurrent models.
"""

import copy
import weakref
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import CacheList, make_prompt_cache

from mlx_responses.engine.ring import (
    Copy,
    Extend,
    Extract,
    Filter,
    Finalize,
    Merge,
    New,
    Prepare,
    Ring,
    Run,
)


def new_cache(network: Module) -> CacheList:
    """An empty cache of a network: mlx-lm's list of layers, which does with all what one can."""
    return CacheList(*make_prompt_cache(network))


def arrays(layers: CacheList) -> list[Any]:
    """What is in a cache."""
    return [layer.state for layer in layers.caches]


class MirroredCache:
    """All layers of a cache here, of one sequence or of a batch, and its number elsewhere."""

    def __init__(self, ring: Ring, layers: CacheList) -> None:
        self.layers = layers
        self.number = ring.new_id()
        self._ring = ring
        weakref.finalize(self, ring.let_go, self.number)

    def merge(self, parts: "Sequence[MirroredCache]") -> "MirroredCache":
        """A batch of these caches, of which this is one."""
        made = MirroredCache(self._ring, CacheList.merge([part.layers for part in parts]))
        self._ring.tell(Merge(made.number, [part.number for part in parts]))
        return made

    def extract(self, row: int) -> "MirroredCache":
        """One row of a batch."""
        made = MirroredCache(self._ring, self.layers.extract(row))
        self._ring.tell(Extract(made.number, self.number, row))
        return made

    def __deepcopy__(self, _: Any) -> "MirroredCache":
        made = MirroredCache(self._ring, copy.deepcopy(self.layers))
        self._ring.tell(Copy(made.number, self.number))
        return made

    def extend(self, other: "MirroredCache") -> None:
        """The other batch's rows join this one's."""
        self._ring.tell(Extend(self.number, other.number))
        self.layers.extend(other.layers)

    def filter(self, rows: Sequence[int]) -> None:
        """Only these rows stay."""
        self._ring.tell(Filter(self.number, list(rows)))
        self.layers.filter(rows)

    def prepare(self, *, lengths: list[int], right_padding: list[int]) -> None:
        """Rows of different lengths come next, padded on the right."""
        self._ring.tell(Prepare(self.number, lengths, right_padding))
        self.layers.prepare(lengths=lengths, right_padding=right_padding)

    def finalize(self) -> None:
        """They have come."""
        self._ring.tell(Finalize(self.number))
        self.layers.finalize()

    @property
    def state(self) -> list[Any]:
        """The arrays that are here."""
        return arrays(self.layers)

    @property
    def nbytes(self) -> int:
        """Of the arrays that are here."""
        return int(self.layers.nbytes)

    def empty(self) -> bool:
        """Whether it holds no token."""
        return bool(self.layers.empty())

    def is_trimmable(self) -> bool:
        """Its last tokens cannot be taken back."""
        return False


class MirroredNetwork(Module):
    """Our part of a network. What it computes is computed at once everywhere, in one order, and
    waited for: where a peer is gone, only `mx.eval` raises; an array that is read waits for ever.
    """

    def __init__(self, ring: Ring, network: Module, number: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # mlx is
        self._ring = ring
        self._own = network
        self._number = number
        weakref.finalize(self, ring.let_go, number)

    def make_cache(self) -> list[MirroredCache]:
        """An empty cache, as the one layer of it."""
        made = MirroredCache(self._ring, new_cache(self._own))
        self._ring.tell(New(made.number, self._number))
        return [made]

    def __call__(self, tokens: mx.array, cache: Sequence[MirroredCache]) -> mx.array:
        """Logits (rows, tokens, vocabulary) behind tokens (rows, tokens)."""
        [held] = cache
        logits = self._launched(tokens, held, logits=True)
        self._ring.wait_for(logits)
        return logits

    def read(self, tokens: mx.array, cache: Sequence[MirroredCache]) -> None:
        """Let the cache hold these tokens too; what would follow is not computed."""
        [held] = cache
        self._launched(tokens, held, logits=False)
        self._ring.wait_for(held.state)

    def _launched(self, tokens: mx.array, held: MirroredCache, *, logits: bool) -> mx.array:
        fed: Any = tokens.tolist()
        self._ring.tell(Run(self._number, held.number, fed, logits))
        computed: mx.array = self._own(tokens, cache=held.layers.caches)
        return computed
