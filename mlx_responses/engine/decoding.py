"""The step of the decoding rows, on mlx-lm's generation batch, which keeps caches and rows aligned.

A step feeds the model at least one token of each row: that which was chosen, or a run of forced
ones where each row has one. Knows rows and tokens; not who waits, nor how tokens are proposed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import GenerationBatch

from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.job import Logprob
from mlx_responses.engine.plan import Plan
from mlx_responses.engine.row import Row
from mlx_responses.engine.sampling import Certain

Cache = list[Any]
"""One sequence's KV cache as mlx-lm makes it: one object a layer."""

Scores = Any
"""Where a token's logprobs are: (`sampling.Scores` or `Certain`, place), or None: not asked for."""


class Saying(NamedTuple):
    """A row's token. With an `ending`, the row has left, and here is its cache and all its ids."""

    row: Row
    token: int
    logprob: Logprob | None
    ending: Literal["stop", "length"] | None
    cache: Cache | None
    tokens: list[int] | None


class Decoding(GenerationBatch):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's generation batch, choosing for all rows at once.

    `_next_tokens` holds the pending logits (rows, vocabulary), launched and maybe still computing.
    `_ahead` holds the tokens chosen from them already, as a lazy array, where that needs nothing
    from the host: then the step is pipelined, and token t is read while t+1 is computed.
    """

    _ahead: Any = None
    _plan: Plan | None = None
    _next_tokens: Any

    def __init__(self, model: Module, uids: list[int], *state: Any) -> None:
        super().__init__(model, uids, *state)
        if not uids:
            self._next_tokens = None

    @classmethod
    def empty(cls, model: Module, fallback_sampler: Any) -> "Decoding":
        """A batch of no rows."""
        nothing = mx.array([], dtype=mx.uint32)
        return cls(model, [], nothing, [], [], [], fallback_sampler, [], [], [])

    def extend(self, batch: "Decoding") -> None:
        """Rows join. What was chosen ahead is kept only if all rows have it."""
        joined = batch._ahead
        if self.uids:
            both = self._ahead is not None and batch._ahead is not None
            joined = mx.concatenate([self._ahead, batch._ahead]) if both else None
        super().extend(batch)
        self._ahead = joined

    def filter(self, keep: list[int]) -> None:
        """Rows leave; those at `keep` stay."""
        super().filter(keep)
        if self._ahead is not None:
            self._ahead = self._ahead[mx.array(keep)] if keep else None

    def _step(self) -> tuple[list[int], list[Any]]:
        """Feed the prompts' last tokens; mlx-lm calls this first of all, and drops what it gets."""
        inputs = self._next_tokens
        self._launch(inputs[:, None])
        for said, token in zip(self.tokens, inputs.tolist(), strict=True):
            said.append(token)
        plan = self._plan_of_rows()
        self._ask_guides(plan, [[] for _ in self.uids])
        self._look_ahead(plan)
        return [], []

    def next(self) -> list[Saying]:
        """One token for each row, or as many forced ones as every row has."""
        if not self.uids:
            return []
        plan = self._plan_of_rows()
        inputs, scores = self._forced(plan) or self._chosen(plan)
        for place in range(inputs.shape[1]):
            plan.feed(inputs[:, place])
        self._launch(inputs)
        self._look_ahead(plan)
        said: Any = inputs.tolist()
        for known, tokens in zip(self.tokens, said, strict=True):
            known.extend(tokens)
        self._ask_guides(plan, said)
        return self._sayings(plan, said, scores)

    def _plan_of_rows(self) -> Plan:
        if self._plan is None or self._plan.rows != self.samplers:
            self._plan = Plan(self.samplers, self.tokens, self._next_tokens.shape[-1])
        return self._plan

    def _forced(self, plan: Plan) -> tuple[mx.array, list[list[Scores]]] | None:
        """The tokens that must come now in every row (rows, tokens): nothing is padded, so that
        it works for caches of every kind.
        """
        if not plan.guided:
            return None
        runs = [row.constraint.here.forced if row.constraint else () for row in plan.rows]
        rooms = [row.job.max_tokens - row.position for row in plan.rows]
        count = min(*map(len, runs), *rooms)
        if count == 0:
            return None
        scores = [[(Certain(run), place) for place in range(count)] for run in runs]
        return mx.array([run[:count] for run in runs], dtype=mx.uint32), scores

    def _chosen(self, plan: Plan) -> tuple[mx.array, list[list[Scores]]]:
        """The tokens that were chosen (rows, 1), as an array that may be lazy."""
        chosen, scores = self._ahead, self._next_logprobs
        if chosen is None:
            chosen, scores = plan.choose(self._next_tokens)
        return mx.array(chosen).astype(mx.uint32)[:, None], [[score] for score in scores]

    def _launch(self, inputs: mx.array) -> None:
        """Start to compute the logits that follow inputs (rows, tokens)."""
        self._next_tokens = self.model(inputs, cache=self.prompt_cache)[:, -1, :]

    def _look_ahead(self, plan: Plan) -> None:
        """Start the computation: of the next choice too, if it needs nothing from the host."""
        self._ahead = None
        self._next_logprobs = [None] * len(self.uids)
        if plan.pipelined:
            self._ahead, self._next_logprobs = plan.choose(self._next_tokens)
            mx.async_eval(self._ahead)  # type: ignore[no-untyped-call]
        else:
            mx.async_eval(self._next_tokens)  # type: ignore[no-untyped-call]

    def _ask_guides(self, plan: Plan, said: Sequence[Sequence[int]]) -> None:
        """While the model computes: what may each guided row say next? A fault is its own."""
        for row, tokens in zip(plan.rows, said, strict=True):
            if row.constraint is None or row.fault is not None:
                continue
            if tokens and row.ends_with(tokens[-1]):
                continue
            asked = attempt(partial(row.constraint.ask, tokens), "masking")
            if isinstance(asked, Fault):
                row.fault = asked.reason

    def _sayings(
        self, plan: Plan, said: list[list[int]], scores: list[list[Scores]]
    ) -> list[Saying]:
        """What was said, in order; rows whose last token was an end leave."""
        keep, sayings = [], []
        for place, row in enumerate(plan.rows):
            for token, score in zip(said[place], scores[place], strict=True):
                sayings.append(Saying(row, token, _logprob(row, score), None, None, None))
            if row.ends_with(said[place][-1]):
                ending: Any = "stop" if said[place][-1] in row.end_ids else "length"
                sayings[-1] = sayings[-1]._replace(
                    ending=ending, cache=self.extract_cache(place), tokens=self.tokens[place]
                )
            else:
                keep.append(place)
        if len(keep) < len(self.uids):
            self.filter(keep)
        return sayings


def _logprob(row: Row, score: Scores) -> Logprob | None:
    count = row.job.top_logprobs
    if count is None or score is None:
        return None
    scores, place = score
    logprob: Logprob = scores.of(place, count)
    return logprob
