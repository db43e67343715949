"""How the rows of one batch choose, all at once. Knows rows and logits; no cache, no model."""

from typing import Any

import mlx.core as mx
import numpy as np

from mlx_responses.engine import masks
from mlx_responses.engine.row import Row
from mlx_responses.engine.sampling import (
    Chooser,
    Edits,
    Scores,
    is_greedy,
    is_plain,
    to_numpy,
)


class Plan:
    """How one set of rows chooses: made when the set changes, used for every step until then."""

    def __init__(self, rows: list[Row], tokens: list[list[int]], vocab_size: int) -> None:
        self.rows = list(rows)
        samplings = [row.job.sampling for row in rows]
        self.guided = any(row.constraint is not None for row in rows)
        wanted = [row.job.top_logprobs for row in rows]
        self._scored = any(count is not None for count in wanted)
        self._top = max((count or 0 for count in wanted), default=0)
        self._argmax_only = all(is_greedy(s) and is_plain(s) for s in samplings)
        # On the CPU a step built ahead only takes the cores from whoever sends the last one.
        self._xp: Any = mx if rows[0].masks.on_device else np
        self.pipelined = self._xp is mx and not self.guided
        self._edits = Edits(self._xp, samplings, vocab_size)
        self._edits.recount(tokens, [len(row.job.prompt) for row in rows])
        self._chooser = Chooser(self._xp, samplings, vocab_size)

    def choose(self, logits: mx.array) -> tuple[mx.array, list[Any]]:
        """The next token ids (rows,), and for each row where its logprobs will be found."""
        usable: Any = logits
        if self._xp is np:
            usable = to_numpy(logits)
        elif self._scored or not self._argmax_only:
            usable = logits.astype(mx.float32)
        usable = self._edits.apply(usable)
        if self.guided:
            usable = self._masked(usable)
        greedy = self._chooser.all_greedy
        noise = [] if greedy else [row.noise.at(row.position) for row in self.rows]
        chosen = self._chooser.choose(usable, noise)
        if not self._scored:
            return _as_inputs(chosen), [None] * len(self.rows)
        scores = Scores(self._xp, usable, chosen, self._top)
        if self._xp is mx:
            mx.async_eval(*scores.arrays)  # type: ignore[no-untyped-call]
        return _as_inputs(chosen), [(scores, place) for place in range(len(self.rows))]

    def _masked(self, logits: Any) -> Any:
        asked = [row.constraint.allowed if row.constraint else None for row in self.rows]
        if all(allowed is None for allowed in asked):
            return logits
        everything = self.rows[0].masks.everything
        packed = [everything if allowed is None else allowed for allowed in asked]
        return masks.apply(self._xp, logits, packed)

    def feed(self, inputs: mx.array) -> None:
        """The rows' chosen tokens go to the model now."""
        for row in self.rows:
            row.position += 1
        self._edits.count(inputs if self._xp is mx else np.array(inputs))


def _as_inputs(chosen: Any) -> mx.array:
    return mx.array(chosen).astype(mx.uint32)
