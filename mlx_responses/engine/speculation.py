"""Proposing what streams will say next, so that one step can confirm many tokens.

Knows where proposals come from and what they are worth; each row's own choice decides on them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

from mlx.nn.layers.base import Module

from mlx_responses.engine.draft import Draft
from mlx_responses.engine.lookup import Lookup
from mlx_responses.engine.pace import MARGIN, PLAIN, SIZES, Costs, Pace, expected
from mlx_responses.engine.row import Row
from mlx_responses.engine.spelling import Habit, Spelling


class Proposer(Protocol):
    """Guesses tokens. It sees the row's tokens grow."""

    def expects(self) -> bool:
        """Whether it can guess what follows the tokens now."""
        ...

    def propose(self, count: int) -> list[int] | None:
        """At most `count` tokens that may follow; none: no idea; None: it will have one later."""
        ...


READING = "reading"
"""The kind of a step in which a proposer only prepared itself."""
TOGETHER = "together"
"""That of a step in which rows beside each other propose."""
GUESS = "guess"
"""The kind of proposals that cost nothing to make."""
DRAFT = "draft"
"""The kind of proposals that a smaller model makes."""


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

    def foresees(self) -> bool:
        """The same beside other rows."""
        return any(pace.kind != DRAFT and proposer.expects() for proposer, pace in self._proposers)

    def propose(self, room: int) -> list[int]:
        """At most `room` tokens that may be said next; the answer's end is not among them."""
        for proposer, pace in self._proposers:
            count = min(pace.count, room)
            guessed = proposer.propose(count) if count > 0 else []
            if guessed is None:
                self._kind = READING
                break
            if guessed := self._before_the_end(guessed):
                self._pace, self._kind, self._proposed = pace, pace.kind, len(guessed)
                return guessed
        return []

    def _before_the_end(self, guessed: list[int]) -> list[int]:
        ends = (place for place, token in enumerate(guessed) if token in self._end_ids)
        return guessed[: next(ends, len(guessed))]

    def note(self, accepted: int) -> None:
        """How many of those proposed last were said."""
        if self._pace is not None:
            self._pace.note(self._proposed, accepted)

    def guess(self, room: int) -> tuple[list[int], float]:
        """The same beside other rows, however many tokens pay: at most `room`, and how likely each
        is said after the one before. A draft model's are left out: it reads for one row alone.
        """
        self._pace = None
        for proposer, pace in self._proposers:
            guessed = [] if pace.kind == DRAFT else proposer.propose(room) or []
            if guessed := self._before_the_end(guessed):
                self._pace = pace
                return guessed, pace.rate
        return [], 0.0

    def learn(self, proposed: int, accepted: int) -> None:
        """How many of a guess's first `proposed` tokens were said."""
        if self._pace is not None and proposed:
            self._pace.learn(proposed, accepted)

    def fade(self) -> None:
        """A guess was not tried."""
        if self._pace is not None:
            self._pace.fade()

    def tick(self, width: int) -> None:
        """A step was read, and the next begun, `width` tokens wide."""
        for _, pace in self._proposers:
            pace.step()
        now = self._clock()
        if self._read_at is not None:
            self._costs.note(*self._waited_for, now - self._read_at)
        self._waited_for, self._read_at = (self._kind, width), now
        self._kind = PLAIN


class Crowd:
    """What steps of so many rows take together, by a clock in seconds: one width for all, which is
    paid for each row and gained where its guess is long enough.
    """

    def __init__(self) -> None:
        self._costs = Costs()

    def width(self, guesses: Sequence[tuple[Sequence[int], float]]) -> int:
        """How many tokens to propose at most, by (tokens, rate) of each row; 0: it does not pay."""
        longest = max(len(tokens) for tokens, _ in guesses)
        gains = {0: MARGIN}
        for size in SIZES:
            width = min(size, longest)
            said = sum(expected(rate, min(len(tokens), size)) for tokens, rate in guesses)
            gains[width] = said / len(guesses) / self._costs.of(TOGETHER, width + 1)
        return max(gains, key=lambda width: gains[width])

    def note(self, width: int, seconds: float) -> None:
        """A step over `width` tokens of each row took so long."""
        self._costs.note(PLAIN if width == 1 else TOGETHER, width, seconds)


