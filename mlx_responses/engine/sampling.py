"""Choosing the next token of every row in one vectorised pass. Knows no batch, cache or thread.

One code for two array libraries that spell these operations alike: mlx on Metal, where the choice
stays on the device and the step stays pipelined; numpy on MLX's CPU backend, whose own sort and exp
are 10 to 20 times slower than numpy's. Nothing here raises: a `Job` that exists is valid.

Each row draws one uniform number a token, by (seed, position) alone, and inverts its distribution
function in vocabulary order. So what else is in the batch cannot change a row's noise.
"""

import math
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.random import Philox, SeedSequence

from mlx_responses.engine.dry import Dry, is_dry
from mlx_responses.engine.job import Logprob, Sampling

Array = Any
"""An mx.array or an np.ndarray; every function takes and returns one kind."""

NOISE_CHUNK = 256
"""Numbers drawn at once: a generator costs about 20 microseconds to make, a number nothing."""
NOISE_STEPS = 2**23
"""Of a uniform number. Times a float32 sum it stays strictly below the sum, so that a token of
probability zero can never be chosen."""
LARGEST_NOISE = 1 - 1 / NOISE_STEPS
BLOCK = 64
"""Tokens a block when a distribution is inverted: about the square root of a vocabulary."""
OFF = 2.0
"""A top_p that keeps every token, also where rounding lets the mass exceed 1."""


class Noise:
    """Uniform numbers in [0, 1) addressed by position: Philox keyed by the seed (None: any)."""

    def __init__(self, seed: int | None) -> None:
        self._key = SeedSequence().entropy if seed is None else seed % 2**64
        self._chunk = -1
        self._numbers: list[float] = []

    def at(self, position: int) -> float:
        """The number of `position` (0 is the first generated token)."""
        chunk, place = divmod(position, NOISE_CHUNK)
        if chunk != self._chunk:
            # Raw words, because numpy promises that only those stay the same in later versions.
            words = Philox(key=self._key, counter=chunk << 64).random_raw(NOISE_CHUNK)
            self._numbers = ((words >> np.uint64(41)) / NOISE_STEPS).tolist()
            self._chunk = chunk
        return self._numbers[place]


def is_greedy(sampling: Sampling) -> bool:
    """Whether only the likeliest token can be chosen."""
    return sampling.temperature == 0 or sampling.top_k == 1 or sampling.top_p == 0


def is_plain(sampling: Sampling) -> bool:
    """Whether logits are taken as they are: no bias, no penalty."""
    return not (
        sampling.logit_bias
        or sampling.repetition_penalty != 1
        or sampling.presence_penalty
        or sampling.frequency_penalty
        or is_dry(sampling)
    )


