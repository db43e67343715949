"""Continuous batching on mlx-lm; the only file that speaks its batching API (pinned, see tests).

mlx-lm keeps what it does well: prefill, joining and leaving, the batched caches. Replaced are its
choice of tokens and its logprobs. Knows rows and tokens; not who waits, nor why one was cancelled.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import (
    BatchGenerator,
    GenerationBatch,
    PromptProcessingBatch,
    StopSequences,
)

from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.job import Logprob
from mlx_responses.engine.plan import Plan
from mlx_responses.engine.row import Row

Cache = list[Any]
"""One sequence's KV cache as mlx-lm makes it: one object a layer."""

SMALLEST_CHUNK = 32
"""Tokens of a prompt read in one step, however many prompts share it: below, overhead rules."""


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
        """Feed each row's next token; return those tokens and where their logprobs are."""
        inputs: Any
        if self._next_tokens.ndim == 1:
            return self._start(self._next_tokens)
        plan = self._plan_of_rows(self._next_tokens.shape[-1])
        if self._ahead is None:
            inputs, scores = plan.choose(self._next_tokens)
        else:
            inputs, scores = self._ahead, self._next_logprobs
        plan.feed(inputs)
        logits = self._launch(inputs)
        self._look_ahead(plan, logits)
        tokens: list[int] = inputs.tolist()
        self._note(tokens)
        self._ask_guides(plan, tokens)
        return tokens, scores

    def _start(self, inputs: Any) -> tuple[list[int], list[Any]]:
        """Feed the prompts' last tokens; what this returns mlx-lm throws away."""
        tokens: list[int] = inputs.tolist()
        logits = self._launch(inputs)
        self._note(tokens)
        plan = self._plan_of_rows(logits.shape[-1])
        self._ask_guides(plan, None)
        self._look_ahead(plan, logits)
        return tokens, [None] * len(tokens)

    def _launch(self, inputs: mx.array) -> mx.array:
        logits: mx.array = self.model(inputs[:, None], cache=self.prompt_cache)[:, -1, :]
        self._next_tokens = logits
        return logits

    def _look_ahead(self, plan: Plan, logits: mx.array) -> None:
        """Start the computation: of the next choice too, if it needs nothing from the host."""
        self._ahead = None
        self._next_logprobs = [None] * len(self.uids)
        if plan.pipelined:
            self._ahead, self._next_logprobs = plan.choose(logits)
            mx.async_eval(self._ahead)  # type: ignore[no-untyped-call]
        else:
            mx.async_eval(logits)  # type: ignore[no-untyped-call]

    def _note(self, tokens: list[int]) -> None:
        for said, token in zip(self.tokens, tokens, strict=True):
            said.append(token)

    def _plan_of_rows(self, vocab_size: int) -> Plan:
        if self._plan is None or self._plan.rows != self.samplers:
            self._plan = Plan(self.samplers, self.tokens, vocab_size)
        return self._plan

    def _ask_guides(self, plan: Plan, tokens: list[int] | None) -> None:
        """While the model computes: what may each guided row say next? A fault is its own."""
        if not plan.guided:
            return
        for place, row in enumerate(plan.rows):
            said = tokens[place] if tokens is not None else None
            if row.constraint is None or row.fault is not None:
                continue
            if said is not None and row.ends_with(said):
                continue
            asked = attempt(partial(_ask, row.constraint, said), "masking")
            if isinstance(asked, Fault):
                row.fault = asked.reason


def _ask(constraint: Constraint, said: int | None) -> None:
    if said is not None:
        constraint.hear(said)
    constraint.ask()


class Prefill(PromptProcessingBatch):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's prompt batch, handing over to `Decoding`."""

    def generate(self, tokens: list[list[int]]) -> Decoding:
        """Read all but the last token of each, and start decoding with that one."""
        if any(len(rest) > 1 for rest in tokens):
            self.prompt([rest[:-1] for rest in tokens])
        return Decoding(
            self.model,
            self.uids,
            mx.array([rest[-1] for rest in tokens], dtype=mx.uint32),
            self.prompt_cache,
            self.tokens,
            self.samplers,
            self.fallback_sampler,
            self.logits_processors,
            self.stop_sequences,
            self.max_tokens,
        )


