"""A smaller model of the same vocabulary that says in advance what the larger one may say.

After Leviathan et al. (2023), with one change: the draft chooses with the row's own noise, and what
the larger model then chooses with the same noise is what counts. So nothing has to be rejected and
drawn again, and text is exactly that of plain decoding. Knows no batch; its cache is its own.
"""

from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import make_prompt_cache, trim_prompt_cache

from mlx_responses.engine.row import Row
from mlx_responses.engine.sampling import Chooser, is_greedy, to_numpy

CHUNK_TOKENS = 256
"""Tokens of a row that the draft reads in one step, if it is that far behind: the row goes on."""


class Draft:
    """The draft's place in one row. `tokens` are all ids of the row, and grow."""

    def __init__(self, network: Module, row: Row, tokens: list[int]) -> None:
        self._network = network
        self._row = row
        self._tokens = tokens
        self._cache = make_prompt_cache(network)
        self._read: list[int] = []
        """What the cache holds."""
        self._sure = 0
        """How many of those are the row's for certain."""
        self._xp: Any = mx if row.masks.on_device else np
        self._chooser: Chooser | None = None

    def expects(self) -> bool:
        """A model always has an idea."""
        return True

    def propose(self, count: int) -> list[int] | None:
        """What it would say next; None: it is still reading what the row has read."""
        self._take_back()
        behind = self._tokens[len(self._read) :]
        if len(behind) > CHUNK_TOKENS:
            self._feed(mx.array(behind[:CHUNK_TOKENS]))
            self._read += behind[:CHUNK_TOKENS]
            self._sure = len(self._read)
            mx.eval([layer.state for layer in self._cache])
            return None
        logits = self._feed(mx.array(behind))
        chosen = [self._choose(logits, self._row.position)]
        for place in range(1, count):
            logits = self._feed(chosen[-1])
            chosen.append(self._choose(logits, self._row.position + place))
        guessed: Any = mx.concatenate(chosen).tolist()
        self._read += [*behind, *guessed[:-1]]
        self._sure = len(self._tokens)
        proposed: list[int] = guessed
        return proposed

    def _feed(self, tokens: mx.array) -> mx.array:
        logits: mx.array = self._network(tokens[None], cache=self._cache)
        return logits[:, -1, : self._row.job.vocab_size]

    def _choose(self, logits: mx.array, position: int) -> mx.array:
        """The next token (1,), lazy on the device."""
        sampling = self._row.job.sampling
        if is_greedy(sampling):
            return mx.argmax(logits, axis=-1)
        if self._chooser is None:
            self._chooser = Chooser(self._xp, [sampling], logits.shape[-1])
        usable = logits.astype(mx.float32) if self._xp is mx else to_numpy(logits)
        return mx.array(self._chooser.choose(usable, [self._row.noise.at(position)]))

    def _take_back(self) -> None:
        """Forget what the row did not say."""
        last = min(len(self._read), len(self._tokens) - 1)
        kept = self._sure
        while kept < last and self._read[kept] == self._tokens[kept]:
            kept += 1
        kept = min(kept, last)
        trim_prompt_cache(self._cache, len(self._read) - kept)
        del self._read[kept:]
        self._sure = kept