class Speculator:
    """What the rows of one model share: what its steps take, by a `clock` in seconds, and the
    `draft`, a smaller model of the same vocabulary whose cache can be trimmed.

    A lone row's own proposers and paces decide. Of many rows those propose that have a grammar:
    what it forces costs nothing to guess, and the text of forms repeats itself.
    """

    def __init__(
        self, draft: Module | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._draft = draft
        self._clock = clock
        self._costs = Costs()
        self._crowds: defaultdict[int, Crowd] = defaultdict(Crowd)
        self._read: tuple[int, int, float] | None = None

    def meet(self, rows: Sequence[Row], tokens: Sequence[list[int]]) -> None:
        """Rows are about to step. `tokens` are all of each one's ids, and grow."""
        for row, known in zip(rows, tokens, strict=True):
            if row.speculation is None and (len(rows) == 1 or row.constraint is not None):
                row.speculation = self._start(row, known)

    def expects(self, rows: Sequence[Row]) -> bool:
        """Whether it is worth while to read the last tokens before the next step begins."""
        if len(rows) == 1:
            return any(one.expects() for one in _speculations(rows))
        return any(one.foresees() for one in _speculations(rows))

    def propose(self, rows: Sequence[Row], rooms: Sequence[int]) -> list[list[int]]:
        """For each row, at most so many tokens that may be said next; an empty list: no row any."""
        if len(rows) == 1:
            [one] = _speculations(rows)
            proposed = [one.propose(rooms[0]) if rooms[0] > 0 else []]
        else:
            proposed = self._propose_together(rows, rooms)
        return proposed if any(proposed) else []

    def _propose_together(self, rows: Sequence[Row], rooms: Sequence[int]) -> list[list[int]]:
        guesses = [
            row.speculation.guess(min(room, max(SIZES)))
            if room > 0 and row.constraint is not None and row.speculation is not None
            else ([], 0.0)
            for row, room in zip(rows, rooms, strict=True)
        ]
        width = self._crowds[len(rows)].width(guesses)
        for one in _speculations(rows) if width == 0 else ():
            one.fade()
        return [tokens[:width] for tokens, _ in guesses]

    def note(
        self, rows: Sequence[Row], proposed: Sequence[Sequence[int]], accepted: Sequence[int]
    ) -> None:
        """How many of the tokens that were proposed last each row said."""
        if len(rows) == 1:
            for one in _speculations(rows):
                one.note(accepted[0])
            return
        for row, tokens, count in zip(rows, proposed, accepted, strict=True):
            if tokens and row.speculation is not None:
                row.speculation.learn(len(tokens), count)

    def tick(self, rows: Sequence[Row], width: int) -> None:
        """A step was read, and the next begun, over `width` tokens of each row."""
        now = self._clock()
        if len(rows) == 1:
            for one in _speculations(rows):
                one.tick(width)
        elif self._read is not None and self._read[0] == len(rows):
            self._crowds[len(rows)].note(self._read[1], now - self._read[2])
        self._read = (len(rows), width, now)

    def _start(self, row: Row, tokens: list[int]) -> Speculation:
        proposers: list[tuple[str, Proposer]] = [(GUESS, Lookup(tokens))]
        if row.constraint is not None:
            forced = Habit(row.constraint, tokens), Spelling(row.constraint)
            proposers = [(GUESS, forced[0]), (GUESS, forced[1]), *proposers]
        if self._draft is not None:
            proposers.append((DRAFT, Draft(self._draft, row, tokens)))
        paced = [(proposer, Pace(kind, self._costs)) for kind, proposer in proposers]
        return Speculation(paced, row.end_ids, self._costs, self._clock)


def _speculations(rows: Sequence[Row]) -> list[Speculation]:
    return [row.speculation for row in rows if row.speculation is not None]
