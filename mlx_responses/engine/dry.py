"""DRY ("don't repeat yourself"): a token that would go on with a repetition becomes less likely,
by a penalty that grows exponentially with the length of what is being repeated.

As designed by p-e-w (text-generation-webui pull request 5677) and known from llama.cpp: for each
place of the context whose last `n` tokens are the last `n` of all, the token that followed there
loses `multiplier * base ** (n - allowed_length)` if `n >= allowed_length`. Breakers end a match and
are never penalised. One code for mlx and numpy, without a look at the host, as in `sampling.py`.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_responses.engine.job import Sampling

Array = Any
"""An mx.array or an np.ndarray."""

WINDOW = 1024
"""Tokens that a repetition is looked for in: what bounds a step's work, some 100 microseconds."""
GROWTH = 32
"""Tokens beyond the allowed length after which the penalty grows no more: it decides alone by then,
and at the largest base and multiplier it is still far from overflowing a logit."""
NEVER = -1
"""Stands for a breaker, and for what was before the first token: it matches nothing."""


def is_dry(sampling: Sampling) -> bool:
    """Whether repetitions cost anything."""
    return sampling.dry_multiplier > 0


class Dry:
    """The last tokens of those rows of a batch that ask for it, and what these make unlikely."""

    def __init__(self, xp: Any, samplings: Sequence[Sampling], vocab_size: int) -> None:
        places = [place for place, s in enumerate(samplings) if is_dry(s)]
        dry = [samplings[place] for place in places]
        self._xp = xp
        self._longest = max(s.dry_allowed_length for s in dry) + GROWTH
        self._rows = places
        self._places = xp.array(np.array(places))
        self._line = xp.array(np.arange(len(dry))[:, None])
        self._multiplier = self._column([s.dry_multiplier for s in dry], np.float32)
        self._base = self._column([s.dry_base for s in dry], np.float32)
        self._allowed = self._column([s.dry_allowed_length for s in dry], np.int32)
        self._heard_as = np.tile(np.arange(vocab_size, dtype=np.int32), (len(dry), 1))
        for line, sampling in enumerate(dry):
            self._heard_as[line, sorted(sampling.dry_breakers)] = NEVER
        self._table = xp.array(self._heard_as)
        self._heard: Array = None

    def _column(self, values: Sequence[float], kind: Any) -> Array:
        return self._xp.array(np.array(values, kind)[:, None])

    def recount(self, tokens: Sequence[Sequence[int]]) -> None:
        """Hear anew what was said so far."""
        heard = np.full((len(self._rows), self._longest + WINDOW), NEVER, np.int32)
        for line, row in enumerate(self._rows):
            last = np.array(tokens[row][-WINDOW:], np.int64)
            heard[line, heard.shape[1] - len(last) :] = self._heard_as[line, last]
        self._heard = self._xp.array(heard)

    def count(self, chosen: Array) -> None:
        """Hear the token (rows,) that each row says now."""
        xp = self._xp
        said = xp.take_along_axis(self._table, chosen[self._places][:, None].astype(xp.int32), 1)
        self._heard = xp.concatenate([self._heard[:, 1:], said], axis=1)

    def apply(self, logits: Array) -> Array:
        """Logits (rows, vocabulary) less the penalties of the rows that have some."""
        xp = self._xp
        lengths = self._matches()
        beyond = xp.minimum(lengths - self._allowed, GROWTH)
        grown = self._multiplier * self._base ** beyond.astype(xp.float32)
        following = self._heard[:, self._longest + 1 :]
        hit = (beyond >= 0) & (lengths > 0) & (following != NEVER)
        penalties = xp.where(hit, grown, 0.0).astype(xp.float32)
        following = xp.maximum(following, 0)
        worst = xp.zeros((len(self._rows), logits.shape[-1]), dtype=xp.float32)
        if xp is mx:
            worst = worst.at[self._line, following].maximum(penalties)
            return logits.at[self._places].add(-worst)
        np.maximum.at(worst, (self._line, following), penalties)
        less = np.array(logits)
        less[self._places] -= worst
        return less

    def _matches(self) -> Array:
        """How many tokens that end at each place but the last are also the last ones of all."""
        xp, heard = self._xp, self._heard
        end = heard.shape[1] - 1
        alive = xp.ones((len(self._rows), WINDOW - 1), dtype=xp.bool_)
        lengths = xp.zeros(alive.shape, dtype=xp.int32)
        for back in range(self._longest):
            last = heard[:, end - back][:, None]
            alive = alive & (heard[:, self._longest - back : end - back] == last) & (last != NEVER)
            if xp is np and not alive.any():
                break
            lengths = lengths + alive
        return lengths