class Rows(BatchGenerator):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's scheduler over our two batches, without its process-wide wired limit (mlx#3186)."""

    _old_wired_limit: int | None

    def __init__(self, model: Module, **options: Any) -> None:
        super().__init__(model, **options)
        if self._old_wired_limit is not None:
            mx.set_wired_limit(self._old_wired_limit)
            self._old_wired_limit = None
        self._prompt_batch = Prefill.empty(
            model, self.sampler, prefill_step_size=self.prefill_step_size
        )
        self._generation_batch = Decoding.empty(model, self.sampler)


class Reading(NamedTuple):
    """A row's prompt: `done` of the `total` tokens that were not cached are read."""

    row: Row
    done: int
    total: int
    at_boundary: bool
    """A segment's end, or the place before the prompt's last token: `Batch.snapshot` works now."""


class Saying(NamedTuple):
    """A row's token. With an `ending`, the row has left, and here is its cache and all its ids."""

    row: Row
    token: int
    logprob: Logprob | None
    ending: Literal["stop", "length"] | None
    cache: Cache | None
    tokens: list[int] | None


class Batch:
    """One model's live rows. Everything here runs on the engine's thread."""

    def __init__(
        self, network: Module, end_ids: frozenset[int], *, rows: int, chunk_tokens: int
    ) -> None:
        self._chunk_tokens = chunk_tokens
        self._stop = StopSequences([[token_id] for token_id in sorted(end_ids)])
        self._generator = Rows(
            network,
            completion_batch_size=rows,
            prefill_batch_size=min(8, rows),
            prefill_step_size=chunk_tokens,
            stream=mx.default_stream(mx.default_device()),
        )
        self._rows: dict[int, Row] = {}
        self._reading: set[int] = set()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[Row]:
        """The live rows, oldest first."""
        return list(self._rows.values())

    def insert(self, row: Row, cache: Cache | None, segments: Sequence[Sequence[int]]) -> None:
        """Take a row in. `segments` are the ids that `cache` does not hold, at least one in all."""
        [uid] = self._generator.insert_segments(
            [[list(segment) for segment in segments]],
            max_tokens=[row.job.max_tokens],
            caches=[cache],
            all_tokens=[row.job.prompt[: row.cached]],
            samplers=[row],
            stop_sequences=[self._stop],
        )
        row.uid = uid
        self._rows[uid] = row
        self._reading.add(uid)

    def step(self) -> tuple[list[Reading], list[Saying]]:
        """One token for each decoding row, then one chunk of the prompts being read.

        The chunk is shared evenly by those prompts, so that a long one cannot keep a short one
        waiting, nor all of them together stall the decoding rows for longer than one alone.
        """
        share = self._chunk_tokens // max(1, len(self._reading))
        self._generator.prefill_step_size = max(SMALLEST_CHUNK, share)
        read, said = self._generator.next()
        readings = [self._reading_of(progress) for progress in read]
        return readings, [self._saying_of(token) for token in said]

    def _reading_of(self, progress: Any) -> Reading:
        done, total = progress.progress
        if progress.end_of_prompt:
            self._reading.discard(progress.uid)
        boundary = progress.end_of_segment and not progress.end_of_prompt
        return Reading(self._rows[progress.uid], done, total, boundary)

    def _saying_of(self, said: Any) -> Saying:
        row = self._rows[said.uid]
        if said.finish_reason is not None:
            del self._rows[said.uid]
        count = row.job.top_logprobs
        logprob = None
        if count is not None and said.logprobs is not None:
            scores, place = said.logprobs
            logprob = scores.of(place, count)
        return Saying(
            row, said.token, logprob, said.finish_reason, said.prompt_cache, said.all_tokens
        )

    def snapshot(self, row: Row) -> tuple[Cache, list[int]] | None:
        """A copy of a row's cache and the ids it holds; None before its first chunk."""
        cache, tokens = self._generator.extract_cache([row.uid])[row.uid]
        return (cache, list(tokens)) if tokens else None

    def remove(self, row: Row) -> None:
        """Drop a row, in whatever phase it is; its memory is free when this returns."""
        self._generator.remove([row.uid])
        self._rows.pop(row.uid, None)
        self._reading.discard(row.uid)

    def close(self) -> None:
        """Let go of all rows and caches."""
        self._generator.close()
