"""The step of the decoding rows, on mlx-lm's generation batch, which keeps caches and rows aligned.

A step feeds the model at least one token of each row: that which was chosen, or a run of forced
ones where each row has one. Behind those go tokens that are merely proposed, of each row as many as
it has; the next step says as many of them as the row's own choices confirm, and takes the others
back. Knows rows and tokens; not who waits, nor where proposals come from.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import GenerationBatch

from mlx_responses.attempt import Fault, attempt
from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.job import Logprob
from mlx_responses.engine.masks import MaskRow
from mlx_responses.engine.pace import SIZES
from mlx_responses.engine.plan import Plan
from mlx_responses.engine.rewind import align, can_rewind, rewind
from mlx_responses.engine.row import Row
from mlx_responses.engine.sampling import Certain
from mlx_responses.engine.speculation import Speculator

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


class Turn(NamedTuple):
    """What the rows say in a step: `said` before, which the cache holds, then `inputs`.

    inputs  (rows, tokens), maybe lazy: what the model is fed now
    scores  for each row, of each of its tokens
    known   inputs can be read at once
    """

    said: list[list[int]]
    inputs: mx.array
    scores: list[list[Scores]]
    known: bool = True


class Decoding(GenerationBatch):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's generation batch, choosing for all rows at once.

    `_next_tokens` holds the pending logits (rows, vocabulary), launched and maybe still computing;
    with proposed tokens behind (rows, places, vocabulary).
    `_ahead` holds the tokens chosen from them already, as a lazy array, where that needs nothing
    from the host: then the step is pipelined, and token t is read while t+1 is computed.
    `_proposed` holds each row's tokens that are in the cache and not said, if any row has some;
    the cache holds as many places of each row as the longest needs.
    `speculator` proposes them; None: nothing is proposed.
    """

    speculator: Speculator | None = None
    _ahead: Any = None
    _plan: Plan | None = None
    _proposed: Sequence[Sequence[int]] = ()
    _next_tokens: Any
    _next_logprobs: list[Scores]

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
        self._withdraw()
        joined = batch._ahead
        if self.uids:
            both = self._ahead is not None and batch._ahead is not None
            joined = mx.concatenate([self._ahead, batch._ahead]) if both else None
        super().extend(batch)
        self._ahead = joined

    def filter(self, keep: list[int]) -> None:
        """Rows leave; those at `keep` stay."""
        self._withdraw()
        super().filter(keep)
        if self._ahead is not None:
            self._ahead = self._ahead[mx.array(keep)] if keep else None

    def extract_cache(self, idx: int) -> Cache:
        """A copy of one row's cache, of what it has said."""
        self._withdraw()
        cache: Cache = super().extract_cache(idx)
        return cache

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
        """One token for each row, or more: forced ones that all have, and proposed ones."""
        if not self.uids:
            return []
        plan = self._plan_of_rows()
        turn = self._confirmed(plan) if self._proposed else self._forced(plan) or self._chosen(plan)
        fed = self._go_on(plan, turn.inputs, known=turn.known)
        self._ask_guides(plan, fed)
        said = [[*before, *now] for before, now in zip(turn.said, fed, strict=True)]
        return self._sayings(plan, said, turn.scores)

    def _go_on(self, plan: Plan, inputs: mx.array, *, known: bool) -> list[list[int]]:
        """Feed the model, with proposed tokens where that is worth it; what it was fed."""
        speculator = self.speculator if plan.alone or (plan.guided and not plan.tallies) else None
        if speculator is not None:
            speculator.meet(plan.rows, self.tokens)
        early = speculator is not None and (known or speculator.expects(plan.rows))
        fed = self._hear(plan, inputs, foresee=True) if early else None
        proposed = self._propose(plan, speculator, inputs.shape[1]) if speculator and early else []
        self._launch(inputs, proposed)
        self._look_ahead(plan)
        fed = fed or self._hear(plan, inputs)
        if speculator is not None:
            speculator.tick(plan.rows, inputs.shape[1] + max(map(len, proposed), default=0))
        return fed

    def _hear(self, plan: Plan, inputs: mx.array, *, foresee: bool = False) -> list[list[int]]:
        """What the rows are fed, and their guides with them. Who proposes has to `foresee`."""
        fed: Any = inputs.tolist()
        heard: list[list[int]] = fed
        for known, tokens in zip(self.tokens, heard, strict=True):
            known.extend(tokens)
        for row, constraint, said in _going_on(plan.rows, heard):
            _hold(row, partial(_hear, constraint, said, foresee=foresee))
        return heard

    def _propose(self, plan: Plan, speculator: Speculator, feeding: int) -> list[list[int]]:
        """Each row's tokens that may follow those it was just fed; none at all: an empty list."""
        if not can_rewind(self.prompt_cache, feeding + max(SIZES)):
            return []
        rooms = [
            0 if row.fault or row.ends_with(said[-1]) else row.job.max_tokens - row.position - 1
            for row, said in zip(plan.rows, self.tokens, strict=True)
        ]
        return speculator.propose(plan.rows, rooms)

    def _confirmed(self, plan: Plan) -> Turn:
        """What the rows say of that which was proposed, and one token more of each."""
        said, scores = self._follow_one(plan) if plan.alone else self._follow_all(plan)
        accepted = [len(tokens) - 1 for tokens in said]
        rewind(self.prompt_cache, max(map(len, self._proposed)) - max(accepted))
        align(self.prompt_cache, accepted)
        for row, known, tokens, count in zip(plan.rows, self.tokens, said, accepted, strict=True):
            known.extend(tokens[:count])
            if row.constraint is not None:
                row.constraint.keep(count)
        if self.speculator is not None:
            self.speculator.note(plan.rows, self._proposed, accepted)
        self._proposed = ()
        inputs = mx.array([tokens[-1:] for tokens in said], dtype=mx.uint32)
        return Turn([tokens[:-1] for tokens in said], inputs, scores)

    def _asked(self, row: Row, proposed: Sequence[int]) -> list[MaskRow | None]:
        """The masks of each place of a row: where it stops, nothing further may be confirmed."""
        if row.constraint is None:
            return [None] * (len(proposed) + 1)
        return [choice.allowed for choice in (row.constraint.here, *row.constraint.ahead)]

    def _follow_one(self, plan: Plan) -> tuple[list[list[int]], list[list[Scores]]]:
        """Choose by one place's logits after the other, up to the first that was not proposed."""
        [row], [proposed] = plan.rows, self._proposed
        asked = self._asked(row, proposed)
        said: list[int] = []
        scores: list[Scores] = []
        usable = plan.usable(self._next_tokens[0])
        width = len(asked) if plan.at_once else 1
        while True:
            places = slice(len(said), len(said) + width)
            chosen, found = self._ahead, self._next_logprobs
            if chosen is None:
                chosen, found = plan.choose_along(usable[places], asked[places])
            for token, score in zip(chosen.tolist(), found, strict=True):
                plan.feed([token])
                said.append(token)
                scores.append(score)
                if len(said) == len(asked) or token != proposed[len(said) - 1]:
                    return [said], [scores]

    def _follow_all(self, plan: Plan) -> tuple[list[list[int]], list[list[Scores]]]:
        """The same for many rows: all of them choose at a place, and those that stopped before it
        are not heard.
        """
        asked = [self._asked(*pair) for pair in zip(plan.rows, self._proposed, strict=True)]
        said: list[list[int]] = [[] for _ in plan.rows]
        scores: list[list[Scores]] = [[] for _ in plan.rows]
        following = list(range(len(asked)))
        for place, (chosen, found) in enumerate(plan.choose_each(self._next_tokens, asked)):
            tokens = chosen.tolist()
            for at in following:
                said[at].append(tokens[at])
                scores[at].append(found[at])
            following = [
                at
                for at in following
                if place + 1 < len(asked[at]) and tokens[at] == self._proposed[at][place]
            ]
            if not following:
                break
        plan.feed_many(list(map(len, said)))
        return said, scores

    def _withdraw(self) -> None:
        """Take back what is proposed: only the choice of the next token stays."""
        if not self._proposed:
            return
        rewind(self.prompt_cache, max(map(len, self._proposed)))
        self._proposed = ()
        self._next_tokens = self._next_tokens[:, 0]
        self._next_logprobs = self._next_logprobs[: len(self.uids)]
        if self._ahead is not None:
            self._ahead = self._ahead[:1]
        for row in self.samplers:
            if row.constraint is not None:
                row.constraint.keep(0)

    def _plan_of_rows(self) -> Plan:
        if self._plan is None or self._plan.rows != self.samplers:
            self._plan = Plan(self.samplers, self.tokens, self._next_tokens.shape[-1])
        return self._plan

    def _fed(self, plan: Plan, inputs: mx.array, scores: list[list[Scores]]) -> Turn:
        for place in range(inputs.shape[1]):
            plan.feed(inputs[:, place])
        return Turn([[] for _ in plan.rows], inputs, scores)

    def _forced(self, plan: Plan) -> Turn | None:
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
        inputs = mx.array([run[:count] for run in runs], dtype=mx.uint32)
        return self._fed(plan, inputs, scores)

    def _chosen(self, plan: Plan) -> Turn:
        """The tokens that were chosen (rows, 1), as an array that may be lazy."""
        chosen, scores = self._ahead, self._next_logprobs
        if chosen is None:
            chosen, scores = plan.choose(self._next_tokens)
        inputs = mx.array(chosen).astype(mx.uint32)[:, None]
        turn = self._fed(plan, inputs, [[score] for score in scores])
        return turn._replace(known=not plan.on_device)

    def _launch(self, inputs: mx.array, proposed: Sequence[Sequence[int]] = ()) -> None:
        """Start to compute the logits that follow inputs (rows, tokens), and each proposed one."""
        if proposed:
            width = max(map(len, proposed))
            behind = [[*tokens, *[0] * (width - len(tokens))] for tokens in proposed]
            inputs = mx.concatenate([inputs, mx.array(behind, dtype=mx.uint32)], 1)
            self._next_tokens = self.model(inputs, cache=self.prompt_cache)[:, -1 - width :]
        else:
            self._next_tokens = self.model(inputs, cache=self.prompt_cache)[:, -1]
        self._proposed = proposed

    def _look_ahead(self, plan: Plan) -> None:
        """Start the computation: of the next choice too, if it needs nothing from the host."""
        logits = self._next_tokens
        self._ahead = None
        self._next_logprobs = [None] * len(logits)
        if plan.pipelined and self._proposed and plan.at_once:
            asked = [None] * logits.shape[1]
            self._ahead, self._next_logprobs = plan.choose_along(plan.usable(logits[0]), asked)
        elif plan.pipelined and not self._proposed:
            self._ahead, self._next_logprobs = plan.choose(logits)
        mx.async_eval(logits if self._ahead is None else self._ahead)  # type: ignore[no-untyped-call]

    def _ask_guides(self, plan: Plan, said: Sequence[Sequence[int]]) -> None:
        """While the model computes: what may each guided row say next? A fault is its own."""
        proposed = self._proposed or [()] * len(said)
        for row, constraint, following in _going_on(plan.rows, said, proposed):
            _hold(row, partial(_ask, constraint, following))

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


def _going_on(
    rows: Sequence[Row], said: Sequence[Sequence[int]], of_each: Sequence[Sequence[int]] = ()
) -> Iterator[tuple[Row, Constraint, Sequence[int]]]:
    """The guided rows that what was `said` does not end, with theirs of `of_each`, or of `said`."""
    for row, tokens, its in zip(rows, said, of_each or said, strict=True):
        ended = bool(tokens) and row.ends_with(tokens[-1])
        if row.constraint is not None and row.fault is None and not ended:
            yield row, row.constraint, its


def _hold(row: Row, work: Callable[[], None]) -> None:
    """Work with a row's guide. A fault is its own."""
    done = attempt(work, "masking")
    if isinstance(done, Fault):
        row.fault = done.reason


def _hear(constraint: Constraint, said: Sequence[int], *, foresee: bool) -> None:
    constraint.hear(said)
    if foresee:
        constraint.foresee()


def _ask(constraint: Constraint, proposed: Sequence[int]) -> None:
    constraint.ask()
    constraint.follow(proposed)


def _logprob(row: Row, score: Scores) -> Logprob | None:
    count = row.job.top_logprobs
    if count is None or score is None:
        return None
    scores, place = score
    logprob: Logprob = scores.of(place, count)
    return logprob