class Edits:
    """What changes logits before anything is chosen: bias, three penalties, and DRY.

    Repetition and DRY count prompt and output, presence and frequency the output alone. `tokens`
    are each row's ids so far, `lengths` how many of them are prompt.
    """

    def __init__(self, xp: Any, samplings: Sequence[Sampling], vocab_size: int) -> None:
        self._xp = xp
        self._shape = (len(samplings), vocab_size)
        self._repetition = self._column([s.repetition_penalty for s in samplings])
        self._presence = self._column([s.presence_penalty for s in samplings])
        self._frequency = self._column([s.frequency_penalty for s in samplings])
        self._repeats = any(s.repetition_penalty != 1 for s in samplings)
        self._counts_output = any(s.presence_penalty or s.frequency_penalty for s in samplings)
        self._seen = self._counts = None
        self._bias = self._biases(samplings) if any(s.logit_bias for s in samplings) else None
        self._dry = Dry(xp, samplings, vocab_size) if any(map(is_dry, samplings)) else None

    @property
    def tallies(self) -> bool:
        """Whether what is said changes what may follow."""
        return self._repeats or self._counts_output or self._dry is not None

    def _column(self, values: Sequence[float]) -> Array:
        return self._xp.array(np.array(values, np.float32)[:, None])

    def _biases(self, samplings: Sequence[Sampling]) -> Array:
        bias = np.zeros(self._shape, np.float32)
        for row, sampling in enumerate(samplings):
            for token_id, value in sampling.logit_bias:
                bias[row, token_id] += value
        return self._xp.array(bias)

    def recount(self, tokens: Sequence[Sequence[int]], lengths: Sequence[int]) -> None:
        """Count anew from what was said so far; needed once, when the rows are put together."""
        if self._repeats:
            self._seen = self._tally(tokens)
        if self._counts_output:
            pairs = zip(tokens, lengths, strict=True)
            self._counts = self._tally([row[length:] for row, length in pairs])
        if self._dry is not None:
            self._dry.recount(tokens)

    def _tally(self, tokens: Sequence[Sequence[int]]) -> Array:
        width = self._shape[1]
        counts = [np.bincount(np.array(row, np.int64), minlength=width) for row in tokens]
        return self._xp.array(np.stack(counts).astype(np.float32))

    def count(self, chosen: Array) -> None:
        """Add the token that each row says now."""
        rows = self._xp.arange(self._shape[0])
        self._seen = self._added(self._seen, rows, chosen)
        self._counts = self._added(self._counts, rows, chosen)
        if self._dry is not None:
            self._dry.count(chosen)

    def _added(self, counts: Array | None, rows: Array, chosen: Array) -> Array | None:
        if counts is None:
            return None
        if self._xp is np:
            counts[rows, chosen] += 1
            return counts
        return counts.at[rows, chosen].add(1)

    def apply(self, logits: Array) -> Array:
        """Logits (rows, vocabulary) with bias and penalties."""
        xp = self._xp
        if self._bias is not None:
            logits = logits + self._bias
        if self._seen is not None:
            scaled = xp.where(logits < 0, logits * self._repetition, logits / self._repetition)
            logits = xp.where(self._seen > 0, scaled, logits)
        if self._counts is not None:
            logits = logits - self._presence * (self._counts > 0) - self._frequency * self._counts
        if self._dry is not None:
            logits = self._dry.apply(logits)
        return logits


class Chooser:
    """The parameter columns of one set of rows, and the choice by them."""

    def __init__(self, xp: Any, samplings: Sequence[Sampling], vocab_size: int) -> None:
        self._xp = xp
        self._vocab_size = vocab_size
        greedy = [is_greedy(s) for s in samplings]
        self.all_greedy = all(greedy)
        self._greedy = xp.array(np.array(greedy))
        sampled = [s for s, g in zip(samplings, greedy, strict=True) if not g]
        self._sorts = any(0 < s.top_k < vocab_size or s.top_p < 1 for s in sampled)
        self._floors = any(s.min_p > 0 for s in sampled)
        self._temperature = xp.array(
            np.array([[s.temperature if s.temperature > 0 else 1.0] for s in samplings], np.float32)
        )
        self._top_k = xp.array(np.array([[s.top_k or vocab_size] for s in samplings], np.int32))
        top_p = [[s.top_p if s.top_p < 1 else OFF] for s in samplings]
        self._top_p = xp.array(np.array(top_p, np.float32))
        with np.errstate(divide="ignore"):
            floor = np.log(np.array([[s.min_p] for s in samplings], np.float32))
        self._log_min_p = xp.array(floor)

    def choose(self, logits: Array, uniforms: Sequence[float]) -> Array:
        """Token ids (rows,) from edited logits (rows, vocabulary) and one number a row."""
        likeliest = self._xp.argmax(logits, axis=-1)
        if self.all_greedy:
            return likeliest
        sampled = self._sample(logits, self._xp.array(np.array(uniforms, np.float32)[:, None]))
        return self._xp.where(self._greedy, likeliest, sampled)

    def _sample(self, logits: Array, uniforms: Array) -> Array:
        xp = self._xp
        # Shifted so that the likeliest is 0: neither exp nor a small temperature can overflow.
        logits = logits - logits.max(axis=-1, keepdims=True)
        weights = xp.exp(logits / self._temperature)
        threshold = self._threshold(logits)
        if threshold is not None:
            weights = weights * (logits >= threshold)
        return invert(xp, weights, uniforms)

    def _threshold(self, logits: Array) -> Array | None:
        """The smallest logit (rows, 1) that top_k, top_p and min_p all keep; None: no filter.

        Each filter looks at the whole distribution at temperature 1, as mlx-lm's chain does in
        effect: a later filter there never sees a token's rank or ratio to the likeliest changed.
        """
        xp = self._xp
        threshold = self._log_min_p if self._floors else None
        if self._sorts:
            ordered = -xp.sort(-logits, axis=-1)
            probabilities = xp.exp(ordered)
            probabilities = probabilities / probabilities.sum(axis=-1, keepdims=True)
            above = probabilities.cumsum(axis=-1) - probabilities
            kept = xp.minimum((above < self._top_p).sum(axis=-1, keepdims=True), self._top_k)
            ranked = xp.take_along_axis(ordered, xp.maximum(kept, 1) - 1, axis=-1)
            threshold = ranked if threshold is None else xp.maximum(threshold, ranked)
        return threshold


