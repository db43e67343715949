"""Proposing what a lone stream will say next, so that one step can confirm many tokens.

Knows where proposals come from and what they are worth; the row's own choice decides on them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mlx.nn.layers.base import Module

from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.draft import Draft
from mlx_responses.engine.lookup import Lookup
from mlx_responses.engine.pace import PLAIN, Costs, Pace
from mlx_responses.engine.row import Row


class Proposer(Protocol):
    """Guesses tokens. It sees the row's tokens grow."""

    def expects(self) -> bool:
        """Whether it can guess what follows the tokens now."""
        ...

    def propose(self, count: int) -> list[int] | None:
        """At most `count` tokens that may follow; none: no idea; None: it will have one later."""
        ...


class Spelling:
    """What a grammar forces, as the tokenizer would spell it: after its first token was said."""

    def __init__(self, constraint: Constraint, tokens: list[int]) -> None:
        self._constraint = constraint
        self._tokens = tokens

    def expects(self) -> bool:
        """See `Proposer`."""
        return len(self._constraint.here.likely) > 1

    def propose(self, count: int) -> list[int]:
        """See `Proposer`."""
        run = self._constraint.here.likely
        return list(run[1 : count + 1]) if run[:1] == (self._tokens[-1],) else []


READING = "reading"
"""The kind of a step in which a proposer only prepared itself."""


class Speculation:
    """One row's proposers, each with its pace; the first that has an idea proposes.

    `clock` tells seconds, `costs` belongs to the model.
    """

    def __init__(
        self,
        proposers: Sequence[tuple[Proposer, Pace]],
        end_ids: frozenset[int],
        costs: Costs,
        clock: Callable[[], float],
    ) -> None:
        self._proposers = proposers
        self._end_ids = end_ids
        self._costs = costs
        self._clock = clock
        self._pace: Pace | None = None
        self._proposed = 0
        self._kind = PLAIN
        self._waited_for: tuple[str, int] = (PLAIN, 1)
        self._read_at: float | None = None

    def expects(self) -> bool:
        """Whether it is worth while to read the last token before the next step begins."""
        return any(pace.count and proposer.expects() for proposer, pace in self._proposers)

    def propose(self, room: int) -> list[int]:
        """At most `room` tokens that may be said next; the answer's end is not among them."""
        for proposer, pace in self._proposers:
            count = min(pace.count, room)
            guessed = proposer.propose(count) if count > 0 else []
            if guessed is None:
                self._kind = READING
                break
            ends = (place for place, token in enumerate(guessed) if token in self._end_ids)
            guessed = guessed[: next(ends, len(guessed))]
            if guessed:
                self._pace, self._kind, self._proposed = pace, pace.kind, len(guessed)
                return guessed
        return []

    def note(self, accepted: int) -> None:
        """How many of those proposed last were said."""
        if self._pace is not None:
            self._pace.note(self._proposed, accepted)

    def tick(self, width: int) -> None:
        """A step was read, and the next begun, `width` tokens wide."""
        for _, pace in self._proposers:
            pace.step()
        now = self._clock()
        if self._read_at is not None:
            self._costs.note(*self._waited_for, now - self._read_at)
        self._waited_for, self._read_at = (self._kind, width), now
        self._kind = PLAIN


class Speculator:
    """What the rows of one model share: what its steps take, by a `clock` in seconds, and the
    `draft`, a smaller model of the same vocabulary whose cache can be trimmed.
    """

    def __init__(
        self, draft: Module | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._draft = draft
        self._clock = clock
        self._costs = Costs()

    def start(self, row: Row, tokens: list[int]) -> Speculation:
        """A row's speculation. `tokens` are all of its ids, and grow."""
        proposers: list[tuple[str, Proposer]] = [("lookup", Lookup(tokens))]
        if row.constraint is not None:
            proposers.insert(0, ("spelling", Spelling(row.constraint, tokens)))
        if self._draft is not None:
            proposers.append(("draft", Draft(self._draft, row, tokens)))
        paced = [(proposer, Pace(kind, self._costs)) for kind, proposer in proposers]
        return Speculation(paced, row.end_ids, self._costs, self._clock)
