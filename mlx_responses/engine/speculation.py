"""Proposing what a lone stream will say next, so that one step can confirm many tokens.

Knows where proposals come from and what they are worth; the row's own choice decides on them.
"""

import time
from collections.abc import Callable
from typing import Protocol

from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.lookup import Lookup
from mlx_responses.engine.pace import PLAIN, Costs, Pace
from mlx_responses.engine.row import Row


class Proposer(Protocol):
    """Guesses tokens. It sees the row's tokens grow."""

    def expects(self) -> bool:
        """Whether it can guess what follows the tokens now."""
        ...

    def propose(self, count: int) -> list[int]:
        """At most `count` tokens that may follow; none: no idea."""
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


class Speculation:
    """One row's proposers, each with its pace; the first that has an idea proposes."""

    def __init__(
        self, row: Row, tokens: list[int], costs: Costs, clock: Callable[[], float]
    ) -> None:
        self._end_ids = row.end_ids
        self._costs = costs
        self._clock = clock
        self._proposers: list[tuple[Proposer, Pace]] = [(Lookup(tokens), Pace("lookup", costs))]
        if row.constraint is not None:
            spelling = Spelling(row.constraint, tokens)
            self._proposers.insert(0, (spelling, Pace("spelling", costs)))
        self._pace: Pace | None = None
        self._proposed = 0
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
            ends = (place for place, token in enumerate(guessed) if token in self._end_ids)
            guessed = guessed[: next(ends, len(guessed))]
            if guessed:
                self._pace, self._proposed = pace, len(guessed)
                return guessed
        return []

    def note(self, accepted: int) -> None:
        """How many of those proposed last were said."""
        if self._pace is not None:
            self._pace.note(self._proposed, accepted)

    def tick(self, fed: int, proposed: int) -> None:
        """A step was read, and the next begun, over `fed` tokens and `proposed` ones."""
        for _, pace in self._proposers:
            pace.step()
        now = self._clock()
        if self._read_at is not None:
            self._costs.note(*self._waited_for, now - self._read_at)
        kind = self._pace.kind if proposed and self._pace is not None else PLAIN
        self._waited_for, self._read_at = (kind, fed + proposed), now


class Speculator:
    """What the rows of one model share: what its steps take, by a `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._costs = Costs()

    def start(self, row: Row, tokens: list[int]) -> Speculation:
        """A row's speculation. `tokens` are all of its ids, and grow."""
        return Speculation(row, tokens, self._costs, self._clock)