def invert(xp: Any, weights: Array, uniforms: Array) -> Array:
    """Token ids (rows,): where the running sum of weights passes `uniforms` (rows, 1) of it all.

    In two levels, blocks and then one block: adding up one by one is slow over a large vocabulary,
    and drifts in float32. A token of weight 0 is never met.
    """
    rows, width = weights.shape
    if width % BLOCK:
        padding = xp.zeros((rows, BLOCK - width % BLOCK), dtype=weights.dtype)
        weights = xp.concatenate([weights, padding], axis=-1)
    blocks = weights.reshape(rows, -1, BLOCK)
    edges = blocks.sum(axis=-1).cumsum(axis=-1)
    target = uniforms * edges[:, -1:]
    block = (edges <= target).sum(axis=-1, keepdims=True)
    before = xp.where(block > 0, xp.take_along_axis(edges, xp.maximum(block, 1) - 1, axis=-1), 0)
    inner = xp.take_along_axis(blocks, block[:, :, None], axis=1)[:, 0].cumsum(axis=-1)
    # The block's own running sum may end a rounding error below its share of the edges.
    rest = xp.minimum(target - before, inner[:, -1:] * LARGEST_NOISE)
    place = (inner <= rest).sum(axis=-1, keepdims=True)
    return (block * BLOCK + place)[:, 0]


class Scores:
    """Logprobs of one step, gathered where the logits are and read once the step is through.

    Full-vocabulary logprobs are never kept: the chosen token's and the likeliest `count` are.
    """

    def __init__(self, xp: Any, logits: Array, chosen: Array, count: int) -> None:
        logprobs = logits - _logsumexp(xp, logits)
        self._chosen = xp.take_along_axis(logprobs, chosen[:, None], axis=-1)
        width = logits.shape[-1]
        count = min(count, width)
        ids = xp.argpartition(-logprobs, max(count - 1, 0), axis=-1)[:, :count]
        self._ids, self._values = ids, xp.take_along_axis(logprobs, ids, axis=-1)
        self._read: tuple[list[Any], list[Any], list[Any]] | None = None

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """What must be evaluated with the step."""
        return self._chosen, self._ids, self._values

    def of(self, row: int, count: int) -> Logprob:
        """The logprobs at `row`, with its `count` likeliest, less those that cannot be."""
        if self._read is None:
            self._read = (self._chosen.tolist(), self._ids.tolist(), self._values.tolist())
        chosen, ids, values = (column[row] for column in self._read)
        possible = [pair for pair in zip(ids, values, strict=True) if pair[1] > -math.inf]
        top = sorted(possible, key=lambda pair: -pair[1])
        return Logprob(chosen=chosen[0], top=tuple(top[:count]))


def _logsumexp(xp: Any, logits: Array) -> Array:
    highest = logits.max(axis=-1, keepdims=True)
    return highest + xp.log(xp.exp(logits - highest).sum(axis=-1, keepdims=True))


def to_numpy(logits: mx.array) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Computed logits as float32 on the host; waits for them."""
    return np.array(logits.astype(mx.float32), copy=False)


class Certain:
    """Logprobs of forced tokens (rows): under the mask nothing else can be. See `Scores`."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens

    def of(self, row: int, count: int) -> Logprob:
        """See `Scores`."""
        return Logprob(chosen=0.0, top=((self._tokens[row], 0.0),)[:count])
